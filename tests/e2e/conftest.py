"""One sandbox for all tests, each of which deploys into a folder of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Cloud, Project, sandbox


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with sandbox(tmp_path_factory.mktemp("cloud"), "--durations", "fixed:0.2") as found:
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root, f"b1g{uuid.uuid4().hex[:17]}")
