"""Running builds, on a terminal: a line each, with the functions that wait for them, redacted and cut."""

from __future__ import annotations

import io
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from orchestrator.app.session.session import build_rows
from orchestrator.journal.state import RunState
from orchestrator.manifest.load import load
from orchestrator.model import SourceCode
from orchestrator.package.packager import Building, ZipPackager
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display.console import draw_builds, progress
from orchestrator.report.display.displays import builds_shown
from orchestrator.report.display.frame import build_lines
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import cells
from orchestrator.report.views import BuildRow
from tests.unit.manifest.test_tables import HEAD
from tests.unit.package.test_build import until
from tests.unit.report.test_console import PLAIN_TERMINAL, Terminal

TOKEN = "t1.9euelZqbnpKSlpqTyc6VjMmUzp2Jyu3rnpWa" + "x" * 60
ROW = BuildRow("api and 2 more", 12.34, "npm: 120 packages")


def outlet() -> Outlet:
    redactor = Redactor()
    redactor.add_variables({"NPM_TOKEN": TOKEN})
    return Outlet(redactor)


def lines(row: BuildRow, width: int = 200) -> list[str]:
    return build_lines([row], outlet(), width)


def test_a_build_is_beside_its_functions_with_its_last_line() -> None:
    (line,) = lines(ROW)
    assert line.split("  ") == ["", *f"{'api and 2 more':40}  building, 12.3 s: npm: 120 packages".split("  ")]


def test_a_build_that_has_printed_nothing_says_how_long_it_runs() -> None:
    (line,) = lines(BuildRow("api", 3.0, ""))
    assert line.endswith("building, 3.0 s")


@pytest.mark.parametrize("width", [10, 45, 60, 79])
def test_a_line_is_cut_to_the_width_at_its_end(width: int) -> None:
    (line,) = lines(BuildRow("api", 3.0, "漢" * 200), width)
    assert cells(line) in (width - 1, width)
    assert line.endswith("…")
    assert line.startswith("  api   ")


def test_what_a_build_prints_is_redacted_and_commands_no_terminal() -> None:
    (line,) = lines(BuildRow("api", 3.0, f"\x1b[2J::error::token {TOKEN}\r\nmore"))
    assert TOKEN[:20] not in line
    assert not set(line) & {"\x1b", "\r", "\n"}


def test_builds_stand_in_the_live_view_of_a_run() -> None:
    shown = progress(io.StringIO(), total=1, state=RunState(total=1), environ=PLAIN_TERMINAL, builds=lambda: [ROW])
    assert [line.text for line in shown.region(120, 40)[1:]] == lines(ROW, 119)
    assert all(cells(line.text) < 50 for line in shown.region(50, 40))


def test_while_a_plan_is_made_the_builds_are_drawn_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, rows = Terminal(), [ROW]
    monkeypatch.setattr("sys.stderr", stream)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(draw_builds, stream, lambda: rows, outlet())
            with anyio.fail_after(60):
                await until(lambda: "npm: 120 packages" in stream.getvalue())
                rows.clear()
                await until(lambda: "\x1b[2K" in stream.getvalue())  # the lines are erased
            group.cancel_scope.cancel()

    anyio.run(main)


def test_where_nobody_looks_on_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    messages = Messages()
    messages.builds = lambda: [ROW]

    async def main() -> None:
        async with builds_shown(messages):
            await anyio.lowlevel.checkpoint()

    anyio.run(main)
    assert stream.getvalue() == ""


def test_a_session_names_the_functions_that_wait_for_a_build(tmp_path: Path) -> None:

    (tmp_path / "src").mkdir()
    build = 'source = "src"\nbuild = { command = "make", folder = "src" }\n'
    (tmp_path / "deploy.toml").write_text(f"{HEAD}[functions.one]\n{build}[functions.two]\n{build}")
    manifest = load(tmp_path / "deploy.toml", {})
    code = manifest.functions["one"].code
    assert isinstance(code, SourceCode)
    made = code.build
    assert made is not None

    async def main() -> None:
        packager = ZipPackager(tmp_path / "work")
        packager.building.append(Building(made, "src", anyio.current_time(), bytearray(b"first\nhalf")))
        (row,) = build_rows(packager, manifest)
        assert (row.functions, row.last_line) == ("one and 1 more", "half")

    anyio.run(main)
