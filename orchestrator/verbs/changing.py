"""The verbs that change the live state: options and help. Commands are imported when they run."""

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
    """Deploy functions of the manifest.

    FUNCTIONS: names, globs, label:K=V or @FILE; a leading "!" excludes. Default: all functions of the manifest. The
    plan is shown and confirmed first.

    \b
    Examples:
      orchestrator deploy --sandbox          # all functions, to the sandbox
      orchestrator deploy 'auth-*' --yes     # without a prompt, for CI
      orchestrator deploy '!legacy-*'        # all functions except these
      orchestrator deploy --plan plan.json   # what `plan --out plan.json` showed
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.deploy import deploy_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(deploy_command, given), output)


@click.command("run")
@click.argument("job")
@opt.selection
@opt.param
@opt.option("--status", is_flag=True, help="Show the progress of the job without changing anything.")
@opt.option("--update-manifest", is_flag=True, help="Also write the job's changes into the manifest; shown first.")
@opt.option("--due", is_flag=True, help="Run only if a scheduled time is due, and once for each: for cron.")
@opt.simulate
@opt.changing
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.cloud
def _run(output: str, **given: Any) -> int:
    """Run a job of the manifest.

    JOB: the name of a [jobs.JOB] table. FUNCTIONS: run the job only for these.

    \b
    Examples:
      orchestrator run to-python312 --dry-run   # show what it would change
      orchestrator run to-python312 --status    # show the progress so far
      orchestrator run to-python312 --update-manifest
      orchestrator run nightly --due --yes      # for cron: runs only if it is due
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.run import run_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(run_command, given), output)


@click.command("resume")
@click.argument("run", default="last")
@opt.option("--give-up", is_flag=True, help="Leave the rest undone for good: the run cannot be resumed after that.")
@opt.plan_of_run
@opt.param
@opt.option("--yes", "-y", is_flag=True, help="Accepted, but not needed: resume never prompts.")
@opt.events
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.reach
def _resume(output: str, **given: Any) -> int:
    """Resume a run that was interrupted or killed.

    RUN: an ID, the beginning of one, or "last".

    Finished functions are not touched, and calls in flight are followed to their end. The rest is planned again with
    the run's own manifest and folders, and deployed where the run still applies. Nothing new starts after too many
    failures, and functions that were rolled back stay as they are. The exit code covers the run and every resume of it.

    \b
    Examples:
      orchestrator resume              # the last run
      orchestrator resume --give-up    # leave the rest undone for good
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
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
    """Undo what a run has changed.

    RUN: an ID, the beginning of one, or "last". Default: the last run that changed something, with its resumes.
    FUNCTIONS: undo only these: names, globs, label:K=V or @FILE; a leading "!" excludes.

    Tags return to the versions that had them, then $latest becomes a copy of its previous version. Functions that were
    changed by other means since are listed and left alone. There are no waves and no pauses.

    \b
    Examples:
      orchestrator rollback                # the last run that changed something
      orchestrator rollback --dry-run      # show what would be restored
      orchestrator rollback last 'auth-*'  # only these functions of that run
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
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
    """Delete old versions, packages and run records.

    FUNCTIONS: names, globs, label:K=V or @FILE; a leading "!" excludes. Default: all functions of the manifest.

    It keeps the newest versions of each function, and those that have a tag, that the last runs found or created, that
    the manifest names, or that were made by other means. Without run records in the bucket, only versions older than
    90 days are deleted. In the bucket, unused packages and outdated run records are deleted too.

    \b
    Examples:
      orchestrator prune --dry-run           # show what would be deleted, and why
      orchestrator prune --keep 3 'auth-*'   # only versions of these functions
      orchestrator prune --only packages --yes
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.prune import prune_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(prune_command, given), output)


@click.command("promote")
@click.argument("run", default="last")
@opt.plan_of_run
@opt.param
@opt.option("--yes", "-y", is_flag=True, help="Skip the confirmation prompt.")
@opt.events
@opt.skips
@opt.agreeing
@ci_options.changes
@opt.reach
def _promote(output: str, **given: Any) -> int:
    """Continue a paused run.

    RUN: an ID, the beginning of one, or "last" for the last paused run.

    The rest of the run is planned again, shown and confirmed. Its remaining waves, pauses and gates follow. The run
    records who continued it. A run that paused because of a breach gets a new budget of failures.

    \b
    Examples:
      orchestrator promote              # the last paused run
      orchestrator promote --now --yes  # without further pauses
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.promote import promote_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(promote_command, given), output)


VERBS = (_deploy, _run, _resume, _rollback, _prune, _promote)
