"""The verbs that show what is known of runs and functions: options and help. Commands are imported when they run."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from orchestrator import cli_options as opt
from orchestrator.verbs.answering import answer


@click.command("runs")
@opt.known
@opt.option(
    "--all", "everything", is_flag=True, envvar="ORCHESTRATOR_RUNS_ALL", help="Also list runs that only the bucket has."
)
def _runs(output: str, **given: Any) -> int:
    """List runs, newest first.

    Lists the runs in the journal, or those of the bucket's records if the journal has none. With --all, also lists the
    newest runs in the bucket from other machines and other manifests.

    \b
    Examples:
      orchestrator runs
      orchestrator runs --all -o json
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.runs import runs_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(runs_command, given), output)


@click.command("show")
@click.argument("run", default="last")
@opt.known
@opt.option("--all", "everything", is_flag=True, help="Show every function, however many.")
@opt.timings
def _show(output: str, **given: Any) -> int:
    """Show a run or a saved plan.

    RUN: an ID, the beginning of one, or "last"; or the file of a plan saved by `plan --out`. A run is shown with its
    resumes: each function, and each failure in full.

    \b
    Examples:
      orchestrator show                        # the last run
      orchestrator show plan.json -o markdown  # a saved plan, for a review
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.show import show_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(show_command, given), output)


@click.command("report")
@click.argument("run", default="last")
@opt.known
@opt.reporting
def _report(output: str, **given: Any) -> int:
    """Report how a run went and where its time was spent.

    RUN: an ID, the beginning of one, or "last"; it may still be running. The report covers the run and its resumes:
    time by cause, the gain from higher limits, failures by cause, the slowest functions, limits and waves.

    \b
    Examples:
      orchestrator report                       # a summary of the last run
      orchestrator report --html report.html    # every step, over time
      orchestrator report --md >> "$GITHUB_STEP_SUMMARY"
      orchestrator report --json > report.json  # see `orchestrator schema report`
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.report import report_command  # noqa: PLC0415 - heavy imports only when needed

    form = "json" if given["as_json"] else "markdown" if given["as_markdown"] else output
    return answer(partial(report_command, given), form)


@click.command("why")
@click.argument("function")
@opt.option("--job", default="", metavar="JOB", help="Explain the next run of this job instead of the next deploy.")
@opt.param
@opt.cloud
def _why(output: str, **given: Any) -> int:
    """Explain the state of a function and its next change.

    FUNCTION: a key, a name or an ID. Shows what is live and who made it, what the next plan does and why, and the file
    and line of each setting. Also shows what the function waits for in a running run, and its outcomes in the last ten
    runs. Changes nothing. Facts that cannot be read are reported as such.

    Exits with the code of `plan`, or with 2 if the function is not known anywhere.

    \b
    Examples:
      orchestrator why thumbnailer
      orchestrator why thumbnailer --env prod
      orchestrator why thumbnailer --job to-python312
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.why import why_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(why_command, given), output)


@click.command("ui")
@opt.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on. Default: any free port.")
@opt.option(
    "--open/--no-open", "open_page", default=True, help="Open the page in a browser, or only print its address."
)
@opt.option("--allow-actions", is_flag=True, help="Allow the page to pause, resume, promote and roll back runs.")
@opt.sandbox
@opt.manifest
@opt.place
def _ui(**given: Any) -> int:
    """Show runs and plans in a browser on this machine.

    Shows all runs, and running ones live, whichever process runs them. Also shows what `why`, `plan`, `jobs` and
    `run JOB --status` print. Listens on loopback only, until Ctrl-C. The printed address contains the access token.
    Changes nothing, unless --allow-actions permits the page to pause, resume, promote and roll back runs. Each action
    is confirmed.

    \b
    Examples:
      orchestrator ui
      orchestrator ui --no-open --port 8030    # on a host reached over SSH
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.serving.ui import ui_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(ui_command, given))


VERBS = (_runs, _show, _report, _why, _ui)
