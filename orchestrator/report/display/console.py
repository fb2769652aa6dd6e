"""Progress while a run lasts: a live region on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import nsmallest
from typing import TYPE_CHECKING, TextIO, cast

import anyio

from orchestrator.journal.events import Event, RunEnded
from orchestrator.journal.rollout_events import RollbackBegun
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import ChangeKind, Step
from orchestrator.model.units import MB
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.plain_text import cells, pad, shorten, time_span
from orchestrator.report.streams import Unbroken, is_terminal, may_colour
from orchestrator.report.summary import counts
from orchestrator.report.views import BuildRow, Builds

if TYPE_CHECKING:
    from orchestrator.report.display.outlook import Outlook

_REFRESH_S = 0.25
_LONGEST = 4  # running units named in the live region
_DOING = {
    Step.BUILD: "building", Step.PACKAGE: "packing", Step.UPLOAD: "uploading", Step.QUEUE: "waiting for a slot",
    Step.FUNCTION: "creating the function", Step.UPDATE: "updating the function",
    Step.CREATE: "creating the version", Step.TAG: "moving tags", Step.DELETE: "deleting versions",
    Step.TRACK: "operation running",
    Step.VERIFY: "verifying", Step.READ_BACK: "reading back",
}  # fmt: skip
# What an Operation that runs does, by its call.
_RUNNING = {
    ChangeKind.FUNCTION: "function in the making", ChangeKind.UPDATE: "function being updated",
    ChangeKind.VERSION: "version in the making", ChangeKind.TAG: "tag on its way",
    ChangeKind.SCALING: "scaling being changed", ChangeKind.ACCESS: "access being changed",
    ChangeKind.DELETE: "version being deleted",
}  # fmt: skip


def _doing(unit: UnitState) -> str:
    """Say what a unit is at."""
    if unit.step is None:
        return "waiting to try again"
    running = _RUNNING.get(ChangeKind(unit.call)) if unit.step is Step.TRACK and unit.call in _CALLS else None
    return running or _DOING[unit.step]


_CALLS = frozenset(ChangeKind)


def build_lines(rows: Iterable[BuildRow], outlet: Outlet, width: int) -> list[str]:
    """Give a line for each build, none wider than `width`; what it printed is foreign text."""
    lines = []
    for row in rows:
        doing = f"building, {time_span(row.seconds)}"
        last = f": {outlet.line(row.last_line)}" if row.last_line else ""
        lines.append(_first_cells(f"  {pad(shorten(outlet.line(row.functions), 40), 40)}  {doing}{last}", width))
    return lines


def _first_cells(text: str, width: int) -> str:
    """Cut the end of a text that is wider than `width` cells."""
    while cells(text) > width:
        text = f"{text[:-2]}…" if text.endswith("…") else f"{text[:-1]}…"
    return text


async def draw(
    stream: TextIO, environ: Mapping[str, str], region: Callable[[int], list[str]], over: Callable[[], Awaitable[bool]]
) -> None:
    """Draw the lines that `region` gives for a width, again and again, until `over` says so; it waits a little."""
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.live import Live  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    # Lines fit the width already; with soft_wrap, log lines above the region are left whole.
    console = Console(
        file=cast("TextIO", _Fixed(stream)), force_terminal=True, no_color=not may_colour(stream, environ),
        soft_wrap=True, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    # redirect_stderr: whatever is written there meanwhile, logs above all, appears above the region
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=True)
    with live:
        while True:
            live.update(Text("\n".join(region(console.width))), refresh=True)
            if await over():
                return


async def draw_builds(stream: TextIO, builds: Builds, outlet: Outlet) -> None:
    """Show the builds that run until cancelled: nothing is drawn while none does."""

    async def none_left() -> bool:
        await anyio.sleep(_REFRESH_S)
        return not builds()

    while True:
        await anyio.sleep(_REFRESH_S)
        if builds():
            await draw(stream, os.environ, lambda width: build_lines(builds(), outlet, max(1, width - 1)), none_left)


def progress(
    stream: TextIO,
    *,
    total: int,
    state: RunState,
    interval_s: float = 10.0,
    clock: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
    outlet: Outlet | None = None,
    outlook: Outlook | None = None,
    builds: Builds = tuple,
) -> Progress:
    """Make the display of a run: a listener, and `run`, which draws until it is cancelled or the run has ended.

    `state` is what the events are folded into; `interval_s` lies between plain lines.
    """
    outlet = outlet or Outlet(Redactor())
    return Progress(
        stream, total=total, state=state, interval_s=interval_s, clock=clock, environ=environ, outlet=outlet,
        outlook=outlook, builds=builds,
    )  # fmt: skip


class Progress:
    """See `progress`."""

    def __init__(
        self,
        stream: TextIO,
        *,
        total: int,
        state: RunState,
        interval_s: float,
        clock: Callable[[], float],
        environ: Mapping[str, str],
        outlet: Outlet,
        outlook: Outlook | None,
        builds: Builds,
    ) -> None:
        self._stream = stream
        self._outlet = outlet
        self._outlook = outlook
        self._builds = builds
        self._environ = environ
        self._total = total
        self._state = state
        self._interval_s = interval_s
        self._clock = clock
        self._live = is_terminal(stream, environ)
        self._over = anyio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded | RollbackBegun):  # which has a display of its own
            self._over.set()

    async def run(self) -> None:
        """Draw, and wait, in turn."""
        if self._live:
            await draw(self._stream, self._environ, self.region, lambda: self._ended_within(_REFRESH_S))
            return
        out = Unbroken(self._stream)
        while not await self._ended_within(self._interval_s):
            out.write(f"{self._outlet.line(self.line())}\n")
            out.flush()

    async def _ended_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._over.wait()
        return self._over.is_set()

    def line(self) -> str:
        """Say how far the run is, in one line."""
        state, now = self._state, self._clock()
        named = [f"{count} {name}" for name, count in counts(state).items() if name != "not ended"]
        doing = [
            f"{state.steps[step]} {_DOING[step]}" for step in Step if step in state.steps and step is not Step.TRACK
        ]
        running = Counter(_doing(unit) for unit in self._running() if unit.step is Step.TRACK)
        doing += [f"{count} {what}" for what, count in running.items()]
        parts = [
            f"{state.ended}/{self._total}{self._share(now)}",
            ", ".join(named),
            ", ".join(doing),
            *self._ahead(now),
        ]
        sent, size = self._bytes()
        if size:
            parts.append(f"{sent // MB} of {size // MB}MB sent")
        if state.started_at is not None:
            parts.append(time_span(now - state.started_at + state.planned_s))
        left_s = self._outlook.seconds(now) if self._outlook is not None else None
        if left_s is not None:
            parts.append(f"about {time_span(left_s)} left")
        return "; ".join(part for part in parts if part)

    def _share(self, now: float) -> str:
        """Say how much is done: of the time that all of it takes, else of the functions."""
        if not self._total:
            return ""
        gone = self._outlook.share(now) if self._outlook is not None else None
        return f" ({int(100 * (gone or self._state.ended / self._total) + 1e-6)} %)"

    def _ahead(self, now: float) -> Iterator[str]:
        """Say which wave it is, and until when the run pauses before the next."""
        if self._outlook is not None:
            yield self._outlook.wave
            until = self._outlook.pause_until
            if until is not None and until > now:
                at = datetime.fromtimestamp(until)  # noqa: DTZ006 - people read their own time
                yield f"pause until {at:%H:%M:%S} ({time_span(until - now)} left)"
            yield self._outlook.gate

    def region(self, width: int) -> list[str]:
        """Give the lines of the live region, none wider than `width`: the line, and the longest running units."""
        lines = [self.line()]
        for unit in nsmallest(_LONGEST, self._running(), key=lambda unit: unit.started_at or 0.0):
            doing = _doing(unit)
            if unit.step is Step.UPLOAD and unit.size_bytes:
                doing += f" {100 * unit.sent_bytes // unit.size_bytes} % of {unit.size_bytes // MB}MB"
            name = pad(shorten(self._outlet.line(unit.key), 40), 40)
            lines.append(f"  {name}  {doing}, {time_span(self._clock() - (unit.started_at or self._clock()))}")
        lines = [shorten(line, max(1, width - 1)) for line in lines]
        return [*lines, *build_lines(self._builds(), self._outlet, max(1, width - 1))]

    def _running(self) -> list[UnitState]:
        return list(self._state.running.values())

    def _bytes(self) -> tuple[int, int]:
        large = [unit for unit in self._running() if unit.step is Step.UPLOAD and unit.size_bytes]
        return sum(unit.sent_bytes for unit in large), sum(unit.size_bytes for unit in large)


class _Fixed(Unbroken):
    """The stream as it is now, even where it is standard error: the display is what comes to stand before that."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._stream = stream
        self.encoding = getattr(stream, "encoding", "utf-8")

    def fileno(self) -> int:
        return self.stream.fileno()
