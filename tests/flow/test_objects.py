"""Zips that are in a bucket already: an overwritten one is new code, and if this is unknown, it is reported."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.job.contract import Desired
from orchestrator.model import Action, BucketPackage, FunctionSpec, Rollout, VersionCopy
from orchestrator.planning.sources import objects_of_unknown_state
from orchestrator.version.stamp import read_stamp
from tests.builders import settings, spec
from tests.clouds import zipped
from tests.engine import BUCKET, Bench

OBJECT = BucketPackage(BUCKET, "f.zip")


def bench_with(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path, durations="fixed:1")
    bench.objects.put(BUCKET, "f.zip", zipped("index.py"))
    return bench


def carry_out(bench: Bench, code: BucketPackage | VersionCopy = OBJECT, **changes: Any) -> tuple[Action, str]:
    """Deploy one function. Returns its reason in the plan."""
    specs: dict[str, FunctionSpec] = {"fun": spec("fun", code=code, create=True, settings=settings(**changes))}
    bench.carry_out(lambda _live: Desired(specs, Rollout()), specs)
    (unit,) = bench.plan.units
    return unit.action, unit.reason


def latest(bench: Bench) -> str:
    (function,) = bench.cloud.functions.list({"folderId": "folder"})["functions"]
    found = bench.cloud.versions.by_tag({"functionId": function["id"], "tag": "$latest"})
    return str(found["description"])


def test_an_object_that_was_overwritten_is_deployed_again(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    assert carry_out(bench)[0] is Action.CREATE
    assert carry_out(bench)[0] is Action.UNCHANGED
    bench.objects.put(BUCKET, "f.zip", zipped("index.py", "other.py"))
    assert carry_out(bench) == (Action.VERSION, "package f.zip was overwritten")
    assert carry_out(bench)[0] is Action.UNCHANGED
    assert objects_of_unknown_state(bench.plan, bench.live) == ()


def test_the_same_bytes_again_change_nothing(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    carry_out(bench)
    bench.objects.put(BUCKET, "f.zip", zipped("index.py"))
    assert carry_out(bench)[0] is Action.UNCHANGED


def test_a_version_of_a_former_program_is_left_alone_and_said_to_be_unreported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_with(tmp_path)
    with monkeypatch.context() as former:
        former.setattr("orchestrator.planning.planner.code_marks", lambda *_, **__: ())
        carry_out(bench)
    stamp = read_stamp(latest(bench))
    assert stamp is not None
    assert stamp.marks == ()
    assert carry_out(bench)[0] is Action.UNCHANGED
    assert objects_of_unknown_state(bench.plan, bench.live) == ("fun",)


@pytest.mark.parametrize("code", [Code.PERMISSION_DENIED, None])
def test_an_object_that_may_not_be_looked_at_changes_nothing_and_is_unreported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: Code | None
) -> None:
    bench = bench_with(tmp_path)
    carry_out(bench)

    async def refused(*_: object) -> str | None:
        if code is None:
            return None
        raise CloudError("no", call="head object", code=code, http_status=403)

    monkeypatch.setattr("orchestrator.sandbox.memory.adapters.MemoryObjectStore.etag", refused)
    assert carry_out(bench)[0] is Action.UNCHANGED
    assert objects_of_unknown_state(bench.plan, bench.live) == ("fun",)


def test_a_sha256_says_all_there_is_to_say(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    code = BucketPackage(BUCKET, "f.zip", sha256_of(bench))
    carry_out(bench, code)
    stamp = read_stamp(latest(bench))
    assert stamp is not None
    assert stamp.marks == ()
    assert carry_out(bench, code)[0] is Action.UNCHANGED
    assert objects_of_unknown_state(bench.plan, bench.live) == ()


def sha256_of(bench: Bench) -> str:
    body = bench.objects.get(BUCKET, "f.zip")
    assert isinstance(body, bytes)
    return sha256(body).hexdigest()


def test_a_copy_is_of_the_same_object(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    carry_out(bench)
    assert carry_out(bench, VersionCopy("$latest"), memory_bytes=256 << 20)[0] is Action.COPY
    assert carry_out(bench, memory_bytes=256 << 20)[0] is Action.UNCHANGED
    assert objects_of_unknown_state(bench.plan, bench.live) == ()
    bench.objects.put(BUCKET, "f.zip", zipped("index.py", "other.py"))
    assert carry_out(bench, memory_bytes=256 << 20) == (Action.VERSION, "package f.zip was overwritten")


def test_each_object_is_asked_for_once(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    specs = {name: spec(name, code=OBJECT, create=True) for name in ("one", "two", "three")}
    bench.carry_out(lambda _live: Desired(specs, Rollout()), specs)
    assert bench.wire.calls["head object"] == 1
    bench.objects.put(BUCKET, "f.zip", zipped("index.py", "other.py"))
    bench.carry_out(lambda _live: Desired(specs, Rollout()), specs)
    reasons = {unit.key: unit.reason for unit in bench.plan.units}
    assert reasons == dict.fromkeys(specs, "package f.zip was overwritten"), "one answer is told to all that name it"
