"""Runs with a budget of failures that die, are resumed, and lose their journal, in any order: what a chain guarantees.

No unit starts after a breach, within the chain. No exit 0 while something is undone. A failing seed is in the test's
name: `pytest -m "" tests/simulation/test_chains.py -k "[317]"` replays it. For more seeds, `python -m
tests.simulation.test_chains FIRST` runs until stopped.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.app.session import chain as chains
from orchestrator.engine import progress
from orchestrator.engine.verdicts import Tally, breach, exit_code
from orchestrator.errors import CloudError, Exit, InterruptedRunError
from orchestrator.journal.events import Event, Requested, RunEnded, RunStarted, UnitEnded
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Action, Deployed, Failed, Outcome, Plan, Rollout, Unchanged
from orchestrator.planning import resume as resuming
from orchestrator.planning.resume import undone
from orchestrator.planning.rollout import wave_ends
from orchestrator.sandbox.memory.faults import Faults, Rates
from tests.engine import sources
from tests.long import short_first
from tests.simulation.crashes import MortalBench, go_on
from tests.simulation.test_storm import storm

SEEDS = range(400)
SHORT = 60  # number of these that `make test` runs; `make long` runs the others


@dataclass
class ChainBench(MortalBench):
    """`past`: the events of the chain's earlier runs, as far as the journal still has them. `state`: with this
    run's.
    """

    past: list[Event] = field(default_factory=list)
    state: RunState = field(default_factory=RunState)
    asked: set[str] = field(default_factory=set)  # in this run
    begun: bool = False
    code: int = 0
    first: list[str] = field(default_factory=list)  # the units of the chain's waves

    def emit(self, event: Event) -> None:
        if isinstance(event, Requested) and event.key not in self.asked:
            self.asked.add(event.key)
            assert not self.state.breach, f"{event.key} starts after: {self.state.breach}"
            most, failed = self.rollout.max_failures, self.failures()
            assert not isinstance(most, int) or failed <= most, f"{event.key} starts after {failed} failures"
            if not isinstance(most, int):
                self.check_the_wave(event.key)
        try:
            super().emit(event)
        finally:
            if self.events and self.events[-1] is event:  # it is in the journal
                self.state.apply(event)

    def failures(self) -> int:
        return len(self.failed())

    def failed(self) -> set[str]:
        units = self.state.units.values()
        return {unit.key for unit in units if isinstance(unit.outcome, Failed) and unit.action != Action.BLOCKED}

    def check_the_wave(self, key: str) -> None:
        """Check that no unit of a wave starts while an earlier wave is not done, or has too many failures."""
        ends = wave_ends(len(self.first), self.rollout.waves)
        number = next(number for number, end in enumerate(ends) if self.first.index(key) < end)
        for end in ends[:number]:
            failed = self.failed() & set(self.first[:end])
            assert not breach(len(failed), end, self.rollout.max_failures or 0), f"{key} starts after {failed} failed"

    def announce(self, plan: Plan) -> None:
        if not self.past:
            self.first = [unit.key for unit in plan.units if unit.action not in (Action.UNCHANGED, Action.BLOCKED)]
        self.start(len(plan.units))
        super().announce(plan)

    def start(self, units: int, resumes: str = "") -> None:
        if not self.begun:
            self.begun = True
            run_id = f"R{sum(isinstance(event, RunStarted) for event in self.past)}"
            self.emit(RunStarted(self.now(), run_id, "deploy", "here", "deploy.toml", units, "0", resumes=resumes))

    def new_chain(self, manifest: str) -> bool:
        """Deploy as a new run. Returns whether it survived."""
        self.past, self.state = [], RunState()

        def deploy() -> dict[str, Outcome]:
            outcomes = self.deploy(manifest, rollout=self.rollout)
            self.end(list(outcomes.values()))
            return outcomes

        return self.until_end(deploy)

    def take_up(self, manifest: str) -> bool:
        """Resume the chain, as `resume` does. Returns whether that survived."""
        self.state = before = fold(self.past)
        left = resuming.left_of(before)
        if before.total > len(before.units):  # nothing was requested
            self.first = [key for key in self.first if key in before.units]
        if not left:
            self.code = exit_code(resuming.outcomes_of(before).values(), interrupted=False)
            if before.total > len(before.units):  # a plan of which the journal lost a part
                self.code = max(self.code, Exit.FAILED)
            return True
        return self.until_end(lambda: self._resume(manifest, before, left, chains.earlier_of(before, left)))

    def until_end(self, work: Callable[[], dict[str, Outcome]]) -> bool:
        self.asked, self.begun, self.events = set(), False, []
        lived = self._until_death(work) is not None
        self.past = [*self.past, *self.journal]
        return lived

    def end(self, outcomes: list[Outcome]) -> None:
        cut = self.stop.reason not in ("", self.result.breach)
        self.code = exit_code(outcomes, interrupted=cut or self.result.interruption is not None)
        self.emit(RunEnded(self.now(), self.code, self.stop.reason))


def live_through(seed: int, root: Path) -> None:
    """Let runs breach, die, be resumed and be forgotten. After each, compare what is reported with what is true."""
    rng = random.Random(seed)
    functions = rng.choice([4, 9, 16])
    bench = ChainBench(
        root,
        faults=Faults(storm(rng) if rng.random() < 0.2 else Rates(), seed=seed),
        seed=seed,
        durations=rng.choice(["lognormal:1.2,0.4", "fixed:3"]),
        rollout=Rollout(
            waves=rng.choice([("100%",), (1, "100%"), (2, "50%", "100%")]),
            max_failures=rng.choice([None, 0, 1, 2, 4, "20%"]),
        ),
    )
    manifest = sources(root, functions)
    names = [f"f{number:03}" for number in range(functions)]
    bench.faults.failing_functions.update(name for name in names if rng.random() < 0.3)
    changed = root / "src" / "f0" / "index.py"
    source = changed.read_text()
    for turn in range(10):
        bench.die_after = rng.randrange(1, 30 * functions) if rng.random() < 0.6 else None
        if rng.random() < 0.2:
            bench.faults.failing_functions.clear()  # someone has fixed it
        if rng.random() < 0.2:
            changed.write_text(source if rng.random() < 0.7 else f"{source}# {turn}\n")
        bench.packager = type(bench.packager)(root / "zips")  # of another process, which packs the current files
        if bench.past and rng.random() < 0.2:
            del bench.past[-rng.randrange(1, 4) :]  # a power failure
        resumes = bench.past and rng.random() < 0.7
        try:
            lived = bench.take_up(manifest) if resumes else bench.new_chain(manifest)
        except (CloudError, InterruptedRunError):  # the live state could not be read: nothing was done
            continue
        if lived:
            check_the_chain(bench, names)
    bench.faults.failing_functions.clear()
    bench.faults.rates = Rates()
    changed.write_text(source)
    bench.packager = type(bench.packager)(root / "zips")
    bench.pass_time(120.0)
    bench.die_after = None
    if bench.past:
        bench.take_up(manifest)
        check_the_chain(bench, names)
    for _ in range(2):
        assert bench.new_chain(manifest)
    check_the_chain(bench, names)
    assert bench.code == 0


def check_the_chain(bench: ChainBench, names: list[str]) -> None:
    """Check that the exit code is 0 exactly when nothing is undone, and that the cloud shows the same."""
    left = undone(bench.state)
    reported = len(bench.state.units) >= bench.state.total
    assert (bench.code == 0) == (not left and reported), (bench.code, left.keys(), bench.state.outcomes)
    if bench.code == 0:
        functions = {one["id"]: one["name"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
        latest = {
            functions[one["functionId"]]
            for one in bench.versions()
            if "$latest" in one.get("tags", ()) and one["status"] == "ACTIVE"
        }
        assert latest == set(names)
    for unit in bench.state.units.values():
        assert not isinstance(unit.outcome, Deployed) or unit.outcome.read_back


@pytest.mark.parametrize("seed", short_first(SHORT, SEEDS))
def test_whatever_happens_a_stop_is_final_and_exit_0_is_true(seed: int, tmp_path: Path) -> None:
    live_through(seed, tmp_path)


# --- it bites -------------------------------------------------------------------------------------------------------

Break = Callable[[pytest.MonkeyPatch], None]


def forget_failures_before(patch: pytest.MonkeyPatch) -> None:
    whole = chains.earlier_of
    patch.setattr(chains, "earlier_of", lambda before, left: type(whole(before, left))(whole(before, left).outcomes))


def judge_by_the_last_run_alone(patch: pytest.MonkeyPatch) -> None:
    whole = chains.earlier_of
    patch.setattr(chains, "earlier_of", lambda before, left: type(whole(before, left))({}, whole(before, left).before))


def take_what_is_blocked_since_for_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chains, "exit_code", exit_code)
    whole = resuming.outcomes_of
    patch.setattr(
        resuming,
        "outcomes_of",
        lambda run: {key: one if isinstance(one, Failed) else Unchanged("") for key, one in whole(run).items()},
    )
    patch.setattr(resuming, "_has_ended", lambda unit: unit.outcome is not None)


def write_a_breach_after_the_outcome(patch: pytest.MonkeyPatch) -> None:
    def end(self: progress.RunProgress, unit: object, outcome: Outcome) -> None:
        key = unit.key  # type: ignore[attr-defined]
        self.outcomes[key] = outcome
        self.left.pop(key, None)
        stopped = self.tally.ended(outcome)
        self.emit(UnitEnded(self.world.clock(), key, outcome))
        if stopped:
            self.stop.request(stopped)

    patch.setattr(progress.RunProgress, "end", end)
    patch.setattr(Tally, "begin", lambda _self: "")


@pytest.mark.parametrize(
    "broken",
    [
        forget_failures_before,
        judge_by_the_last_run_alone,
        take_what_is_blocked_since_for_done,
        write_a_breach_after_the_outcome,
    ],
)
def test_a_broken_chain_is_caught(broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            live_through(seed, folder)
        except (AssertionError, BaseExceptionGroup):  # of a task group, if it was raised in one
            return
    pytest.fail(f"{broken.__name__} went through {len(SEEDS)} seeds")


if __name__ == "__main__":
    go_on(live_through)
