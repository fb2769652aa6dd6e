"""docs/bounds.md matches the code: each number is its constant's, and each test exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cloud import bounds
from tests.constants import constant

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "bounds.md").read_text("utf-8")
ROW = re.compile(
    r"\| [^|]+ \| (?P<number>[\d,]+)(?: (?P<unit>\w+))? \| `(?P<file>\S+)` `(?P<name>\S+)` \| (?P<tests>.+) \|"
)
UNITS = {None: 1, "s": 1, "characters": 1, "MB": 1024 * 1024}
ROWS = [found.groupdict() for line in PAGE.splitlines() if (found := ROW.fullmatch(line))]


def test_every_row_is_read() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| what |", "| ---"))]
    assert len(ROWS) == len(rows) > 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_bound_is_what_the_page_says(row: dict[str, str]) -> None:
    assert constant(row["file"], row["name"]) == int(row["number"].replace(",", "")) * UNITS[row["unit"]]
    for test in re.findall(r"`(\S+)`", row["tests"]):
        assert (ROOT / test).exists(), test


def test_every_bound_of_an_answer_is_on_the_page() -> None:
    reported = {row["name"] for row in ROWS if row["file"] == "cloud/bounds.py"}
    assert reported == {name for name in vars(bounds) if name.isupper()}
