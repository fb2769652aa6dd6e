"""Plain text: counts and time spans in words, shortened texts, and columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from orchestrator.redaction.safe import one_line

_GAP = "  "
_WIDE = "\ufe0f"  # makes the character before it an emoji, which terminals may draw in two cells
_LEAST = 12  # cells that a shortened column keeps


def counted(number: int, noun: str) -> str:
    """Return "1 function", "12 functions"."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def time_span(seconds: float) -> str:
    """Return a time span as people read it: 8.4 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def cells(text: str) -> int:
    """Return how many terminal cells a text takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if character == _WIDE:
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that is wider than `width` cells: names often differ at one of their ends."""
    if cells(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    head, tail = first_cells(text, (width - 1) - (width - 1) // 2), first_cells(text[::-1], (width - 1) // 2)[::-1]
    return f"{head}…{tail}"


def cut_end(text: str, width: int) -> str:
    """Cut the end of a text that is wider than `width` cells."""
    if cells(text) <= width:
        return text
    return f"{first_cells(text, width - 1)}…" if width > 0 else ""


def first_cells(text: str, width: int) -> str:
    """Return as much of a text as fits into so many cells."""
    taken = 0
    for index, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return text[:index]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Pad a text to `width` cells, aligned to the left, or to the `right`."""
    space = " " * max(0, width - cells(text))
    return space + text if right else text + space


def aligned(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    numbers: frozenset[str] = frozenset(),
    spare: Sequence[str] = (),
    giving: Sequence[str] = (),
) -> str:
    """Align rows under their heads. `width` None: there is no terminal, and nothing is left out or cut.

    If the whole is wider than `width`, the columns `spare` are removed one by one. Then the columns `giving` (by
    default the first) are shortened one by one, down to 12 cells each. `numbers`: the heads whose columns are aligned
    to the right. Each cell becomes one line.
    """
    table = [list(head), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(cells(row[column]) for row in table) for column in range(len(head))]
    if width is not None:
        for name in spare:
            if _whole(widths) > width:
                at = table[0].index(name)
                del widths[at]
                for row in table:
                    del row[at]
        for name in giving or head[:1]:
            at = table[0].index(name)
            excess = max(0, _whole(widths) - width)
            widths[at] = max(min(widths[at], _LEAST), widths[at] - excess)
    heads, lines = tuple(table[0]), []
    for row in table:
        parts = [
            pad(shorten(cell, size), size, right=name in numbers)
            for cell, size, name in zip(row, widths, heads, strict=True)
        ]
        lines.append(_GAP.join(parts).rstrip())
    return "\n".join(lines)


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def named(keys: Iterable[str], most: int | None = None) -> str:
    """Return the names of the first functions, and the number of the others."""
    keys = list(keys)
    shown = keys if most is None else keys[:most]
    return ", ".join(shown) + (f" and {len(keys) - len(shown)} more" if len(shown) < len(keys) else "")
