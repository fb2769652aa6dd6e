"""The pieces that Markdown is written of. What is foreign stands in code spans, where it is neither HTML, nor a link,
nor a mention of somebody. What is too long loses its end, and says how much that was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchestrator.report.plain_text import counted

_CELL_MAX = 400  # characters


def code(text: str) -> str:
    """Write a foreign text as a code span, fit for a cell of a table: "" for none."""
    text = text if len(text) <= _CELL_MAX else f"{text[:_CELL_MAX]}…"
    if not text.strip():
        return ""
    fence = "`" * (_longest(text) + 1)
    space = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def row(cells: Iterable[str]) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(cells)} |"


def cut_to(lines: Sequence[str], room: int, more: str, numbers: Sequence[int] = ()) -> list[str]:
    """Leave of lines what has room, in characters, and say how many `more` there are. `numbers`: of how many things
    each line tells; of one, where nothing else is said.
    """
    for at, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            left = sum(numbers[at:]) if numbers else len(lines) - at
            return [*lines[:at], "", f"… and {counted(left, more)}"]
    return list(lines)


def fenced(text: str, room: int) -> str:
    """Write a text as it is."""
    fence = "`" * max(3, _longest(text) + 1)
    return "\n".join([fence, *cut_to(text.splitlines(), room - 2 * len(fence), "more line"), fence])


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
