"""The command line: options to values, errors to exit codes. What a command does is imported when it is run."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from orchestrator import __version__
from orchestrator import cli_options as opt
from orchestrator.errors import OrchestratorError
from orchestrator.report.streams import open_streams, tell_crashes

_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ORCHESTRATOR", "max_content_width": 110}


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="orchestrator")
def cli() -> None:
    """Deploy many Yandex Cloud Functions: package, upload, create versions, follow every Operation to its end.

    \b
    Exit codes: 0 done or nothing to do, 1 some functions failed or were blocked, 2 usage or manifest error,
    3 interrupted, paused, or an outcome is unknown, 4 another run holds the lock, 5 failed and rolled back,
    6 could not start (credentials, network, bucket, rights).
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped


def _answer(command: Callable[[Any], Any], output: str = "text") -> int:
    """Run a command, given its `Messages`; show what it gives back, or what went wrong. Gives the exit code."""
    from orchestrator.report.messages import Messages  # noqa: PLC0415 - heavy imports only when needed

    messages = Messages()
    tell_crashes(messages.outlet)
    try:
        return messages.finish(command(messages), output)
    except OrchestratorError as error:
        messages.fail(error)
        return error.exit


@cli.command("deploy")
@opt.selection
@opt.saved
@opt.changing
@opt.force
@opt.skips
@opt.agreeing
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

    return _answer(partial(deploy_command, given), output)


@cli.command("plan")
@opt.selection
@opt.force
@opt.option("--detailed-exitcode", is_flag=True, help="Exit with 0: no changes, 1: any error, 2: changes.")
@opt.saving
@opt.simulate
@opt.verbose
@opt.skips
@opt.agreeing
@opt.cloud
def _plan(output: str, **given: Any) -> int:
    """Show what `deploy FUNCTIONS` would do to each function, and why. Changes nothing.

    Exits with 1 where a function is blocked.
    """
    from orchestrator.app.commands.plan import plan_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(plan_command, given), output)


@cli.command("run")
@click.argument("job")
@opt.selection
@opt.param
@opt.option("--status", is_flag=True, help="Show how far the job has come, and change nothing.")
@opt.option("--due", is_flag=True, help="Run only if a time of its schedule is due, once for each: for cron.")
@opt.simulate
@opt.changing
@opt.skips
@opt.agreeing
@opt.cloud
def _run(output: str, **given: Any) -> int:
    """Run JOB, a [jobs.JOB] of the manifest; FUNCTIONS: only these of what it has to do.

    \b
    orchestrator run to-python312 --dry-run  what it would do, and why
    orchestrator run to-python312 --status   the board: done, old tags, waiting, failed, skipped
    orchestrator run nightly --due --yes     for a crontab: does nothing unless it is due
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.run import run_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(run_command, given), output)


@cli.command("resume")
@click.argument("run", default="last")
@opt.option("--give-up", is_flag=True, help="Leave what it left undone as it is: there is nothing to resume then.")
@opt.param
@opt.option("--yes", "-y", is_flag=True, help="As for deploy; resume never asks, since the run was agreed to.")
@opt.events
@opt.skips
@opt.agreeing
@opt.reach
def _resume(output: str, **given: Any) -> int:
    """Take up RUN (an id, the beginning of one, or "last"), which was interrupted or killed.

    Functions that have ended are not touched; what was asked for is followed to its end; the rest is planned anew, and
    done where it is still what the run was about: with its manifest, in its folders. After too many failures nothing
    new starts. The exit code is that of the run and of all that took it up.
    """
    from orchestrator.app.commands.resume import resume_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(resume_command, given), output)


@cli.command("rollback")
@opt.taking_back
@opt.lossy
@opt.changing_back
@opt.sandbox
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

    return _answer(partial(rollback_command, given), output)


@cli.command("prune")
@opt.selection
@opt.pruning
@opt.changing_back
@opt.sandbox
@opt.reach
def _prune(output: str, **given: Any) -> int:
    """Delete old versions of FUNCTIONS: names, globs, label:K=V, "!" leaves out, @FILE; default: all of the manifest.

    Kept: the newest of each function, what has a tag, what the last runs have found or made, what the manifest names,
    what was not made by this tool. Without records of runs in the bucket only what is older than 90 days goes.
    --dry-run shows what would go, and why the rest stays.
    """
    from orchestrator.app.commands.prune import prune_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(prune_command, given), output)


@cli.command("promote")
@click.argument("run", default="last")
@opt.param
@opt.option("--yes", "-y", is_flag=True, help="Do not ask.")
@opt.events
@opt.skips
@opt.agreeing
@opt.reach
def _promote(output: str, **given: Any) -> int:
    """Let RUN go on, which is paused (an id, the beginning of one, or "last": the last that is paused).

    What is left of it is planned anew, shown, and asked about; its next waves, pauses and gates follow. Who has let it
    go on stands in its record. After a breach that it was paused for, the budget of failures is a new one.
    """
    from orchestrator.app.commands.promote import promote_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(promote_command, given), output)


@cli.command("jobs")
@opt.config
@opt.output
def _jobs(config: Path, output: str) -> int:
    """List the jobs: those of the manifest with the next time each is due, and those that a manifest can bind."""
    from orchestrator.app.commands.jobs import jobs_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(lambda _: jobs_command(config), output)


@cli.command("validate")
@opt.config
@opt.output
def _validate(config: Path, output: str) -> int:
    """Check the manifest, its sources and jobs: every mistake at once. Asks no cloud, runs no build."""
    from orchestrator.app.commands.validate import validate_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(lambda _: validate_command(config), output)


@cli.command()
@click.argument("of", type=click.Choice(["manifest", "gate"]), default="manifest")
def schema(of: str) -> int:
    """Print the JSON Schema of deploy.toml, for editors; of `gate`: of what a gate reads on its standard input."""
    from orchestrator.app.commands.schema import schema_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(lambda _: schema_command(of))


@cli.command("runs")
@opt.known
def _runs(output: str, **given: Any) -> int:
    """List the runs that the journal knows, the newest first; where it has none, those of the bucket's records."""
    from orchestrator.app.commands.runs import runs_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(runs_command, given), output)


@cli.command("show")
@click.argument("run", default="last")
@opt.known
@opt.option("--all", "everything", is_flag=True, help="Every function, however many.")
@opt.timings
def _show(output: str, **given: Any) -> int:
    """Show RUN (an id, the beginning of one, or "last") with all that took it up: each function, failures in full.

    The name of a file that is there means the plan that `plan --out` has saved in it.

    \b
    orchestrator show last                   the last run
    orchestrator show plan.json -o markdown  a saved plan, for a review comment
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.show import show_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(show_command, given), output)


@cli.command("why")
@click.argument("function")
@opt.option("--job", default="", metavar="JOB", help="What the next run of this job does, instead of the next deploy.")
@opt.param
@opt.cloud
def _why(output: str, **given: Any) -> int:
    """Say of FUNCTION (a key, a name or an id) what is live and who made it, what the next plan does to it and why.

    Each setting with the file and line that it comes from; what the function waits for in a run that is under way; what
    became of it in the last ten runs. Changes nothing. What cannot be found out is said, and the exit code is then that
    of `plan`; 2 where nobody knows the function.
    """
    from orchestrator.app.commands.why import why_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(why_command, given), output)


@cli.command("sandbox")
@opt.serving
def _sandbox(**given: Any) -> int:
    """Serve the embedded sandbox alone, on loopback: point `deploy --endpoint` at it."""
    from orchestrator.app.commands.sandbox import sandbox_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(sandbox_command, given))


def _raise(error: OrchestratorError, _messages: object) -> None:
    raise error


def main() -> None:
    """Run the program and exit with one of the published codes."""
    open_streams()
    try:
        if "--adopt" in sys.argv:
            from orchestrator.app.session.options import with_adoption  # noqa: PLC0415 - heavy imports when needed

            sys.argv[1:] = with_adoption(sys.argv[1:])
        code = cli.main(standalone_mode=False)
    except OrchestratorError as mistake:
        code = _answer(partial(_raise, mistake))
    except click.ClickException as error:
        error.show(text := io.StringIO())
        code = _answer(lambda messages: messages.usage(text.getvalue()))
    except (click.Abort, KeyboardInterrupt):
        code = _answer(lambda messages: messages.interrupted())
    sys.exit(int(code or 0))
