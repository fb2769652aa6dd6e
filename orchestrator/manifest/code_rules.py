"""The rules about a function's code: which keys are allowed together, and what must exist on the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from orchestrator.manifest.disk import Disk
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.setting_rules import Breach
from orchestrator.manifest.toml_files import shown

_SOURCES = ("source", "package", "version_id")
_WITH_SOURCE = ("into", "build", "include", "exclude", "files")


def code_breaches(draft: Draft, disk: Disk) -> Iterator[Breach]:
    """Yield all rules about code that a function breaks."""
    values = draft.values
    given = [key for key in _SOURCES if key in values]
    if len(given) > 1:
        yield Breach((given[1],), f"set only one of source, package and version_id; {given[0]} is set too")
    elif not given and not any(draft.is_broken((key,)) for key in _SOURCES):
        yield Breach((), "needs its code: one of source, package and version_id")
    if "package" in values:
        yield from _lacking(values["package"], "package", ("bucket", "object"), draft)
    if "source" in values:
        yield from _source(draft, disk)
    elif given:
        for key in _WITH_SOURCE:
            if key in draft.own.values:
                yield Breach((key,), f"is only allowed with source, not with {given[0]}")


def _lacking(table: dict[str, Any], key: str, needed: tuple[str, ...], draft: Draft) -> Iterator[Breach]:
    for name in needed:
        if name not in table and not draft.is_broken((key, name)):
            yield Breach((key, name), "is required")


def _source(draft: Draft, disk: Disk) -> Iterator[Breach]:
    values = draft.values
    source = values["source"]
    into = values.get("into")
    if into is not None and (not is_package_path(into) or not PurePosixPath(into).parts):
        yield Breach(("into",), "must be a folder in the package: a relative path with /, without . or ..")
    built = "build" in values  # what does not exist yet may be created by it
    if built and "folder" not in values["build"] and (rule := _doubt(source, values["build"], disk)):
        yield Breach(("build",), rule, warning=True)
    there = {"file", "folder", ""} if built else {"file", "folder"}
    if disk.has_sources and disk.kind(source) not in there:
        yield Breach(("source",), _missing(source, disk, "a folder, a file or a .zip"))
    if built:
        yield from _lacking(values["build"], "build", ("command",), draft)
        folder = values["build"].get("folder")
        if disk.has_sources and folder is not None and disk.kind(folder) != "folder":
            yield Breach(("build", "folder"), _missing(folder, disk, "a folder"))
    for inside, local in values.get("files", {}).items():
        if not is_package_path(inside):
            rule = "the key must be a path in the package: relative, with /, without ..; . is the root"
            yield Breach(("files", inside), rule)
        if disk.has_sources and disk.kind(local) not in there:
            yield Breach(("files", inside), _missing(local, disk, "a file or folder"))


def _doubt(source: str, build: dict[str, Any], disk: Disk) -> str:
    """Return a warning about a build without a folder: it runs in its source, which may be what the build creates."""
    name, kind = os.path.basename(source), disk.kind(source)  # noqa: PTH119 - strings here, as elsewhere
    if not kind:
        return f'has no folder: it runs next to "{shown(source)}" until that exists, and in it afterwards; add `folder`'
    own = rf"(?<![\w.-]){re.escape(name)}(?![\w.-])"
    if kind == "folder" and re.search(own, build.get("command", "")):
        return f'has no folder: it runs in "{shown(source)}", which its command names; add `folder`'
    return ""


def _missing(path: str, disk: Disk, desired: str) -> str:
    return f'"{shown(path)}" is not {desired}' if disk.kind(path) else f'"{shown(path)}" does not exist'


def is_package_path(path: str) -> bool:
    """Return whether a path is a place inside a package; "." is its root."""
    pure = PurePosixPath(path)
    return bool(path) and not (pure.is_absolute() or ".." in pure.parts or "\\" in path or "\x00" in path)
