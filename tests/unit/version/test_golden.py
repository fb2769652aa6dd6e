"""The results of bodies, copies, comparison, adoption and fingerprints for some hundred settings, byte for byte.

`golden.json` has a digest of each result, in the order of `CASES`. A new field changes none of them, since unset fields
are left out. `python -m tests.unit.version.test_golden` writes it: only if a result is meant to change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    Connectivity,
    LogOptions,
    MetadataOptions,
    Mount,
    Secret,
    Settings,
    StorageMount,
    Version,
)
from orchestrator.version.adoption import taken_away
from orchestrator.version.body import settings_fields
from orchestrator.version.compare import differences
from orchestrator.version.copy import settings_of, unknown_fields
from orchestrator.version.stamp import fingerprint

T = TypeVar("T")

GOLDEN = Path(__file__).with_name("golden.json")
CASES = 400


class Chance:
    """Draws only by `random()`: its numbers are the same in every Python."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def often(self, share: float = 0.4) -> bool:
        return self._random() < share

    def one(self, items: Sequence[T]) -> T:
        return items[int(self._random() * len(items))]

    def maybe(self, items: Sequence[T]) -> T | None:
        return self.one(items) if self.often() else None

    def some(self, items: Sequence[T]) -> tuple[T, ...]:
        kept = [item for item in items if self.often()]
        return tuple(reversed(kept)) if self.often() else tuple(kept)


def some_settings(chance: Chance) -> Settings:
    """Draw settings, many of them unset."""
    return Settings(
        runtime=chance.one(("python312", "python311", "nodejs22")),
        entrypoint=chance.one(("index.handler", "main.run")),
        memory_bytes=chance.one((128 << 20, 1 << 30, 1000)),
        execution_timeout_s=chance.maybe((10.0, 1.5, 600.0, 0.25)),
        description=chance.one(("", "text", "two  ", "text [orchestrator:1:x]")),
        service_account_id=chance.maybe(("aje1", "aje2")),
        service_account=chance.maybe(("named",)),
        environment={name: chance.one(("", "0", "1", "x")) for name in chance.some(("A", "B", "TOKEN"))},
        named_service_accounts={name: chance.one(("aje3", "aje4")) for name in chance.some(("db", "q"))},
        secrets=tuple(
            Secret(name, "k", chance.one(("e6q", "e6r")), None, chance.maybe(("v1", "v2")))
            for name in chance.some(("TOKEN", "KEY", "A"))
        ),
        tags=chance.some(("stable", "blue")),
        connectivity=Connectivity(chance.maybe(("enp1", "enp2")), chance.some(("e9b1", "e9b2", "e9b3")))
        if chance.often()
        else None,
        log=LogOptions(
            chance.maybe((True, False)), chance.maybe(("e23",)), chance.maybe(("b1g",)), chance.maybe(("INFO", "WARN"))
        )
        if chance.often()
        else None,
        mounts=tuple(some_mount(chance, name) for name in chance.some(("data", "tmp"))),
        storage_mounts=tuple(
            StorageMount(name, chance.one(("bbb", "ccc")), chance.maybe(("p/",)), chance.maybe((True, False)))
            for name in chance.some(("old", "older"))
        ),
        async_invocation=AsyncInvocation(
            chance.maybe((0, 3)), chance.maybe(("aje5",)), some_target(chance), some_target(chance)
        )
        if chance.often()
        else None,
        tmpfs_size_bytes=chance.maybe((0, 512 << 20, 1000)),
        concurrency=chance.maybe((0, 1, 4)),
        metadata=MetadataOptions(chance.maybe((True, False)), chance.maybe((True, False))) if chance.often() else None,
    )


def some_mount(chance: Chance, name: str) -> Mount:
    mode = chance.maybe(("read_only", "read_write"))
    if chance.often(0.5):
        return Mount(name, mode, bucket=chance.one(("bbb", "ccc")), prefix=chance.maybe(("p/",)))
    return Mount(name, mode, disk_size_bytes=chance.one((1 << 30, 2 << 30)), block_size_bytes=chance.maybe((4096,)))


def some_target(chance: Chance) -> AsyncTarget:
    return AsyncTarget("yrn:q", chance.maybe(("aje6",))) if chance.often() else AsyncTarget()


def some_live(chance: Chance, made_of: Settings) -> dict[str, Any]:
    """Draw a Version's JSON: what was sent, with defaults filled in, left out, spelled differently, or
    unknown to us.
    """
    raw: dict[str, Any] = json.loads(json.dumps(settings_fields(made_of, made_of.description)))
    raw.pop("tag", None)
    raw |= {"id": "d4e1", "functionId": "d4e", "createdAt": "2027-01-01T00:00:00Z", "status": "ACTIVE"}
    for name in [name for name in sorted(raw) if chance.often(0.03)]:
        del raw[name]
    for change in CHANGES:
        if chance.often(0.12):
            change(raw)
    return raw


def _log(raw: dict[str, Any], **more: Any) -> None:
    raw["logOptions"] = {**raw.get("logOptions", {}), **more}


def _each(raw: dict[str, Any], name: str, **more: Any) -> None:
    raw[name] = [{**item, **more} for item in raw.get(name, [])]


CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda raw: raw.setdefault("executionTimeout", "10.000s"),
    lambda raw: raw.setdefault("concurrency", 1),
    lambda raw: raw.setdefault("tmpfsSize", "0"),
    lambda raw: raw.setdefault("serviceAccountId", ""),
    lambda raw: raw.update(resources={"memory": 134217728}),
    lambda raw: raw.update(environment={**raw.get("environment", {}), "HOT": "1"}),
    lambda raw: raw.update(environment=None),
    lambda raw: raw.update(secrets=raw.get("secrets", [])[::-1]),
    lambda raw: raw.update(description=f"{raw.get('description', '')} [orchestrator:1:{'0' * 16}.{'1' * 16}]"),
    lambda raw: raw.update(connectivity={"subnetId": ["e9b2", "e9b1"]}),
    lambda raw: raw.update(connectivity={"networkId": "enp9"}),
    lambda raw: raw.update(asyncInvocationConfig={}),
    lambda raw: raw.update(asyncInvocationConfig={"retriesCount": 3, "successTarget": {"httpTarget": {"url": "u"}}}),
    lambda raw: raw.update(metadataOptions={"gceHttpEndpoint": "METADATA_OPTION_UNSPECIFIED"}),
    lambda raw: raw.update(metadataOptions={"gceHttpEndpoint": "ENABLED", "awsV1HttpEndpoint": "SOMETIMES"}),
    lambda raw: raw.update(storageMounts=[{"mountPointName": "data", "bucketId": "bbb", "readOnly": True}]),
    lambda raw: raw.update(gpu={"count": "1"}, nothing=None),
    lambda raw: raw["resources"].update(cores="2") if "resources" in raw else None,
    lambda raw: _log(raw, minLevel="LEVEL_UNSPECIFIED"),
    lambda raw: _log(raw, folderId="b1g"),
    lambda raw: _log(raw, sampling="1"),
    lambda raw: _each(raw, "mounts", mode="MODE_UNSPECIFIED"),
    lambda raw: _each(raw, "mounts", nfs={"host": "h"}),
    lambda raw: _each(raw, "secrets", rotation="on"),
    lambda raw: raw.update(mounts=[{"name": "hot", "mode": "READ_ONLY", "ephemeralDiskSpec": {"size": 1 << 30}}]),
]


def reported(settings: Settings) -> str:
    """Return settings as text without unset ones, so that a new field changes nothing."""
    plain = Settings("", "", 0)
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return repr({name: value for name, value in values.items() if value != getattr(plain, name)})


def answers(seed: int) -> list[str]:
    """Return the results of one case, each as a digest."""
    chance = Chance(seed)
    desired = some_settings(chance)
    raw = some_live(chance, desired if chance.often(0.7) else some_settings(chance))
    live = Version("d4e1", "d4e", "ACTIVE", raw.get("description") or "", None, ("stable", "$latest", "blue"), raw)
    said: list[object] = [
        settings_fields(desired, "stamped"),
        reported(settings_of(live)),
        unknown_fields(live.raw),
        list(differences(desired, live.raw).items()),
        list(differences(desired, live.raw, filled_in=True).items()),
        taken_away(desired, live),
        str(fingerprint(desired, "code")),
    ]
    return [hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()[:8] for each in said]


NAMES = ("body", "copy", "unknown fields", "differences", "differences, filled in", "taken away", "fingerprint")


def test_every_answer_is_what_it_was() -> None:
    golden = [line.split() for line in json.loads(GOLDEN.read_text("utf-8"))]
    assert len(golden) == CASES
    wrong = [
        f"case {seed}: {name}"
        for seed, before in enumerate(golden)
        for name, was, now in zip(NAMES, before, answers(seed), strict=True)
        if was != now
    ]
    assert wrong == []


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps([" ".join(answers(seed)) for seed in range(CASES)], indent=0) + "\n", "utf-8")
