"""[functions.*] of all files: merged, held against the rules, and made into values.

The rules of where the code comes from are here: which keys go together, and what must be on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from orchestrator.errors import Mistake
from orchestrator.manifest import setting_rules
from orchestrator.manifest.check import Check
from orchestrator.manifest.disk import Disk
from orchestrator.manifest.fields import PATTERNS
from orchestrator.manifest.findings import Findings, did_you_mean
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft, Layer, layer, merge, taken_in_vain
from orchestrator.manifest.rollout.rollout_rules import promote_breaches, unsafe_kind, verify_breaches
from orchestrator.manifest.setting_rules import Breach
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.toml_files import SourceFile, shown
from orchestrator.manifest.values import flawed_spec, function_spec
from orchestrator.model import FunctionSpec

_REQUIRED = ("runtime", "entrypoint", "memory")
_NAME_PATTERN = "^[a-z][-a-z0-9]{1,61}[a-z0-9]$"
_NAME = re.compile(_NAME_PATTERN)
_KEY = re.compile(r"[^\s:*?\[\]!\\-][^\s:*?\[\]!\\]*")  # selections are names, globs and label:KEY=VALUE


class FunctionTables:
    """Makes the functions of a manifest, one file after the other."""

    def __init__(self, main: SourceFile, check: Check, folder_id: str | None, disk: Disk, findings: Findings) -> None:
        tables = check.tables
        self._findings = findings
        self._folder_id = folder_id
        self._folder_is_broken = check.is_broken(("cloud", "folder_id"))
        self._disk = disk
        self._defaults = [layer(main, ("defaults",), tables.defaults, check)] if tables.defaults else []
        self._templates = {
            name: layer(main, ("templates", name), table, check) for name, table in (tables.templates or {}).items()
        }
        self._broken_templates = {str(path[1]) for path in check.broken if path[0] == "templates" and len(path) == 2}
        self._merged: dict[tuple[str, ...], tuple[tuple[Layer, ...], dict[str, object]]] = {}
        self._main = main
        self._cloud_line = None if "cloud" in main.raw else 0
        self.drafts: dict[str, Draft] = {}
        for defaults in self._defaults:
            if kind := unsafe_kind(defaults.values.get("verify", {})):
                rule = (
                    "would call every function, whatever it does: say safe = true beside it, or move it into a template"
                )
                findings.mistake(main, (*defaults.path, "verify", kind), rule)
        for template in self._templates.values():
            if "use" in template.values:
                findings.mistake(main, (*template.path, "use"), "a template cannot use templates; list both in `use`")

    def add(self, file: SourceFile, check: Check) -> None:
        """Take the functions of one file."""
        for key, table in (check.tables.functions or {}).items():
            own = layer(file, ("functions", key), table, check)
            if key in self.drafts:
                first = self.drafts[key].own
                place = f"{first.file.shown}:{first.file.table_line(first.path)}"
                self._findings.mistake(file, own.path, f"this function stands in {place} already")
                continue
            draft = self.drafts[key] = self._draft(key, own)
            self._judge(draft)

    def _draft(self, key: str, own: Layer) -> Draft:
        use = self._use(own)
        used = tuple(name for name in use if name in self._templates)
        cached = self._merged.get(used)
        if cached is None:
            below = (*self._defaults, *(self._templates[name] for name in used))
            cached = self._merged[used] = (below, merge(layer.values for layer in below))
        layers, values = cached
        return Draft(key, (*layers, own), merge((values, own.values)), use)

    def _use(self, own: Layer) -> tuple[str, ...]:
        """The templates that a function names; of those that are not there it is told."""
        naming = own if "use" in own.values else self._defaults[0] if self._defaults else own
        use = tuple(naming.values.get("use", ()))
        for index, name in enumerate(use):
            if name not in self._templates and name not in self._broken_templates:
                rule = f"there is no [templates.{name}]{did_you_mean(name, self._templates)}"
                self._findings.mistake(naming.file, (*naming.path, "use", index), rule)
        return use

    def _judge(self, draft: Draft) -> None:
        """Hold a function against all rules."""
        if self._folder_of(draft) is None and not self._folder_is_broken and not draft.is_broken(("folder_id",)):
            rule = "no folder: set it here, in [defaults], for each function, or as YC_FOLDER_ID in the environment"
            self._findings.mistake(self._main, ("cloud", "folder_id"), rule, line=self._cloud_line, function=draft.key)
        for breach in self._breaches(draft):
            if any(map(draft.is_broken, breach.others)):
                continue
            origin, inside = draft.origin(breach.path)
            concerned = None if origin is draft.own else draft.key
            path = (*origin.path, *inside)
            if breach.warning:
                self._findings.warning(origin.file, path, breach.rule, function=concerned)
            else:
                self._findings.mistake(origin.file, path, breach.rule, function=concerned)
        for table, index, rule in taken_in_vain(draft):
            concerned = None if table is draft.own else draft.key
            self._findings.mistake(table.file, (*table.path, "without", index), rule, function=concerned)

    def _breaches(self, draft: Draft) -> Iterable[Breach]:
        yield from _identity(draft)
        for key in _REQUIRED:
            if key not in draft.values and not draft.is_broken((key,)):
                yield Breach((key,), "is required: here, in a template or in [defaults]")
        yield from code_breaches(draft, self._disk)
        yield from setting_rules.setting_breaches(draft.values)
        yield from promote_breaches(draft)
        yield from verify_breaches(draft, self._disk)

    def compare(self) -> None:
        """Note functions that are the same Function of the cloud: of two the later, but rather one that is disabled."""
        drafts = sorted(self.drafts.values(), key=lambda draft: not draft.values.get("enabled", True))
        self._distinct(
            "name", {draft.key: (self._folder_of(draft), draft.values.get("name", draft.key)) for draft in drafts}
        )
        self._distinct("id", {draft.key: draft.values["id"] for draft in drafts if "id" in draft.values})

    def _folder_of(self, draft: Draft) -> str | None:
        folder_id: str | None = draft.values.get("folder_id", self._folder_id)
        return folder_id

    def specs(self) -> dict[str, FunctionSpec]:
        """Make the values of all functions, once everything is found. Those with mistakes carry them."""
        owned: dict[str, list[tuple[KeyPath, Mistake]]] = {}
        for path, mistake in self._findings.placed():
            for key in self._owners(path, mistake):
                owned.setdefault(key, []).append((path, mistake))
        made = {}
        for key, draft in self.drafts.items():
            folder_id = self._folder_of(draft) or ""
            if key in owned:
                untold = frozenset(name for path, _ in owned[key] for name in _untold(path))
                made[key] = flawed_spec(draft, folder_id, tuple(mistake for _, mistake in owned[key]), untold)
            else:
                is_folder = self._disk.kind(draft.values.get("source", "")) == "folder"
                made[key] = function_spec(draft, folder_id, is_folder)
        return made

    def owns(self, path: KeyPath, mistake: Mistake) -> bool:
        """Whether a mistake is of those functions that have it alone: of nobody, where none uses the template."""
        return path[:1] in {("defaults",), ("templates",)} or bool(self._owners(path, mistake))

    def _owners(self, path: KeyPath, mistake: Mistake) -> Iterable[str]:
        """The functions that a mistake is part of."""
        if mistake.function:
            return (mistake.function,)
        if path[:1] == ("defaults",):
            return self.drafts
        if path[:1] == ("templates",):
            return [key for key, draft in self.drafts.items() if path[1:2] == () or path[1] in draft.use]
        return [str(path[1])] if path[:1] == ("functions",) and len(path) > 1 and path[1] in self.drafts else []

    def _distinct(self, key: str, identities: Mapping[str, object]) -> None:
        first: dict[object, str] = {}
        for function_key, identity in identities.items():
            other = first.setdefault(identity, function_key)
            if other != function_key:
                own = self.drafts[function_key].own
                path = (*own.path, key) if own.has((key,)) else own.path
                what = f"the same {key}{' in the same folder' if key == 'name' else ''}"
                there = self.drafts[other].own
                place = f"{there.file.shown}:{there.file.table_line(there.path)}"
                self._findings.mistake(own.file, path, f"has {what} as functions.{other} ({place})")


# What tells which Function is meant, and whether a selection is about it.
_TELLING = ("name", "id", "folder_id", "labels")


def _untold(path: KeyPath) -> tuple[str, ...]:
    """What of a function cannot be told where there is a mistake at this path."""
    key = path[1 if path[0] in ("defaults", "cloud") else 2 :][:1]
    if not key or key[0] not in FunctionTable.model_fields:  # any of them may be meant
        return _TELLING
    return (str(key[0]),) if key[0] in _TELLING else ()


def _identity(draft: Draft) -> Iterator[Breach]:
    if not _KEY.fullmatch(draft.key):
        yield Breach(
            (), "the table's name is how functions are selected: no spaces, no : * ? [ ] ! \\, no hyphen first"
        )
    elif "name" not in draft.values and not draft.is_broken(("name",)) and not _NAME.match(draft.key):
        rule = f'"{draft.key}" {PATTERNS[_NAME_PATTERN]}; or give the function a `name`'
        yield Breach((), rule)


_SOURCES = ("source", "package", "version_id")
_WITH_SOURCE = ("build", "include", "exclude", "files")


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
    built = "build" in values  # what is not there may be what it makes
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
            rule = "the key is the path in the package: relative, with / between its parts, without ..; . is its top"
            yield Breach(("files", inside), rule)
        if disk.has_sources and disk.kind(local) not in there:
            yield Breach(("files", inside), _missing(local, disk, "a file or folder"))


def _doubt(source: str, build: dict[str, Any], disk: Disk) -> str:
    """Doubt where a build runs that names no folder: in its source, which may well be what it makes."""
    name, kind = os.path.basename(source), disk.kind(source)  # noqa: PTH119 - strings here, as elsewhere
    if not kind:
        return f'has no folder: it runs beside "{shown(source)}", and in it as soon as that exists; add `folder`'
    own = rf"(?<![\w.-]){re.escape(name)}(?![\w.-])"
    if kind == "folder" and re.search(own, build.get("command", "")):
        return f'has no folder: it runs in "{shown(source)}", which its command names; add `folder`'
    return ""


def _missing(path: str, disk: Disk, wanted: str) -> str:
    return f'"{shown(path)}" is not {wanted}' if disk.kind(path) else f'"{shown(path)}" does not exist'


def is_package_path(path: str) -> bool:
    """Whether a path names a place inside a package; "." is its top."""
    pure = PurePosixPath(path)
    return bool(path) and not (pure.is_absolute() or ".." in pure.parts or "\\" in path or "\x00" in path)
