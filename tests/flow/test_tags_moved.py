"""A tag that someone has moved since the plan is not moved silently, by a setTag or with a new Version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.journal.events import OperationAccepted, Requested
from orchestrator.model import Action, Blocked, Deployed, Outcome
from orchestrator.sandbox.memory.faults import Fate, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import Bench, sources
from tests.flow.test_decided_again import bench_of, changed, id_of, latest, meanwhile

TAGGED = 'tags = ["stable"]\n'


def former(bench: Bench, name: str) -> str:
    """Return a Version of a function that is not `$latest`."""
    now = latest(bench, name)["id"]
    return next(
        str(one["id"]) for one in bench.versions() if one["functionId"] == id_of(bench, name) and one["id"] != now
    )


def move(bench: Bench, version_id: str, *, away: bool = False) -> None:
    """Move the tag by hand, or remove it, with a slot beyond our own."""
    quotas, bench.cloud.active.quotas = bench.cloud.active.quotas, Quotas(100, 100, 100)
    act = bench.cloud.versions.remove_tag if away else bench.cloud.versions.set_tag
    bench.faults.settle_next("removeTag" if away else "setTag", Fate(duration_s=0.0))
    try:
        act(version_id, {"tag": "stable"})
    finally:
        bench.cloud.active.quotas = quotas


def holder(bench: Bench, name: str) -> str:
    bench.pass_time(30)
    held = [one for one in bench.versions() if one["functionId"] == id_of(bench, name)]
    return next((str(one["id"]) for one in held if "stable" in one.get("tags", ())), "")


def calls(bench: Bench) -> list[str]:
    return [event.call for event in bench.events if isinstance(event, Requested) and event.key == "f001"]


def two_versions(bench: Bench, root: Path, *, tagged: bool) -> str:
    """Deploy two functions twice. Returns the manifest. The tag is on the first Version of f001, if anywhere."""
    manifest = sources(root, 2)
    bench.deploy(manifest + (TAGGED if tagged else ""))
    bench.deploy(changed(manifest))
    return changed(manifest)


@pytest.mark.parametrize("how", ["moved", "removed", "moved to where it was to be"])
def test_a_tag_that_was_moved_since_the_plan_is_not_moved_over(how: str, tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    manifest = two_versions(bench, tmp_path, tagged=True)
    first, now = former(bench, "f001"), latest(bench, "f001")["id"]
    bench.deploy(manifest.replace("256MB", "512MB"))
    newest = latest(bench, "f001")["id"]
    acts: dict[str, Any] = {
        "moved": lambda: move(bench, now),
        "removed": lambda: move(bench, first, away=True),
        "moved to where it was to be": lambda: move(bench, newest),
    }
    manifest = manifest.replace("256MB", "512MB")
    outcome = bench.deploy(manifest + TAGGED, meanwhile=meanwhile(acts[how], after_s=0.0))["f001"]
    assert {unit.key: unit.action for unit in bench.plan.units}["f001"] is Action.RETAG
    assert calls(bench) == []
    if how == "moved to where it was to be":
        assert isinstance(outcome, Deployed)
        assert outcome.read_back
        assert holder(bench, "f001") == newest
        return
    assert isinstance(outcome, Blocked)
    where = f"moved to version {now}" if how == "moved" else "removed"
    assert outcome.reason.startswith(f"changed since the plan: the tag stable was {where} at 2026-")
    assert outcome.reason.endswith("; check it, then plan again")
    assert holder(bench, "f001") == (now if how == "moved" else "")


@pytest.mark.parametrize("tagged", ["latest", "former", "none"])
@pytest.mark.parametrize("interfering", [False, True])
def test_a_version_does_not_take_a_tag_that_was_moved_since_the_plan(
    tagged: str, interfering: bool, tmp_path: Path
) -> None:
    bench = bench_of(tmp_path)
    two_versions(bench, tmp_path, tagged=tagged == "former")
    before, now = former(bench, "f001"), latest(bench, "f001")["id"]
    if tagged == "latest":
        move(bench, now)
        bench.pass_time(60)
    to = before if tagged == "latest" else now
    manifest = changed(changed(sources(tmp_path, 2))).replace("256MB", "512MB") + TAGGED
    outcome: Outcome = bench.deploy(
        manifest, meanwhile=meanwhile((lambda: move(bench, to)) if interfering else lambda: None)
    )["f001"]
    if not interfering:
        assert isinstance(outcome, Deployed)
        assert holder(bench, "f001") == outcome.version_id
        return
    assert isinstance(outcome, Blocked)
    assert outcome.reason.startswith(f"changed since the plan: the tag stable was moved to version {to} at 2026-")
    assert latest(bench, "f001")["id"] == now
    assert holder(bench, "f001") == to


def test_a_move_whose_answer_was_lost_is_made_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)
    bench.faults.fail_next("setTag", *[Trouble(lost=True)] * 3)
    outcome = bench.deploy(manifest + TAGGED)["f000"]
    assert isinstance(outcome, Deployed)
    assert holder(bench, "f000") == outcome.version_id
    operations = bench.cloud.operations.list(id_of(bench, "f000"), {"pageSize": 1000})["operations"]
    assert sum(one["metadata"]["@type"].endswith("SetFunctionTagMetadata") for one in operations) == 1
    assert sum(isinstance(event, OperationAccepted) for event in bench.events) <= 1
