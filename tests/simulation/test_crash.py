"""Runs that die at any event or call, followed by `resume` or by a deploy without a journal.

A failing seed is in the test's name: `pytest -m "" tests/simulation/test_crash.py -k "[417]"` replays it. For more
seeds, `python -m tests.simulation.test_crash FIRST` runs until stopped.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.journal.state import fold
from orchestrator.model import Deployed, Failed, Limits, Outcome, Step, Unchanged
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Faults, Rates
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import sources
from tests.long import short_first
from tests.simulation.crashes import MortalBench, go_on
from tests.simulation.test_storm import check_the_slots, check_the_truth, stamps, storm

SEEDS = range(500)
SHORT = 40  # number of these that `make test` runs; `make long` runs the others


def settings_of(rng: random.Random) -> CloudSettings:
    """Draw how the cloud behaves: what listings show, what is known about quotas, and how these change."""
    settings = rng.choice(
        [
            CloudSettings(key_lifetime_s=0.0),
            CloudSettings(creating_visible=False),
            CloudSettings(creating_share=0.6),
            CloudSettings(),
        ]
    )
    changes = [(rng.uniform(0.0, 60.0), {"operations_per_folder": rng.choice([1, 2, 15])}) for _ in range(3)]
    return replace(
        settings,
        quota_manager=rng.random() < 0.5,
        quota_details=rng.random() < 0.5,
        quota_changes=tuple(changes[: rng.randrange(4)]),
    )


def live_through(seed: int, root: Path) -> None:
    """Let runs die and be resumed until all is done. Compare the live state with the desired one."""
    rng = random.Random(seed)
    limits = Limits(operations_per_folder=rng.choice([4, 15]), operation_deadline_s=rng.choice([15.0, 900.0]))
    functions = rng.choice([3, 8, 14])  # few are read one by one, many in bulk
    weather = storm(rng) if rng.random() < 0.5 else Rates()
    bench = MortalBench(
        root, faults=Faults(weather, seed=seed), seed=seed, limits=limits,
        durations=rng.choice(["lognormal:1.2,0.4", "fixed:3", "lognormal:3,1.0"]),
        # Keys may be forgotten at once, or versions hidden while they are made: one of the two protects.
        settings=settings_of(rng),
    )  # fmt: skip
    bench.jumps = rng.random() < 0.3
    meddled = rng.random() < 0.3
    manifest = sources(root, functions)
    outcomes = None
    for turn in range(20):  # many of these may only see that an Operation still runs
        bench.die_after = rng.randrange(1, 40 * functions) if turn < 5 else None
        bench.hand_after = rng.randrange(1, 60 * functions) if meddled and turn < 6 else None
        if rng.random() < 0.3:  # the cloud's quota differs from the reported one
            bench.cloud.active.quotas = Quotas(operations_per_folder=rng.choice([2, 15, 30]))
        quota = bench.cloud.active.quotas.operations_per_folder
        if turn == 7:
            bench.faults.rates = Rates()  # the faults end: what is left must succeed
            bench.pass_time(120.0)  # and what others began, perhaps unseen, has ended
        resumes = bench.journal and rng.random() < 0.5
        if resumes and rng.random() < 0.3:
            del bench.journal[-rng.randrange(1, 4) :]  # a power failure
        try:
            if resumes:
                outcomes = bench.resume_until_death(manifest)
            else:
                # A copy of our description is guarded. In the end, the user has checked it and agrees.
                outcomes = bench.deploy_until_death(manifest, adopt=turn >= 7)
        except (CloudError, InterruptedRunError):  # the live state could not be read: nothing was done
            outcomes = None
        if outcomes is None:
            continue
        check_the_reasons(bench, outcomes)
        if not resumes:  # which begins with what is already running
            check_the_slots(bench, replace(limits, operations_per_folder=max(quota, limits.operations_per_folder)))
            check_the_truth(bench, outcomes, bench.by_hand)
        if turn >= 7 and not resumes and all(isinstance(one, Unchanged) for one in outcomes.values()):
            break
    assert outcomes is not None
    assert all(isinstance(one, Unchanged | Deployed) for one in outcomes.values()), outcomes
    check_the_versions(bench, functions)


def check_the_versions(bench: MortalBench, functions: int) -> None:
    """Check that one Version of each function is ours, plus one for each that someone else made before it."""
    others = {version_id for made in bench.by_hand.values() for version_id in made}
    ours = [version for version in bench.versions() if version["id"] not in others]
    if not others:
        assert set(stamps(ours).values()) == {1}
        assert len(ours) == functions
    made = Counter(version["functionId"] for version in ours)
    assert len(made) == functions
    for function_id, times in made.items():
        assert times <= 1 + len(bench.by_hand.get(function_id, ())), function_id
    latest = {version["id"] for version in bench.versions() if "$latest" in version.get("tags", ())}
    assert not latest & others


def check_the_reasons(bench: MortalBench, outcomes: Mapping[str, Outcome]) -> None:
    """Check that what is reported as deployed was read back, and that what is reported as failed has not been made."""
    names = {one["id"]: one["name"] for one in bench.cloud.functions.list({"folderId": "folder"}).get("functions", [])}
    versions = [version for version in bench.versions() if version["functionId"] not in bench.by_hand]
    made = {names.get(version["functionId"]) for version in versions if version["status"] != "ERROR"}
    for key, outcome in outcomes.items():
        if isinstance(outcome, Deployed):
            assert outcome.read_back, key
            assert not overwritten(bench, key, outcome.version_id), (
                f"{key} is deployed, they say, over another's version"
            )
        if isinstance(outcome, Failed) and outcome.step in (Step.TRACK, Step.CREATE):
            assert key not in made, f"{key} failed, they say, and is there"
            if outcome.step is Step.TRACK:
                assert "error" in bench.cloud.operations.get(outcome.failure.operation_id), key


def overwritten(bench: MortalBench, key: str, version_id: str) -> list[str]:
    """Return the Versions of others from which a unit's Version took $latest although the plan was based on another.
    The cloud's own history of that tag decides, because Versions need not take it in order of creation.
    """
    unit = fold(bench.events).units.get(key)
    if unit is None or not unit.requests:
        return []
    function_id = unit.function_id or next(iter(unit.operations.values())).function_id
    rows = bench.cloud.functions.tag_history(function_id, {"pageSize": 1000}).get("functionTagHistoryRecord", [])
    held = [row for row in rows if row["tag"] == "$latest"]
    held = [row["functionVersionId"] for row in sorted(held, key=lambda row: str(row["effectiveFrom"]))]
    if version_id not in held:
        return []
    before = held[: held.index(version_id)][-1:]
    # A copy of our stamp, made while its version is still being made, looks like an earlier attempt of ours.
    copies = {version["id"] for version in bench.versions() if unit.fingerprint in version["description"]}
    theirs = set(bench.by_hand.get(function_id, ())) - copies - {unit.base_version_id}
    return [one for one in before if one in theirs]


@pytest.mark.parametrize("seed", short_first(SHORT, SEEDS))
def test_whoever_dies_when_there_is_one_version_of_each(seed: int, tmp_path: Path) -> None:
    live_through(seed, tmp_path)


if __name__ == "__main__":
    go_on(live_through)
