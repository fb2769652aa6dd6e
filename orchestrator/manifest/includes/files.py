"""The files of a manifest as they are checked: each with the variables that are valid in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.manifest.check import Check, check, keys_of
from orchestrator.manifest.each.generating import generated
from orchestrator.manifest.environments.choosing import ManifestChoice, environments_of
from orchestrator.manifest.file_tables import ManifestFile
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Layer, layer
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.manifest.variables.interpolation import Complain, interpolate, variables_in
from orchestrator.manifest.variables.scoped import Variables, check_typed, declared_in, wrong_variables

# What an included file may contain. It applies to its functions, and to those of files that it includes.
INCLUDED = ("include", "folder_id", "variables", "defaults", "templates", "each", "functions", "jobs")
_VARIABLES = "variables"
_ENVIRONMENTS = "environments"


@dataclass(frozen=True, slots=True, eq=False)
class CheckedFile:
    """One file, checked. `unset`: where a variable is not set. `outer`: the file that includes it, None for the main
    file.
    """

    file: SourceFile
    check: Check
    variables: Variables
    unset: tuple[KeyPath, ...]
    outer: CheckedFile | None = None


class Files:
    """Checks the files of a manifest one after another, and collects the variables that they use. `only_identity`:
    check only what identifies functions.
    """

    def __init__(
        self, environ: Mapping[str, str], choice: ManifestChoice, findings: Findings, *, only_identity: bool = False
    ) -> None:
        self._only_identity = only_identity
        self._environ = environ
        self._choice = choice
        self._findings = findings
        self._files: list[CheckedFile] = []
        self._environments: frozenset[str] = frozenset()
        self.jobs_elsewhere: dict[str, tuple[str, ...]] = {}  # jobs that do not exist here, and where they exist

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the files, the main one first."""
        return tuple(Path(one.file.path) for one in self._files)

    def check_main(self, main: SourceFile) -> CheckedFile:
        """Check the main file with the chosen environment, and the names of all. The tables of the others are checked
        when they are chosen.
        """
        self._environments = frozenset(environments_of(main))
        name, raw = self._choice.environment, self._jobs_here(main.raw)
        if isinstance(raw.get(_ENVIRONMENTS), dict):
            raw = {
                **raw,
                _ENVIRONMENTS: {key: table if key == name else {} for key, table in raw[_ENVIRONMENTS].items()},
            }
        chosen = environments_of(main).get(name, {}).get(_VARIABLES)
        variables = Variables(self._choice, self._environ, chosen).within(raw.get(_VARIABLES))
        return self._check(main, raw, variables, None)

    def check_included(self, file: SourceFile, outer: CheckedFile) -> CheckedFile:
        """Check a file that another one includes."""
        for key in file.raw:
            if key not in INCLUDED and key in keys_of(ManifestFile):
                rule = f"belongs in the main file; an included one may contain {', '.join(INCLUDED)}"
                self._findings.mistake(file, (key,), rule)
        own = self._jobs_here(file.raw)
        raw = {key: value for key, value in own.items() if key in INCLUDED or key not in keys_of(ManifestFile)}
        return self._check(file, raw, outer.variables.within(raw.get(_VARIABLES)), outer)

    def generated(self, one: CheckedFile) -> dict[str, tuple[Layer, ...]]:
        """Return, by key, the tables of the functions that [each.*] of a file generate."""
        made = [*generated(one.file, self._findings)] if "each" in one.file.raw else []
        layers: dict[str, tuple[Layer, ...]] = {}
        for depth in range(max((len(each.tables) for each in made), default=0)):
            tables = {each.key: each.tables[depth] for each in made if len(each.tables) > depth}
            if self._only_identity:
                tables = {key: (place, identifying_keys(raw)) for key, (place, raw) in tables.items()}
            places = {key: place for key, (place, _) in tables.items()}
            checked = self._check_generated(one, {key: raw for key, (_, raw) in tables.items()}, places)
            for key, table in (checked.tables.functions or {}).items():
                own = layer(one.file, places[key], table, checked, key)
                layers[key] = (*layers.get(key, ()), own)
        return layers

    def layers(self, one: CheckedFile) -> dict[str, tuple[Layer, ...]]:
        """Return, by key, the tables that each function of a file has in it: those of [each.*] first, then its own."""
        made = self.generated(one)
        for key, table in (one.check.tables.functions or {}).items():
            made[key] = (*made.get(key, ()), layer(one.file, ("functions", key), table, one.check))
        return made

    def _check_generated(
        self, one: CheckedFile, raw: dict[str, dict[str, Any]], places: Mapping[str, KeyPath]
    ) -> Check:
        unset: list[KeyPath] = []

        def tell(path: KeyPath, rule: str) -> None:
            key = str(path[1])
            self._findings.mistake(one.file, (*places[key], *path[2:]), rule, function=key)

        def complain(path: KeyPath, rule: str) -> None:
            unset.append(path)
            tell(path, rule)

        variables = one.variables
        return check(interpolate({"functions": raw}, variables.look, complain, variables.hint), unset, tell)

    def _check(
        self, file: SourceFile, raw: dict[str, Any], variables: Variables, outer: CheckedFile | None
    ) -> CheckedFile:
        unset: list[KeyPath] = []

        def complain(path: KeyPath, rule: str) -> None:
            unset.append(path)
            self._findings.mistake(file, path, rule)

        raw = {key: value for key, value in raw.items() if key != "each"}  # see `generated`
        raw = identifying_tables(raw) if self._only_identity else raw
        tables = _put_in(raw, variables, complain) if "${" in file.text else raw
        checked = check(tables, unset, partial(self._findings.mistake, file))
        found = CheckedFile(file, checked, variables, tuple(unset), outer)
        self._files.append(found)
        return found

    def _jobs_here(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Return the tables without the jobs of other environments (`environments`), whose variables need not be set
        here. Mistakes in that list are reported where the job is made.
        """
        here, jobs = dict[str, Any](), raw.get("jobs")
        if not isinstance(jobs, dict) or not any(
            isinstance(one, dict) and _ENVIRONMENTS in one for one in jobs.values()
        ):
            return raw
        for name, table in jobs.items():
            only = table.get(_ENVIRONMENTS) if isinstance(table, dict) else None
            known = isinstance(only, list) and all(isinstance(one, str) and one in self._environments for one in only)
            if only and known and self._choice.environment not in only:
                self.jobs_elsewhere[name] = tuple(only)
            else:
                here[name] = table
        return {**raw, "jobs": here}

    @property
    def declared(self) -> dict[str, str]:
        """Return the declared variables of this environment, as they are written. Of two with one name the nearer
        counts.
        """
        tables = [table for one in self._files for _, table in self._declared(one)]
        return {name: value for table in tables for name, value in table.items()}

    def report_wrong_variables(self) -> None:
        """Report declared variables that are wrong or unused, once all files are read. Raises `UsageError` if one of
        `--var` is unused.
        """
        used = {id(one): set[str]() for one in self._files}  # by a file, and by those that it includes
        declared = [one for one in self._files if _VARIABLES in one.file.raw or _ENVIRONMENTS in one.file.raw]
        for one in self._files if declared or self._choice.variables else ():
            names = frozenset(variables_in(one.file.raw)) if "${" in one.file.text else frozenset()
            reached: CheckedFile | None = one
            while reached is not None:
                used[id(reached)] |= names
                reached = reached.outer
        for one in declared:
            for path, table in self._declared(one):
                for name, rule in wrong_variables(table, frozenset(used[id(one)])):
                    self._findings.mistake(one.file, (*path, name), rule)
        if self._choice.variables and not any(path[:1] in ((), ("include",)) for path, _ in self._findings.placed()):
            typed = self._choice.variables.keys() - self._choice.taken_over
            check_typed(sorted(typed), used[id(self._files[0])])

    def _declared(self, one: CheckedFile) -> Iterator[tuple[KeyPath, Mapping[str, str]]]:
        yield (_VARIABLES,), declared_in(one.check.raw.get(_VARIABLES))
        for name, table in (one.check.raw.get(_ENVIRONMENTS) or {}).items() if one.outer is None else ():
            if isinstance(table, dict):
                yield (_ENVIRONMENTS, name, _VARIABLES), declared_in(table.get(_VARIABLES))


def _put_in(raw: dict[str, Any], variables: Variables, complain: Complain) -> dict[str, Any]:
    """Replace variables in all tables except those that declare them."""
    environments = raw.get(_ENVIRONMENTS)
    of_environment = {
        name: {key: value for key, value in table.items() if key != _VARIABLES} if isinstance(table, dict) else table
        for name, table in (environments.items() if isinstance(environments, dict) else ())
    }
    others = {key: value for key, value in raw.items() if key != _VARIABLES}
    if of_environment:
        others[_ENVIRONMENTS] = of_environment
    tables = interpolate(others, variables.look, complain, variables.hint)
    for name in of_environment:
        table = raw[_ENVIRONMENTS][name]
        if isinstance(table, dict) and _VARIABLES in table:
            tables[_ENVIRONMENTS][name][_VARIABLES] = table[_VARIABLES]
    return tables | ({_VARIABLES: raw[_VARIABLES]} if _VARIABLES in raw else {})


_TELLING = ("id", "name", "folder_id", "use", "without", "only", "enabled")


def identifying_keys(table: Any) -> Any:
    """Return the part of a function's table that identifies it."""
    if not isinstance(table, dict):
        return table
    kept = {key: value for key, value in table.items() if key in _TELLING}
    if isinstance(kept.get("without"), list):
        kept["without"] = [one for one in kept["without"] if one in _TELLING]
    return kept


def identifying_tables(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a file or environment that identifies functions."""
    kept = {key: raw[key] for key in ("include", "folder_id", _VARIABLES) if key in raw}
    if isinstance(cloud := raw.get("cloud"), dict):
        kept["cloud"] = {key: value for key, value in cloud.items() if key == "folder_id"}
    if "defaults" in raw:
        kept["defaults"] = identifying_keys(raw["defaults"])
    for kind in ("templates", "functions"):
        if isinstance(tables := raw.get(kind), dict):
            kept[kind] = {name: identifying_keys(table) for name, table in tables.items()}
    if isinstance(environments := raw.get(_ENVIRONMENTS), dict):
        kept[_ENVIRONMENTS] = {
            name: identifying_tables(table) for name, table in environments.items() if isinstance(table, dict)
        }
    return kept
