"""Progress during a run: a live region on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, TextIO, cast

import anyio

from orchestrator.journal.events import Event, RunEnded
from orchestrator.journal.rollout_events import RollbackBegun
from orchestrator.journal.state import RunState
from orchestrator.model import Step
from orchestrator.model.units import MB
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.display.doing import DOING, counted_doing, doing
from orchestrator.report.display.frame import Drawn, HeadPart, Line, build_lines, frame, head
from orchestrator.report.display.live_counts import LiveCounts
from orchestrator.report.display.suspension import Suspension
from orchestrator.report.plain_text import first_cells, time_span
from orchestrator.report.records import NOT_ENDED
from orchestrator.report.streams import Unbroken, as_encoded, cursor_hidden, is_terminal, may_colour
from orchestrator.report.summary import counts
from orchestrator.report.views import Builds

if TYPE_CHECKING:
    from orchestrator.report.display.outlook import Outlook

_REFRESH_S = 0.25
_AS_PLANNED = ("unchanged", "deployed", "pruned")  # outcomes that need no attention
_HEIGHT_LEFT = 1  # lines that the region leaves free, so that the last line above it can be seen
_SMALLEST = (80, 24)  # columns and lines, where the terminal's size is not known

Region = Callable[[int, int], list[Line]]  # for so many columns and lines of the window


async def draw(stream: TextIO, environ: Mapping[str, str], region: Region, over: Callable[[], Awaitable[bool]]) -> None:
    """Redraw the lines that `region` returns for the window, until `over` returns true, which waits a little each time.

    The window is measured each time, since it may be resized. Unchanged frames are not drawn again.
    """
    from rich.console import Console, ConsoleDimensions  # noqa: PLC0415 - only where there is a terminal
    from rich.live import Live  # noqa: PLC0415 - only where there is a terminal
    from rich.text import Text  # noqa: PLC0415 - only where there is a terminal

    # Lines fit the width already. soft_wrap keeps log lines above the region in one piece.
    coloured = may_colour(stream, environ)
    console = Console(  # is_terminal has decided already: no other variable changes that
        file=cast("TextIO", _Fixed(stream)), force_terminal=True, force_interactive=True, no_color=not coloured,
        soft_wrap=True, highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    # redirect_stderr: what is written to stderr during the run, mostly logs, appears above the region
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=True)
    drawn: object = None
    with cursor_hidden(stream), live, Suspension(live) as suspension:
        while True:
            if suspension.happened():
                drawn = None
            size = _window(stream)
            console.size = ConsoleDimensions(*size)
            lines = region(*size)
            if drawn != (size, lines):
                drawn = (size, lines)
                shown = Text(no_wrap=True, overflow="crop")
                for number, line in enumerate(lines):
                    text = first_cells(as_encoded(line.text, stream), max(1, size[0] - 1))
                    shown.append("\n" if number else "").append(text, line.style if coloured else None)
                live.update(shown, refresh=True)
            if await over():
                return


def _window(stream: TextIO) -> tuple[int, int]:
    """Return the window's size: its columns and lines."""
    with suppress(OSError, ValueError):
        size = os.get_terminal_size(stream.fileno())
        if size.columns and size.lines:
            return size.columns, size.lines
    return _SMALLEST


async def draw_builds(stream: TextIO, builds: Builds, outlet: Outlet) -> None:
    """Show the running builds until cancelled. Nothing is drawn while there are none."""

    async def none_left() -> bool:
        await anyio.sleep(_REFRESH_S)
        return not builds()

    def region(width: int, height: int) -> list[Line]:
        lines = build_lines(builds(), outlet, max(1, width - 1))
        return [Line(line) for line in lines[: max(1, height - _HEIGHT_LEFT)]]

    while True:
        await anyio.sleep(_REFRESH_S)
        if builds():
            await draw(stream, os.environ, region, none_left)


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
    """Return the display of a run: a listener, and `run`, which draws until it is cancelled or the run has ended.

    `state`: the state that the same events are folded into; `interval_s`: the time between plain lines.
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
        self._counts = LiveCounts(state)
        self._live = is_terminal(stream, environ)
        self._gone = 0.0  # the share done that was shown last
        self._over = anyio.Event()

    def __call__(self, event: Event) -> None:
        self._counts(event)
        if isinstance(event, RunEnded | RollbackBegun):  # a rollback has its own display
            self._over.set()

    async def run(self) -> None:
        """Draw and wait, in turn."""
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
        """Return how far the run is, in one line."""
        now = self._clock()
        parts = self._parts(now)
        parts[4:4] = [HeadPart(2, text) for text in self._waits(now)]
        return "; ".join(part.text for part in parts if part.text)

    def region(self, width: int, height: int) -> list[Line]:
        """Return the lines of the live region. They fit into a window of so many columns and lines."""
        now, width, height = self._clock(), max(1, width - 1), max(1, height - _HEIGHT_LEFT)
        waits, outlook = list(self._waits(now)), self._outlook
        parts = [*self._parts(now), *(HeadPart(2, text) for text in waits if height == 1)]
        clouds, wave = (outlook.clouds, outlook.wave) if outlook is not None else ({}, "")
        drawn = Drawn(head(parts, width), waits, self._counts, clouds, self._builds(), wave, now)
        return frame(drawn, self._outlet, width, height)

    def _parts(self, now: float) -> list[HeadPart]:
        """Return how far the run is, in parts. The least important have the highest rank."""
        state = self._state
        by_name = {name: f"{count} {name}" for name, count in counts(state).items() if name != NOT_ENDED}
        bad = [text for name, text in by_name.items() if name not in _AS_PLANNED]
        at = [f"{state.steps[step]} {DOING[step]}" for step in Step if step in state.steps and step is not Step.TRACK]
        running = Counter(doing(unit) for unit in self._counts.working.values() if unit.step is Step.TRACK)
        at += [counted_doing(count, what) for what, count in running.items()]
        sent, size = self._bytes()
        rate = self._counts.per_minute(now)
        left_s = self._outlook.seconds(now) if self._outlook is not None else None
        took = time_span(now - state.started_at + state.planned_s) if state.started_at is not None else ""
        return [
            HeadPart(0, f"{state.ended}/{self._total}{self._share(now)}"),
            HeadPart(5, ", ".join(by_name.values()), ", ".join(bad)),
            HeadPart(9, ", ".join(at)),
            HeadPart(3, self._outlook.wave if self._outlook is not None else ""),
            HeadPart(8, f"{sent // MB} of {size // MB}MB sent" if size else ""),
            HeadPart(6, f"{rate:.0f} a minute" if rate is not None else ""),
            HeadPart(7, took),
            HeadPart(4, f"about {time_span(left_s)} left" if left_s is not None else ""),
        ]

    def _share(self, now: float) -> str:
        """Return how much is done: of the total time if it is known, otherwise of the functions."""
        if not self._total:
            return ""
        gone = self._outlook.share(now) if self._outlook is not None else None
        # Operations that take longer than predicted make a share smaller: it stays until it is reached again.
        self._gone = max(self._gone, gone or self._state.ended / self._total)
        return f" ({int(100 * self._gone + 1e-6)} %)"

    def _waits(self, now: float) -> Iterator[str]:
        """Yield what the run waits for, and until when."""
        outage, wait, outlook = self._counts.outage, self._counts.wait, self._outlook
        if outage is not None:
            reason = self._outlet.line(outage.reason)
            yield f"the cloud has not responded for {time_span(now - outage.at)}: {reason}"
        elif wait is not None and now < wait.at + wait.seconds:
            yield f"retrying in {time_span(wait.at + wait.seconds - now)}: {self._outlet.line(wait.reason)}"
        if outlook is not None:
            until = outlook.pause_until
            if until is not None and until > now:
                at = datetime.fromtimestamp(until)  # noqa: DTZ006 - shown in local time
                yield f"pause until {at:%H:%M:%S} ({time_span(until - now)} left)"
            if outlook.gate:
                most_s = outlook.gate_until
                yield outlook.gate + (f" (at most {time_span(most_s - now)} more)" if most_s is not None else "")
        if self._state.breach:
            yield f"nothing new starts: {self._outlet.line(self._state.breach)}"

    def _bytes(self) -> tuple[int, int]:
        large = [unit for unit in self._counts.working.values() if unit.step is Step.UPLOAD and unit.size_bytes]
        return sum(unit.sent_bytes for unit in large), sum(unit.size_bytes for unit in large)


class _Fixed(Unbroken):
    """The stream as it is now, even if it is standard error: the display is about to replace that."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._stream = stream
        self.encoding = getattr(stream, "encoding", "utf-8")

    def fileno(self) -> int:
        return self.stream.fileno()
