"""Prunes among deployments that fail, die, are rolled back and lose their machine, and people who make Versions by
hand.

No prune deletes what one of the last runs of a function needs: see `prunes.PruneBench`. At the end, each of them can
still be rolled back. `python -m tests.simulation.test_prunes FIRST` runs seeds until stopped.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orchestrator.errors import Exit
from orchestrator.journal.events import UnitEnded
from orchestrator.model import Blocked, Failed, Limits, Unknown
from orchestrator.sandbox.memory.faults import Faults, Rates
from tests.long import short_first
from tests.simulation.crashes import go_on
from tests.simulation.prunes import PruneBench
from tests.simulation.test_rollouts import Story, check, is_fair, resume
from tests.simulation.test_storm import storm

SEEDS = range(160)
SHORT = 4
DAYS_S = 86_400.0


def live_through(seed: int, root: Path) -> None:
    """Let anything happen, including prunes. Then roll back the last runs."""
    rng = random.Random(f"prunes {seed}")
    (root / "gate.sh").write_text("#!/bin/sh\n")
    (root / "gate.sh").chmod(0o755)
    bench = PruneBench(
        root, faults=Faults(Rates(), seed=seed), seed=seed, durations=rng.choice(["lognormal:1.2,0.4", "fixed:3"]),
        limits=Limits(operations_per_folder=rng.choice([2, 15])),
    )  # fmt: skip
    functions, runs = rng.choice([2, 3, 5]), rng.choice([1, 2, 3])
    keys = [f"f{number:02}" for number in range(functions)]
    verified, tagged = ({key for key in keys if rng.random() < share} for share in (0.5, 0.4))
    promoted = {key for key in keys if key in verified and rng.random() < 0.7}
    story = Story(bench, rng, functions, verified, promoted, tagged, two_phase=False)
    bench.verified = story.verified
    story.write()
    assert bench.deploy_now() == Exit.DONE, bench.said
    weather, meddled, loses = storm(rng) if rng.random() < 0.25 else Rates(), rng.random() < 0.4, rng.random() < 0.4
    fails = rng.random() < 0.5
    for turn in range(rng.choice([8, 12, 16])):
        bench.answers.sound, bench.faults.rates = not fails or rng.random() < 0.5, weather
        bench.die_after = rng.randrange(1, 60 * functions) if rng.random() < 0.2 else None
        bench.hand_after = rng.randrange(1, 60 * functions) if meddled and rng.random() < 0.3 else None
        bench.calls_off_after_s = rng.uniform(0, 20) if rng.random() < 0.08 else None
        if loses and rng.random() < 0.15:
            if rng.random() < 0.5:
                bench.lose_a_record()
            bench.lose_the_state()
        command(bench, story, rng, runs, is_first=turn == 0)
        days = rng.choice([0, 0, 0, 0, 1, 40]) * DAYS_S
        bench.pass_time(rng.choice([0.0, rng.uniform(0, 200), 200.0 + days]))
    end(bench, story, runs)


def command(bench: PruneBench, story: Story, rng: random.Random, runs: int, *, is_first: bool) -> None:
    """Run one of the commands, and compare what it reports with what is true."""
    draw = 0.0 if is_first else rng.random()
    if draw < 0.4:
        story.edit()
        bench.deploy_some(*(rng.sample(story.keys, rng.randint(1, len(story.keys))) if rng.random() < 0.5 else ()))
    elif draw < 0.7:
        some = tuple(rng.sample(story.keys, 1)) if rng.random() < 0.2 else ()
        bench.prune_now(rng.choice([1, 1, 2]), runs, everything=rng.random() < 0.2, patterns=some)
    elif draw < 0.82:
        resume(bench)
    elif draw < 0.94:
        bench.roll_back_now()
    else:
        bench.promote_now()
    check(bench)
    check_the_prune(bench)


def check_the_prune(bench: PruneBench) -> None:
    """Check that the exit code shows what is left of what was to be deleted. Without faults, nothing is."""
    if not bench.is_pruning() or bench.code is None:
        return
    seen, there = bench.seen_prunes[bench.roots[bench.started[0].run_id]], {one["id"] for one in bench.versions()}
    ends = [event.outcome for event in bench.events if isinstance(event, UnitEnded)]
    if bench.code == Exit.DONE and not seen.is_agreed:
        assert not seen.agreed & there, f"{seen.agreed & there} are there, they say they are gone"
    if bench.code == Exit.FAILED:
        assert any(isinstance(one, Failed | Blocked) for one in ends), f"{bench.said}: {ends}"
    if bench.code == Exit.INTERRUPTED:
        assert bench.stop.called_off or any(isinstance(one, Unknown) for one in ends), bench.said
    if is_fair(bench) and not bench.by_hand and not bench.stop.called_off:
        assert bench.code == Exit.DONE, (bench.code, bench.said, ends)


def end(bench: PruneBench, story: Story, runs: int) -> None:
    """Finish everything, prune again, and roll back each of the last runs, the newest first."""
    bench.faults.rates, bench.answers.sound = Rates(), True
    bench.die_after = bench.hand_after = bench.calls_off_after_s = None
    bench.passes_inconclusive, story.rollout = False, ""
    bench.pass_time(300.0)
    story.write()
    bench.prune_now(1, runs, everything=True)
    check_the_prune(bench)
    for root, chain in reversed([*bench.seen.items()]):
        functions = [one for one in chain.needs if chain in bench.last_chains(one, runs)]
        known = not chain.forgotten and all(f"functions/runs/{one}.json" in bench.records.objects for one in chain.runs)
        if functions and known and not chain.prunes:
            bench.roll_back_now(root)
            check(bench)
            assert bench.code in (Exit.DONE, Exit.FAILED), (bench.code, bench.said)


@pytest.mark.parametrize("seed", short_first(SHORT, SEEDS))
def test_whatever_happens_no_prune_deletes_what_one_of_the_last_runs_needs(seed: int, tmp_path: Path) -> None:
    live_through(seed, tmp_path)


if __name__ == "__main__":
    go_on(live_through)
