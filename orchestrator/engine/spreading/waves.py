"""The units of a plan, started wave by wave: within a wave, folders run in parallel, and the longest work starts
first.
"""

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
    """Starts units. Only admitted units have a coroutine; the rest of a plan is data.

    `carry_out` runs a unit in this stage of the run and releases its admission. `verify_again` does the same for a unit
    whose verification was inconclusive. `gates`: None if nothing judges the waves of this stage. `canary`: the size of
    the first wave, 0 if there is no canary.
    """

    rollout: Rollout
    run: RunProgress
    expected_s: Callable[[Unit], float]
    carry_out: Callable[[Unit], Awaitable[Outcome | None]]
    verify_again: Callable[[Unit], Awaitable[Outcome | None]]
    gates: Gates | None = None
    canary: int = 0

    async def go(self, units: Sequence[Unit], begin: Callable[[Sequence[Unit]], None]) -> None:
        """Carry out all units. Between two waves come a barrier, a pause or an approval, and the gate. The gate also
        follows the last wave. `begin` is called with each wave's units first.

        No wave follows one with a unit whose end is not known, or one that the tally makes the last. A wave that
        earlier runs have finished is judged and skipped.
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
                    run.stop.request(f"the outcome of {names} in wave {number} is unknown: no other wave starts")
        if self.gates is not None and waves and not unknown and not run.stop.reason:
            await self.gates.judge(self._judging(waves, len(waves), began_at))

    async def _between(self, ended: Judging, *, begun: bool) -> None:
        """Do what comes between two waves. `begun`: the first of them ended in this run. Otherwise, a resumed run does
        not wait for a pause that has passed, but for an approval that was not given.
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
        """Verify the inconclusive units again. Returns the keys of those whose end is not known. If some are still
        inconclusive, the run pauses, unless `on_inconclusive` says otherwise.
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
        """Carry out one wave. Returns the keys of units whose end is not known."""
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
