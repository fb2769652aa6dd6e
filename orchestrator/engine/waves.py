"""The units of a plan, started wave after wave: in a wave all folders side by side, what takes longest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import anyio
from anyio.abc import TaskGroup

from orchestrator.engine.bus import Emit
from orchestrator.engine.verdicts import Tally
from orchestrator.journal.events import Breached, WaveStarted
from orchestrator.model import Outcome, Rollout, Unit, Unknown
from orchestrator.planning.rollout import wave_ends
from orchestrator.ports import Clock
from orchestrator.resilience.stop import Stop, StoppedError


@dataclass(frozen=True, slots=True)
class Waves:
    """Starts units. `admission`: for how many at once there are coroutines; the rest of a plan is data.

    `carry_out` is a unit's whole life, and gives its admission back; `cancel` ends one that was not started.
    """

    rollout: Rollout
    tally: Tally
    stop: Stop
    emit: Emit
    clock: Clock
    admission: anyio.Semaphore
    expected_s: Callable[[Unit], float]
    carry_out: Callable[[Unit], Awaitable[Outcome]]
    cancel: Callable[[Unit], None]

    async def go(self, units: Sequence[Unit], begin: Callable[[Sequence[Unit]], None]) -> None:
        """Carry out all units, with a barrier and a pause between waves. `begin` hears of each wave's units first.

        No wave follows one of which a unit's end is not known, nor one that the tally makes the last.
        """
        ends = wave_ends(len(units), self.rollout.waves)
        for number, (start, end) in enumerate(pairwise((0, *ends)), start=1):
            if number > 1 and self.rollout.pause_s and not self.stop.reason:
                with suppress(StoppedError), self.stop.interruptible():
                    await anyio.sleep(self.rollout.pause_s)
            if len(ends) > 1 and not self.stop.reason:
                self.emit(WaveStarted(self.clock(), number, len(ends), end - start))
            wave = units[start:end]
            begin(wave)
            self.tally.wave_begins(end)
            unknown = await self._wave(wave)
            if end < len(units):
                failed = self.tally.wave_ended(number)
                if failed:
                    self.emit(Breached(self.clock(), failed))
                    self.stop.request(failed)
                if unknown:
                    names = ", ".join(unknown[:5])
                    self.stop.request(f"what became of {names} of wave {number} is not known: no other wave starts")

    async def _wave(self, units: Sequence[Unit]) -> list[str]:
        """Carry out one wave. Gives the keys of those whose end is not known."""
        folders: dict[str, list[Unit]] = {}
        for unit in units:
            folders.setdefault(unit.spec.folder_id, []).append(unit)
        unknown: set[str] = set()
        async with anyio.create_task_group() as group:
            for one in folders.values():
                group.start_soon(self._folder, sorted(one, key=self.expected_s, reverse=True), unknown, group)
        return [unit.key for unit in units if unit.key in unknown]

    async def _folder(self, units: Sequence[Unit], unknown: set[str], group: TaskGroup) -> None:
        for unit in units:
            await self.admission.acquire()
            if self.stop.why(unit.key):
                self.admission.release()
                self.cancel(unit)
                continue
            group.start_soon(self._one, unit, unknown)

    async def _one(self, unit: Unit, unknown: set[str]) -> None:
        if isinstance(await self.carry_out(unit), Unknown):
            unknown.add(unit.key)
