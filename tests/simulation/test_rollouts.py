"""Rollouts in which anything happens: versions that fail, other deployers, deaths, lost machines.

The guarantees of a chain of runs are checked against the cloud after each command. A failing seed is in the test's
name: `pytest -m "" tests/simulation/test_rollouts.py -k "[17]"` replays it. For more seeds, `python -m
tests.simulation.test_rollouts FIRST` runs until stopped.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.errors import Exit
from orchestrator.journal.state import RunState
from orchestrator.model import Cancelled, Deployed, Limits, Unchanged, Unknown
from orchestrator.ports import CommandEnd
from orchestrator.sandbox.memory.faults import Faults, Rates
from tests.long import short_first
from tests.simulation.crashes import go_on
from tests.simulation.rollouts import PROMOTED, RolloutBench
from tests.simulation.test_storm import check_the_slots, storm

SEEDS = range(160)
SHORT = 6  # number of these that `make test` runs; `make long` runs the others

HEAD = """
[cloud]
folder_id = "folder"
[storage]
bucket = "packages"
prefix = "functions/"
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
"""
VERIFY = 'verify = { payload = { n = 1 }, expect = { ok = true }, timeout = "3s" }\n'


@dataclass
class Story:
    """The content of the manifest, which changes from one chain to the next."""

    bench: RolloutBench
    rng: random.Random
    functions: int
    verified: set[str]
    promoted: set[str]
    tagged: set[str]
    two_phase: bool
    revision: dict[str, int] = field(default_factory=dict)
    rollout: str = ""

    @property
    def keys(self) -> list[str]:
        return [f"f{number:02}" for number in range(self.functions)]

    def write(self) -> None:
        """Write the manifest and the sources."""
        tables = [HEAD, f"[rollout]\n{self.rollout}" if self.rollout else ""]
        for key in self.keys:
            revision = self.revision.get(key, 0)
            folder = self.bench.root / "src" / key
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "index.py").write_text(f"def handler(event, context):\n    return {revision}  # {key}\n")
            lines = [f'[functions.{key}]\nsource = "src/{key}"\nlabels = {{ revision = "{revision}" }}\n']
            if key in self.verified:
                lines.append(VERIFY)
            if key in self.promoted:
                lines.append(f'promote = ["{PROMOTED}"]\n')
            if key in self.tagged:
                lines.append('tags = ["plain"]\n')
            tables.append("".join(lines))
        (self.bench.root / "deploy.toml").write_text("\n".join(tables))

    def edit(self) -> None:
        """Change some of it, as someone does between two deployments."""
        rng = self.rng
        for key in self.keys:
            if rng.random() < 0.6:
                self.revision[key] = self.revision.get(key, 0) + rng.choice([1, 1, 1, -1])
        lines = []
        on_breach = rng.choice(["stop", "rollback", "rollback", "pause"])
        most = rng.choice([0, 1, '"30%"'])
        if on_breach == "rollback" or rng.random() < 0.5:
            lines.append(f"max_failures = {most}")
        lines.append(f'on_breach = "{on_breach}"')
        inconclusive = rng.choice(["pause", "fail", "pass"])
        lines.append(f'on_inconclusive = "{inconclusive}"')
        waves = rng.choice(['[1, "100%"]', '["100%"]', '[2, "50%", "100%"]'])
        lines.append(f"waves = {waves}")
        if rng.random() < 0.3:
            lines.append(f'canary = ["{self.keys[0]}"]')
        if rng.random() < 0.4:
            lines.append("pause = " + rng.choice(['"5s"', '"approval"', '"20m"']))
        if rng.random() < 0.3:
            lines.append('gate = { command = ["./gate.sh"], timeout = "10s" }')
        if self.two_phase:
            lines.append("two_phase = true")
        self.bench.passes_inconclusive = inconclusive == "pass"
        self.rollout = "\n".join(lines) + "\n"
        self.bench.commands.ends = [
            CommandEnd(rng.choice([0, 0, 0, 0, 1, 75]), "", rng.choice([0.5, 0.5, 20.0])) for _ in range(10)
        ]
        self.write()


def live_through(seed: int, root: Path) -> None:
    """Let chains of runs be deployed, die, be resumed and rolled back. Compare their guarantees with what is true."""
    rng = random.Random(seed)
    (root / "gate.sh").write_text("#!/bin/sh\n")
    (root / "gate.sh").chmod(0o755)
    limits = Limits(operations_per_folder=rng.choice([2, 15]))
    weather = storm(rng) if rng.random() < 0.25 else Rates()
    bench = RolloutBench(
        root, faults=Faults(Rates(), seed=seed), seed=seed, limits=limits,
        durations=rng.choice(["lognormal:1.2,0.4", "fixed:3"]),
    )  # fmt: skip
    functions, two_phase = rng.choice([3, 5, 8]), rng.random() < 0.25
    keys = [f"f{number:02}" for number in range(functions)]
    verified, tagged = ({key for key in keys if rng.random() < share} for share in (0.8, 0.3))
    promoted = {key for key in keys if two_phase or (key in verified and rng.random() < 0.7)}
    story = Story(bench, rng, functions, verified, promoted, tagged, two_phase)
    bench.verified = story.verified
    story.write()
    assert bench.deploy_now() == Exit.DONE, bench.said
    bench.answers.sound = False
    bench.faults.rates = weather
    meddled = rng.random() < 0.4
    for _ in range(rng.choice([2, 3, 4])):
        story.edit()
        bench.two_phase = two_phase
        chain(bench, rng, 60 * functions, meddled=meddled)
        bench.pass_time(rng.uniform(0, 200))
    bench.faults.rates = Rates()
    bench.die_after = bench.hand_after = bench.calls_off_after_s = None
    bench.answers.sound, bench.passes_inconclusive, story.rollout = True, False, ""
    bench.two_phase = story.two_phase = False
    bench.pass_time(300.0)
    for key in keys:
        story.revision[key] = 1000
    story.write()
    for _ in range(4):
        if bench.deploy_now(adopt=True, again=True) == Exit.DONE:
            break
    assert bench.code == Exit.DONE, bench.said
    check_the_versions(bench, promoted)


def chain(bench: RolloutBench, rng: random.Random, steps: int, *, meddled: bool) -> None:
    """Deploy, and handle the result."""
    for turn in range(6):
        bench.die_after = rng.randrange(1, steps) if rng.random() < 0.5 and turn < 4 else None
        bench.hand_after = rng.randrange(1, steps) if meddled and rng.random() < 0.5 else None
        bench.calls_off_after_s = rng.uniform(0, 30) if rng.random() < 0.1 else None
        if turn and rng.random() < 0.15:
            bench.lose_the_state()
        draw = rng.random()
        if turn == 0:
            bench.deploy_now()
        elif draw < 0.35:
            resume(bench)
        elif draw < 0.6:
            bench.promote_now()
        elif draw < 0.85:
            bench.roll_back_now()
        else:
            bench.deploy_now()
        check(bench)
        if bench.code is not None and rng.random() < 0.4:
            break


def resume(bench: RolloutBench) -> None:
    """Resume what there is. A paused run is refused, and nothing starts."""
    last = next(reversed(bench.roots), "")
    waits = bool(last) and bench.is_paused(last)
    bench.resume_now()
    if waits and bench.code is not None:
        assert not any(bench.roots[one.run_id] == bench.roots[last] for one in bench.started), "a paused run goes on"


def check(bench: RolloutBench) -> None:
    """Compare what the last command reported with the live state."""
    if not bench.started[1:] and bench.started and not bench.started[0].resumes:
        check_the_slots(bench, bench.limits)
    if bench.code is not None:
        assert not bench.held_leases(), "a run has ended, and keeps its lease"
        if bench.started:
            check_the_end(bench, bench.chain(bench.started[0].run_id))
    for started in bench.started:
        if started.rolls_back:
            state = bench.chain(started.run_id)
            if state.exit_code is not None:
                check_the_rollback(bench, state, bench.roots[started.rolls_back])


def check_the_end(bench: RolloutBench, run: RunState) -> None:
    """Check that a breach led to a rollback if it should, and that a paused run waits."""
    if run.verb == "rollback":
        return
    assert (run.rollout.paused is not None) <= (bench.code == Exit.INTERRUPTED), (bench.code, run.rollout.paused)
    not_started = bench.code == Exit.NOT_STARTED and run.rollout.owes_rollback(run.exit_code)  # so it is still owed
    if run.rollout.then == "rollback" and bench.code != Exit.INTERRUPTED and not not_started:
        assert run.rollout.rollback, f"{run.breach}, and nothing is taken back"
    if run.rollout.then == "rollback" and is_fair(bench) and not bench.stop.called_off:
        assert bench.code != Exit.INTERRUPTED, f"{run.breach}, and the rollback is cut off by itself: {bench.said}"
    if bench.code == Exit.ROLLED_BACK:
        check_all_back(bench, bench.roots[run.run_id])
    if bench.started[1:] and is_fair(bench) and not bench.stop.called_off:
        back = bench.chain(bench.started[1].run_id)
        assert back.exit_code in (Exit.DONE, Exit.FAILED), f"the rollback has ended with {back.exit_code}: {bench.said}"


def is_fair(bench: RolloutBench) -> bool:
    """Return whether only people and code can make something fail."""
    return bench.faults.rates == Rates()


def check_all_back(bench: RolloutBench, of: str) -> None:
    """Check that all that a chain of runs changed, and no one else, is as before."""
    rolled, live = bench.rolled[of], bench.live_now()
    touched = {function_id for function_id, who in bench.changes if who == of}
    for function_id in touched - others(bench, of):
        was = rolled.live.get(function_id)
        if was is not None and was["latest"] is not None:
            assert live[function_id] == was, f"{function_id} is not back: {difference(was, live[function_id])}"


def others(bench: RolloutBench, of: str) -> set[str]:
    """Return the functions that others have changed since a chain of runs began, besides it and its rollbacks."""
    rolled = bench.rolled[of]
    own = {of, *rolled.backs}
    return rolled.moving | {function_id for function_id, who in bench.changes[rolled.index :] if who not in own}


def check_the_rollback(bench: RolloutBench, back: RunState, of: str) -> None:
    """Check a rollback that has ended: what it reports as restored is as before, and only what someone else changed was
    left alone.
    """
    rolled, live, meddled = bench.rolled[of], bench.live_now(), others(bench, of)
    for unit in back.units.values():
        was, now = rolled.live.get(unit.function_id), live.get(unit.function_id)
        if unit.function_id in meddled or was is None or was["latest"] is None:
            continue
        if isinstance(unit.outcome, Deployed | Unchanged):
            assert now == was, f"{unit.key} is back, they say: {difference(was, now)}"
        elif is_fair(bench) and not isinstance(unit.outcome, Cancelled | Unknown | None):
            raise AssertionError(f"{unit.key} is left alone: {unit.outcome}")
    if back.exit_code == Exit.DONE:
        check_all_back(bench, of)
    if is_fair(bench) and back.exit_code == Exit.INTERRUPTED:
        assert bench.stop.called_off, f"the rollback was cut off by itself: {bench.said}"


def difference(was: object, now: object) -> str:
    """Return how two descriptions of a function differ."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        return f"{was} / {now}"
    return "; ".join(f"{name}: {was[name]} / {now[name]}" for name in was if was[name] != now[name])


def check_the_versions(bench: RolloutBench, promoted: set[str]) -> None:
    """Check that no Version was made twice in a row for the same reason."""
    others = {version_id for made in bench.by_hand.values() for version_id in made}
    last: dict[str, str] = {}
    for version in sorted(bench.versions(), key=lambda one: str(one["createdAt"])):
        if version["status"] != "ACTIVE":
            continue
        if version["id"] not in others:
            assert last.get(version["functionId"]) != version["description"], f"{version['id']} was made twice"
        last[version["functionId"]] = version["description"] if version["id"] not in others else ""
    for function_id, seen in bench.live_now().items():
        latest = bench.latest_of(function_id)
        assert latest is not None
        if seen["own"][0] in promoted:
            assert seen["tags"].get(PROMOTED) == latest["id"]


@pytest.mark.parametrize(
    "seed",
    [
        *short_first(SHORT, SEEDS),
        254,  # the stamp of the live state before a run equals the one that the run requests
    ],
)
def test_whatever_happens_what_is_said_to_be_deployed_was_verified_and_what_is_back_is_as_before(
    seed: int, tmp_path: Path
) -> None:
    live_through(seed, tmp_path)


if __name__ == "__main__":
    go_on(live_through)
