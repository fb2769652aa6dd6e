"""The units of a plan, started wave after wave: in a wave all folders side by side, what takes longest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from orchestrator.engine.bus import Emit
from orchestrator.engine.verdicts import Tally
from orchestrator.journal.events import Breached
from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.model import Outcome, Rollout, Unit, Unknown
from orchestrator.planning.rollout import waves_left
from orchestrator.ports import Clock
from orchestrator.resilience.stop import Stop, StoppedError


@dataclass(frozen=True, slots=True)
class Waves:
    """Starts units. `admission`: for how many at once there are coroutines; the rest of a plan is data.

    `carry_out` is a unit's life in this stage of the run, and gives its admission back; `cancel` ends one that was not
    started.
    """

    rollout: Rollout
    tally: Tally
    stop: Stop
    emit: Emit
    clock: Clock
    admission: anyio.Semaphore
    expected_s: Callable[[Unit], float]
    carry_out: Callable[[Unit], Awaitable[Outcome | None]]
    cancel: Callable[[Unit], None]

    async def go(self, units: Sequence[Unit], begin: Callable[[Sequence[Unit]], None]) -> None:
        """Carry out all units, with a barrier and a pause between waves. `begin` hears of each wave's units first.

        No wave follows one of which a unit's end is not known, nor one that the tally makes the last. Of a wave that
        the runs before have ended nothing is left: it is judged, and passed over.
        """
        before = self.tally.before
        waves = waves_left(units, self.rollout.waves, before.turns, before.in_waves)
        left, begun = len(units), False
        for number, wave in enumerate(waves, start=1):
            if not left:
                return
            if begun and wave.units and self.rollout.pause_s and not self.stop.reason:
                with suppress(StoppedError), self.stop.interruptible():
                    await anyio.sleep(self.rollout.pause_s)
            self._breached(self.tally.wave_begins(wave.end))
            if wave.units and len(waves) > 1 and not self.stop.reason:
                self.emit(WaveStarted(self.clock(), number, len(waves), len(wave.units)))
            begin(wave.units)
            unknown = await self._wave(wave.units)
            left -= len(wave.units)
            begun = begun or bool(wave.units)
            if left:
                self._breached(self.tally.wave_ended(number))
                if unknown:
                    names = ", ".join(unknown[:5])
                    self.stop.request(f"what became of {names} of wave {number} is not known: no other wave starts")

    def _breached(self, why: str) -> None:
        if why:
            self.emit(Breached(self.clock(), why))
            self.stop.request(why)

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
