"""What a plan can find out in advance is in the plan, and sends no changes; in virtual time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from orchestrator.errors import Code
from orchestrator.model import Action, Blocked, Function, FunctionSpec, Outcome, Step, Storage, Undeclared
from orchestrator.model.live_state import LiveState
from orchestrator.package import archive
from orchestrator.planning.foresee import may_exceed
from orchestrator.planning.live import FEW, read_live, undeclared
from orchestrator.prediction.virtual_time import run
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Fault, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from tests.builders import spec
from tests.clouds import body
from tests.engine import Bench, sources

SECRET = 'secrets = [{{ environment_variable = "TOKEN", id = "e6q1", version_id = "{version}", key = "{key}" }}]\n'


def kinds(outcomes: dict[str, Outcome]) -> Counter[str]:
    return Counter(type(outcome).__name__ for outcome in outcomes.values())


def reasons(outcomes: dict[str, Outcome]) -> set[str]:
    return {outcome.reason for outcome in outcomes.values() if isinstance(outcome, Blocked)}


# --- quotas ---------------------------------------------------------------------------------------------------------


def test_new_functions_that_the_cloud_has_no_room_for_are_never_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", quotas=Quotas(functions_per_cloud=8))
    bench.deploy(sources(tmp_path, 3))
    before = bench.wire.calls["create function"]
    outcomes = bench.deploy(sources(tmp_path, 15).replace('memory = "128MB"', 'memory = "256MB"'))
    assert kinds(outcomes) == {"Deployed": 8, "Blocked": 7}
    assert bench.wire.calls["create function"] - before == 5
    (reason,) = reasons(outcomes)
    assert reason.startswith(
        "the plan creates 12 new functions, but cloud sandbox-cloud has room for 5 (quota: 8, used: 3)"
    )
    assert "request a higher quota (serverless.functions.count)" in reason
    blocked = [unit for unit in bench.plan.units if unit.action is Action.BLOCKED]
    assert [unit.key for unit in blocked] == [f"f{number:03}" for number in range(8, 15)]
    assert all(not unit.changes for unit in blocked)


def test_a_quota_that_nobody_tells_is_not_guessed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", settings=CloudSettings(quota_manager=False))
    assert kinds(bench.deploy(sources(tmp_path, 15))) == {"Deployed": 15}
    (warning,) = bench.foreseen.warnings
    assert warning == (
        "cannot check whether cloud sandbox-cloud has room for new functions (15 in this plan): give the account the"
        " role quota-manager.viewer"
    )
    changed = sources(tmp_path, 15).replace('memory = "128MB"', 'memory = "256MB"')
    assert kinds(bench.deploy(changed)) == {"Deployed": 15}
    assert bench.foreseen.warnings == ()  # nothing new: no quota is read


def test_an_eleventh_tag_is_foreseen_though_old_versions_hold_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 2)
    for number in range(10):
        tagged = manifest.replace(
            "[functions.f000]\n", f'[functions.f000]\ntags = ["t{number}"]\ntimeout = "{number + 1}s"\n'
        )
        assert kinds(bench.deploy(tagged)).keys() <= {"Deployed", "Unchanged"}
    more = manifest.replace("[functions.f000]\n", '[functions.f000]\ntags = ["one-more"]\n')
    outcomes = bench.deploy(more.replace('memory = "128MB"', 'memory = "256MB"'))
    assert kinds(outcomes) == {"Blocked": 1, "Deployed": 1}
    (reason,) = reasons(outcomes)
    assert reason == (
        "with one-more it would have 11 tags; 10 are allowed; remove a tag that is not needed, or request a"
        " higher quota (serverless.functions.tags)"
    )
    moved = manifest.replace("[functions.f000]\n", '[functions.f000]\ntags = ["t3"]\n')
    assert kinds(bench.deploy(moved))["Blocked"] == 0


# --- secrets --------------------------------------------------------------------------------------------------------


def with_secret(tmp_path: Path, *, version: str = "v1", key: str = "token") -> str:
    line = SECRET.format(version=version, key=key)
    return sources(tmp_path, 2).replace("[functions.f000]\n", f"[functions.f000]\n{line}")


def seeded(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path, durations="fixed:1")
    bench.cloud.seeds.add_secret("folder", "db", id="e6q1", version_id="v1", keys=["token", "user"])
    return bench


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"key": "tokn"}, 'version v1 of secret e6q1 has no key "tokn": it has token, user; did you mean "token"?'),
        ({"version": "v7"}, "secret e6q1 has no version v7"),
    ],
)
def test_a_key_that_lockbox_does_not_list_blocks_that_function(
    tmp_path: Path, given: dict[str, str], says: str
) -> None:
    bench = seeded(tmp_path)
    outcomes = bench.deploy(with_secret(tmp_path, **given))
    assert kinds(outcomes) == {"Blocked": 1, "Deployed": 1}
    (reason,) = reasons(outcomes)
    assert reason.startswith(says)
    assert "TOKEN" in reason


def test_secrets_that_are_live_are_not_asked_for_again(tmp_path: Path) -> None:
    bench = seeded(tmp_path)
    manifest = with_secret(tmp_path)
    assert kinds(bench.deploy(manifest)) == {"Deployed": 2}
    asked = bench.wire.calls["list secret versions"]
    assert asked == 1
    assert kinds(bench.deploy(manifest)) == {"Unchanged": 2}
    assert bench.wire.calls["list secret versions"] == asked
    assert kinds(bench.deploy(manifest.replace("128MB", "256MB"))) == {"Deployed": 2}
    assert bench.wire.calls["list secret versions"] == asked + 1, "once for the way back, of both functions"


def test_a_listing_that_one_may_not_read_is_said_with_its_role_and_stops_nothing(tmp_path: Path) -> None:
    bench = seeded(tmp_path)
    denied = Fault(Code.PERMISSION_DENIED, "Permission denied")
    bench.faults.fail_next("list secret versions", Trouble(refusal=denied))
    assert kinds(bench.deploy(with_secret(tmp_path))) == {"Deployed": 2}
    (warning,) = bench.foreseen.warnings
    assert warning == (
        "cannot check the keys of secret e6q1, which f000 would use: Permission denied; the role lockbox.viewer is"
        " needed to see them"
    )


# --- packages -------------------------------------------------------------------------------------------------------


def write(tmp_path: Path, name: str, size_bytes: int) -> None:
    (tmp_path / "src" / name / "large.bin").write_bytes(random.Random(1).randbytes(size_bytes))


def test_a_package_that_is_too_large_without_a_bucket_is_foreseen(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", storage=Storage())
    manifest = sources(tmp_path, 3)
    write(tmp_path, "f0", 5_000_000)
    (tmp_path / "src" / "f1" / "large.txt").write_bytes(b"a" * 5_000_000)  # small once it is packed
    bench.deploy(manifest)
    (unit,) = [unit for unit in bench.plan.units if unit.action is Action.BLOCKED]
    assert (unit.key, unit.failed_step) == ("f000", Step.PACKAGE)
    assert unit.reason.endswith("bytes; without a bucket, at most 3,670,016 can be sent")
    assert unit.failure is not None
    assert unit.failure.advice == "set `bucket` in [storage] of deploy.toml"
    assert bench.wire.calls.get("create function", 0) == 2
    assert len(bench.packager.packed) == 3  # each once: the run packs nothing a second time


def test_a_package_that_no_bucket_takes_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.planning.foresee._ZIP_MAX_BYTES", 2 << 20)  # of 128 MB, which take a minute
    monkeypatch.setattr("orchestrator.package.entry.ZIPPED_MAX_BYTES", 2 << 20)
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 2)
    write(tmp_path, "f0", 3_000_000)
    outcomes = bench.deploy(manifest)
    assert {key: type(outcome).__name__ for key, outcome in outcomes.items()} == {"f000": "Failed", "f001": "Deployed"}
    (unit,) = [unit for unit in bench.plan.units if unit.action is Action.BLOCKED]
    assert unit.reason.endswith("exceeds the cloud's limit of 2MB zipped")
    assert bench.wire.calls["create function"] == 1


def test_small_packages_are_not_packed_for_a_plan(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", storage=Storage())
    manifest = sources(tmp_path, 3)
    bench.deploy(manifest)
    packed = len(bench.packager.packed)
    bench.deploy(manifest)
    assert len(bench.packager.packed) == packed


def test_a_zip_is_never_larger_than_its_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:0")
    manifest = sources(tmp_path, 3)
    write(tmp_path, "f0", 3_000_000)
    for number in range(500):
        (tmp_path / "src" / "f1" / f"{number}-{'ä' * 40}.py").touch()
    bench.deploy(manifest)
    for unit in bench.plan.units:
        package = archive.pack(unit.spec.code, tmp_path / "zips", lambda: None)  # type: ignore[arg-type]  # a source
        assert not may_exceed(unit.tree, 10 * package.size_bytes)
        assert may_exceed(unit.tree, package.size_bytes - 1)


# --- what the manifest does not have --------------------------------------------------------------------------------


def live_of(bench: Bench, specs: Iterable[FunctionSpec]) -> LiveState:
    specs = tuple(specs)

    async def main() -> LiveState:
        return await read_live(bench.world(), specs, listed={one.folder_id for one in specs})

    return run(main)


def by_hand(bench: Bench, *names: str) -> None:
    for name in names:
        made = bench.cloud.functions.create({"folderId": "folder", "name": name})
        bench.pass_time(60.0)
        bench.cloud.versions.create(body(made["metadata"]["functionId"]))
    bench.pass_time(60.0)


@pytest.mark.parametrize("removed", [2, FEW + 5])
def test_what_was_taken_out_of_the_manifest_is_reported_apart_from_what_others_made(
    tmp_path: Path, removed: int
) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    bench.deploy(sources(tmp_path, removed + 3))
    by_hand(bench, "theirs")
    left = bench.load(sources(tmp_path, 3)).functions
    live = live_of(bench, left.values())
    (found,) = undeclared(left.values(), live)
    assert [one.name for one in found.ours] == [f"f{number:03}" for number in range(3, removed + 3)]
    assert (found.folder_id, found.others) == ("folder", 1)
    assert {key: live.latest(live.by_name["folder", key].id) is not None for key in left} == dict.fromkeys(left, True)


def test_nothing_else_is_nothing_to_tell(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 3)
    bench.deploy(manifest)
    declared = bench.load(manifest).functions.values()
    assert undeclared(declared, live_of(bench, declared)) == ()
    disabled = bench.load(manifest.replace("[functions.f001]\n", "[functions.f001]\nenabled = false\n")).functions
    assert undeclared(disabled.values(), live_of(bench, disabled.values())) == ()


def test_a_folder_of_very_many_is_counted_and_not_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.planning.live.LISTED_MAX", 12)
    bench = Bench(tmp_path, durations="fixed:1")
    bench.deploy(sources(tmp_path, 15))
    left = bench.load(sources(tmp_path, 1)).functions.values()
    before = dict(bench.wire.calls)
    (found,) = undeclared(left, live_of(bench, left))
    assert found == Undeclared("folder", (), 14)
    made = {name: count - before.get(name, 0) for name, count in bench.wire.calls.items() if count != before.get(name)}
    assert made == {"list functions": 1, "listVersions": 1, "get folder": 1}  # of the desired one


def test_a_folder_that_was_not_read_whole_says_nothing() -> None:
    live = LiveState(by_id={"d4e": Function("d4e", "folder", "old")})
    assert undeclared([spec("f")], live) == ()
