"""The way back is planned in advance, and what was rolled back is not deployed again by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.journal.state import fold
from orchestrator.model import Action, Blocked, Rollout, WayBack, WayBackKind
from orchestrator.planning.back.known_rollbacks import KnownRollbacks, moves_of
from tests.clouds import body
from tests.engine import Bench
from tests.flow.test_run import kinds

HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\ncreate = true\n'
SECRET = 'secrets = [{ environment_variable = "TOKEN", id = "e6q1", version_id = "e6v1", key = "k" }]\n'
FORMER = HEAD + '[functions.fun]\nsource = "src"\nservice_account_id = "aje1"\n' + SECRET
NEWER = FORMER.replace('"src"', '"newer"')
BACK = Rollout(max_failures=1, on_breach="rollback")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for number, source in enumerate(("src", "newer", "fixed")):
        (tmp_path / source).mkdir()
        (tmp_path / source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
    bench = Bench(tmp_path, durations="fixed:1")
    bench.cloud.seeds.add_secret("folder", "db", id="e6q1", version_id="e6v1", keys=["k"])
    bench.cloud.seeds.add_secret("folder", "other", id="e6q2", version_id="e6v2", keys=["k"])
    bench.cloud.seeds.add_service_account("folder", "runner", id="aje1")
    bench.cloud.seeds.add_service_account("folder", "runner-2", id="aje2")
    return bench


def way_of(bench: Bench) -> WayBack | None:
    (unit,) = bench.plan.units
    return unit.way_back


def retired(bench: Bench) -> str:
    bench.cloud.seeds.retire_runtime("python312")
    return NEWER.replace("python312", "python313")


def destroyed(bench: Bench) -> str:
    bench.cloud.seeds.destroy_secret_version("e6q1", "e6v1")
    return NEWER.replace("e6q1", "e6q2").replace("e6v1", "e6v2")


def removed(bench: Bench) -> str:
    bench.cloud.seeds.remove_service_account("aje1")
    return NEWER.replace("aje1", "aje2")


GONE: list[tuple[Callable[[Bench], str], str]] = [
    (retired, "the cloud no longer makes versions with runtime python312"),
    (destroyed, "version e6v1 of secret e6q1 is DESTROYED"),
    (removed, "service account aje1 was deleted"),
]


@pytest.mark.parametrize(("change", "why"), GONE, ids=lambda row: getattr(row, "__name__", ""))
def test_what_could_not_be_made_again_has_no_way_back(bench: Bench, change: Callable[[Bench], str], why: str) -> None:
    bench.deploy(FORMER)
    manifest = change(bench)
    outcome = bench.deploy(manifest, rollout=BACK)["fun"]
    assert isinstance(outcome, Blocked)
    assert "it could not be rolled back completely (none): " in outcome.reason
    assert "--no-way-back fun" in outcome.reason
    way = way_of(bench)
    assert way is not None
    assert (way.kind, way.is_whole) == (WayBackKind.NONE, False)
    assert why in way.why
    assert kinds(bench.deploy(manifest)) == {"Deployed": 1}, "without a rollback it is only said"
    assert way_of(bench) == way


def test_what_can_be_made_again_is_blocked_by_nothing(bench: Bench) -> None:
    assert kinds(bench.deploy(FORMER, rollout=BACK)) == {"Deployed": 1}
    assert way_of(bench) == WayBack(WayBackKind.STAYS)
    assert kinds(bench.deploy(NEWER, rollout=BACK)) == {"Deployed": 1}
    assert way_of(bench) == WayBack(WayBackKind.COPY)
    assert kinds(bench.deploy(NEWER + 'tags = ["blue"]\n', rollout=BACK)) == {"Deployed": 1}
    assert way_of(bench) == WayBack(WayBackKind.TAGS)
    assert kinds(bench.deploy(NEWER + 'tags = ["blue"]\nlabels = { a = "b" }\n', rollout=BACK)) == {"Deployed": 1}
    assert way_of(bench) == WayBack(WayBackKind.TAGS)
    assert kinds(bench.deploy(NEWER + 'tags = ["blue"]\nlabels = { a = "b" }\n', rollout=BACK)) == {"Unchanged": 1}
    assert way_of(bench) is None


def test_what_was_rolled_back_is_not_deployed_again_until_it_changes(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    bench.roll_back(bench.events)
    outcome = bench.deploy(NEWER)["fun"]
    assert isinstance(outcome, Blocked)
    assert "withdrawn by a rollback" in outcome.reason
    assert "--again fun" in outcome.reason
    assert kinds(bench.deploy(NEWER, force="a key")) == {"Blocked": 1}
    assert kinds(bench.deploy(FORMER)) == {"Unchanged": 1}, "what was live before the run is as it was"
    assert kinds(bench.deploy(NEWER.replace('"newer"', '"fixed"'))) == {"Deployed": 1}
    assert bench.plan.units[0].warnings == ()


def test_a_second_rollback_does_not_make_the_first_one_forgotten(bench: Bench) -> None:
    third = NEWER.replace('"newer"', '"fixed"')
    bench.deploy(FORMER)
    for bad in (NEWER, third):
        bench.deploy(bad)
        bench.roll_back(bench.events)
    for bad in (NEWER, third):
        assert kinds(bench.deploy(bad)) == {"Blocked": 1}, bad
    bench.again = {"fun"}
    assert kinds(bench.deploy(NEWER)) == {"Deployed": 1}
    bench.again = set()
    assert kinds(bench.deploy(third)) == {"Blocked": 1}
    assert kinds(bench.deploy(NEWER.replace("128MB", "256MB"))) == {"Deployed": 1}
    assert kinds(bench.deploy(NEWER)) == {"Deployed": 1}, "somebody has said that it is good since"


def test_what_was_rolled_back_is_deployed_again_where_somebody_says_so(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    bench.roll_back(bench.events)
    bench.again = {"fun"}
    assert kinds(bench.deploy(NEWER)) == {"Deployed": 1}
    (unit,) = bench.plan.units
    assert unit.action is Action.VERSION
    assert unit.reason.endswith("deployed again, although a rollback withdrew it")
    assert kinds(bench.deploy(NEWER)) == {"Unchanged": 1}


def test_a_copy_made_by_a_rollback_needs_no_tag_that_the_former_version_holds(bench: Bench) -> None:
    former, newer = FORMER + 'tags = ["stable"]\n', NEWER + 'tags = ["stable"]\n'
    bench.deploy(former)
    bench.deploy(newer)
    bench.roll_back(bench.events)
    assert kinds(bench.deploy(former)) == {"Unchanged": 1}
    assert kinds(bench.deploy(former + 'labels = { a = "b" }\n')) == {"Deployed": 1}
    assert kinds(bench.deploy(former.replace('"stable"', '"stable", "blue"') + 'labels = { a = "b" }\n')) == {
        "Deployed": 1
    }
    assert bench.plan.units[0].action is Action.RETAG


def test_a_field_of_the_clouds_own_is_no_reason_and_one_that_somebody_has_set_is(bench: Bench) -> None:
    bench.cloud.seeds.add_field("builtBy", "v1")
    bench.deploy(FORMER)
    assert kinds(bench.deploy(NEWER, rollout=BACK)) == {"Deployed": 1}
    assert way_of(bench) == WayBack(WayBackKind.COPY)
    bench.cloud.seeds.add_field("gpuModel")
    latest = next(version for version in bench.versions() if "$latest" in version.get("tags", ()))
    bench.cloud.versions.create(body(latest["functionId"], versionId=latest["id"], gpuModel="x", description="by hand"))
    bench.pass_time(60)
    bench.deploy(NEWER.replace('"newer"', '"fixed"'), adopt=True)
    way = way_of(bench)
    assert way is not None
    assert "has settings that this program does not know: " in way.why
    assert "gpuModel" in way.why


def test_a_tag_that_a_rollback_has_moved_is_withdrawn_and_moved_by_nobodys_hand(bench: Bench) -> None:
    tagged = NEWER + 'tags = ["stable"]\n'
    bench.deploy(FORMER + 'tags = ["stable"]\n')
    bench.deploy(NEWER)
    bench.deploy(tagged)
    bench.roll_back(bench.events)
    back = fold(bench.events).units.values()
    outcome = bench.deploy(tagged)["fun"]
    assert isinstance(outcome, Blocked)
    assert "moved by hand" in outcome.reason, "as long as nobody knows of the rollback"
    bench.rollbacks = KnownRollbacks(tuple(moves_of(back, "rollback R2 of run R1")))
    outcome = bench.deploy(tagged)["fun"]
    assert isinstance(outcome, Blocked)
    assert outcome.reason.startswith("withdrawn by rollback R2 of run R1: it moved the tag stable to ")
    assert "--again fun" in outcome.reason
    bench.again = {"fun"}
    assert kinds(bench.deploy(tagged)) == {"Deployed": 1}
