"""docs/cloud-api.md: every citation has its section, every statement its test, every table and figure is the code's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.manifest.fields import PATTERNS
from orchestrator.resilience.policy import ErrorClass, judge
from orchestrator.sandbox.http import routes
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import HTTP_STATUS
from orchestrator.sandbox.memory.objects import Objects
from tests.clouds import Desk
from tests.constants import constant
from tests.prose import ROOT

PAGE = (ROOT / "docs" / "cloud-api.md").read_text("utf-8")
CITED = re.compile(r"cloud-api((?:(?:, )?#[a-z-]+)+)")
FIGURE = re.compile(r"\| [^|]+ \| (?P<number>[\d,]+) \| `(?P<file>\S+)` `(?P<name>\S+)` \| .+ \|")
FIGURES = [found.groupdict() for line in PAGE.splitlines() if (found := FIGURE.fullmatch(line))]
NAMED = re.compile(r"`(tests/[^`:]+\.py)(?:::(\w+))?`")
SENT_AGAIN = {
    ErrorClass.TOKEN: "once, with a new token",
    ErrorClass.REFUSED: "yes, unless a count is used up",
    ErrorClass.UNSURE: "yes, with the same key",
    ErrorClass.PERMANENT: "no",
}


class Table(NamedTuple):
    """`after`: the first line of text after the table."""

    head: list[str]
    rows: list[list[str]]
    after: str


def tables() -> Iterator[Table]:
    for found in re.finditer(r"((?:^\|.+\|\n)+)\n*(?=(.*))", PAGE, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in found[1].splitlines())
        yield Table(head, rows, found[2])


TABLES = list(tables())


def rows_of(*head: str) -> list[list[str]]:
    return [row for table in TABLES if tuple(table.head) == head for row in table.rows]


def sections() -> set[str]:
    return {title.lower().replace(" ", "-") for title in re.findall(r"(?m)^##+ (.+)$", PAGE)}


@cache
def names_in(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


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
    rows = [row for table in TABLES for row in table.rows]
    assert len(rows) > 150
    assert sum(len(table.rows) for table in TABLES) == len(re.findall(r"(?m)^\| (?!---)", PAGE)) - len(TABLES)
    silent = []
    for table in TABLES:
        if table.head[-1] == "shown by":
            silent += [row for row in table.rows if not NAMED.search(row[-1]) and "**unverified**" not in row[-1]]
        elif not (table.after.startswith("Shown by") and NAMED.search(table.after)):
            silent.append(table.head)
    assert silent == []


def test_every_test_that_is_named_exists() -> None:
    assert PAGE.count("`tests/") == len(NAMED.findall(PAGE)), "a test is named as `tests/x.py` or `tests/x.py::test_y`"
    lost = [
        (file, test)
        for file, test in NAMED.findall(PAGE)
        if not (ROOT / file).exists() or (test and test not in names_in(ROOT / file))
    ]
    assert lost == []


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure["name"])
def test_a_figure_is_that_of_the_code(figure: dict[str, str]) -> None:
    assert constant(figure["file"], figure["name"]) == int(figure["number"].replace(",", ""))


def test_every_figure_is_read() -> None:
    assert len(FIGURES) == len(re.findall(r"`[a-z_/]+\.py` `", PAGE))


def test_the_calls_are_those_of_the_sandbox() -> None:
    cloud = Desk().cloud
    offered = (
        *routes.functions(cloud),
        *routes.versions(cloud, Objects(), anyio.CapacityLimiter(1)),
        *routes.operations(cloud),
    )
    assert sorted(rows_of("call", "request")) == sorted(
        [route.name, f"`{route.method} {route.path}`"] for route in offered
    )


def test_the_codes_are_those_of_the_program() -> None:
    expected = [
        [str(int(code)), code.name, str(HTTP_STATUS[code]), SENT_AGAIN[judge(CloudError("", call="", code=code))]]
        for code in sorted(set(Code) - {Code.OK})
    ]
    assert rows_of("code", "name", "HTTP status", "sent again") == expected


def test_the_runtimes_are_those_of_the_sandbox() -> None:
    listed = [name for _, names in rows_of("state", "IDs") for name in re.findall(r"`([^`]+)`", names)]
    newer = re.findall(r"`([^`]+)`", PAGE.partition("Others are newer: ")[2].partition(". ")[0])
    assert sorted([*listed, *newer]) == sorted(CloudSettings().runtimes)


def test_the_patterns_are_those_of_the_manifest() -> None:
    found = [pattern for pattern in re.findall(r"`(\[[^`]+(?:[*}]|\]))`", PAGE) if not pattern.startswith("[`")]
    assert len(found) == 8
    assert [pattern for pattern in found if f"^{pattern}$" not in PATTERNS] == []
