"""[functions.*] of all files: merged, checked, and converted to values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from orchestrator.errors import Mistake
from orchestrator.manifest import setting_rules
from orchestrator.manifest.as_live_rules import as_live_breaches, is_code_only, that_count
from orchestrator.manifest.code_rules import code_breaches
from orchestrator.manifest.disk import Disk
from orchestrator.manifest.environments.choosing import folder_advice
from orchestrator.manifest.environments.existing import Existing
from orchestrator.manifest.environments.overlay import Overlay
from orchestrator.manifest.fields import PATTERNS
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.includes.owners import Owners, lost_by
from orchestrator.manifest.includes.scope import Scope
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft, Folder, Layer, idle_removals, layer
from orchestrator.manifest.rollout.rollout_rules import promote_breaches, verify_breaches
from orchestrator.manifest.setting_rules import Breach
from orchestrator.manifest.values import flawed_spec, function_spec
from orchestrator.model import FunctionSpec

_REQUIRED = ("runtime", "entrypoint", "memory")
_NAME_PATTERN = "^[a-z][-a-z0-9]{1,61}[a-z0-9]$"
_NAME = re.compile(_NAME_PATTERN)
_KEY = re.compile(r"[^\s:*?\[\]!\\-][^\s:*?\[\]!\\]*")  # selections are names, globs and label:KEY=VALUE


class FunctionTables:
    """Builds the functions of a manifest, file by file."""

    def __init__(self, overlay: Overlay, disk: Disk, findings: Findings) -> None:
        self._findings = findings
        self._disk = disk
        self._overlay = overlay
        self._existing = Existing(overlay, findings)
        self.drafts: dict[str, Draft] = {}
        self._owners = Owners(self.drafts, self._existing.elsewhere)

    def add(self, scope: Scope, generated: Mapping[str, tuple[Layer, ...]]) -> tuple[str, ...]:
        """Add the functions of one file. `generated`: those of its [each.*], by key. Return the keys of all of them."""
        made = dict(generated)
        scope.report_wrong(self._findings)
        self._existing.know(scope)
        for key, table in (scope.check.tables.functions or {}).items():
            own = layer(scope.file, ("functions", key), table, scope.check)
            self._add(key, (*made.pop(key, ()), own), scope)
        for key, layers in made.items():
            self._add(key, layers, scope)
        return (*(scope.check.tables.functions or {}), *made)

    def _add(self, key: str, layers: tuple[Layer, ...], scope: Scope) -> None:
        first, own = self.drafts.get(key) or self._existing.elsewhere.get(key), layers[-1]
        if first is not None:
            by = key if own.generated else None
            self._findings.mistake(
                own.file, own.path, f"this function is already defined in {first.shown}", function=by
            )
            return
        draft = scope.draft(key, layers, self._findings)
        if self._existing.is_here(draft):
            self.drafts[key] = draft
            self._judge(draft)

    def _judge(self, draft: Draft) -> None:
        """Check a function against all rules."""
        folder = draft.folder
        if draft.folder_id is None and not folder.is_broken and not draft.is_broken(("folder_id",)):
            path, rule = self._without_folder(folder)
            line = None if path[0] in folder.file.raw else 0
            self._findings.mistake(folder.file, path, rule, line=line, function=draft.key)
        for breach in self._breaches(draft):
            if any(map(draft.is_broken, breach.others)):
                continue
            origin, inside = draft.origin(breach.path)
            concerned = draft.concerned(origin)
            path = (*origin.path, *inside)
            if breach.warning:
                self._findings.warning(origin.file, path, breach.rule, function=concerned)
            else:
                self._findings.mistake(origin.file, path, breach.rule, function=concerned)
        for table, index, rule in idle_removals(draft):
            concerned = draft.concerned(table)
            self._findings.mistake(table.file, (*table.path, "without", index), rule, function=concerned)

    def _without_folder(self, folder: Folder) -> tuple[KeyPath, str]:
        """Return where to set a missing folder: in the chosen environment, where there are any."""
        overlay, rule = self._overlay, "no folder: set it here, in [defaults] or for each function"
        if overlay.name and folder.file is overlay.file:
            return ("environments", overlay.name, "cloud", "folder_id"), rule
        if overlay.names:
            return folder.path, f"no folder: {folder_advice((), overlay.names)}; or {rule.partition(': ')[2]}"
        return folder.path, f"{rule}, or set YC_FOLDER_ID in the process's environment"

    def _breaches(self, draft: Draft) -> Iterable[Breach]:
        yield from _identity(draft)
        values = that_count(draft.values)
        for key in () if is_code_only(values) else _REQUIRED:
            if key not in values and not draft.is_broken((key,)):
                yield Breach((key,), "is required: here, in a template or in [defaults]")
        yield from code_breaches(draft, self._disk)
        yield from setting_rules.setting_breaches(values)
        yield from as_live_breaches(draft)
        yield from promote_breaches(draft)
        yield from verify_breaches(draft, self._disk)

    def compare(self) -> None:
        """Report functions that are the same Function in the cloud, once all files are read. Of two the later one is
        reported, but preferably a disabled one. Also report what the environment says about names that do not exist.
        """
        drafts = sorted(self.drafts.values(), key=lambda draft: not draft.values.get("enabled", True))
        self._distinct("name", {draft.key: (draft.folder_id, draft.values.get("name", draft.key)) for draft in drafts})
        self._distinct("id", {draft.key: draft.values["id"] for draft in drafts if "id" in draft.values})
        self._existing.report_unknown(self.drafts)

    @property
    def elsewhere(self) -> dict[str, tuple[str, ...]]:
        """The functions that do not exist in this environment, by key, with the environments in which they do."""
        return {key: tuple(draft.values["only"]) for key, draft in self._existing.elsewhere.items()}

    def specs(self) -> dict[str, FunctionSpec]:
        """Return the values of all functions, once everything is checked. Those with mistakes carry them."""
        owned: dict[str, list[tuple[KeyPath, Mistake]]] = {}
        for path, mistake in self._findings.placed():
            for key in self._owners.of(path, mistake):
                owned.setdefault(key, []).append((path, mistake))
        made = {}
        for key, draft in self.drafts.items():
            if key in owned:
                lost = frozenset(name for path, _ in owned[key] for name in lost_by(path))
                made[key] = flawed_spec(draft, draft.folder_id or "", tuple(one for _, one in owned[key]), lost)
            else:
                is_folder = self._disk.kind(draft.values.get("source", "")) == "folder"
                made[key] = function_spec(draft, draft.folder_id or "", is_folder)
        return made

    def owns(self, path: KeyPath, mistake: Mistake) -> bool:
        """Return whether a mistake concerns only the functions that carry it: none, where the template is unused."""
        return self._owners.are(path, mistake)

    def _distinct(self, key: str, identities: Mapping[str, object]) -> None:
        first: dict[object, str] = {}
        for function_key, identity in identities.items():
            other = first.setdefault(identity, function_key)
            if other != function_key:
                draft = self.drafts[function_key]
                origin, _ = draft.origin((key,))
                path = (*origin.path, key) if origin.has((key,)) else draft.own.path
                what = f"the same {key}{' in the same folder' if key == 'name' else ''}"
                rule = f"has {what} as functions.{other} ({self.drafts[other].shown})"
                self._findings.mistake(origin.file, path, rule, function=draft.concerned(origin))


def _identity(draft: Draft) -> Iterator[Breach]:
    if not _KEY.fullmatch(draft.key):
        yield Breach(
            (), "the table's name is used to select functions: no spaces, no : * ? [ ] ! \\, no leading hyphen"
        )
    elif "name" not in draft.values and not draft.is_broken(("name",)) and not _NAME.match(draft.key):
        rule = f'"{draft.key}" {PATTERNS[_NAME_PATTERN]}; or give the function a `name`'
        yield Breach((), rule)
