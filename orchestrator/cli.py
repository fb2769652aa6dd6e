"""The command line: options to values, errors to exit codes. What a command does is imported when it is run."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from orchestrator import __version__
from orchestrator.errors import OrchestratorError
from orchestrator.report.formats import FORMATS
from orchestrator.report.streams import open_streams, tell_crashes

F = TypeVar("F", bound=Callable[..., Any])
_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ORCHESTRATOR", "max_content_width": 110}


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Every option has its environment variable, ORCHESTRATOR_…, the same for all verbs."""
    name = next(name for name in names if name.startswith("--")).split("/")[0].removeprefix("--")
    attributes.setdefault("envvar", f"ORCHESTRATOR_{name.upper().replace('-', '_')}")
    return click.option(*names, show_envvar=True, **attributes)


_config = _option("--config", "-c", type=click.Path(path_type=Path), default="deploy.toml", help="The manifest.")
_state = _option(
    "--state", type=click.Path(path_type=Path), help="The state folder; default: .orchestrator beside the manifest."
)  # fmt: skip
_output = _option("--output", "-o", type=click.Choice(list(FORMATS)), default="text", help="The form of the data.")
_logging = _options(
    _option(
        "--log-level", type=click.Choice(["auto", "debug", "info", "warning", "error"]), default="auto",
        help="The least level shown; auto: warning on a terminal, info elsewhere, and no line for each function.",
    ),
    _option("--log-format", type=click.Choice(["console", "json"]), default="console", help="The form of the logs."),
)  # fmt: skip


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="orchestrator")
def cli() -> None:
    """Deploy many Yandex Cloud Functions: package, upload, create versions, follow every Operation to its end.

    \b
    Exit codes: 0 done or nothing to do, 1 some functions failed or were blocked, 2 usage or manifest error,
    3 interrupted or an outcome is unknown, 4 another run holds the lock, 5 failed and rolled back,
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


_selection = _options(
    click.argument("functions", nargs=-1),
    _option("--label", "-l", "labels", multiple=True, metavar="K=V", help="Only functions with this label."),
    _option("--failed", is_flag=True, help="Only what failed in the last run."),
    _option("--undone", is_flag=True, help="Only what the last run left undone: failed, cancelled, unknown."),
)
_place = _options(
    _state,
    _option("--endpoint", metavar="URL", help="Another installation of the cloud."),
    _option("--bucket", help="The bucket for packages and records of runs, instead of the manifest's."),
)
_known = _options(_config, _place, _output)
_reach = _options(
    _option("--config", "-c", type=click.Path(path_type=Path), help="The manifest; default: deploy.toml."),
    _place,
    _option("--lock-timeout", default="0s", metavar="DURATION", help="Wait this long for another run to end."),
    _option("--start-timeout", default="10s", metavar="DURATION", help="Try this long to get a first answer."),
    _option("--max-outage", default="30m", metavar="DURATION", help="Pause this long in an outage, then give up."),
    _output,
    _logging,
)  # fmt: skip
_cloud = _options(
    _option("--sandbox", is_flag=True, help="Work in the embedded sandbox: no account, no network."),
    _option("--adopt", multiple=True, metavar="[NAME@VERSION]", help="Let all live versions lose settings, or one."),
    _reach,
)
_param = click.option("--param", "-p", multiple=True, metavar="K=V", help="A parameter of the job, over [jobs.JOB].")
_timings = _option("--timings", is_flag=True, help="Show how long each step of a function took, the queue too.")
_events = _options(_option("--events", metavar="FILE", help="Write every event to a file as NDJSON."), _timings)
_force = _option("--force", is_flag=True, help="Make new versions of unchanged functions too.")
_verbose = _option(
    "--verbose", "-v", is_flag=True, help="Name what a plan only counts: unchanged, left out of packages."
)
_changing = _options(
    _verbose,
    _option("--yes", "-y", is_flag=True, help="Do not ask."),
    _option("--dry-run", is_flag=True, help="Print the plan and change nothing."),
    _option("--run-key", metavar="TEXT", help="Of forced versions: the same key never makes a second one."),
    _events,
)


@cli.command("deploy")
@_selection
@_changing
@_force
@_cloud
def _deploy(output: str, **given: Any) -> int:
    """Deploy FUNCTIONS: names, globs, label:K=V, any of these with "!": left out, @FILE; default: all of the manifest.

    \b
    orchestrator deploy --sandbox            all of deploy.toml, into the sandbox
    orchestrator deploy 'auth-*' --yes       without a question, as CI needs it
    orchestrator deploy '!legacy-*'          all but these
    orchestrator deploy --failed             what failed in the last run
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.deploy import deploy_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(deploy_command, given), output)


_simulate = _option("--simulate", is_flag=True, help="With a dry run: predict how long it takes, and what bounds it.")


@cli.command("plan")
@_selection
@_force
@_option("--detailed-exitcode", is_flag=True, help="Exit with 0: no changes, 1: any error, 2: changes.")
@_simulate
@_verbose
@_cloud
def _plan(output: str, **given: Any) -> int:
    """Show what `deploy FUNCTIONS` would do to each function, and why. Changes nothing.

    Exits with 1 where a function is blocked.
    """
    from orchestrator.app.commands.plan import plan_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(plan_command, given), output)


@cli.command("run")
@click.argument("job")
@_selection
@_param
@_option("--status", is_flag=True, help="Show how far the job has come, and change nothing.")
@_option("--due", is_flag=True, help="Run only if a time of its schedule is due, once for each: for cron.")
@_simulate
@_changing
@_cloud
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
@_option("--give-up", is_flag=True, help="Leave what it left undone as it is: there is nothing to resume then.")
@_param
@_events
@_reach
def _resume(output: str, **given: Any) -> int:
    """Take up RUN (an id, the beginning of one, or "last"), which was interrupted or killed.

    Functions that have ended are not touched; what was asked for is followed to its end; the rest is planned anew, and
    done where it is still what the run was about: with its manifest, in its folders. After too many failures nothing
    new starts. The exit code is that of the run and of all that took it up.
    """
    from orchestrator.app.commands.resume import resume_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(resume_command, given), output)


@cli.command("jobs")
@_config
@_output
def _jobs(config: Path, output: str) -> int:
    """List the jobs: those of the manifest with the next time each is due, and those that a manifest can bind."""
    from orchestrator.app.commands.jobs import jobs_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(lambda _: jobs_command(config), output)


@cli.command("validate")
@_config
@_output
def _validate(config: Path, output: str) -> int:
    """Check the manifest offline: every mistake at once, each with its line."""
    from orchestrator.app.commands.validate import validate_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(lambda _: validate_command(config), output)


@cli.command()
def schema() -> int:
    """Print the JSON Schema of deploy.toml, for editors."""
    from orchestrator.app.commands.schema import schema_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(lambda _: schema_command())


@cli.command("runs")
@_known
def _runs(output: str, **given: Any) -> int:
    """List the runs that the journal knows, the newest first; where it has none, those of the bucket's records."""
    from orchestrator.app.commands.runs import runs_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(runs_command, given), output)


@cli.command("show")
@click.argument("run", default="last")
@_known
@_option("--all", "everything", is_flag=True, help="Every function, however many.")
@_timings
def _show(output: str, **given: Any) -> int:
    """Show RUN (an id, the beginning of one, or "last") with all that took it up: each function, failures in full."""
    from orchestrator.app.commands.show import show_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(show_command, given), output)


@cli.command("sandbox")
@_option("--port", type=click.IntRange(0, 65535), default=8020, show_default=True, help="0: any free port.")
@_config
@_state
@_option("--bucket", "buckets", multiple=True, help="A bucket that exists from the start; may be given again.")
@_option("--latency", default="0s", metavar="DURATION", help="Added to every answer.")
@_option(
    "--durations", default="lognormal:1.2,0.4", show_default=True, metavar="SPEC",
    help="How long Operations take, in seconds: lognormal:MEDIAN,SIGMA | fixed:S | LOW-HIGH, or W*SPEC+W*SPEC.",
)  # fmt: skip
@_option(
    "--quota", "quotas", multiple=True, metavar="NAME=N",
    help="Enforced: operations_per_function, operations_per_folder, operations_per_cloud, requests_per_second …",
)  # fmt: skip
@_option("--quota-at", "quota_changes", multiple=True, metavar="DURATION:NAME=N", help="So long after the first call.")
@_option("--no-quota-manager", is_flag=True, help="Let quota-manager refuse to tell the quotas.")
@_option("--no-quota-details", is_flag=True, help="Let refusals not say which quota is used up.")
@_option(
    "--creating", default="visible", show_default=True, metavar="visible|hidden|DURATION|SHARE",
    help="Whether listings show versions while they are made, or only after so long, or only so many each (80%).",
)  # fmt: skip
@_option("--poll-interval", type=int, metavar="SECONDS", help="What answers ask for: x-operation-poll-interval.")
@_option("--faults", type=int, metavar="SEED", help="Draw faults (503, lost answers, failed builds …) from this seed.")
@_option("--record", type=click.Path(path_type=Path), help="Add each call with its body to a file, as NDJSON.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Stop with the parent process.")
def _sandbox(**given: Any) -> int:
    """Serve the embedded sandbox alone, on loopback: point `deploy --endpoint` at it."""
    from orchestrator.app.commands.sandbox import sandbox_command  # noqa: PLC0415 - heavy imports only when needed

    return _answer(partial(sandbox_command, given))


def main() -> None:
    """Run the program and exit with one of the published codes."""
    open_streams()
    if "--adopt" in sys.argv:
        from orchestrator.app.session.options import with_adoption  # noqa: PLC0415 - heavy imports only when needed

        sys.argv[1:] = with_adoption(sys.argv[1:])
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show(text := io.StringIO())
        code = _answer(lambda messages: messages.usage(text.getvalue()))
    except (click.Abort, KeyboardInterrupt):
        code = _answer(lambda messages: messages.interrupted())
    sys.exit(int(code or 0))
