"""The command line: options become values, errors become exit codes. Commands are imported when they run."""

from __future__ import annotations

import io
import os
import sys
import traceback
from functools import partial

import click

from orchestrator import __version__
from orchestrator.errors import OrchestratorError
from orchestrator.report.streams import lose_output, open_streams, settle_streams
from orchestrator.verbs import changing, inspecting, reading
from orchestrator.verbs.answering import answer

COMPLETING = "_ORCHESTRATOR_COMPLETE"  # the variable by which a shell asks for completions, as click names it
_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ORCHESTRATOR", "max_content_width": 110}


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="orchestrator")
def cli() -> None:
    """Deploy many Yandex Cloud Functions: package, upload, create versions, and follow every Operation to its end.

    \b
    Exit codes:
      0  done, or nothing to do
      1  some functions failed or were blocked
      2  usage or manifest error
      3  interrupted, paused, or an outcome is unknown
      4  another run holds the lock
      5  failed and rolled back
      6  could not start: credentials, network, bucket or permissions

    \b
    Examples:
      orchestrator init                # write a first deploy.toml
      orchestrator plan                # show what a deploy would change
      orchestrator deploy --sandbox    # deploy to the built-in sandbox
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped


for verb in (*changing.VERBS, *reading.VERBS, *inspecting.VERBS):
    cli.add_command(verb)


def _raise(error: OrchestratorError, _messages: object) -> None:
    raise error


def main() -> None:
    """Run the program and exit with one of the published codes."""
    open_streams()
    if COMPLETING in os.environ:
        from orchestrator.completion.shells import complete  # noqa: PLC0415 - only a shell needs it

        sys.exit(complete(cli))
    try:
        code = _run()
    finally:
        settle_streams()
    sys.exit(code)


def _run() -> int:
    stdout = sys.stdout
    try:
        if "--adopt" in sys.argv:
            from orchestrator.app.session.typed import with_adoption  # noqa: PLC0415 - heavy imports when needed

            sys.argv[1:] = with_adoption(sys.argv[1:])
        return int(cli.main(standalone_mode=False) or 0)
    except OrchestratorError as mistake:
        return answer(partial(_raise, mistake))
    except click.ClickException as error:
        error.show(text := io.StringIO())
        return answer(lambda messages: messages.usage(text.getvalue()))
    except (click.Abort, KeyboardInterrupt):
        return answer(lambda messages: messages.interrupted())
    except OSError as error:
        if not any(frame.f_code is click.echo.__code__ for frame, _ in traceback.walk_tb(error.__traceback__)):
            raise
        return _without_output(error)
    except SystemExit:
        if sys.stdout is stdout:
            raise
        return _without_output(BrokenPipeError())  # click replaces the streams where a reader went away


def _without_output(error: OSError) -> int:
    """Return the exit code where help or a version, which click writes itself, could not be written."""
    try:
        lose_output(error)
    except OrchestratorError as lost:
        return answer(partial(_raise, lost))
    return 0
