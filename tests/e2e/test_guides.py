"""The tutorial and the how-to guides, carried out from top to end."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.guides import Reader


def test_the_tutorial(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "shop", None)
    reader.root.mkdir()
    reader.follow("tutorial.md")
    assert (reader.root / "report.html").stat().st_size > 10_000
