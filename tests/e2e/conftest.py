"""One sandbox for all tests; each test deploys into its own folder."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import RECORD, Cloud, Project, sandbox
from tests.protobuf import parse_create_version


@pytest.fixture(scope="session", autouse=True)
def _record() -> Iterator[None]:
    yield
    shutil.rmtree(RECORD.parent)


@pytest.fixture(autouse=True)
def _bodies_are_what_the_api_declares(_record: None) -> Iterator[None]:
    """Check every createVersion that reached a sandbox during a test against the official protobufs."""
    seen = RECORD.stat().st_size if RECORD.exists() else 0
    yield
    if RECORD.exists():
        with RECORD.open("rb") as file:
            file.seek(seen)
            calls = [json.loads(line) for line in file if line.endswith(b"\n")]
        for call in calls:
            if call["name"] == "createVersion":
                parse_create_version(call["body"])


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with sandbox(tmp_path_factory.mktemp("cloud"), "--durations", "fixed:0.2") as found:
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root, f"b1g{uuid.uuid4().hex[:17]}")
