"""Progress while a run lasts: a live region on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import TextIO, cast

import anyio

from orchestrator.journal.events import Event, RunEnded
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Step
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.plain_text import pad, shorten, time_span
from orchestrator.report.streams import Unbroken, is_terminal, may_colour
from orchestrator.report.summary import counts

_REFRESH_S = 0.25
_LONGEST = 4  # running units named in the live region
_DOING = {
    Step.BUILD: "building", Step.PACKAGE: "packing", Step.UPLOAD: "uploading", Step.QUEUE: "waiting for a slot",
    Step.FUNCTION: "creating the function", Step.UPDATE: "updating the function",
    Step.CREATE: "creating the version", Step.TAG: "moving tags", Step.TRACK: "operation running",
    Step.READ_BACK: "reading back",
}  # fmt: skip


def progress(
    stream: TextIO,
    *,
    total: int,
    state: RunState,
    interval_s: float = 10.0,
    clock: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
    outlet: Outlet | None = None,
) -> Progress:
    """Make the display of a run: a listener, and `run`, which draws until it is cancelled or the run has ended.

    `state` is what the events are folded into; `interval_s` lies between plain lines.
    """
    outlet = outlet or Outlet(Redactor())
    return Progress(
        stream, total=total, state=state, interval_s=interval_s, clock=clock, environ=environ, outlet=outlet
    )


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
    ) -> None:
        self._stream = stream
        self._outlet = outlet
        self._total = total
        self._state = state
        self._interval_s = interval_s
        self._clock = clock
        self._live = is_terminal(stream, environ)
        self._colours = may_colour(stream, environ)
        self._over = anyio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            self._over.set()

    async def run(self) -> None:
        """Draw, and wait, in turn."""
        if self._live:
            await self._draw()
            return
        out = Unbroken(self._stream)
        while not await self._ended_within(self._interval_s):
            out.write(f"{self._outlet.line(self.line())}\n")
            out.flush()

    async def _draw(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
        from rich.live import Live  # noqa: PLC0415 - the same
        from rich.text import Text  # noqa: PLC0415 - the same

        # Lines fit the width already; with soft_wrap, log lines above the region are left whole.
        console = Console(
            file=cast("TextIO", _Fixed(self._stream)), force_terminal=True, no_color=not self._colours, soft_wrap=True,
            highlight=False, markup=False, emoji=False,
        )  # fmt: skip
        # redirect_stderr: whatever is written there meanwhile, logs above all, appears above the region
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=True)
        with live:
            while True:
                live.update(Text("\n".join(self.region(console.width))), refresh=True)
                if await self._ended_within(_REFRESH_S):
                    return

    async def _ended_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._over.wait()
        return self._over.is_set()

    def line(self) -> str:
        """Say how far the run is, in one line."""
        state = self._state
        named = [f"{count} {name}" for name, count in counts(state).items() if name != "not ended"]
        doing = [f"{state.steps[step]} {_DOING[step]}" for step in Step if step in state.steps]
        parts = [f"{state.ended}/{self._total}", ", ".join(named), ", ".join(doing)]
        sent, size = self._bytes()
        if size:
            parts.append(f"{sent / 1e6:.0f} of {size / 1e6:.0f} MB sent")
        if state.started_at is not None:
            parts.append(time_span(self._clock() - state.started_at + state.planned_s))
        return "; ".join(part for part in parts if part)

    def region(self, width: int) -> list[str]:
        """Give the lines of the live region, none wider than `width`: the line, and the longest running units."""
        lines = [self.line()]
        for unit in nsmallest(_LONGEST, self._running(), key=lambda unit: unit.started_at or 0.0):
            doing = _DOING[unit.step] if unit.step is not None else "waiting to try again"
            if unit.step is Step.UPLOAD and unit.size_bytes:
                doing += f" {100 * unit.sent_bytes // unit.size_bytes} % of {unit.size_bytes / 1e6:.0f} MB"
            name = pad(shorten(self._outlet.line(unit.key), 40), 40)
            lines.append(f"  {name}  {doing}, {time_span(self._clock() - (unit.started_at or self._clock()))}")
        return [shorten(line, max(1, width - 1)) for line in lines]

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
