"""The options for output to a CI. Commands do not see them: `answering` reads them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from orchestrator.cli_options import option, options
from orchestrator.errors import UsageError
from orchestrator.report.ci.recognised import AUTO, KINDS, NO_CI, CiFiles, recognised

_CI = "orchestrator.ci"  # key in a context's `meta` for the values of these options


def _for_ci(context: click.Context, asked: click.Parameter, value: str | Path | None) -> None:
    """Keep the value of an option for `files_for_ci`. Raises `UsageError` where the folder of a file is missing."""
    if isinstance(value, Path) and not value.absolute().parent.is_dir():
        raise UsageError(f"{asked.opts[0]} {value}: there is no folder {value.parent}", advice="create it first")
    context.meta.setdefault(_CI, {})[asked.name] = value


plans = options(
    option(
        "--ci", type=click.Choice(KINDS), default=AUTO, expose_value=False, callback=_for_ci,
        help="Write annotations, log groups and a summary for this CI. auto: the CI that it runs in.",
    ),
    option(
        "--code-quality", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", expose_value=False,
        callback=_for_ci, help="Write problems to FILE as a GitLab code quality report.",
    ),
)  # fmt: skip
changes = options(
    plans,
    option(
        "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", expose_value=False,
        callback=_for_ci, help="Write the outcome of each function to FILE as JUnit XML.",
    ),
)  # fmt: skip


def files_for_ci() -> tuple[CiFiles, str]:
    """Return what the running verb writes for a CI, and the verb's name; nothing for a verb without these options."""
    context = click.get_current_context(silent=True)
    asked = context.meta.get(_CI) if context is not None else None
    if context is None or asked is None:
        return NO_CI, ""
    junit, code_quality = asked.get("junit"), asked["code_quality"]
    return recognised(asked["ci"], os.environ, junit=junit, code_quality=code_quality), str(context.info_name)
