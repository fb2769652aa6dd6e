"""Which functions exist in the chosen environment (`only`), and mistakes about names that do not exist."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.manifest.environments.overlay import Overlay
from orchestrator.manifest.findings import Findings, did_you_mean
from orchestrator.manifest.includes.scope import Scope, report_using
from orchestrator.manifest.merge import Draft


class Existing:
    """Sorts functions by whether they exist in the environment. `elsewhere`: those that do not."""

    def __init__(self, overlay: Overlay, findings: Findings) -> None:
        self._overlay = overlay
        self._findings = findings
        self.elsewhere: dict[str, Draft] = {}
        self._templates = set[str]()
        self._broken = set[str]()
        for template in overlay.templates.values():
            report_using(template, findings)
        for table in (*overlay.templates.values(), *overlay.functions.values(), overlay.defaults):
            if table is not None and "only" in table.values:
                rule = "belongs in [functions.NAME]: an environment cannot set in which environments a function exists"
                findings.mistake(table.file, (*table.path, "only"), rule)

    def know(self, scope: Scope) -> None:
        """Add the names in one file."""
        self._templates |= scope.templates.keys() | scope.broken_templates
        self._broken |= {str(path[1]) for path in scope.check.broken if path[0] == "functions" and len(path) == 2}

    def is_here(self, draft: Draft) -> bool:
        """Return whether a function exists in this environment. A function that names environments does not exist where
        none is chosen. An unknown name is a mistake. It may mean this environment, so the function counts as existing
        here, and stops the runs that it would be part of.
        """
        only = draft.values.get("only")
        if only is None:
            return True
        unknown = [(index, name) for index, name in enumerate(only) if name not in self._overlay.names]
        for index, name in unknown:
            origin, inside = draft.origin(("only",))
            concerned = draft.concerned(origin)
            rule = f"there is no [environments.{name}]{did_you_mean(name, self._overlay.names)}"
            self._findings.mistake(origin.file, (*origin.path, *inside, index), rule, function=concerned)
        if unknown or self._overlay.name in only:
            return True
        self.elsewhere[draft.key] = draft
        return False

    def report_unknown(self, drafts: Collection[str]) -> None:
        """Report tables of the environment that would be merged over something that does not exist."""
        for name, table in self._overlay.templates.items():
            if name not in self._templates:
                rule = f"there is no [templates.{name}] to merge it over{did_you_mean(name, self._templates)}"
                self._findings.mistake(table.file, table.path, rule, stops_all=True)
        for key, table in self._overlay.functions.items():
            if key in self.elsewhere:
                there = self.elsewhere[key]
                only = ", ".join(there.values["only"])
                rule = f"this function does not exist in {self._overlay.name}: {there.shown} limits it to {only}"
                self._findings.mistake(table.file, table.path, rule)
            elif key not in drafts and key not in self._broken:
                hint, name = did_you_mean(key, drafts), self._overlay.name
                sign = " Declare" if hint else "; declare"
                one = f'{sign} a function of this environment in [functions], with only = ["{name}"]'
                rule = f"there is no [functions.{key}]{hint}{one}"
                self._findings.mistake(table.file, table.path, rule)
