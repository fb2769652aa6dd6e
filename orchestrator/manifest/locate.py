"""Lines of keys in a TOML text that was parsed before. Used only to report something about a key.

This finds positions, and is not a parser: `tomllib` must have accepted the text.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import NoReturn

KeyPath = tuple[str | int, ...]  # ("functions", "x", "secrets", 0, "key")

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*+")
_SPACE = re.compile(r"[ \t]*+")
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|("(?:[^"\\\n]|\\.)*+"|'[^'\n]*'))[ \t]*""")
_STRING = re.compile(
    # Not possessive: the first releases of Python 3.11 then find no end, because of the lookahead.
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]*+")
_REST_OF_LINE = re.compile(r"[^\n]*+\n?")
_TABLE = re.compile(
    r"""^[ \t]*\[[ \t]*(functions|jobs|each)[ \t]*\.[ \t]*(?:([A-Za-z0-9_-]+)|"([^"\\\n]*)"|'([^'\n]*)')[ \t]*\]""",
    re.MULTILINE,
)


def lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key, header and list item. A table without its own line has that of its first key."""
    return Scanner(text).scan()


def table_lines(text: str) -> dict[KeyPath, int]:
    """Return the lines of the headers `[functions.NAME]`, `[each.NAME]` and `[jobs.NAME]`, fast. Tables that are
    written in another form may be missing.

    Empty if a multi-line string might contain something that looks like a header.
    """
    if '"""' in text or "'''" in text:
        return {}
    found: dict[KeyPath, int] = {}
    line, done = 1, 0
    for match in _TABLE.finditer(text):
        line += text.count("\n", done, match.start())
        done = match.start()
        found[match[1], match[2] or match[3] or match[4] or ""] = line
    return found


def nearest(found: dict[KeyPath, int], path: KeyPath) -> int:
    """Return the line of `path`, otherwise of the nearest table around it, otherwise 0."""
    for end in range(len(path), 0, -1):
        if path[:end] in found:
            return found[path[:end]]
    return 0


class Scanner:
    """Scans a text once, and records the line of each key. Raises `ValueError` for newer TOML than it supports."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, int] = {}
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.array_lengths: dict[KeyPath, int] = {}  # of arrays of tables ([[x]]) so far

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while True:
            self.at = self._end(_BLANK)
            if self.at >= len(self.text):
                return self.found
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self.at = self._end(_REST_OF_LINE)

    def _end(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        return match.end() if match else self.at

    def _line(self) -> int:
        return bisect_right(self.newlines, self.at - 1) + 1

    def _header(self) -> KeyPath:
        line = self._line()
        array = self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        keys = self._keys()
        path = self._resolve(keys[:-1])
        self._record(path, line, first=True)
        path = (*path, keys[-1])
        if array:
            index = self.array_lengths[path] = self.array_lengths.get(path, -1) + 1
            self.found.setdefault(path, line)
            path = (*path, index)
        elif path in self.array_lengths:
            path = (*path, self.array_lengths[path])
        self.found[path] = line  # the header itself overrides a sub-table above it
        return path

    def _resolve(self, keys: list[str]) -> KeyPath:
        """Return the path of a header's keys. In an array of tables, it is the path of the last item."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self.array_lengths:
                path = (*path, self.array_lengths[path])
        return path

    def _record(self, path: KeyPath, line: int, *, first: bool) -> None:
        """Record a key and the tables around it that have no line of their own."""
        for end in range(1, len(path) + 1):
            self.found.setdefault(path[:end], line)
        if not first and path:
            self.found[path] = line

    def _keys(self) -> list[str]:
        keys = []
        while True:
            match = _KEY.match(self.text, self.at) or self._lost()
            keys.append(match[1] or _unquoted(match[2]))
            self.at = match.end()
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = (*table, *self._keys())
        self._record(path, line, first=False)
        self.at += 1  # the "="
        self.at = self._end(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        char = self.text[self.at : self.at + 1]
        if char in {'"', "'"}:
            self.at = (_STRING.match(self.text, self.at) or self._lost()).end()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline_table(path)
        else:
            self.at = self._end(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while True:
            self.at = self._end(_BLANK)
            if self.text.startswith("]", self.at):
                break
            if self.text.startswith(",", self.at):
                self.at += 1
                continue
            if self.at >= len(self.text):
                self._lost()
            item = (*path, index)
            self.found[item] = self._line()
            self._value(item)
            index += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self.at = self._end(_BLANK)
            if self.text.startswith("}", self.at):
                break
            if self.text.startswith(",", self.at):
                self.at += 1
                continue
            self._pair(path)
        self.at += 1

    def _lost(self) -> NoReturn:
        raise ValueError(f"no TOML at character {self.at}")


def _unquoted(key: str) -> str:
    if key.startswith("'") or "\\" not in key:
        return key[1:-1]
    return next(iter(tomllib.loads(f"{key} = 0")))
