"""What a unit has made is taken back by the same engine: its list of changes, reversed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.engine.run import execute
from orchestrator.journal.events import OperationAccepted, Requested
from orchestrator.journal.state import fold
from orchestrator.model import Change, ChangeKind, Deployed, Failure, Outcome, Plan, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.planning.live import read_live
from orchestrator.planning.reversal import reversed_changes, way_back
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from tests.engine import EPOCH_S, Bench

MANIFEST = """
[functions.fun]
source = "src"
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
"""
FORMER = MANIFEST + 'tags = ["stable"]\nenvironment = { LEVEL = "info", OLD = "1" }\ntimeout = "7s"\n'
NEWER = MANIFEST.replace("src", "newer") + 'tags = ["blue", "stable"]\nenvironment = { LEVEL = "warn" }\n'
OWN = ("id", "createdAt", "tags", "description")  # of a Version: what no other can have


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for number, source in enumerate(("src", "newer")):
        (tmp_path / source).mkdir()
        (tmp_path / source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
    return Bench(tmp_path)


def holders(bench: Bench) -> dict[str, Mapping[str, Any]]:
    return {tag: version for version in bench.versions() for tag in version.get("tags", ())}


def take_back(bench: Bench, unit: Unit, version_id: str) -> tuple[Unit, Outcome]:
    """Read what is live, make the way back of a unit and carry it out."""
    found: list[tuple[Unit, Outcome]] = []

    async def main() -> None:
        bench.now = lambda: EPOCH_S + 1000.0 + anyio.current_time()
        world, bench.events = bench.world(), []
        live: LiveState = await read_live(world, [unit.spec], whole=["folder"])
        function = live.by_name["folder", "fun"]
        former = await world.functions.get_version(unit.base_version_id or "")
        back = way_back(unit, version_id, function, former)
        assert isinstance(back, Unit), back
        plan = Plan((back,))
        bench.announce(plan)
        result = await execute(plan, live, world, bench.emit, Stop())
        found.append((back, result.outcomes["fun"]))

    run(main)
    bench.now = lambda: EPOCH_S + 2000.0
    return found[0]


def test_a_version_and_the_tags_that_it_took_go_back(bench: Bench) -> None:
    bench.deploy(FORMER)
    former = holders(bench)["$latest"]
    made = bench.deploy(NEWER)["fun"]
    assert isinstance(made, Deployed)
    assert {tag: version["id"] for tag, version in holders(bench).items()} == {
        "$latest": made.version_id, "blue": made.version_id, "stable": made.version_id,
    }  # fmt: skip
    (unit,) = bench.plan.units
    back, outcome = take_back(bench, unit, made.version_id)
    assert isinstance(outcome, Deployed)
    assert outcome.read_back
    there = holders(bench)
    assert there.keys() == {"$latest", "stable"}
    assert there["stable"]["id"] == former["id"]
    latest = there["$latest"]
    assert latest["id"] == outcome.version_id
    assert {k: v for k, v in latest.items() if k not in OWN} == {k: v for k, v in former.items() if k not in OWN}
    assert latest["description"] == former["description"], "the stamp, so that the next plan finds nothing to do"
    assert [change.kind for change in back.changes] == [ChangeKind.VERSION, ChangeKind.TAG, ChangeKind.TAG]


def test_events_say_which_change_they_are_about(bench: Bench) -> None:
    bench.deploy(FORMER)
    made = bench.deploy(NEWER)["fun"]
    assert isinstance(made, Deployed)
    take_back(bench, bench.plan.units[0], made.version_id)
    asked = [(event.change, event.call) for event in bench.events if isinstance(event, Requested | OperationAccepted)]
    calls = ["createVersion", "setTag", "setTag"]
    assert asked == [(number, call) for number, call in enumerate(calls) for _ in range(2)]
    unit = fold(bench.events).units["fun"]
    assert [(str(one.change.kind), one.outcome) for one in unit.changes] == [(call, "done") for call in calls]
    assert [len(one.operations) for one in unit.changes] == [1, 1, 1]


def test_tags_alone_go_back_to_whoever_held_them(bench: Bench) -> None:
    bench.deploy(FORMER)
    first = holders(bench)["$latest"]["id"]
    bench.deploy(FORMER.replace("info", "warn").replace('tags = ["stable"]\n', ""))
    latest = holders(bench)["$latest"]["id"]
    bench.deploy(FORMER.replace("info", "warn").replace('"stable"', '"stable", "blue"'))
    (unit,) = bench.plan.units
    assert [change.kind for change in unit.changes] == [ChangeKind.TAG, ChangeKind.TAG]
    assert {tag: version["id"] for tag, version in holders(bench).items()} == dict.fromkeys(
        ["$latest", "stable", "blue"], latest
    )
    _, outcome = take_back(bench, unit, "")
    assert isinstance(outcome, Deployed)
    assert {tag: version["id"] for tag, version in holders(bench).items()} == {"$latest": latest, "stable": first}


VERSION = Change(ChangeKind.VERSION, {"$latest": "v1", "stable": "v0"}, {"$latest": None, "stable": None})
FIRST = Change(ChangeKind.VERSION, {"$latest": "", "stable": ""}, {"$latest": None, "stable": None})
FUNCTION = Change(ChangeKind.FUNCTION, {}, {"name": "f", "labels": {}})
TAG = Change(ChangeKind.TAG, {"blue": ""}, {"blue": None})
TABLE: list[tuple[tuple[Change, ...], tuple[Change, ...]]] = [
    ((), ()),
    ((FUNCTION, FIRST), ()),
    (
        (VERSION,),
        (
            Change(ChangeKind.VERSION, {"$latest": "v2"}, {"$latest": None}),
            Change(ChangeKind.TAG, {"stable": "v2"}, {"stable": "v0"}),
        ),
    ),
    (
        (VERSION, TAG),
        (
            Change(ChangeKind.TAG, {"blue": "v2"}, {"blue": ""}),
            Change(ChangeKind.VERSION, {"$latest": "v2"}, {"$latest": None}),
            Change(ChangeKind.TAG, {"stable": "v2"}, {"stable": "v0"}),
        ),
    ),
]


@pytest.mark.parametrize(("made", "back"), TABLE)
def test_a_list_is_reversed_change_by_change(made: tuple[Change, ...], back: tuple[Change, ...]) -> None:
    assert reversed_changes(made, "v2") == back


def test_a_version_that_is_gone_cannot_be_gone_back_to(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    (unit,) = bench.plan.units
    (function,) = bench.live.by_id.values()
    found = way_back(unit, "made", function, None)
    assert isinstance(found, Failure)
    assert found.message == f"version {unit.base_version_id} is gone: there is nothing to go back to"
