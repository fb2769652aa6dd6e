"""A manifest of live functions, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from orchestrator.manifest.writing.compact import Compacted, compacted
from orchestrator.manifest.writing.toml_text import comment, dotted_key, toml_key, toml_value

_WIDTH = 130  # columns; a function that needs more gets its own table


@dataclass(frozen=True, slots=True)
class FunctionEntry:
    """One function to be written. `values`: its keys, texts escaped by `literal`; `notes`: comments above it."""

    key: str
    folder_id: str
    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def document(
    entries: Iterable[FunctionEntry], *, cloud: Mapping[str, str], head: Sequence[str] = (), tail: Sequence[str] = ()
) -> str:
    """Return a whole manifest. `cloud`: keys of [cloud]; if it has `folder_id`, entries need none. `head`, `tail`:
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
    alike = _alike(written, made)
    blocks += _generators(alike, made)
    generated = {key for keys in alike for key in keys}
    blocks += _functions([entry for entry in written if entry.key not in generated], made, several=several)
    blocks += [_comments(tail)] if tail else []
    return "\n\n".join(blocks) + "\n"


_ALIKE_MIN = 4  # functions with equal tables: for fewer, a line for each is as short
_PLACEHOLDERS = ("{name}", "{folder}", "{path}")  # what [each] replaces


def _alike(entries: Sequence[FunctionEntry], made: Compacted) -> list[list[str]]:
    """Return functions whose own tables are equal, and that have no notes."""
    groups: dict[str, list[str]] = {}
    for entry in entries:
        text = toml_value(made.own[entry.key])
        if not entry.notes and not any(one in text for one in _PLACEHOLDERS):
            groups.setdefault(text, []).append(entry.key)
    return [keys for keys in groups.values() if len(keys) >= _ALIKE_MIN]


def _generators(groups: Sequence[Sequence[str]], made: Compacted) -> list[str]:
    """Return an [each] table for each of these groups."""
    blocks: list[str] = []
    names: set[str] = set()
    for keys in groups:
        own = made.own[keys[0]]
        name = str((own.get("use") or [own.get("runtime") or "plain"])[0])
        free = next(one for one in chain([name], (f"{name}-{number}" for number in count(2))) if one not in names)
        names.add(free)
        blocks.append(_table(("each", free), {"names": _Wrapped(keys), **own}))
    return blocks


class _Wrapped(list[str]):
    """A list of texts that is written with as many on a line as fit."""

    def lines(self) -> Iterator[str]:
        line = " "
        for text in map(toml_value, self):
            if len(line) + len(text) + 2 > _WIDTH:
                yield line
                line = " "
            line += f" {text},"
        yield line


def _functions(entries: Sequence[FunctionEntry], made: Compacted, *, several: bool) -> list[str]:
    """Return those that fit on a line under one [functions], then those that have their own tables."""
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
    """Return a table: a line for each key, then tables and lists that would be too long for a line."""
    lines, behind = [f"[{dotted_key(*path)}]"], []
    for key, value in values.items():
        line = f"{toml_key(key)} = {toml_value(value)}"
        if len(line) <= _WIDTH:
            lines.append(line)
        elif isinstance(value, Mapping):
            behind.append(_table((*path, key), value))
        elif isinstance(value, _Wrapped):
            lines += [f"{toml_key(key)} = [", *value.lines(), "]"]
        elif isinstance(value, list) and len(value) > 1:
            lines += [f"{toml_key(key)} = [", *(f"  {toml_value(item)}," for item in value), "]"]
        else:
            lines.append(line)
    return "\n\n".join(["\n".join(lines), *behind])


def _comments(lines: Iterable[str]) -> str:
    return "\n".join(comment(line) if line else "" for line in lines)
