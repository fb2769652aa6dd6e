"""The offsets of values, keys and tables in a TOML text, so that one can be changed and all else is kept."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.manifest.locate import KeyPath, Scanner

Span = tuple[int, int]  # from, to


@dataclass(slots=True)
class Section:
    """A table with its own header, or the part above the first one. `end`: after the line of its last key, otherwise of
    its header: comments that follow belong to the next table. `indent`: of its last key.
    """

    path: KeyPath
    start: int
    end: int
    indent: str = ""


class Spans(Scanner):
    """Records them while scanning. `values`: of every value; `pairs`: key, = and value; `pair_section`: the section of
    a pair on its own line, outside inline tables.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.values: dict[KeyPath, Span] = {}
        self.pairs: dict[KeyPath, Span] = {}
        self.pair_section: dict[KeyPath, Section] = {}
        self.sections: list[Section] = [Section((), 0, 0)]
        self._inside = 0
        self.scan()

    def _header(self) -> KeyPath:
        start = self.line_start(self.at)
        path = super()._header()
        self.sections.append(Section(path, start, self.line_end(self.at), self._indent(start)))
        return path

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        self._inside += 1
        super()._pair(table)
        self._inside -= 1
        path = self._last_path
        self.pairs[path] = start, self.values[path][1]
        if not self._inside:
            section = self.sections[-1]
            section.indent = self._indent(self.line_start(start))
            section.end = self.line_end(self.at)
            self.pair_section[path] = section

    def _value(self, path: KeyPath) -> None:
        start = self.at
        super()._value(path)
        self.values[path] = start, start + len(self.text[start : self.at].rstrip())
        self._last_path = path

    def line_start(self, at: int) -> int:
        """Return where the line of an offset begins."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Return where the next line begins."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1

    def _indent(self, start: int) -> str:
        line = self.text[start : self.line_end(start)]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def section_of(self, path: KeyPath) -> Section | None:
        """Return the table that a header opens."""
        return next((section for section in self.sections if section.path == path), None)
