from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.redaction.safe import one_line, several_lines
from orchestrator.report.plain_text import aligned, cells, pad, shorten
from orchestrator.report.streams import terminal_width
from tests.unit.report.test_console import Terminal


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("auth", 4), ("функция", 7), ("関数", 4), ("é", 1), ("e\u0301", 1), ("🚀", 2), ("a\u200bb", 2)],
)
def test_cells_are_what_a_terminal_uses(text: str, count: int) -> None:
    assert cells(text) == count


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("auth", 4, "auth"), ("thumbnailer", 7, "thu…ler"), ("thumbnailer", 8, "thum…ler"), ("auth", 1, "…"),
        ("auth", 0, ""), ("関数関数関数", 7, "関…数"), ("функция", 5, "фу…ия"),
    ],
)  # fmt: skip
def test_the_middle_gives_way(text: str, width: int, shown: str) -> None:
    assert shorten(text, width) == shown


@given(st.text(), st.integers(0, 30))
def test_nothing_shortened_is_wider_than_allowed(text: str, width: int) -> None:
    assert cells(shorten(text, width)) <= width


@given(st.text(max_size=10), st.integers(0, 30))
def test_padding_fills_up_to_the_width(text: str, width: int) -> None:
    assert cells(pad(text, width)) == cells(pad(text, width, right=True)) == max(width, cells(text))


def test_columns_are_aligned_across_scripts() -> None:
    text = aligned(
        ["function", "s"], [["auth", "1.0"], ["関数", "10.0"], ["функция", "2.0"]], width=80, numbers=frozenset({"s"})
    )
    assert text.splitlines() == ["function     s", "auth       1.0", "関数      10.0", "функция    2.0"]


def test_the_first_column_gives_way_in_a_narrow_terminal() -> None:
    lines = aligned(["function", "outcome"], [["a-very-long-function-name", "deployed"]], width=24).splitlines()
    assert lines[1] == "a-very-…n-name  deployed"
    assert all(cells(line) <= 24 for line in lines)


def test_named_columns_give_way_one_after_the_other() -> None:
    row = ["~", "environment.LEVEL", "v" * 30, "l" * 30]
    head = ["", "setting", "value", "live"]
    for width, widths in ((90, (17, 30, 30)), (70, (17, 16, 30)), (60, (17, 12, 24)), (30, (17, 12, 12))):
        (_, line) = aligned(head, [row], width=width, giving=("value", "live")).splitlines()
        assert tuple(map(len, line.split()[1:])) == widths, width


NAME = "a-name-of-exactly-forty-five-characters-in-it"
WIDE = [[NAME, "deployed", "d4e0123456789abcdefg", "0.1", "12.0"]]
WIDE_HEAD = ("function", "outcome", "version", "package", "total")


def test_without_a_terminal_nothing_is_cut_or_left_out() -> None:
    assert len(NAME) == 45
    line = aligned(WIDE_HEAD, [[*WIDE[0][:1], "x" * 500, *WIDE[0][2:]]], width=None, spare=("package",)).splitlines()[1]
    assert line == f"{NAME}  {'x' * 500}  d4e0123456789abcdefg  0.1      12.0"


@pytest.mark.parametrize(
    ("width", "reported"),
    [
        (100, [NAME, "deployed", "d4e0123456789abcdefg", "0.1", "12.0"]),
        (90, [NAME, "deployed", "d4e0123456789abcdefg", "12.0"]),
        (80, [NAME, "deployed", "d4e0123456789abcdefg"]),
        (70, ["a-name-of-exactly-f…e-characters-in-it", "deployed", "d4e0123456789abcdefg"]),
    ],
)
def test_on_a_terminal_columns_go_before_names_are_cut(width: int, reported: list[str]) -> None:
    text = aligned(WIDE_HEAD, WIDE, width=width, spare=("package", "total"))
    assert text.splitlines()[1].split() == reported
    assert all(cells(line) <= width for line in text.splitlines())


def test_a_cell_cannot_break_its_line_or_command_the_terminal() -> None:
    assert one_line("a\nb\x1b[31mc\td") == r"a\nb\x1b[31mc\td"
    assert len(aligned(["f"], [["a\nb\x1b[2J"]], width=80).splitlines()) == 2


def test_a_text_of_several_lines_keeps_them_and_nothing_that_commands_the_terminal() -> None:
    assert several_lines("a\n\tb\x1b[31mc\r\x07") == "a\n    bc\\r\\x07"


def test_a_pipe_has_no_width_whatever_the_terminal_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert terminal_width() is None
    monkeypatch.setattr("sys.stdout", Terminal())
    assert terminal_width() == 40
