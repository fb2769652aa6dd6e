"""The units of a plan, started wave after wave: in a wave all folders side by side, what takes longest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
from anyio.abc import TaskGroup

from orchestrator.engine.progress import RunProgress
from orchestrator.engine.spreading.gate import Gates, Judging
from orchestrator.journal.rollout_events import PauseBegan, WaveStarted
from orchestrator.model import Cancelled, Inconclusive, Outcome, Rollout, Unit, Unknown
from orchestrator.planning.rollout import Wave, ends_paused, waves_left
from orchestrator.resilience.stop import StoppedError

_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Waves:
    """Starts units. A coroutine is there for as many at once as are admitted; the rest of a plan is data.

    `carry_out` is a unit's life in this stage of the run, and gives its admission back; `verify_again` the same, of one
    whose verification could not tell anything. `gates`: None, where nothing judges the waves of this stage. `canary`:
    how many units are its first wave, 0 for no such wave.
    """

    rollout: Rollout
    run: RunProgress
    expected_s: Callable[[Unit], float]
    carry_out: Callable[[Unit], Awaitable[Outcome | None]]
    verify_again: Callable[[Unit], Awaitable[Outcome | None]]
    gates: Gates | None = None
    canary: int = 0

    async def go(self, units: Sequence[Unit], begin: Callable[[Sequence[Unit]], None]) -> None:
        """Carry out all units; between two waves are a barrier, a pause or somebody's approval, and the gate, which
        also follows the last. `begin` hears of each wave's units first.

        No wave follows one of which a unit's end is not known, nor one that the tally makes the last. Of a wave that
        the runs before have ended nothing is left: it is judged, and passed over.
        """
        run, before = self.run, self.run.tally.before
        waves = waves_left(units, self.rollout.waves, before.turns, before.in_waves, self.canary)
        left, begun, unknown, began_at = len(units), False, list[str](), None
        for number, wave in enumerate(waves, start=1):
            if not left:
                break
            if number > 1 and wave.units and (begun or wave.is_whole):
                await self._between(self._judging(waves, number - 1, began_at), begun=begun)
            self._breached(run.tally.wave_begins(wave.end))
            if wave.units and len(waves) > 1 and not run.stop.reason:
                is_canary = number == 1 and self.canary > 0
                by_folder = dict(Counter(unit.spec.folder_id for unit in wave.units))
                run.emit(WaveStarted(run.world.clock(), number, len(waves), len(wave.units), is_canary, by_folder))
            begin(wave.units)
            began_at = anyio.current_time()
            unknown = await self._wave(wave.units, self.carry_out)
            unknown += await self._again(wave.units, number)
            left -= len(wave.units)
            begun = begun or bool(wave.units)
            if left:
                self._breached(run.tally.wave_ended(number))
                if unknown:
                    names = ", ".join(unknown[:_NAMED_MAX])
                    run.stop.request(f"what became of {names} of wave {number} is not known: no other wave starts")
        if self.gates is not None and waves and not unknown and not run.stop.reason:
            await self.gates.judge(self._judging(waves, len(waves), began_at))

    async def _between(self, ended: Judging, *, begun: bool) -> None:
        """Do what comes between two waves. `begun`: the one that has ended did so in this run; else whoever has taken
        the run up does not wait for time that has gone by, but for an approval that nobody has given.
        """
        run, rollout = self.run, self.rollout
        if run.stop.reason:
            return
        if ends_paused(rollout):
            if begun or not run.tally.before.approved:
                now = run.world.clock()
                until = 0.0 if rollout.approval else now + rollout.pause_s
                run.pause(f"{ended.name} has ended: {_waits(until)}", ended.wave, until)
                return
        elif begun and rollout.pause_s:
            run.emit(PauseBegan(run.world.clock(), ended.wave, rollout.pause_s))
            with suppress(StoppedError), run.stop.interruptible():
                await anyio.sleep(rollout.pause_s)
        if self.gates is not None and not run.stop.reason:
            await self.gates.judge(ended)

    @staticmethod
    def _judging(waves: Sequence[Wave], number: int, began_at: float | None) -> Judging:
        wave = waves[number - 1]
        seconds = anyio.current_time() - began_at if began_at is not None else 0.0
        return Judging(number, len(waves), wave.begin, wave.end, seconds)

    async def _again(self, units: Sequence[Unit], number: int) -> list[str]:
        """Verify those once more of which nobody could say whether they work. Gives the keys of those whose end is not
        known. Where that is still so the run pauses, unless `on_inconclusive` says otherwise.
        """
        run = self.run
        waiting = [unit for unit in units if unit.key in run.undecided]
        unknown = await self._wave(waiting, self.verify_again)
        unsure = [unit.key for unit in waiting if isinstance(run.outcomes.get(unit.key), Inconclusive)]
        if unsure and not run.stop.reason and run.rollout.on_inconclusive == "pause":
            more = f" and {len(unsure) - _NAMED_MAX} more" if len(unsure) > _NAMED_MAX else ""
            names = f"{', '.join(unsure[:_NAMED_MAX])}{more}"
            run.pause(f"the verification of {names} is inconclusive (wave {number})", number)
        return unknown

    def _breached(self, why: str) -> None:
        if why:
            self.run.breached(why)

    async def _wave(self, units: Sequence[Unit], carry_out: Callable[[Unit], Awaitable[Outcome | None]]) -> list[str]:
        """Carry out one wave. Gives the keys of those whose end is not known."""
        folders: dict[str, list[Unit]] = {}
        for unit in units:
            folders.setdefault(unit.spec.folder_id, []).append(unit)
        unknown: set[str] = set()

        async def one(unit: Unit) -> None:
            if isinstance(await carry_out(unit), Unknown):
                unknown.add(unit.key)

        async with anyio.create_task_group() as group:
            for some in folders.values():
                group.start_soon(self._folder, sorted(some, key=self.expected_s, reverse=True), one, group)
        return [unit.key for unit in units if unit.key in unknown]

    async def _folder(
        self, units: Sequence[Unit], one: Callable[[Unit], Coroutine[Any, Any, None]], group: TaskGroup
    ) -> None:
        run = self.run
        for unit in units:
            await run.admission.acquire()
            if why := run.stop.why(unit.key):
                run.admission.release()
                run.end(unit, run.undecided_end(unit) or Cancelled(why))
                continue
            group.start_soon(one, unit)


def _waits(until: float) -> str:
    if not until:
        return "it waits for approval"
    return f"it pauses until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC"
