"""The options of what is written for a CI: no command knows of them, whoever answers does."""

from __future__ import annotations

import os
from pathlib import Path

import click

from orchestrator.cli_options import option, options
from orchestrator.errors import UsageError
from orchestrator.report.ci.recognised import AUTO, KINDS, NO_CI, CiFiles, recognised

_CI = "orchestrator.ci"  # in a context's `meta`: what these options have said


def _for_ci(context: click.Context, asked: click.Parameter, value: str | Path | None) -> None:
    """Keep an option for whoever answers: no command knows of CIs. A file is to be where it can be written."""
    if isinstance(value, Path) and not value.absolute().parent.is_dir():
        raise UsageError(f"{asked.opts[0]} {value}: there is no folder {value.parent}", advice="make it before")
    context.meta.setdefault(_CI, {})[asked.name] = value


plans = options(
    option(
        "--ci", type=click.Choice(KINDS), default=AUTO, expose_value=False, callback=_for_ci,
        help="Write annotations, groups of the log and a summary for this CI; auto: for the one that it runs in.",
    ),
    option(
        "--code-quality", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", expose_value=False,
        callback=_for_ci, help="Write what is wrong to a file, as a code quality report of GitLab.",
    ),
)  # fmt: skip
changes = options(
    plans,
    option(
        "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", expose_value=False,
        callback=_for_ci, help="Write what became of each function to a file, as JUnit XML.",
    ),
)  # fmt: skip


def files_for_ci() -> tuple[CiFiles, str]:
    """Say what the running verb is to write for a CI, and its name; of a verb without these options, nothing."""
    context = click.get_current_context(silent=True)
    asked = context.meta.get(_CI) if context is not None else None
    if context is None or asked is None:
        return NO_CI, ""
    junit, code_quality = asked.get("junit"), asked["code_quality"]
    return recognised(asked["ci"], os.environ, junit=junit, code_quality=code_quality), str(context.info_name)
