from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

import anyio
import pytest
import structlog

from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import BytesSent, Event, OperationAccepted, Requested, StepStarted, UnitEnded
from orchestrator.journal.rollout_events import PauseBegan, WaveStarted
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Action, Change, ChangeKind, Deployed, Rollout, Step, Unit
from orchestrator.prediction import virtual_time
from orchestrator.report.display.console import Progress, progress
from orchestrator.report.display.doing import doing
from orchestrator.report.display.outlook import Outlook
from orchestrator.report.logs import configure
from orchestrator.report.plain_text import cells
from orchestrator.report.streams import Unbroken, is_terminal, may_colour
from tests.builders import spec
from tests.runs import STARTED_AT, ended, failed, planned, started


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(Terminal):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


PLAIN_TERMINAL = {"TERM": "xterm-256color"}
A_RUN: list[Event] = [
    started(units=6),
    UnitEnded(STARTED_AT + 1, "a", Deployed("v")),
    UnitEnded(STARTED_AT + 1, "b", failed()),
    StepStarted(STARTED_AT + 2, "c", Step.TRACK),
    StepStarted(STARTED_AT + 1, "d", Step.TRACK),
    StepStarted(STARTED_AT + 3, "e", Step.UPLOAD),
    BytesSent(STARTED_AT + 3, "e", 30_000_000, 120_000_000),
]


def display(
    state: RunState,
    stream: io.StringIO | None = None,
    environ: Mapping[str, str] = PLAIN_TERMINAL,
    interval_s: float = 10.0,
    outlook: Outlook | None = None,
) -> Progress:
    return progress(
        stream or io.StringIO(),
        total=state.total,
        state=state,
        clock=lambda: STARTED_AT + 12.3,
        environ=environ,
        interval_s=interval_s,
        outlook=outlook,
    )


def unit(key: str) -> Unit:
    return Unit(key, spec(key), Action.VERSION, "changed", changes=(Change(ChangeKind.VERSION),))


def test_the_line_says_how_far_the_run_is() -> None:
    assert display(fold(A_RUN)).line() == (
        "2/6 (33 %); 1 deployed, 1 failed; 1 uploading, 2 operations running; 28 of 114MB sent; 12.3 s"
    )


def test_the_line_of_a_run_that_has_hardly_begun() -> None:
    assert display(RunState(total=6)).line() == "0/6 (0 %)"


def test_the_region_names_the_longest_running_units_first() -> None:
    lines = display(fold(A_RUN)).region(120, 40)
    rows = [line.text.strip() for line in lines if " s  " in line.text]
    assert [re.split(r"\s{2,}", row) for row in rows] == [
        ["slowest", "d", "11.3 s", "operation running"],
        ["c", "10.3 s", "operation running"],
        ["e", "9.3 s", "uploading 25 % of 114MB"],
    ]


def test_the_region_stays_small_however_much_runs() -> None:
    events = [StepStarted(STARTED_AT, f"f{number}", Step.TRACK) for number in range(1000)]
    assert len(display(fold([started(units=1000), *events])).region(80, 40)) == 7


def test_the_region_fits_a_narrow_terminal() -> None:
    assert all(cells(line.text) < 30 for line in display(fold(A_RUN)).region(30, 40))


def test_a_unit_that_waits_to_try_again_says_so() -> None:
    unit = fold(A_RUN).units["d"]
    unit.step = None
    assert doing(unit) == "waiting to retry"


# --- where it may draw -----------------------------------------------------------------------------------------------

PLACES: list[tuple[Callable[[], io.StringIO], dict[str, str], bool, bool]] = [
    # stream, environment → cursor movements, colours
    (Terminal, {"TERM": "xterm"}, True, True),
    (io.StringIO, {"TERM": "xterm"}, False, False),
    (Terminal, {"TERM": "dumb"}, False, False),
    (Terminal, {"TERM": "xterm", "CI": "true"}, False, True),
    (Terminal, {"TERM": "xterm", "CI": "1"}, False, True),
    (Terminal, {"TERM": "xterm", "CI": "false"}, True, True),
    (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
    (Terminal, {"TERM": "xterm", "NO_COLOR": ""}, True, True),
]


@pytest.mark.parametrize(("make", "environ", "live", "colours"), PLACES)
def test_where_a_display_may_draw(
    make: Callable[[], io.StringIO], environ: dict[str, str], *, live: bool, colours: bool
) -> None:
    assert is_terminal(make(), environ) is live
    assert may_colour(make(), environ) is colours


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert is_terminal(stream, PLAIN_TERMINAL) is False


def test_an_unbroken_stream_swallows_what_the_one_behind_raises() -> None:
    out = Unbroken(Broken())
    assert out.write("said") == 4
    out.flush()


def test_the_share_that_is_done_never_becomes_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter((0.5, 0.4, 0.6))
    monkeypatch.setattr(Outlook, "share", lambda _self, _now: next(shares))
    shown = display(fold(A_RUN), outlook=Outlook(Learned({})))
    assert [re.findall(r"\((\d+) %\)", shown.line()) for _ in range(3)] == [["50"], ["50"], ["60"]]


# --- plain lines -----------------------------------------------------------------------------------------------------


def drawn(stream: io.StringIO, *, after_s: float, then: Event | None = None, interval_s: float = 10.0) -> float:
    """Let the display run for a while in virtual time, then call `then` or cancel it. Return when it ended."""

    async def main() -> float:
        shown = display(fold(A_RUN), stream, {}, interval_s=interval_s)
        async with anyio.create_task_group() as group:
            group.start_soon(shown.run)
            await anyio.sleep(after_s)
            if then is None:
                group.cancel_scope.cancel()
            else:
                shown(then)
        return anyio.current_time()

    return float(virtual_time.run(main))


def test_without_a_terminal_a_plain_line_comes_every_ten_seconds() -> None:
    stream = io.StringIO()
    drawn(stream, after_s=35)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("2/6 (33 %); 1 deployed, 1 failed;") for line in lines)


def test_a_short_run_writes_no_line() -> None:
    stream = io.StringIO()
    drawn(stream, after_s=9)
    assert stream.getvalue() == ""


def test_the_display_ends_with_the_run() -> None:
    assert drawn(io.StringIO(), after_s=3, then=ended()) == pytest.approx(3)


def test_a_broken_stderr_does_not_end_the_display() -> None:
    assert drawn(Broken(), after_s=25, then=ended()) == pytest.approx(25)


# --- the live region -------------------------------------------------------------------------------------------------


async def live(stream: io.StringIO, during: Callable[[], None]) -> None:
    shown = progress(stream, total=6, state=fold(A_RUN), environ=PLAIN_TERMINAL)
    async with anyio.create_task_group() as group:
        group.start_soon(shown.run)
        await anyio.wait_all_tasks_blocked()
        during()
        shown(ended())


def test_on_a_terminal_the_region_is_drawn_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    anyio.run(live, stream, lambda: None)
    assert "2/6 (33 %); 1 deployed, 1 failed" in stream.getvalue()
    assert "\x1b[2K" in stream.getvalue()  # the lines are erased
    assert sys.stderr is stream


def test_log_lines_stand_whole_above_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    configure("info", "console", stream)
    long = "x" * 500
    try:
        anyio.run(live, stream, lambda: structlog.get_logger().warning("retrying", reason=long))
    finally:
        structlog.reset_defaults()
    (line,) = [part for part in stream.getvalue().split("\n") if long in part]
    assert "2/6" not in line


def test_a_live_display_on_a_broken_stderr_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Broken()
    monkeypatch.setattr("sys.stderr", stream)
    anyio.run(live, stream, lambda: None)


ON_A_TERMINAL = """
import sys, anyio
from orchestrator.report.display.console import progress
from orchestrator.journal.state import fold
from tests.unit.report.test_console import A_RUN
from tests.runs import ended

async def main():
    shown = progress(sys.stderr, total=6, state=fold(A_RUN))
    async with anyio.create_task_group() as group:
        group.start_soon(shown.run)
        await anyio.sleep(0.6)
        print("said beside it", file=sys.stderr)
        shown(ended())

anyio.run(main)
"""


def everything(terminal: int) -> str:
    """Read what a terminal was sent, and close it. Its other end is closed: the last read fails."""
    shown = b""
    with open(terminal, "rb", buffering=0) as file, suppress(OSError):
        while part := file.read(4096):
            shown += part
    return shown.decode()


def test_a_real_terminal_gets_the_region_and_is_left_clean() -> None:
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    try:
        done = subprocess.run(
            [sys.executable, "-c", ON_A_TERMINAL], stderr=theirs, env=environ | PLAIN_TERMINAL, timeout=60, check=False
        )
    finally:
        os.close(theirs)
        shown = everything(ours)
    assert done.returncode == 0
    assert "2/6 (33 %); 1 deployed, 1 failed" in shown
    assert "said beside it" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


def test_rich_is_not_loaded_where_there_is_no_terminal() -> None:
    code = "import sys, orchestrator.report.display.console, orchestrator.report.summary\n"
    code += "assert 'rich' not in sys.modules, 'rich'"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("create", "function being created"),
        ("update", "function being updated"),
        ("createVersion", "version being created"),
        ("setTag", "tag being moved"),
        ("of-a-newer-program", "operation running"),
    ],
)
def test_an_operation_that_runs_is_called_by_what_it_does(call: str, said: str) -> None:
    events = [
        planned("f"),
        Requested(STARTED_AT, "f", call, "d4e", "key", 1),
        OperationAccepted(STARTED_AT, "f", call, "operation", "d4e"),
    ]
    shown = display(fold([started(), *events]))
    assert f"; 1 {said}; " in shown.line()
    assert any(line.text.endswith(f"  12.3 s  {said}") for line in shown.region(120, 40))


def test_the_line_tells_wave_pause_and_how_long_is_left() -> None:
    outlook = Outlook(Learned({Kind.PLAIN: [2.0] * 20}))
    units = [unit(f"f{number}") for number in range(100)]
    outlook.plan(units, {"folder": "cloud"}, Rollout(pause_s=60.0))
    state = fold([started(units=100)])
    shown = display(state, outlook=outlook)
    assert "left" not in shown.line(), "it is not known yet for how many there is room"
    for what, allowed in (("folder folder", 10.0), ("cloud cloud", 20.0)):
        outlook(LimitChanged(STARTED_AT, what, allowed, "quota-manager"))
    assert shown.line() == "0/100 (0 %); 12.3 s; about 20.0 s left"
    outlook(WaveStarted(STARTED_AT, 1, 2, 1))
    assert shown.line() == "0/100 (0 %); wave 1 of 2; 12.3 s; about 1 min 20 s left"
    ended = UnitEnded(STARTED_AT + 10.0, "f0", Deployed("v"))
    for listener in (state.apply, outlook):
        listener(ended)
        listener(ended)  # it is reported again when it was read back
    outlook(PauseBegan(STARTED_AT + 10.0, 1, 60.0))
    until = datetime.fromtimestamp(STARTED_AT + 70.0)  # noqa: DTZ006 - as the display has it
    assert shown.line() == (
        f"1/100 (3 %); 1 deployed; wave 1 of 2; pause until {until:%H:%M:%S} (57.7 s left); 12.3 s;"
        " about 1 min 18 s left"
    )
    outlook(WaveStarted(STARTED_AT + 70.0, 2, 2, 99))
    assert shown.line() == "1/100 (75 %); 1 deployed; wave 2 of 2; 12.3 s; about 19.8 s left"
    for one in units:
        outlook(UnitEnded(STARTED_AT + 80.0, one.key, Deployed("v")))
    assert "left" not in shown.line()


def test_what_is_left_is_never_less_than_one_operation_and_keeps_to_the_request_rate() -> None:
    outlook = Outlook(Learned({Kind.PLAIN: [2.0] * 20}))
    outlook.plan([unit(f"f{number}") for number in range(100)], {}, Rollout())
    outlook(LimitChanged(STARTED_AT, "folder folder", 1000.0, "declared"))
    assert outlook.seconds(STARTED_AT) == 5.0  # 100 calls, 20 a second
    for number in range(99):
        outlook(UnitEnded(STARTED_AT, f"f{number}", Deployed("v")))
    assert outlook.seconds(STARTED_AT) == 2.0
