"""Memory clouds for tests: a clock that is moved by hand, small packages, and answers that are all parsed strictly."""

from __future__ import annotations

import base64
import io
import random
import zipfile
from typing import Any

from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.faults import Distribution
from tests import protobuf

FOLDER = "b1gfolder00000000000"
START_S = 1_800_000_000.0


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START_S

    def __call__(self) -> float:
        return self.now


def zipped(*names: str, content: str = "x") -> bytes:
    """Return a zip with these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def inline(*names: str) -> dict[str, Any]:
    return {"content": base64.b64encode(zipped(*names)).decode()}


def body(function_id: str, **fields: Any) -> dict[str, Any]:
    """Return a createVersion body, minimal except for `fields`. None removes a field; a package source replaces
    ours.
    """
    found = {
        "functionId": function_id,
        "runtime": "python312",
        "entrypoint": "index.handler",
        "resources": {"memory": "134217728"},
        "executionTimeout": "10s",
        **({} if {"package", "versionId", "content"} & fields.keys() else inline("index.py")),
        **fields,
    }
    return {name: value for name, value in found.items() if value is not None}


class Desk:
    """Works with one memory cloud. Parses every Operation, Version and Function that it answers."""

    def __init__(self, **kwargs: Any) -> None:
        self.clock = HandClock()
        kwargs.setdefault("durations", Distribution.parse("fixed:1"))
        self.cloud = MemoryCloud(clock=self.clock, rng=random.Random(1), **kwargs)

    def function(self, name: str = "first", folder_id: str = FOLDER) -> str:
        """Create a Function and wait for it."""
        operation = self.cloud.functions.create({"folderId": folder_id, "name": name})
        self.end(operation)
        return str(operation["metadata"]["functionId"])

    def begin(self, sent: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Send a createVersion."""
        operation = self.cloud.versions.create(sent, key)
        protobuf.parse_create_version(sent)
        protobuf.parse_operation(operation)
        return operation

    def end(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Let time pass until an Operation is done. Returns it."""
        for _ in range(1000):
            found = self.operation(operation["id"])
            if found.get("done"):
                return found
            self.clock.now += 0.25
        raise AssertionError(f"not done: {found}")

    def operation(self, operation_id: str) -> dict[str, Any]:
        found = self.cloud.operations.get(operation_id)
        protobuf.parse_operation(found)
        return found

    def version(self, function_id: str, **fields: Any) -> str:
        """Create a Version and wait for it."""
        operation = self.begin(body(function_id, **fields))
        done = self.end(operation)
        assert "error" not in done, done["error"]
        return str(operation["metadata"]["functionVersionId"])

    def latest(self, function_id: str) -> str:
        found = self.cloud.versions.by_tag({"functionId": function_id, "tag": "$latest"})
        protobuf.parse_version(found)
        return str(found["id"])

    def versions(self, function_id: str, filter: str = "") -> list[dict[str, Any]]:
        query = {"functionId": function_id, "filter": filter}
        found: list[dict[str, Any]] = self.cloud.versions.list(query).get("versions", [])
        for version in found:
            protobuf.parse_version(version)
        return found
