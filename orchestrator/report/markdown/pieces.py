"""Building blocks of Markdown. Untrusted text is put into code spans, where it cannot be HTML, a link or a mention.
Text that is too long is cut at its end, with a note of how much is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchestrator.report.plain_text import counted

_CELL_MAX = 400  # characters


def code(text: str) -> str:
    """Return an untrusted text as a code span that fits into a table cell; "" for none."""
    text = text if len(text) <= _CELL_MAX else f"{text[:_CELL_MAX]}…"
    if not text.strip():
        return ""
    fence = "`" * (_longest(text) + 1)
    space = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def cut_to(lines: Sequence[str], room: int, more: str, numbers: Sequence[int] = ()) -> list[str]:
    """Return the lines that fit into `room` characters, and how many `more` there are. `numbers`: how many items each
    line represents, one by default.
    """
    for at, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            left = sum(numbers[at:]) if numbers else len(lines) - at
            return [*lines[:at], "", f"… and {counted(left, more)}"]
    return list(lines)


def fenced(text: str, room: int) -> str:
    """Return a text in a fenced block."""
    fence = "`" * max(3, _longest(text) + 1)
    return "\n".join([fence, *cut_to(text.splitlines(), room - 2 * len(fence), "more line"), fence])


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
