"""The tables that the functions of one file inherit: its own, merged over those of the files that include it."""

from __future__ import annotations

from typing import Any

from orchestrator.manifest.check import Check
from orchestrator.manifest.environments.overlay import Overlay
from orchestrator.manifest.findings import Findings, did_you_mean
from orchestrator.manifest.merge import Draft, Folder, Layer, layer, merge
from orchestrator.manifest.rollout.rollout_rules import unsafe_kind
from orchestrator.manifest.toml_files import SourceFile


class Scope:
    """The tables that the functions of one file inherit. `outer`: those of the file that includes it, None for the main
    file. `folder`: the folder of its functions that set none.

    | layers of a function, the farthest first                                          |
    | ---                                                                               |
    | [defaults] of the main file, then those of the environment                        |
    | [defaults] of the files between, then those of its own file                       |
    | for each template that it uses: the nearest of that name, then the environment's  |
    | its tables of [each.*], its own one, then the environment's of its name           |
    """

    def __init__(
        self, file: SourceFile, check: Check, folder: Folder, overlay: Overlay, outer: Scope | None = None
    ) -> None:
        self.file = file
        self.check = check
        self.folder = folder
        self.files: tuple[str, ...] = (file.shown, *(outer.files if outer is not None else ()))
        self._overlay = overlay
        tables = check.tables
        own = [layer(file, ("defaults",), tables.defaults, check)] if tables.defaults else []
        if outer is None and overlay.defaults is not None:
            own.append(overlay.defaults)
        self.own_templates = {
            name: layer(file, ("templates", name), table, check) for name, table in (tables.templates or {}).items()
        }
        self.defaults: tuple[Layer, ...] = (*(outer.defaults if outer is not None else ()), *own)
        self.templates: dict[str, Layer] = {**(outer.templates if outer is not None else {}), **self.own_templates}
        broken = frozenset(str(path[1]) for path in check.broken if path[0] == "templates" and len(path) == 2)
        self.broken_templates: frozenset[str] = broken | (outer.broken_templates if outer is not None else frozenset())
        self.merged: dict[tuple[str, ...], tuple[tuple[Layer, ...], dict[str, Any]]] = {}
        if outer is not None and not own and not self.own_templates:
            self.merged = outer.merged  # shared, so that what many files share is merged once
        self._own_defaults = own

    def report_wrong(self, findings: Findings) -> None:
        """Report mistakes in the tables that functions share, whether they are used or not."""
        for defaults in self._own_defaults:
            if kind := unsafe_kind(defaults.values.get("verify", {})):
                rule = "would call every function, whatever it does: add safe = true, or move it into a template"
                findings.mistake(defaults.file, (*defaults.path, "verify", kind), rule)
        for template in self.own_templates.values():
            report_using(template, findings)

    def draft(self, key: str, own: tuple[Layer, ...], findings: Findings) -> Draft:
        """Merge the tables of a function. `own`: its own ones, those of [each.*] first. Templates that do not exist are
        reported.
        """
        above = self._overlay.functions.get(key)
        tables = (*own, above) if above is not None else own
        use = self._use(tables, findings)
        used = tuple(name for name in use if name in self.templates)
        cached = self.merged.get(used)
        if cached is None:
            below = (*self.defaults, *(one for name in used for one in self._template(name)))
            cached = self.merged[used] = (below, merge(layer.values for layer in below))
        layers, values = cached
        merged = merge((values, *(table.values for table in tables)))
        return Draft(key, (*layers, *tables), merged, own[-1], self.folder, use, self.files)

    def _template(self, name: str) -> tuple[Layer, ...]:
        above = self._overlay.templates.get(name)
        return (self.templates[name], above) if above is not None else (self.templates[name],)

    def _use(self, tables: tuple[Layer, ...], findings: Findings) -> tuple[str, ...]:
        """Return the templates that a function uses. Those that do not exist are reported."""
        naming = next((one for one in (*tables[::-1], *self.defaults[::-1]) if "use" in one.values), tables[0])
        use = tuple(naming.values.get("use", ()))
        for index, name in enumerate(use):
            if name not in self.templates and name not in self.broken_templates:
                rule = f"there is no [templates.{name}]{did_you_mean(name, self.templates)}"
                concerned = naming.generated or None
                findings.mistake(naming.file, (*naming.path, "use", index), rule, function=concerned)
        return use


def report_using(template: Layer, findings: Findings) -> None:
    """Report a template that uses templates."""
    if "use" in template.values:
        findings.mistake(template.file, (*template.path, "use"), "a template cannot use templates; list both in `use`")
