"""docs/why.md matches the program: the values of its JSON, and the words for them."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.model import WayBackKind
from orchestrator.planning.why.facts import MadeBy, WaitsFor
from orchestrator.report.plan_text import way_words

PAGE = (Path(__file__).parents[2] / "docs" / "why.md").read_text("utf-8")


def rows(head: str) -> list[list[str]]:
    """Return the rows of the table under a heading, each as its cells."""
    part = PAGE.split(f"## {head}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return lines[2:]


def test_each_way_back_has_its_words() -> None:
    assert rows("The way back") == [[f"`{kind}`", way_words(kind)] for kind in WayBackKind]
    shown = re.search(r"^  rollback: (.*)$", PAGE, re.MULTILINE)
    assert shown is not None
    assert shown[1] in [way_words(kind) for kind in WayBackKind]


def test_each_thing_that_is_waited_for_is_reported() -> None:
    reported = [name for cells in rows("What it waits for") for name in re.findall(r"`([a-z]+)`", cells[0])]
    assert sorted(reported) == sorted(WaitsFor)


def test_each_maker_is_reported() -> None:
    assert [cells[0] for cells in rows("Who has made the live version")] == [f"`{kind}`" for kind in MadeBy]
