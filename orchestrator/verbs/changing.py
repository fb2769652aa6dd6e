"""The verbs that change what is live: their options, their help. What they do is imported when it is done."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from orchestrator import cli_options as opt
from orchestrator.verbs import ci_options
from orchestrator.verbs.answering import answer


@click.command("deploy")
@opt.selection
@opt.saved
@opt.simulate
@opt.changing
@opt.force
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.cloud
def _deploy(output: str, **given: Any) -> int:
    """Deploy FUNCTIONS: names, globs, label:K=V, any of these with "!": left out, @FILE; default: all of the manifest.

    \b
    orchestrator deploy --sandbox            all of deploy.toml, into the sandbox
    orchestrator deploy 'auth-*' --yes       without a question, as CI needs it
    orchestrator deploy '!legacy-*'          all but these
    orchestrator deploy --failed             what failed in the last run
    orchestrator deploy --plan plan.json     what `plan --out plan.json` has shown, and nothing else
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.deploy import deploy_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(deploy_command, given), output)


@click.command("run")
@click.argument("job")
@opt.selection
@opt.param
@opt.option("--status", is_flag=True, help="Show how far the job has come, and change nothing.")
@opt.option("--update-manifest", is_flag=True, help="Write what the job changes into the manifest, too; shown first.")
@opt.option("--due", is_flag=True, help="Run only if a time of its schedule is due, once for each: for cron.")
@opt.simulate
@opt.changing
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.cloud
def _run(output: str, **given: Any) -> int:
    """Run JOB, a [jobs.JOB] of the manifest; FUNCTIONS: only these of what it has to do.

    \b
    orchestrator run to-python312 --dry-run  what it would do, and why
    orchestrator run to-python312 --status   the board: done, old tags, waiting, failed, skipped
    orchestrator run to-python312 --update-manifest   and deploy.toml says python312 afterwards
    orchestrator run nightly --due --yes     for a crontab: does nothing unless it is due
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.run import run_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(run_command, given), output)


@click.command("resume")
@click.argument("run", default="last")
@opt.option("--give-up", is_flag=True, help="Leave what it left undone as it is: there is nothing to resume then.")
@opt.plan_of_run
@opt.param
@opt.option("--yes", "-y", is_flag=True, help="As for deploy; resume never asks, since the run was agreed to.")
@opt.events
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.reach
def _resume(output: str, **given: Any) -> int:
    """Take up RUN (an id, the beginning of one, or "last"), which was interrupted or killed.

    Functions that have ended are not touched; what was asked for is followed to its end; the rest is planned anew, and
    done where it is still what the run was about: with its manifest, in its folders. After too many failures nothing
    new starts; nor does what was rolled back. The exit code is that of the run and of all that took it up.
    """
    from orchestrator.app.commands.resume import resume_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(resume_command, given), output)


@click.command("rollback")
@opt.taking_back
@opt.lossy
@opt.wider
@opt.changing_back
@opt.sandbox
@ci_options.changes
@opt.reach
def _rollback(output: str, **given: Any) -> int:
    """Take back what RUN has changed, or of it only FUNCTIONS: names, globs, label:K=V, "!" leaves out, @FILE.

    RUN: an id, the beginning of one, or "last"; default: the last run that changed something, which may be a whole
    chain of runs. Tags go back to the versions that held them, then $latest to a copy of the former version. What
    somebody else has changed since is left alone, and named. No waves, no pauses.

    \b
    orchestrator rollback                    the last run that changed something
    orchestrator rollback --dry-run          what goes back to what, and what is left alone
    orchestrator rollback last 'auth-*'      of the last run only these
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.rollback import rollback_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(rollback_command, given), output)


@click.command("prune")
@opt.selection
@opt.pruning
@opt.changing_back
@opt.sandbox
@ci_options.changes
@opt.reach
def _prune(output: str, **given: Any) -> int:
    """Delete old versions of FUNCTIONS: names, globs, label:K=V, "!" leaves out, @FILE; default: all of the manifest.

    Kept: the newest of each function, what has a tag, what the last runs have found or made, what the manifest names,
    what was not made by this tool. Without records of runs in the bucket only what is older than 90 days goes.
    Of the bucket packages that nobody needs any more go as well, and records of old runs. --dry-run shows what would
    go, and why the rest stays.
    """
    from orchestrator.app.commands.prune import prune_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(prune_command, given), output)


@click.command("promote")
@click.argument("run", default="last")
@opt.plan_of_run
@opt.param
@opt.option("--yes", "-y", is_flag=True, help="Do not ask.")
@opt.events
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.reach
def _promote(output: str, **given: Any) -> int:
    """Let RUN go on, which is paused (an id, the beginning of one, or "last": the last that is paused).

    What is left of it is planned anew, shown, and asked about; its next waves, pauses and gates follow. Who has let it
    go on stands in its record. After a breach that it was paused for, the budget of failures is a new one.
    """
    from orchestrator.app.commands.promote import promote_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(promote_command, given), output)


VERBS = (_deploy, _run, _resume, _rollback, _prune, _promote)
