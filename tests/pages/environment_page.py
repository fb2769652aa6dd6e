"""The variables of options in docs/environment.md, generated from the commands."""

from __future__ import annotations

from collections import defaultdict

import click

from orchestrator.cli import cli

_MANY = 5  # commands that are listed


def option_variables() -> str:
    """Return a table of the variables that set options, with the option and the commands that have it."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, command in sorted(cli.commands.items()):
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.envvar, str) and not option.hidden:
                found[option.envvar, max(option.opts, key=len)].append(name)
    rows = ["| variable | option | commands |", "| --- | --- | --- |"]
    for (variable, long_name), names in sorted(found.items()):
        listed = ", ".join(f"[{name}](cli.md#{name})" for name in names)
        rows.append(f"| `{variable}` | `{long_name}` | {listed if len(names) <= _MANY else f'{len(names)} commands'} |")
    return "\n".join(rows)
