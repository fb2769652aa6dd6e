"""What is ours in a bucket is read completely, or nothing is deleted. What may be deleted is, whatever happens in
between.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from orchestrator.app.session.leftovers.judging import Asked, find_leftovers
from orchestrator.app.session.leftovers.removing import remove_leftovers
from orchestrator.app.session.leftovers.stored import BucketAccess
from orchestrator.coordination.claim import Record, Running
from orchestrator.coordination.registry import Holder, Registry, decode
from orchestrator.coordination.shared_record import RecordPlace
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.journal.digest import RunDigest, read_digest
from orchestrator.journal.events import Event
from orchestrator.journal.record import RunRecord, encode_index, read_index
from orchestrator.journal.retention import KEPT_ALWAYS
from orchestrator.model import (
    BucketPackage,
    CloudAddress,
    JobSpec,
    Limits,
    Manifest,
    Place,
    Rollout,
    Storage,
)
from orchestrator.planning.prune.leftovers import Removed, StoredLeftovers, Total
from orchestrator.planning.saved.note import PlanNote
from orchestrator.prediction.virtual_time import run
from orchestrator.report.messages import Messages
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Fault, Trouble
from tests.builders import spec
from tests.engine import BUCKET, EPOCH_S, Bench
from tests.memory_records import ObjectRecords
from tests.runs import planned, whole_run

DAY_S = 86_400.0
PACKAGE, OTHER = f"{'a' * 64}.zip", f"{'b' * 64}.zip"
RUN = "20260101T030000-a1b2c3"


def at(days: float) -> float:
    return EPOCH_S - days * DAY_S


def record(*events: Event) -> bytes:
    made = RunRecord()
    for event in events:
        made(event)
    return made.encode()


def killed(run_id: str = RUN, days: float = 40.0) -> bytes:
    """Return the record of a run that was killed after it had planned."""
    first = whole_run("a", run_id=run_id, at=at(days))[0]
    return record(first, planned("a", at=at(days)))


class Scene:
    """A bucket with objects of certain ages in days, and commands that prune it."""

    def __init__(self, root: Path, prefix: str = "functions/") -> None:
        self.root = root
        self.here: list[RunDigest] = []
        self.bench = Bench(root, storage=Storage(BUCKET, prefix))
        self.records = ObjectRecords(self.bench.objects, BUCKET, self.bench.now)
        self.manifest = Manifest(root / "deploy.toml", CloudAddress(), self.bench.storage, Limits(), Rollout(), {}, {})
        self.said: list[str] = []

    def put(self, name: str, body: bytes = b"", days: float = 0.0) -> None:
        self.bench.objects.put(BUCKET, self.bench.storage.prefix + name, body, modified_at=at(days))

    @property
    def names(self) -> list[str]:
        """The names of the objects, without the prefix."""
        prefix = self.bench.storage.prefix
        return [one.key.removeprefix(prefix) for one in self.bench.objects.list(BUCKET, limit=5000).objects]

    def access(self) -> BucketAccess:
        world = self.bench.world()
        assert world.store is not None
        key = f"{world.storage.prefix}leases.json"
        leases = RecordPlace(self.records, key, anyio.current_time, random.Random(0), world.outage)
        return BucketAccess(world, world.store, self.records, BUCKET, leases)

    def find(self, **asked: object) -> StoredLeftovers:
        async def main() -> StoredLeftovers:
            return await find_leftovers(self.access(), self.asked(**asked))

        return run(main)

    def prune(
        self, between: Callable[[Stop], None] = lambda _stop: None, **asked: object
    ) -> tuple[StoredLeftovers, dict[str, Removed]]:
        """Find what may be deleted, call `between`, and delete it."""

        async def main() -> tuple[StoredLeftovers, dict[str, Removed]]:
            access, stop = self.access(), Stop()
            found = await find_leftovers(access, self.asked(**asked))
            between(stop)
            removed = await remove_leftovers(access, found, stop, Messages())
            return found, {one.kind: one for one in removed}

        return run(main)

    def asked(self, **changes: object) -> Asked:
        return replace(Asked(self.manifest, say=self.said.append), **changes)  # type: ignore[arg-type]  # a test's own


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def goes(found: StoredLeftovers) -> set[str]:
    return {one.key.rpartition("/")[2] for kind in found.kinds for one in kind.goes}


@pytest.mark.parametrize("prefix", ["functions/", "", "fn-"])
def test_old_packages_go_and_nothing_else(prefix: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, prefix)
    kept = [OTHER, f"{PACKAGE}.old", f"sub/{PACKAGE}", "data.csv", "plans/key"]
    scene.put(PACKAGE, b"zip", days=31)
    scene.put(OTHER, days=29)
    for name in kept[1:]:
        scene.put(name, days=1000)
    found, removed = scene.prune()
    assert sorted(scene.names) == sorted(kept)
    assert removed["packages"] == Removed("packages", Total(1, 3))
    assert found.kinds[0].before == Total(2, 3)


def test_all_pages_are_read(scene: Scene) -> None:
    names = [f"{number:064x}.zip" for number in range(1002)]
    for name in names:
        scene.put(name, days=31)
    scene.put(f"{'f' * 64}.zip", days=1)
    _, removed = scene.prune()
    assert removed["packages"].gone.number == len(names)
    assert scene.names == [f"{'f' * 64}.zip"]


DENIED = Fault(Code.PERMISSION_DENIED, "denied")


@pytest.mark.parametrize("page", [1, 2])
def test_a_page_that_cannot_be_read_stops_all_of_it(scene: Scene, page: int) -> None:
    for number in range(1001):
        scene.put(f"{number:064x}.zip", days=31)
    scene.bench.faults.fail_next("list objects", *[Trouble()] * (page - 1), Trouble(DENIED))
    with pytest.raises(StartError, match="the bucket packages cannot be read, so nothing in it is deleted") as caught:
        scene.prune()
    assert "storage.editor" in caught.value.advice
    assert len(scene.names) == 1001


def test_a_record_that_cannot_be_read_stops_all_of_it(scene: Scene) -> None:
    scene.put(PACKAGE, days=31)
    scene.put(f"runs/{RUN}.json", record(*whole_run("a", run_id=RUN)), days=400)

    def meet(_what: str, key: str) -> None:
        if key.endswith(f"{RUN}.json"):
            raise CloudError("denied", call="get object", code=Code.PERMISSION_DENIED, advice="ask for the role")

    scene.records.meet = meet
    with pytest.raises(StartError, match="nothing in it is deleted") as caught:
        scene.prune()
    assert caught.value.advice == "ask for the role"
    assert PACKAGE in scene.names


def named_by_manifest(scene: Scene) -> None:
    code = BucketPackage(BUCKET, f"functions/{PACKAGE}", "0" * 64)
    scene.manifest = replace(scene.manifest, functions={"f": spec("f", code=code)})


def named_in_its_text(scene: Scene) -> None:
    text = f'# [environments.prod.functions.f]\n# package = {{ bucket = "b", object = "${{WHERE}}{PACKAGE}" }}\n'
    (scene.root / "deploy.toml").write_text(text)
    scene.manifest = replace(scene.manifest, files=(scene.root / "deploy.toml",))


def needed_by_a_plan(scene: Scene) -> None:
    scene.put("plans/p1.json", PlanNote("p1", at(-1), (f"functions/{PACKAGE}",)).encode(), days=60)


def needed_by_a_killed_run(scene: Scene) -> None:
    scene.put(f"runs/{RUN}.json", killed(), days=40)


def needed_by_a_run_of_this_machine(scene: Scene) -> None:
    scene.here = [read_digest(killed(), at(40))]


def needed_by_a_run_that_holds_a_lease(scene: Scene) -> None:
    holder = Holder("other", "owner", "deploy", "yesterday", frozenset({"AAAAAAAA"}), 1)
    scene.put("leases.json", Registry(1, (holder,)).encode())


def needed_by_a_record_that_nobody_understands(scene: Scene) -> None:
    scene.put(f"runs/{RUN}.json", b"{", days=40)


@pytest.mark.parametrize(
    ("needed", "why"),
    [
        (named_by_manifest, "manifest"),
        (named_in_its_text, "manifest"),
        (needed_by_a_plan, "saved plan"),
        (needed_by_a_killed_run, "run"),
        (needed_by_a_run_of_this_machine, "run"),
        (needed_by_a_run_that_holds_a_lease, "run"),
        (needed_by_a_record_that_nobody_understands, "run"),
    ],
)
def test_what_is_needed_stays(scene: Scene, needed: Callable[[Scene], None], why: str) -> None:
    scene.put(PACKAGE, b"zip", days=35)
    scene.put(OTHER, b"zip", days=900)
    needed(scene)
    found, _ = scene.prune(here=scene.here)
    assert PACKAGE in scene.names
    [said] = [reason for reason in found.kinds[0].kept if why in reason]
    assert found.kinds[0].kept[said].number in (1, 2)  # a lease with an unknown time keeps all


def test_what_keeps_packages_is_reported_with_the_way_out(scene: Scene) -> None:
    scene.put(PACKAGE, days=35)
    scene.put(f"runs/{RUN}.json", killed(), days=40)
    [said] = scene.find().kinds[0].held
    assert said.startswith(f"1 package kept for run {RUN}, which has not ended: ")
    assert (
        f"continue it with `orchestrator resume {RUN}`, or give it up with `orchestrator resume {RUN} --give-up`"
        in said
    )


def test_a_plan_that_has_expired_keeps_nothing_and_its_note_goes_later(scene: Scene) -> None:
    scene.put(PACKAGE, days=35)
    scene.put("plans/p1.json", PlanNote("p1", at(2), (f"functions/{PACKAGE}",)).encode(), days=3)
    scene.put("plans/p0.json", PlanNote("p0", at(31), ()).encode(), days=32)
    scene.prune()
    assert scene.names == ["plans/p1.json"]


def test_the_note_of_a_plan_that_nobody_understands_stops_it(scene: Scene) -> None:
    scene.put(PACKAGE, days=35)
    scene.put("plans/p1.json", b'{"schema": 9}')
    with pytest.raises(StartError, match=r"functions/plans/p1\.json cannot be read: it was written by a newer"):
        scene.find()


def test_a_package_that_a_run_puts_again_meanwhile_stays(scene: Scene) -> None:
    scene.put(PACKAGE, b"zip", days=31)
    scene.put(OTHER, b"zip", days=31)
    _, removed = scene.prune(between=lambda _: scene.put(PACKAGE, b"zip", days=0))
    assert scene.names == [PACKAGE]
    assert removed["packages"].again == [f"functions/{PACKAGE}"]
    assert removed["packages"].gone.number == 1


def test_one_that_cannot_be_deleted_does_not_stop_the_others(scene: Scene) -> None:
    names = [f"{number:064x}.zip" for number in range(5)]
    for name in names:
        scene.put(name, b"zip", days=31)
    scene.bench.faults.fail_next("delete object", Trouble(Fault(Code.INVALID_ARGUMENT, "held by a lock")))
    _, removed = scene.prune()
    assert removed["packages"].failed == {
        f"functions/{scene.names[0]}": "held by a lock (call delete object, HTTP 400)"
    } or (len(removed["packages"].failed) == 1)
    assert (removed["packages"].gone, removed["packages"].left) == (Total(4, 12), 0)
    assert len(scene.names) == 1


def test_a_missing_right_is_found_out_once(scene: Scene) -> None:
    for number in range(100):
        scene.put(f"{number:064x}.zip", days=31)
    scene.bench.faults.fail_next("delete object", *[Trouble(DENIED)] * 100)
    _, removed = scene.prune()
    reported = removed["packages"]
    assert len(reported.failed) < 20
    assert len(reported.failed) + reported.left == 100
    assert len(scene.names) == 100


def test_an_answer_that_is_lost_is_asked_for_again(scene: Scene) -> None:
    scene.put(PACKAGE, b"zip", days=31)
    scene.bench.faults.fail_next("delete object", Trouble(lost=True))
    _, removed = scene.prune()
    assert removed["packages"] == Removed("packages", Total(1, 3))


def test_a_stop_leaves_the_rest_to_the_next_call(scene: Scene) -> None:
    for number in range(100):
        scene.put(f"{number:064x}.zip", days=31)
    scene.put(f"runs/{RUN}.json", record(*whole_run("a", run_id=RUN)), days=400)
    _, removed = scene.prune(between=lambda stop: stop.call_off("Ctrl-C"))
    assert {one.left for one in removed.values() if one.kind == "packages"} == {100}
    _, removed = scene.prune()
    assert removed["packages"].gone.number == 100


def run_id(number: int) -> str:
    return f"20250101T{number:06}-aaaaaa"


def many_runs(scene: Scene, count: int, key: str = "f") -> None:
    """Put the records of so many runs that changed one function, the oldest 1,000 days ago, and an index of them."""
    for number in range(count):
        body = record(*whole_run(key, run_id=run_id(number), at=at(1000 - number)))
        scene.put(f"runs/{run_id(number)}.json", body, days=1000 - number)
    rows = [{"run_id": run_id(number), "endpoint": "e"} for number in reversed(range(count))]
    scene.put("runs/index.json", encode_index([*rows, {"run_id": "another", "endpoint": "e"}]))


def recorded(scene: Scene) -> list[str]:
    return [name[5:-5] for name in scene.names if name.startswith("runs/2")]


def indexed(scene: Scene) -> list[str]:
    body = scene.bench.objects.get(BUCKET, "functions/runs/index.json")
    return [row["run_id"] for row in read_index(body if isinstance(body, bytes) else b"")]


def test_old_records_go_with_their_rows(scene: Scene) -> None:
    many_runs(scene, KEPT_ALWAYS + 5)
    found, removed = scene.prune()
    kept = [run_id(number) for number in range(5, KEPT_ALWAYS + 5)]
    assert recorded(scene) == kept
    assert indexed(scene) == [*reversed(kept), "another"]
    assert removed["records of runs"].gone.number == 5
    assert found.run_ids == {run_id(number) for number in range(5)}


def test_the_last_runs_of_a_function_and_what_is_undone_stay(scene: Scene) -> None:
    many_runs(scene, KEPT_ALWAYS + 5)
    old = [f"20240101T00000{number}-bbbbbb" for number in range(4)]
    for number, name in enumerate(old[:3]):  # three of a function that has not changed since
        body = record(*whole_run("rare", run_id=name, at=at(2000 - number)))
        scene.put(f"runs/{name}.json", body, days=2000 - number)
    scene.put(f"runs/{old[3]}.json", killed(old[3], 3000), days=3000)
    scene.prune(runs=2)
    assert recorded(scene)[:-KEPT_ALWAYS] == old[1:]


def test_rows_go_before_records_and_records_stay_where_they_cannot(scene: Scene) -> None:
    many_runs(scene, KEPT_ALWAYS + 5)

    def meet(what: str, key: str) -> None:
        if what == "replace" and key.endswith("index.json"):
            assert len(recorded(scene)) == KEPT_ALWAYS + 5
            raise CloudError("denied", call="put object", code=Code.PERMISSION_DENIED)

    scene.records.meet = meet
    scene.put(PACKAGE, b"zip", days=31)
    _, removed = scene.prune()
    assert len(recorded(scene)) == KEPT_ALWAYS + 5
    assert removed["records of runs"].left == 5
    assert list(removed["records of runs"].failed) == ["functions/runs/index.json"]
    assert removed["packages"].gone.number == 1


def test_a_run_that_begins_meanwhile_keeps_its_row(scene: Scene) -> None:
    many_runs(scene, KEPT_ALWAYS + 1)
    came = list[str]()

    def meet(what: str, key: str) -> None:
        if what == "replace" and key.endswith("index.json") and not came:
            came.append(RUN)
            rows = [{"run_id": one, "endpoint": "e"} for one in [RUN, *indexed(scene)]]
            scene.put("runs/index.json", encode_index(rows))

    scene.records.meet = meet
    scene.prune()
    assert indexed(scene)[0] == RUN
    assert run_id(0) not in indexed(scene)


def test_claims_of_jobs_that_are_gone_go_after_more_than_a_year(scene: Scene) -> None:
    done = Record("2024-01-01T00:00:00Z")
    running = replace(done, running=Running("2024-01-02T00:00:00Z", "r", "host"))
    for name, body, days in (("old", done, 500), ("ours", done, 500), ("run", running, 500), ("new", done, 390)):
        scene.put(f"claims/folder/{name}.json", body.encode(), days=days)
    job = JobSpec("ours", "mass_redeploy", {}, Place("deploy.toml", 1))
    scene.manifest = replace(scene.manifest, jobs={"ours": job})
    scene.prune()
    assert scene.names == [f"claims/folder/{name}.json" for name in ("new", "ours", "run")]
    assert [key.rpartition("/")[2] for key in scene.records.reads if "claims" in key] == [
        "old.json",
        "ours.json",
        "run.json",
    ]


def test_the_leases_of_the_dead_go(scene: Scene) -> None:
    held = [
        Holder(name, name, "deploy", since, frozenset({"AAAAAAAA"}), 1)
        for name, since in (
            ("dead", "2020-01-01 00:00:00 UTC"),
            ("new", "2026-09-20 00:00:00 UTC"),
        )
    ]
    scene.put("leases.json", Registry(2, tuple(held)).encode())
    scene.put(PACKAGE, days=31)
    scene.prune()
    body = scene.bench.objects.get(BUCKET, "functions/leases.json")
    assert isinstance(body, bytes)
    assert [one.run_id for one in decode(body, "").holders] == ["new"]
    assert PACKAGE not in scene.names
    assert len(scene.said) == 1


def test_only_what_was_asked_for_is_read_and_judged(scene: Scene) -> None:
    scene.put(PACKAGE, days=31)
    many_runs(scene, KEPT_ALWAYS + 1)
    assert goes(scene.find(records=False)) == {PACKAGE}
    assert goes(scene.find(packages=False)) == {f"{run_id(0)}.json"}
