"""Whatever was declared, and whatever the cloud filled in, a second plan after a deploy has nothing to do: here, or
from another checkout.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orchestrator.job.contract import Desired
from orchestrator.model import (
    Action,
    AsyncInvocation,
    BucketPackage,
    Connectivity,
    Failed,
    LogOptions,
    MetadataOptions,
    Mount,
    Rollout,
    Secret,
    Settings,
    Step,
)
from orchestrator.model.decode import version as decoded
from orchestrator.sandbox.memory.adapters import Wire
from orchestrator.sandbox.memory.cloud_state import Record
from orchestrator.version.body import body
from orchestrator.version.copy import settings_of
from tests.builders import settings, spec
from tests.clouds import inline, zipped
from tests.engine import BUCKET, Bench, InlinePackager, RecordingFunctions
from tests.flow.test_run import kinds
from tests.protobuf import parse_create_version, parse_version
from tests.settings import any_settings, words

READS = {
    "list functions", "listVersions", "getVersionByTag", "getVersion", "get folder", "list secrets", "get secret",
    "list service accounts", "listRuntimes", "head object",
}  # fmt: skip
COPIES = '[jobs.copies]\nrun = "mass_redeploy"\nfunctions = ["*"]\nfolders = ["folder"]\n'

_words = words(ascii_lowercase, ascii_lowercase + digits, 2, 8)
_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
_values = st.sampled_from(["", "0", "1", "${", "a b ", "[orchestrator:1:0.0]", '"\\']) | _texts
_disk = {"name": "tmp", "disk_size": "1GB"}
_bucket = {"name": "data", "mode": "read_only", "bucket": "data-1", "prefix": "p/"}
_secret = {"environment_variable": "TOKEN", "name": "db", "key": "k"}
# The keys of a function, and their possible values.
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "timeout": st.sampled_from(["3s", "1m30s", 2.5]),
    "description": _texts | st.just(f"from the console [orchestrator:1:{'0' * 16}.{'1' * 16}]"),
    "environment": st.dictionaries(st.sampled_from(["A", "B1", "c_"]), _values),
    "secrets": st.sampled_from([[_secret], [_secret | {"version_id": "e6v1"}], [_secret | {"version_id": "latest"}]]),
    "named_service_accounts": st.dictionaries(_words, _words, max_size=2),
    "tags": st.lists(st.sampled_from(["blue", "green", "stable"]), unique=True),
    "connectivity": st.sampled_from([{"network_id": "enp1"}, {"network_id": "enp1", "subnet_ids": ["e9c", "e9b"]}]),
    "log": st.sampled_from([{}, {"disabled": True}, {"min_level": "WARN"}, {"group_id": "e23"}]),
    "mounts": st.sampled_from([[], [_disk], [_bucket, _disk | {"block_size": "8KB"}]]),
    "storage_mounts": st.sampled_from([[{"name": "old", "bucket": "old-1", "read_only": True}]]),
    "async_invocation": st.sampled_from(
        [{}, {"retries": 0}, {"success": {"queue_arn": "yrn:q", "service_account_id": "aje2"}}]
    ),
    "tmpfs_size": st.sampled_from([0, "512MB"]),
    "concurrency": st.sampled_from([0, 1, 4]),
    "metadata": st.sampled_from([{}, {"gce_http_endpoint": True, "aws_v1_http_endpoint": False}]),
}
ACCOUNTS = st.sampled_from([{}, {"service_account": "runner"}, {"service_account_id": "aje9"}])


@dataclass(frozen=True, slots=True)
class Checkout:
    """A manifest with its sources: path → content and whether it is executable."""

    manifest: str
    files: Mapping[str, tuple[str, bool]]

    def write(self, folder: Path, *, umask: int, time_s: int, backwards: bool = False) -> None:
        before = os.umask(umask)
        try:
            for path, (content, executable) in sorted(self.files.items(), reverse=backwards):
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, "utf-8")
                if executable:
                    file.chmod(0o777 & ~umask)
                os.utime(file, (time_s, time_s))
        finally:
            os.umask(before)


def toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{name}" = {toml(item)}' for name, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("${", "$${")
    return json.dumps(value)


@st.composite
def checkouts(draw: st.DrawFn, names: tuple[str, ...] = ("one", "two", "three")) -> Checkout:
    """Draw a manifest of up to three functions with any settings, and their sources."""
    lines = ['[defaults]\nruntime = "nodejs22"\nentrypoint = "index.handler"\nmemory = "1GB"\ncreate = true']
    files: dict[str, tuple[str, bool]] = {}
    for name in names:
        settings = draw(st.fixed_dictionaries({}, optional=KEYS)) | draw(ACCOUNTS)
        code = {"source": f"src/{name}"}
        if draw(st.booleans()):
            code = {"package": {"bucket": BUCKET, "object": "ready.zip"}}  # type: ignore[dict-item]  # either of the two
        more = draw(st.dictionaries(st.sampled_from(["run.sh", "ä/b.py", "notes"]), st.tuples(_texts, st.booleans())))
        files |= {
            f"src/{name}/{path}": file for path, file in ({"index.js": ("exports.handler = 1\n", False)} | more).items()
        }
        lines += [f"[functions.{name}]", *(f"{key} = {toml(value)}" for key, value in (settings | code).items())]
    return Checkout("\n".join([*lines, ""]), files)


def bench_in(folder: Path, wire: Callable[[Any], Wire] = Wire) -> Bench:
    bench = Bench(folder, durations="fixed:1")
    bench.wire = wire(bench.cloud)
    bench.functions = RecordingFunctions(bench.wire)
    bench.objects.put(BUCKET, "ready.zip", zipped("index.js"))
    bench.cloud.seeds.add_secret("folder", "db", id="e6q1", version_id="e6v1", keys=["k"])
    bench.cloud.seeds.add_service_account("folder", "runner", id="aje1")
    return bench


def assert_nothing_to_do(bench: Bench, act: Callable[[], Mapping[str, object]]) -> None:
    """Plan again, and carry that out: everything is unchanged, and nothing is written."""
    before = Counter(bench.wire.calls)
    outcomes = act()
    assert {unit.action for unit in bench.plan.units} == {Action.UNCHANGED}, [unit.reason for unit in bench.plan.units]
    assert kinds(outcomes) == {"Unchanged": len(bench.plan.units)}
    assert (Counter(bench.wire.calls) - before).keys() <= READS


some = limits(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@given(checkouts())
@some
def test_from_another_checkout_there_is_nothing_to_do(tmp_path: Path, checkout: Checkout) -> None:
    here, elsewhere = (Path(tempfile.mkdtemp(dir=tmp_path)) for _ in range(2))
    bench = bench_in(here)
    checkout.write(here, umask=0o022, time_s=1_700_000_000)
    assert kinds(bench.deploy(checkout.manifest)) == {"Deployed": 3}
    assert_nothing_to_do(bench, lambda: bench.deploy(checkout.manifest))
    checkout.write(elsewhere, umask=0o077, time_s=1_800_000_001, backwards=True)
    bench.root, bench.packager = elsewhere, InlinePackager(elsewhere)
    assert_nothing_to_do(bench, lambda: bench.deploy(checkout.manifest))


@given(checkouts(names=("one",)), checkouts(names=("one",)))
@some
def test_after_a_change_of_anything_there_is_nothing_to_do(tmp_path: Path, first: Checkout, then: Checkout) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    bench = bench_in(folder)
    for checkout in (first, then):
        checkout.write(folder, umask=0o022, time_s=1_700_000_000)
        bench.packager = InlinePackager(folder)  # knows the packages of one run
        assert set(kinds(bench.deploy(checkout.manifest))) <= {"Deployed", "Unchanged"}
    assert_nothing_to_do(bench, lambda: bench.deploy(then.manifest))


# --- a cloud that fills in what was left open -----------------------------------------------------------------------


class FillingWire(Wire):
    """Returns Versions like a cloud that fills in whatever was left open."""

    async def call(self, name: str, act: Callable[[], Record]) -> tuple[Record, str]:
        answer, request_id = await super().call(name, act)
        if name == "listVersions" and "versions" in answer:
            answer = {**answer, "versions": [filled(version) for version in answer["versions"]]}
        return (filled(answer) if "runtime" in answer else answer), request_id


def filled(version: Record) -> Record:
    found = {"concurrency": "1", "tmpfsSize": "536870912", **version}
    log = version.get("logOptions", {})
    found["logOptions"] = {"minLevel": "INFO", **({} if "logGroupId" in log else {"folderId": "folder"}), **log}
    metadata = {"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "DISABLED"}
    found["metadataOptions"] = metadata | version.get("metadataOptions", {})
    if "mounts" in version:
        found["mounts"] = [_filled_mount(mount) for mount in version["mounts"]]
    if "connectivity" in version:
        found["connectivity"] = {"subnetId": ["e9b"]} | version["connectivity"]
    if "asyncInvocationConfig" in version:
        found["asyncInvocationConfig"] = {"retriesCount": "2"} | version["asyncInvocationConfig"]
    parse_version(found)
    return found


def _filled_mount(mount: Record) -> Record:
    mount = {"mode": "READ_WRITE", **mount}
    if "ephemeralDiskSpec" in mount:
        mount["ephemeralDiskSpec"] = {"blockSize": "4096", **mount["ephemeralDiskSpec"]}
    return mount


@given(checkouts())
@some
def test_what_the_cloud_fills_in_is_nothing_to_do(tmp_path: Path, checkout: Checkout) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    bench = bench_in(folder, FillingWire)
    checkout.write(folder, umask=0o022, time_s=1_700_000_000)
    assert kinds(bench.deploy(checkout.manifest)) == {"Deployed": 3}
    assert_nothing_to_do(bench, lambda: bench.deploy(checkout.manifest))


class LosingWire(Wire):
    """Returns Versions like a cloud that dropped some of what was requested."""

    async def call(self, name: str, act: Callable[[], Record]) -> tuple[Record, str]:
        answer, request_id = await super().call(name, act)
        if "versions" in answer:
            answer = {**answer, "versions": [self._less(version) for version in answer["versions"]]}
        return (self._less(answer) if "runtime" in answer else answer), request_id

    def _less(self, version: Record) -> Record:
        lost = ("secrets", "mounts", "connectivity", "logOptions", "asyncInvocationConfig", "metadataOptions")
        return {name: value for name, value in version.items() if name not in lost}


ASKED_FOR: dict[str, Any] = {
    "secrets": (Secret("TOKEN", "k", "e6q", None, "e6r"),), "mounts": (Mount("data", "read_only", bucket="bbb"),),
    "connectivity": Connectivity("enp1"), "log": LogOptions(min_level="WARN"), "async_invocation": AsyncInvocation(),
    "metadata": MetadataOptions(gce_http_endpoint=False),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED_FOR)
def test_a_version_that_lacks_what_was_asked_for_is_not_deployed(tmp_path: Path, name: str) -> None:
    bench = bench_in(tmp_path, LosingWire)
    bench.objects.put(BUCKET, "f.zip", zipped("index.py"))
    made = settings(**{name: ASKED_FOR[name]})
    specs = {"fun": spec("fun", settings=made, code=BucketPackage(BUCKET, "f.zip"), create=True)}
    (outcome,) = bench.carry_out(lambda _have: Desired(specs, Rollout()), specs).values()
    assert isinstance(outcome, Failed)
    assert (outcome.step, "differs from what was sent" in outcome.failure.message) == (Step.READ_BACK, True)


def latest(bench: Bench, function_id: str) -> Settings:
    found = bench.cloud.versions.by_tag({"functionId": function_id, "tag": "$latest"})
    return settings_of(decoded(found))


@given(any_settings(), st.sampled_from([Wire, FillingWire]))
@some
def test_a_copy_of_a_version_made_by_hand_keeps_all_and_is_made_once(
    tmp_path: Path, made: Settings, wire: Callable[[Any], Wire]
) -> None:
    bench = bench_in(Path(tempfile.mkdtemp(dir=tmp_path)), wire)
    function_id = bench.cloud.functions.create({"folderId": "folder", "name": "old"})["metadata"]["functionId"]
    bench.pass_time(60.0)
    sent = body(function_id, made, inline("index.py"), made.description)
    parse_create_version(sent)
    bench.cloud.versions.create(sent)
    bench.pass_time(60.0)
    before = latest(bench, function_id)
    assert kinds(bench.run_job(COPIES, "copies")) == {"Unchanged": 1}
    before = replace(before, environment={**before.environment, "ADDED": "1"})
    assert kinds(bench.run_job(COPIES, "copies", environment='{ ADDED = "1" }')) == {"Deployed": 1}
    after = latest(bench, function_id)
    if wire is Wire:
        assert after == before
    else:  # what was filled in is requested now, and nothing else differs
        assert replace(after, **{name: getattr(before, name) for name in FILLED}) == before
    assert_nothing_to_do(bench, lambda: bench.run_job(COPIES, "copies"))
    assert_nothing_to_do(bench, lambda: bench.run_job(COPIES, "copies", environment='{ ADDED = "1" }'))


FILLED = ("log", "mounts", "connectivity", "async_invocation", "tmpfs_size_bytes", "concurrency", "metadata")
