"""Changes keys of a manifest in its text. Comments, layout and all other lines stay as they are.

The result is parsed and compared with the same changes made to the tables. A text that differs is never returned.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.writing.spans import Section, Spans
from orchestrator.manifest.writing.toml_text import dotted_key, toml_key, toml_value

REMOVED: Any = object()


@dataclass(frozen=True, slots=True)
class Edit:
    """One change. `path`: of a key, or with an index at its end of an item of a list; `value`: with texts escaped as
    `literal` does, or `REMOVED`. `adds`: the value is appended to the list at `path`.
    """

    path: KeyPath
    value: Any
    adds: bool = False


class UneditableError(Exception):
    """A text cannot be changed in place; the message says why."""


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with the changes. Raises `UneditableError`."""
    if not edits:
        return text
    desired = _applied(tomllib.loads(text), edits)
    ends = "\r\n" if "\r\n" in text else "\n"
    plain = text.replace("\r\n", "\n")
    try:
        made = _Editor(plain, desired).edited(edits)
        parsed = tomllib.loads(made)
    except (ValueError, KeyError, IndexError, RecursionError) as error:
        raise UneditableError(f"it is written in a way that cannot be changed in place ({error})") from error
    grown = {edit.path for edit in edits if edit.adds}
    if _in_any_order(parsed, grown) != _in_any_order(desired, grown):
        raise UneditableError("it is written in a way that cannot be changed in place")
    return made.replace("\n", ends)


def _applied(tables: dict[str, Any], edits: Iterable[Edit]) -> dict[str, Any]:
    """Return the tables with the changes. Items of lists are changed last, from the end, to keep indexes correct."""
    made = deepcopy(tables)
    items = []
    for edit in edits:
        *around, key = edit.path
        if edit.value is REMOVED and isinstance(key, int):
            items.append(edit.path)
            continue
        holder: Any = made
        for part in around:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
        if edit.adds:
            holder.setdefault(key, []).append(edit.value)
        elif edit.value is REMOVED:
            holder.pop(key, None)
        else:
            holder[key] = edit.value
    for path in sorted(items, key=lambda path: (path[:-1], -int(path[-1]))):
        holder = made
        for part in path[:-1]:
            holder = holder[part]
        del holder[path[-1]]
    return made


def _in_any_order(tables: dict[str, Any], lists: Iterable[KeyPath]) -> dict[str, Any]:
    """Sort these lists: the order of `without`, and of lists with names, has no meaning."""
    for *around, key in lists:
        holder: Any = tables
        for part in around:
            holder = holder[part]
        holder[key] = sorted(holder[key], key=repr)
    return tables


class _Editor:
    """Collects replacements. `desired`: the desired tables."""

    def __init__(self, text: str, desired: dict[str, Any]) -> None:
        self._spans = Spans(text)
        self._text = text
        self._desired = desired
        self._made: dict[tuple[int, int], list[str]] = {}
        self._rebuilt: set[KeyPath] = set()
        self._behind: dict[KeyPath, list[str]] = {}  # new tables, with their lines

    def edited(self, edits: Iterable[Edit]) -> str:
        for edit in edits:
            container = self._inline_container(edit)
            if container is not None:
                self._rebuild(container)
            elif edit.adds:
                self._add_item(edit)
            elif edit.value is REMOVED:
                self._remove(edit.path)
            else:
                self._set(edit.path, edit.value)
        text, at = [], 0
        for (start, end), parts in sorted(self._made.items()):
            if start < at:
                raise ValueError("two changes at one place")
            text += [self._text[at:start], *parts]
            at = end
        made = "".join([*text, self._text[at:]])
        for path, lines in self._behind.items():
            made = made.rstrip("\n") + "\n\n" if made.strip() else ""
            made += "\n".join([f"[{dotted_key(*map(str, path))}]", *lines]) + "\n"
        return made

    def _put(self, start: int, end: int, text: str) -> None:
        self._made.setdefault((start, end), []).append(text)

    def _inline_container(self, edit: Edit) -> KeyPath | None:
        """Return the outermost single-line value that contains the change: it is rewritten, since it has no comment.
        None: the change is on a line of its own, or in a list of several lines.
        """
        last = len(edit.path) if edit.adds else len(edit.path) - 1
        for end in range(1, last + 1):
            span = self._spans.values.get(edit.path[:end])
            if span is not None and "\n" not in self._text[slice(*span)]:
                return edit.path[:end]
        return None

    def _rebuild(self, path: KeyPath) -> None:
        if path not in self._rebuilt:
            self._rebuilt.add(path)
            value: Any = self._desired
            for part in path:
                if isinstance(value, dict) and part not in value:
                    return  # it is removed as a whole
                value = value[part]
            self._put(*self._spans.values[path], toml_value(value))

    def _set(self, path: KeyPath, value: Any) -> None:
        if path in self._spans.values:
            self._put(*self._spans.values[path], toml_value(value))
            return
        if self._spans.section_of(path) is not None and isinstance(value, dict):  # an item of [[…]]
            self._set_table(path, value)
            return
        *around, key = path
        container = tuple(around)
        span = self._spans.values.get(container)
        if span is not None and self._text[span[0]] == "{":  # on several lines
            self._put(span[0] + 1, span[0] + 1, f" {toml_key(str(key))} = {toml_value(value)},")
            return
        line = f"{toml_key(str(key))} = {toml_value(value)}"
        section = self._spans.section_of(container)
        if section is not None:
            self._insert(section, section.end, f"{section.indent}{line}")
        elif (last := self._dotted_around(container)) is not None:
            section = self._spans.pair_section[last]
            names = [str(part) for part in (*container[len(section.path) :], key)]
            at = self._spans.line_end(self._spans.pairs[last][1])
            self._insert(section, at, f"{section.indent}{dotted_key(*names)} = {toml_value(value)}")
        elif container[-2:-1] != ("functions",) and len(container) > 1 and not self._is_table(container):
            self._set(container, self._value_at(container))
        elif line not in self._behind.setdefault(container, []):
            self._behind[container].append(line)

    def _set_table(self, path: KeyPath, value: dict[str, Any]) -> None:
        for key, item in value.items():
            self._set((*path, key), item)
        for known in [one for one in self._spans.pairs if one[:-1] == path and one[-1] not in value]:
            self._remove(known)

    def _value_at(self, path: KeyPath) -> Any:
        value: Any = self._desired
        for part in path:
            value = value[part]
        return value

    def _is_table(self, path: KeyPath) -> bool:
        """Return whether a table exists only through the headers of tables in it."""
        return any(section.path[: len(path)] == path for section in self._spans.sections)

    def _insert(self, section: Section, at: int, line: str) -> None:
        opened = "" if at == 0 or self._text[at - 1] == "\n" else "\n"
        if at == 0 and section.path == ():
            line += "\n"
        said = f"{opened}{line}\n"
        if said not in self._made.get((at, at), []):
            self._put(at, at, said)

    def _dotted_around(self, container: KeyPath) -> KeyPath | None:
        """Return such a line of a table, or of the nearest around it. A table begun by dotted keys must not get a
        header.
        """
        tables = (container[:end] for end in range(len(container), 0, -1))
        return next((last for table in tables if (last := self._dotted(table)) is not None), None)

    def _dotted(self, container: KeyPath) -> KeyPath | None:
        """Return the last line that sets something in a table with a dotted key."""
        found = [
            path
            for path, section in self._spans.pair_section.items()
            if path[: len(container)] == container and len(section.path) < len(container)
        ]
        return found[-1] if found else None

    def _add_item(self, edit: Edit) -> None:
        """Insert an item at the beginning of a list of several lines: what follows it needs no other comma."""
        span = self._spans.values.get(edit.path)
        if span is not None:
            first = self._spans.values.get((*edit.path, 0))
            text = self._text
            indent = text[self._spans.line_start(first[0]) : first[0]] if first is not None else "  "
            if indent.strip():
                indent = "  "
            self._put(span[0] + 1, span[0] + 1, f"\n{indent}{toml_value(edit.value)},")
            return
        items = [section for section in self._spans.sections if section.path[:-1] == edit.path]
        if items:
            section = max(items, key=lambda one: one.end)
            lines = [f"{section.indent}[[{dotted_key(*map(str, edit.path))}]]"]
            lines += [f"{section.indent}{toml_key(key)} = {toml_value(item)}" for key, item in edit.value.items()]
            self._insert(section, section.end, "\n" + "\n".join(lines))
        else:
            self._set(edit.path, self._value_at(edit.path))

    def _remove(self, path: KeyPath) -> None:
        if path in self._spans.pair_section:
            start, end = self._spans.pairs[path]
            self._put(self._spans.line_start(start), self._spans.line_end(end), "")
            return
        if path in self._spans.values:  # an item or a key of a value on several lines
            self._remove_item(path)
            return
        for section in self._spans.sections:
            if section.path[: len(path)] == path:
                self._put(section.start, section.end, "")
        for pair, section in self._spans.pair_section.items():
            if pair[: len(path)] == path and section.path[: len(path)] != path:
                start, end = self._spans.pairs[pair]
                self._put(self._spans.line_start(start), self._spans.line_end(end), "")

    def _remove_item(self, path: KeyPath) -> None:
        """Remove an item with the comma after it, and its line if nothing else is on it."""
        start, end = self._spans.pairs.get(path) or self._spans.values[path]
        rest = self._text[end:]
        comma = len(rest) - len(rest.lstrip())
        if rest[comma : comma + 1] == ",":
            end += comma + 1
        line, after = self._spans.line_start(start), self._spans.line_end(end)
        if not self._text[line:start].strip() and not self._text[end:after].split("#")[0].strip():
            start, end = line, after
        self._put(start, end, "")
