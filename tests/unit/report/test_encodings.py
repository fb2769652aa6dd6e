"""Terminals and pipes that lack characters: nothing fails, lines keep their width, and JSON reads back equal."""

from __future__ import annotations

import io
import json
import sys

import anyio
import pytest

from orchestrator.redaction.safe import Safe
from orchestrator.report.display.console import draw
from orchestrator.report.display.frame import Line
from orchestrator.report.plain_text import cells
from orchestrator.report.streams import as_encoded, is_terminal, may_colour, open_streams, write_data, write_message

TEXT = "memory 128MB → 256MB … \u51fd \U0001f680 \u00e9"


class Tty(io.TextIOWrapper):
    """A terminal of an encoding."""

    def __init__(self, encoding: str) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        return self.raw_bytes.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r", "cp1251", "euc-jp"])
def test_what_an_encoding_lacks_is_spelled(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Tty(encoding), Tty(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    open_streams()
    write_message(Safe(TEXT))
    write_data(Safe(json.dumps({"a": TEXT}, ensure_ascii=False)), is_json=True)
    assert as_encoded(TEXT, err) == err.shown().rstrip()
    assert json.loads(out.shown()) == {"a": TEXT}


def test_our_own_characters_are_spelled_by_their_looks() -> None:
    assert as_encoded("a → b …", Tty("ascii")) == "a -> b ..."
    assert as_encoded("\u51fd \U0001f680", Tty("ascii")) == r"\u51fd \ud83d\ude80"
    assert as_encoded(TEXT, Tty("utf-8")) == TEXT


@pytest.mark.parametrize("environ", [{}, {"TTY_INTERACTIVE": "0"}, {"TTY_COMPATIBLE": "0"}, {"COLUMNS": "3"}])
def test_a_region_keeps_its_width_whatever_is_spelled(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    terminal, widths = Tty("ascii"), list[int]()

    async def over() -> bool:
        await anyio.lowlevel.checkpoint()
        return True

    def region(width: int, _height: int) -> list[Line]:
        widths.append(width)
        return [Line("…" * (width - 1)), Line("\u51fd" * (width // 2 - 1))]

    anyio.run(draw, terminal, {"TERM": "xterm"}, region, over)
    lines = terminal.shown().replace("\x1b[?25l", "").split("\r\n", maxsplit=1)[0].split("\n")[:2]
    assert [line[:3] for line in lines] == ["...", r"\u5"]
    assert all(cells(line.split("\x1b")[0].rstrip("\r")) < widths[0] for line in lines)


@pytest.mark.parametrize(
    ("environ", "live", "coloured"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "CI": "true"}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "unknown"}, False, False),
        ({"TERM": ""}, False, False),
        ({}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
    ],
)
def test_what_a_terminal_may_get(environ: dict[str, str], live: bool, coloured: bool) -> None:
    assert (is_terminal(Tty("utf-8"), environ), may_colour(Tty("utf-8"), environ)) == (live, coloured)
    assert may_colour(io.StringIO(), environ) == (coloured and "FORCE_COLOR" in environ)
