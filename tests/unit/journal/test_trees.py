"""The files of packages that runs have made: found again, within bounds, and never a cause of failure."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from orchestrator.journal.kept import trees
from orchestrator.journal.kept.trees import FILE, KnownTrees, keep_trees
from orchestrator.model import FileChanges, PackedFiles
from orchestrator.model.packed import file_changes


def packed(**files: int) -> PackedFiles:
    return PackedFiles(tuple(files), "".join(f"{number:016x}" for number in files.values()))


def known(folder: Path, *codes: str) -> list[PackedFiles | None]:
    with KnownTrees(folder) as found:
        return [found.files(code) for code in codes]


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    assert known(tmp_path, "a") == [None]
    assert not (tmp_path / FILE).exists()  # a reader creates nothing
    keep_trees(tmp_path, {"a": packed(x=1), "b": packed(x=1, y=2)}, 1.0)
    keep_trees(tmp_path, {"a": packed(x=1), "none": PackedFiles(("x",), "")}, 2.0)
    assert known(tmp_path, "a", "b", "c", "none") == [packed(x=1), packed(x=1, y=2), None, None]
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_what_was_not_used_for_the_longest_time_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_trees(tmp_path, {"old": packed(x=1), "used": packed(x=2)}, 1.0)
    keep_trees(tmp_path, {"used": packed(x=2)}, 2.0)
    length = len(trees._packed(packed(x=1)))
    monkeypatch.setattr(trees, "KEPT_MAX_BYTES", 2 * length + length // 2)
    keep_trees(tmp_path, {"new": packed(x=3)}, 3.0)
    assert known(tmp_path, "old", "used", "new") == [None, packed(x=2), packed(x=3)]
    monkeypatch.setattr(trees, "FILES_MAX", 1)
    keep_trees(tmp_path, {"large": packed(x=1, y=2)}, 4.0)
    assert known(tmp_path, "large") == [None]


def test_a_file_that_is_none_of_ours_says_nothing_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"no database at all" * 100)
    assert known(tmp_path, "a") == [None]
    keep_trees(tmp_path, {"a": packed(x=1)}, 1.0)
    keep_trees(tmp_path, {"a": packed(x=1)}, 1.0)  # starts again
    assert known(tmp_path, "a") == [packed(x=1)]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trees SET files = x'00'")
    assert known(tmp_path, "a", "a") == [None, None]
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")  # from a newer program
    keep_trees(tmp_path, {"b": packed(x=1)}, 1.0)
    assert known(tmp_path, "a", "b") == [None, None]
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    keep_trees(tmp_path, {"b": packed(x=1)}, 1.0)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("before", "after", "meant"),
    [
        (packed(a=1, b=2), packed(a=1, b=2), FileChanges()),
        (packed(a=1, b=2, c=3), packed(a=1, b=9, d=3), FileChanges(("b",), ("d",), ("c",))),
        (packed(), packed(b=1, a=2), FileChanges(added=("a", "b"))),
        (packed(b=1, a=2), packed(), FileChanges(removed=("a", "b"))),
    ],
)
def test_packages_are_compared_file_by_file(before: PackedFiles, after: PackedFiles, meant: FileChanges) -> None:
    assert file_changes(before, after) == meant
