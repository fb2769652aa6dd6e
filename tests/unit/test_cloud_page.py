"""docs/cloud-api.md: every citation has its section, every statement its test, every figure its constant."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.prose import ROOT

PAGE = (ROOT / "docs" / "cloud-api.md").read_text("utf-8")
CITED = re.compile(r"cloud-api((?:(?:, )?#[a-z-]+)+)")
FIGURE = re.compile(r"\| [^|]+ \| (?P<number>[\d,]+) \| `(?P<file>\S+)` `(?P<name>\S+)` \| .+ \|")
FIGURES = [found.groupdict() for line in PAGE.splitlines() if (found := FIGURE.fullmatch(line))]


def sections() -> set[str]:
    return {title.lower().replace(" ", "-") for title in re.findall(r"(?m)^##+ (.+)$", PAGE)}


def test_every_citation_has_its_section() -> None:
    files = [path for folder in ("orchestrator", "jobs", "tests") for path in (ROOT / folder).rglob("*.py")]
    cited = {
        (anchor, path.relative_to(ROOT).as_posix())
        for path in files
        for found in CITED.findall(path.read_text("utf-8"))
        for anchor in re.findall(r"#([a-z-]+)", found)
    }
    assert len(cited) > 40
    assert [one for one in sorted(cited) if one[0] not in sections()] == []


def test_every_statement_names_its_test_or_is_marked_unverified() -> None:
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not re.match(r"\| (---|.*shown by \|$)", line)
    ]
    last = [row.strip("| ").split(" | ")[-1] for row in rows]
    assert len(rows) > 80
    silent = [cell for cell in last if "**unverified**" not in cell and not re.search(r"`tests/\S+`", cell)]
    assert silent == []
    lost = [name for cell in last for name in re.findall(r"`(tests/\S+?)`", cell) if not (ROOT / name).exists()]
    assert lost == []


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure["name"])
def test_a_figure_is_that_of_the_code(figure: dict[str, str]) -> None:
    found: object = import_module(f"orchestrator.{figure['file'].removesuffix('.py').replace('/', '.')}")
    *owners, name = figure["name"].split(".")
    for owner in owners:
        found = getattr(found, owner)()
    assert getattr(found, name) == int(figure["number"].replace(",", ""))


def test_every_figure_is_read() -> None:
    assert len(FIGURES) == PAGE.count(".py` `")
