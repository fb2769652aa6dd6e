"""The verbs that change nothing in the cloud: plans, the manifest, and the sandbox."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from orchestrator import cli_options as opt
from orchestrator.report.published.catalog import CATALOG
from orchestrator.verbs import ci_options
from orchestrator.verbs.answering import answer


@click.command("plan")
@opt.selection
@opt.force
@opt.option("--detailed-exitcode", is_flag=True, help="Exit with 0 for no changes, 1 for an error, 2 for changes.")
@opt.saving
@opt.simulate
@opt.verbose
@opt.skips
@opt.agreeing
@ci_options.plans
@opt.cloud
def _plan(output: str, **given: Any) -> int:
    """Show what a deploy would change, and why.

    FUNCTIONS: names, globs, label:K=V or @FILE; a leading "!" excludes. Default: all functions of the manifest.

    Changes nothing. Exits with 1 if a function is blocked. With --env all, plans every environment of the manifest as a
    table of functions and environments, and exits with the worst code.

    \b
    Examples:
      orchestrator plan                    # all functions
      orchestrator plan 'auth-*' -v        # with unchanged functions and files
      orchestrator plan --out plan.json    # save it, for deploy --plan plan.json
      orchestrator plan --detailed-exitcode
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.plan import plan_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(plan_command, given), output)


@click.command("jobs")
@opt.manifest
@opt.option("--verbose", "-v", is_flag=True, help="Also describe the jobs that a manifest can use.")
@opt.output
def _jobs(output: str, **given: Any) -> int:
    """List jobs and when they are due.

    Lists the jobs of the manifest with the next time each is due, then names the jobs that a manifest can use.

    \b
    Examples:
      orchestrator jobs
      orchestrator jobs -o json
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.jobs import jobs_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(lambda _: jobs_command(**given), output)


@click.command("validate")
@opt.manifest
@ci_options.plans
@opt.output
def _validate(output: str, **given: Any) -> int:
    """Check the manifest, its sources and jobs.

    Reports every mistake at once. Does not contact the cloud and runs no build. Checks every environment of the
    manifest, or only the one given by --env.

    \b
    Examples:
      orchestrator validate
      orchestrator validate --env prod
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.validate import validate_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(lambda _: validate_command(**given), output)


@click.command("init")
@opt.option("--yes", "-y", is_flag=True, help="Skip the prompts: use YC_FOLDER_ID, and --bucket if given.")
@opt.option("--bucket", help="Bucket for packages. Without one, packages are sent inline, up to 3.5 MB each.")
@opt.config
@opt.output
def _init(output: str, **given: Any) -> int:
    """Write a first deploy.toml for the functions found here.

    Finds folders with a handler in Python, Node.js, Go, PHP, Java, C# or Bash. Never overwrites a file. On a terminal,
    asks for the cloud folder ID and the bucket. --config chooses another file, and searches the folder of that file.

    \b
    Examples:
      orchestrator init
      orchestrator init --yes --bucket deploy-packages
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.init import init_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(init_command, given), output)


@click.command("render")
@click.argument("functions", nargs=-1)
@opt.label
@opt.option("--verbose", "-v", is_flag=True, help="Also show the values that each value replaces.")
@opt.manifest
@opt.output
def _render(output: str, **given: Any) -> int:
    """Show the resolved settings of functions.

    FUNCTIONS: names, globs, label:K=V or @FILE; a leading "!" excludes. Default: all functions of the manifest,
    disabled ones included.

    Prints TOML without [defaults] and [templates]. Each value has the file, line, table and variables that it comes
    from. Secrets are redacted. Does not contact the cloud, runs no build and reads no sources.

    \b
    Examples:
      orchestrator render thumbnailer
      orchestrator render -v 'auth-*'    # with the values that were replaced
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.render import render_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(render_command, given), output)


@click.command("package")
@click.argument("function")
@opt.option("--list", "listed", is_flag=True, help="List the files of the package. This is the default.")
@opt.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="ORCHESTRATOR_PACKAGE_OUT",
    help="Write the zip to a new file.",
)
@opt.option("--diff", is_flag=True, help="List the files that differ from the live package, as far as it is known.")
@opt.option("--verbose", "-v", is_flag=True, help="List what is excluded from the package, and by which rule.")
@opt.sandbox
@opt.reach
def _package(output: str, **given: Any) -> int:
    """Show what the package of a function contains.

    Lists mode, size, SHA-256 and path of each file. Runs the `build` of FUNCTION first, as a plan does. --list and
    --out do not contact the cloud. --diff reads the live version, whose package must be from a run of this state
    folder.

    \b
    Examples:
      orchestrator package thumbnailer -v             # with excluded files
      orchestrator package thumbnailer --out fn.zip   # what a deploy uploads
      orchestrator package thumbnailer --diff         # what has changed
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.package import package_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(package_command, given), output)


@click.command("schema")
@click.argument("of", metavar="[KIND]", type=click.Choice(["manifest", "include", *CATALOG]), default="manifest")
@click.option("--list", "listed", is_flag=True, help="List the kinds, their versions and the commands that write them.")
def _schema(of: str, *, listed: bool) -> int:
    """Print a JSON Schema.

    \b
    manifest  deploy.toml, for editors (default)
    include   a file that deploy.toml includes
    plan, result, report, event, ...
              a JSON document that a command writes: see --list

    \b
    Examples:
      orchestrator schema > deploy.schema.json
      orchestrator schema plan
      orchestrator schema --list
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.schema import schema_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(lambda _: schema_command(of, listed=listed))


@click.command("sandbox")
@opt.serving
def _sandbox(**given: Any) -> int:
    """Serve the built-in sandbox cloud on loopback.

    Point other commands at it with --endpoint.

    \b
    Examples:
      orchestrator sandbox --bucket deploy-packages
      orchestrator sandbox --seed seed.toml --quota operations_per_folder=15
      orchestrator sandbox --faults 7 --latency 50ms
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.serving.sandbox import sandbox_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(sandbox_command, given))


@click.command("import")
@opt.importing
def _import(output: str, **given: Any) -> int:
    """Write a manifest from live functions.

    FUNCTIONS: only these functions of the folders: names, globs or label:K=V. Default: all of them.

    Common values become [defaults], and values of groups [templates]. Code stays as it is (version_id = "$latest")
    until you set a source, so the next plan has no changes. Values that look like secrets are not written: their
    variables are listed. --update puts live changes into the existing manifest and keeps its comments and layout; the
    changes are shown and confirmed. Changes nothing in the cloud.

    \b
    Examples:
      orchestrator import --folder b1g…                   # print it
      orchestrator import --cloud b1g… --out deploy.toml  # all folders of a cloud
      orchestrator import --from terraform.tfstate        # from a Terraform state
      orchestrator import --update 'auth-*'               # update deploy.toml
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.app.commands.import_ import import_command  # noqa: PLC0415 - heavy imports only when needed

    return answer(partial(import_command, given), output)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def _completion(shell: str) -> int:
    """Print the completion script of a shell.

    It completes commands, options, names of functions, labels, jobs and environments, and ids of runs. Put
    eval "$(orchestrator completion bash)" into ~/.bashrc. For zsh, put it after compinit in ~/.zshrc.

    \b
    Examples:
      orchestrator completion fish | source   # in config.fish
      orchestrator completion zsh > _orchestrator   # in a folder of $fpath
    """  # noqa: D301 - \b is click's mark for text that must not be rewrapped
    from orchestrator.completion.shells import print_script  # noqa: PLC0415 - only a shell needs it

    return print_script(shell)


VERBS = (_init, _plan, _import, _jobs, _validate, _render, _package, _schema, _sandbox, _completion)
