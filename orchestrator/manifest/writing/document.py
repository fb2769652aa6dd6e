"""A manifest as text, of functions as they are live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.writing.compact import Compacted, compacted
from orchestrator.manifest.writing.toml_text import comment, dotted_key, toml_key, toml_value

_WIDTH = 110  # columns; a function that needs more has a table of its own


@dataclass(frozen=True, slots=True)
class FunctionEntry:
    """One function to be written. `values`: its keys, texts escaped as `literal` does; `notes`: comments above it."""

    key: str
    folder_id: str
    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def document(
    entries: Iterable[FunctionEntry], *, cloud: Mapping[str, str], head: Sequence[str] = (), tail: Sequence[str] = ()
) -> str:
    """Write a whole manifest. `cloud`: keys of [cloud]; with `folder_id` there, entries need none. `head`, `tail`:
    comments, a line each, "" for a blank one.
    """
    written = sorted(entries, key=lambda entry: (entry.folder_id, entry.key))
    several = "folder_id" not in cloud
    tables = {
        entry.key: {"folder_id": entry.folder_id, **entry.values} if several else entry.values for entry in written
    }
    made = compacted(tables)
    blocks = [_comments(head)] if head else []
    blocks += [_table(("cloud",), cloud)] if cloud else []
    blocks += [_table(("defaults",), made.defaults)] if made.defaults else []
    blocks += [_table(("templates", name), values) for name, values in made.templates.items()]
    blocks += _functions(written, made, several=several)
    blocks += [_comments(tail)] if tail else []
    return "\n\n".join(blocks) + "\n"


def _functions(entries: Sequence[FunctionEntry], made: Compacted, *, several: bool) -> list[str]:
    """Write those that fit on a line under one [functions], and behind them those that have tables of their own."""
    lines, tables = [], []
    folder = ""
    for entry in entries:
        own = made.own[entry.key]
        line = f"{toml_key(entry.key)} = {toml_value(own)}"
        if len(line) > _WIDTH:
            tables.append("\n".join([*map(comment, entry.notes), _table(("functions", entry.key), own)]))
            continue
        if several and entry.folder_id != folder:
            lines.append(comment(f"folder {entry.folder_id}"))
            folder = entry.folder_id
        lines += [*map(comment, entry.notes), line]
    return [*(["\n".join(["[functions]", *lines])] if lines else []), *tables]


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """Write a table: a line for each key, and behind these, tables and lists that would be too long for one."""
    lines, behind = [f"[{dotted_key(*path)}]"], []
    for key, value in values.items():
        line = f"{toml_key(key)} = {toml_value(value)}"
        if len(line) <= _WIDTH:
            lines.append(line)
        elif isinstance(value, Mapping):
            behind.append(_table((*path, key), value))
        elif isinstance(value, list) and len(value) > 1:
            lines += [f"{toml_key(key)} = [", *(f"  {toml_value(item)}," for item in value), "]"]
        else:
            lines.append(line)
    return "\n\n".join(["\n".join(lines), *behind])


def _comments(lines: Iterable[str]) -> str:
    return "\n".join(comment(line) if line else "" for line in lines)
