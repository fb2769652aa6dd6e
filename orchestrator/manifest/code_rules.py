"""The rules of where a function's code comes from: which keys go together, and what must be on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from orchestrator.manifest.merge import Draft
from orchestrator.manifest.setting_rules import Breach
from orchestrator.manifest.toml_files import shown

_SOURCES = ("source", "package", "version_id")
_WITH_SOURCE = ("build", "include", "exclude", "files")


class Disk:
    """What is at a path: asked once per path."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}

    def kind(self, path: str) -> str:
        """What it is: "file", "folder", "other", or "" where nothing is (or may be seen)."""
        kind = self._kinds.get(path)
        if kind is None:
            kind = self._kinds[path] = self._look(path)
        return kind

    @staticmethod
    def _look(path: str) -> str:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - thousands of them; strings are cheaper than Paths
        except OSError:
            return ""
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def code_breaches(draft: Draft, disk: Disk) -> Iterator[Breach]:
    """All rules about code that a function breaks."""
    values = draft.values
    given = [key for key in _SOURCES if key in values]
    if len(given) > 1:
        yield Breach((given[1],), f"only one of source, package and version_id may stand; {given[0]} stands too")
    elif not given and not any(draft.is_broken((key,)) for key in _SOURCES):
        yield Breach((), "needs its code: one of source, package and version_id")
    if "package" in values:
        yield from _lacking(values["package"], "package", ("bucket", "object"), draft)
    if "source" in values:
        yield from _source(draft, disk)
    elif given:
        for key in _WITH_SOURCE:
            if key in draft.own.values:
                yield Breach((key,), f"goes with source only, not with {given[0]}")


def _lacking(table: dict[str, Any], key: str, needed: tuple[str, ...], draft: Draft) -> Iterator[Breach]:
    for name in needed:
        if name not in table and not draft.is_broken((key, name)):
            yield Breach((key, name), "is required")


def _source(draft: Draft, disk: Disk) -> Iterator[Breach]:
    values = draft.values
    source = values["source"]
    if disk.kind(source) not in {"file", "folder"}:
        yield Breach(("source",), _missing(source, disk, "a folder, a file or a .zip"))
    if "build" in values:
        yield from _lacking(values["build"], "build", ("command",), draft)
        folder = values["build"].get("folder")
        if folder is not None and disk.kind(folder) != "folder":
            yield Breach(("build", "folder"), _missing(folder, disk, "a folder"))
    for inside, local in values.get("files", {}).items():
        if not is_package_path(inside):
            rule = "the key is the path in the package: relative, with / between its parts, without .."
            yield Breach(("files", inside), rule)
        if disk.kind(local) not in {"file", "folder"}:
            yield Breach(("files", inside), _missing(local, disk, "a file or folder"))


def _missing(path: str, disk: Disk, wanted: str) -> str:
    return f'"{shown(path)}" is not {wanted}' if disk.kind(path) else f'"{shown(path)}" does not exist'


def is_package_path(path: str) -> bool:
    """Whether a path names a place inside a package."""
    pure = PurePosixPath(path)
    return bool(pure.parts) and not (pure.is_absolute() or ".." in pure.parts or "\\" in path or "\x00" in path)
