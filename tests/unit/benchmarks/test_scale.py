"""A short form of `tests.benchmarks.scale`: the cost of more functions, files and environments, in calls that are made.

Calls of Python and of C are counted, because their number is always the same. The benchmark measures how long they
take.
"""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.app.commands.validate import validate_command
from orchestrator.app.session.on_disk import look
from orchestrator.errors import Exit
from orchestrator.manifest.load import load
from orchestrator.package import digests
from orchestrator.package.digests import DIGESTS, Digests
from tests.benchmarks.scale import FOLDER, write_manifest, write_sources


def calls(work: Callable[[], object], of: str = "") -> int:
    """Count the calls that something makes after it was done once: nothing is imported or compiled any more. `of`: only
    those of one built-in function.
    """
    work()
    profile = cProfile.Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats() if not of or entry.code == f"<built-in method {of}>")


def validating(root: Path, functions: int, files: int, environments: int = 0) -> int:
    write_manifest(root, functions, files, environments)

    def work() -> None:
        assert validate_command(root / "deploy.toml").exit is Exit.DONE

    return calls(work)


def test_validate_costs_as_much_for_each_function_of_many(tmp_path: Path) -> None:
    few, many = validating(tmp_path / "few", 100, 4), validating(tmp_path / "many", 800, 32)
    assert many / few < 8.5


def test_validate_costs_as_much_for_each_environment_of_many(tmp_path: Path) -> None:
    two, six = validating(tmp_path / "two", 200, 8, 2), validating(tmp_path / "six", 200, 8, 6)
    assert six / two < 3.2


def test_unchanged_sources_are_looked_at_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions, files_each = 10, 20
    write_manifest(tmp_path, functions, 2, sources=True)
    write_sources(tmp_path, functions, 2, files_each)
    monkeypatch.setattr(digests, "SETTLED_NS", -1_000_000_000)  # as if they had not changed for long
    manifest = load(tmp_path / "deploy.toml", {"YC_FOLDER_ID": FOLDER})
    kept = Digests(tmp_path / DIGESTS)
    look(manifest, tmp_path / ".orchestrator", kept)
    kept.save()

    def opened(path: Path | None) -> int:
        return calls(lambda: look(manifest, tmp_path / ".orchestrator", Digests(path)), of="io.open")

    cold, warm = opened(None), opened(tmp_path / DIGESTS)
    assert cold - warm == functions * files_each - 1  # the one file is that of the digests
