"""The verbs that change nothing: what is planned, declared, known of runs and functions; and the sandbox."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from orchestrator import cli_options as opt
from orchestrator.verbs import ci_options
from orchestrator.verbs.answering import answer


@click.command("plan")
@opt.selection
@opt.force
@opt.option("--detailed-exitcode", is_flag=True, help="Exit with 0: no changes, 1: any error, 2: changes.")
@opt.saving
@opt.simulate
@opt.verbose
@opt.skips
@opt.agreeing
@ci_options.plans
@opt.cloud
def _plan(output: str, **given: Any) -> int:
    """Show what `deploy FUNCTIONS` would do to each function, and why. Changes nothing.

    Exits with 1 where a function is blocked. --env all plans every environment of the manifest: a table of functions
    and environments, with the worst exit code.
    """
    from orchestrator.app.commands.plan import plan_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(plan_command, given), output)


@click.command("jobs")
@opt.manifest
@opt.output
def _jobs(output: str, **given: Any) -> int:
    """List the jobs: those of the manifest with the next time each is due, and those that a manifest can bind."""
    from orchestrator.app.commands.jobs import jobs_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(lambda _: jobs_command(**given), output)


@click.command("validate")
@opt.manifest
@ci_options.plans
@opt.output
def _validate(output: str, **given: Any) -> int:
    """Check the manifest, its sources and jobs: every mistake at once. Asks no cloud, runs no build.

    Of a manifest with environments each is checked, with --env that one.
    """
    from orchestrator.app.commands.validate import validate_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(lambda _: validate_command(**given), output)


@click.command("init")
@opt.option("--yes", "-y", is_flag=True, help="Ask nothing: take YC_FOLDER_ID, and --bucket where it is given.")
@opt.option("--bucket", help="The bucket for packages; none: packages go inline, up to 3.5 MB each.")
@opt.config
@opt.output
def _init(output: str, **given: Any) -> int:
    """Write a first deploy.toml, of the functions that lie in this folder. Writes nothing else, and over nothing.

    Found are folders with a handler in Python, Node.js, Go, PHP, Java, C# or Bash. On a terminal it asks for the id of
    the folder in the cloud and for the bucket; --yes asks nothing. --config names another file, and so another folder.
    """
    from orchestrator.app.commands.init import init_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(init_command, given), output)


@click.command("render")
@click.argument("functions", nargs=-1)
@opt.label
@opt.option("--verbose", "-v", is_flag=True, help="Name the values that each value replaces, too.")
@opt.manifest
@opt.output
def _render(output: str, **given: Any) -> int:
    """Show the settings of FUNCTIONS as defaults, templates and variables make them, each with where it comes from.

    FUNCTIONS: names, globs, label:K=V, "!" leaves out, @FILE; default: all of the manifest, disabled ones too. The text
    is TOML that says the same without [defaults] and [templates]. What is secret is redacted. Asks no cloud, runs no
    build, and needs no source.

    \b
    orchestrator render thumbnailer          file, line, table and variables of each value
    orchestrator render -v 'auth-*'          with the places of the values that they replace
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.render import render_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(render_command, given), output)


@click.command("package")
@click.argument("function")
@opt.option("--list", "listed", is_flag=True, help="List what would be packed; the default.")
@opt.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="ORCHESTRATOR_PACKAGE_OUT",
    help="Write the zip to a file that is not there yet.",
)
@opt.option("--diff", is_flag=True, help="Name the files that differ from the live package, as far as they are known.")
@opt.option("--verbose", "-v", is_flag=True, help="Name what is left out of the package, and by which rule.")
@opt.sandbox
@opt.reach
def _package(output: str, **given: Any) -> int:
    """Show what the package of FUNCTION would hold: mode, size, SHA-256 and path of each file.

    Its `build` runs first, as for a plan. --list and --out ask no cloud; --diff reads what is live of this function,
    and needs the package of that to be from a run of this state folder.

    \b
    orchestrator package thumbnailer -v              with what is left out, and why
    orchestrator package thumbnailer --out fn.zip    the zip that a deploy would send; says its SHA-256
    orchestrator package thumbnailer --diff          which files have changed since it was deployed
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.package import package_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(package_command, given), output)


@click.command("schema")
@click.argument("of", type=click.Choice(["manifest", "include", "gate", "report"]), default="manifest")
def _schema(of: str) -> int:
    """Print the JSON Schema of deploy.toml, for editors; of `include`: of a file that it includes; of `gate`: of what a
    gate reads on its standard input; of `report`: of what `report --json` writes.
    """
    from orchestrator.app.commands.schema import schema_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(lambda _: schema_command(of))


@click.command("runs")
@opt.known
@opt.option(
    "--all", "everything", is_flag=True, envvar="ORCHESTRATOR_RUNS_ALL", help="Also those that only the bucket knows."
)
def _runs(output: str, **given: Any) -> int:
    """List the runs that the journal knows, the newest first; where it has none, those of the bucket's records.

    --all lists besides the newest runs that the bucket has records of: of other machines, and of other manifests.
    """
    from orchestrator.app.commands.runs import runs_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(runs_command, given), output)


@click.command("show")
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

    return answer(partial(show_command, given), output)


@click.command("report")
@click.argument("run", default="last")
@opt.known
@opt.reporting
def _report(output: str, **given: Any) -> int:
    """Tell how RUN (an id, the beginning of one, or "last") went, with all that took it up; one that is under way, too.

    Where its time went, and what a higher limit would give; failures by cause; the slowest functions; limits, waves.

    \b
    orchestrator report                       the last run, in short
    orchestrator report --html report.html    a page: every step of every function over time, slots, changes
    orchestrator report --md >> "$GITHUB_STEP_SUMMARY"    also for a wiki, a mail
    orchestrator report --json > report.json  all of it; `orchestrator schema report` says what it holds
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.report import report_command  # noqa: PLC0415 - heavy imports only when needed

    form = "json" if given["as_json"] else "markdown" if given["as_markdown"] else output
    return answer(partial(report_command, given), form)


@click.command("why")
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

    return answer(partial(why_command, given), output)


@click.command("ui")
@opt.option("--port", type=click.IntRange(0, 65535), default=0, help="Where it listens; default: any free port.")
@opt.option("--open/--no-open", "open_page", default=True, help="Open it in the browser; --no-open: print it alone.")
@opt.option("--allow-actions", is_flag=True, help="Let the page stop runs, resume, promote and roll them back.")
@opt.sandbox
@opt.manifest
@opt.place
def _ui(**given: Any) -> int:
    """Show runs in the browser of this machine: all of them, and one as it goes on, whichever process carries it out;
    what `why`, `plan`, `jobs` and `run JOB --status` say, too.

    Listens on loopback alone, until Ctrl-C; the address that it prints has the token that lets you in. Changes
    nothing, unless --allow-actions lets the page do what `resume`, `promote` and `rollback` do, each asked about.

    \b
    orchestrator ui                          opens the page
    orchestrator ui --no-open --port 8030    over SSH: `ssh -L 8030:127.0.0.1:8030 HOST`, then open what is printed
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.serving.ui import ui_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(ui_command, given))


@click.command("sandbox")
@opt.serving
def _sandbox(**given: Any) -> int:
    """Serve the embedded sandbox alone, on loopback: point `deploy --endpoint` at it."""
    from orchestrator.app.commands.serving.sandbox import sandbox_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(sandbox_command, given))


@click.command("import")
@opt.importing
def _import(output: str, **given: Any) -> int:
    """Write the manifest of what is live: of FUNCTIONS (names, globs, label:K=V) of folders, or of all of them.

    Common values become [defaults], groups [templates]. Code stays as it is (version_id = "$latest") until a function
    names a source; the next plan has nothing to do. Values that look like secrets are not written: their variables are
    listed. With --update the manifest that there is gets what is live otherwise, its comments and layout kept; the
    changes are shown and asked about. Changes nothing in the cloud.

    \b
    orchestrator import --folder b1g…                      to stdout
    orchestrator import --cloud b1g… --out deploy.toml     every folder of a cloud
    orchestrator import --from terraform.tfstate           the functions of a Terraform state, as it declares them
    orchestrator import --update 'auth-*'                  what is live goes back into the manifest that there is
    """  # noqa: D301 - \b is click's mark for text that is not to be rewrapped
    from orchestrator.app.commands.import_ import import_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(import_command, given), output)


VERBS = (
    _init, _plan, _import, _jobs, _validate, _render, _package, _schema, _runs, _show, _report, _why, _ui, _sandbox,
)  # fmt: skip
