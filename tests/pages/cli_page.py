"""The commands of docs/cli.md, generated from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from orchestrator.cli import cli

# an option that at least this many commands have is described once
_SHARED = 6


def commands() -> str:
    """Return every command with its usage, help, examples and options, in the order of names."""
    shared = _shared()
    rows = ["| command | summary |", "| --- | --- |"]
    rows += [f"| [`{name}`](#{name}) | {_summary(one)} |" for name, one in sorted(cli.commands.items())]
    parts = ["\n".join(rows)]
    for name, one in sorted(cli.commands.items()):
        parts += [f"## {name}", *_described(name, one)]
        own = [row for option in _options(one) if (row := _row(option)) not in shared]
        common = [max(option.opts, key=len) for option in _options(one) if _row(option) in shared]
        parts += [_table(own)] if own else []
        parts += (
            ["Shared options: " + ", ".join(f"[`{name}`](#shared-options)" for name in common) + "."] if common else []
        )
    parts += ["## Shared options", f"Options that {_SHARED} or more commands have.", _table(sorted(shared))]
    return "\n\n".join(parts) + "\n"


def _shared() -> set[str]:
    rows = [_row(option) for one in cli.commands.values() for option in _options(one)]
    return {row for row in rows if rows.count(row) >= _SHARED}


def _options(command: click.Command) -> Iterator[click.Option]:
    return (one for one in command.params if isinstance(one, click.Option) and not one.hidden)


def _table(rows: list[str]) -> str:
    return "\n".join(["| option | environment variable | what it does |", "| --- | --- | --- |", *rows])


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    takes = "" if option.is_flag else f" `{option.make_metavar(click.Context(cli))}`"
    variable = f"`{option.envvar}`" if option.envvar else "-"
    return f"| {names}{takes.replace('|', chr(92) + '|')} | {variable} | {_cell(option.help or '')} |"


def _summary(command: click.Command) -> str:
    return _cell(command.get_short_help_str(limit=300))


def _plain(text: str) -> str:
    return f"```text\n{text}\n```"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _described(name: str, command: click.Command) -> Iterator[str]:
    """Yield usage, then paragraphs of the help. Paragraphs that click does not rewrap are examples."""
    usage = command.collect_usage_pieces(click.Context(command, info_name=name))
    yield f"```text\norchestrator {name} {' '.join(usage)}\n```"
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        if paragraph.startswith("\b"):
            text = inspect.cleandoc(paragraph.lstrip(chr(8)).lstrip(chr(10)))
            yield from ("Examples:", f"```sh\n{text[10:]}\n```") if text.startswith("Examples:\n") else (_plain(text),)
        else:
            yield _cell(" ".join(paragraph.split()))
