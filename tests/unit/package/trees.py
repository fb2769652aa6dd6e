"""What the tests of the packager share: trees to pack, and calls without a packager."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.model import Package, SourceCode, Tree
from orchestrator.package import archive


def make_tree(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def code_of(
    source: Path,
    root: Path | None = None,
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    files: Mapping[str, Path] | None = None,
    into: str = "",
) -> SourceCode:
    laid = tuple((files or {}).items())
    return SourceCode(source, root or source.parent, include=include, exclude=exclude, files=laid, into=into)


def unhindered() -> None:
    """A check that never cancels."""


def scan(code: SourceCode) -> Tree:
    return archive.scan(code, unhindered)


def pack(code: SourceCode, folder: Path) -> Package:
    folder.mkdir(exist_ok=True)
    return archive.pack(code, folder, unhindered)
