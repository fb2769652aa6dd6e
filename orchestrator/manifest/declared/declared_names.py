"""The names that a manifest declares, read fast: for shell completion, which must answer within 0.2 s.

Nothing is checked. Only those keys of a function are parsed that decide whether it exists here (`only`, `enabled`,
`use`) and which labels it has: parsing 5,000 whole tables takes 0.2 s. A file that cannot be read has no names.
"""

from __future__ import annotations

import glob
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.manifest.variables.interpolation import put_in

_NAME = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\[\]"'#\n])"""
# A header of a table, or one of the keys that are parsed, with what follows the =, even brackets that are closed later.
_LINE = re.compile(
    rf"^[ \t]*(?:\[\[?(?P<header>{_NAME}+)\]\]?[ \t]*(?:\#[^\n]*)?$"
    r"|(?P<pair>(?:only|enabled|use|labels(?:[ \t]*\.[^=\n]*)?)[ \t]*=[ \t]*(?:\[[^\]]*\]|[^\n]*)))",
    re.MULTILINE,
)
_OF_FUNCTION = re.compile(
    r"""[ \t]*functions[ \t]*\.[ \t]*(?:([A-Za-z0-9_-]+)|"([^"\\\n]*)"|'([^'\n]*)')[ \t]*(?:\.[ \t]*(.*?)[ \t]*)?"""
)


@dataclass(frozen=True, slots=True)
class DeclaredNames:
    """The names in a manifest. `functions`: those that exist in the environment, and whether each is enabled. `labels`:
    the values of each of their labels. `jobs`: those of the environment, and what each runs. `environments`: all, and
    whether each is protected. `variables`: those that are declared.
    """

    functions: Mapping[str, bool] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, bool] = field(default_factory=dict)
    variables: tuple[str, ...] = ()


def declared_names(path: Path, environment: str = "") -> DeclaredNames:
    """Read the names in a manifest and its includes. `environment`: "" for the default, "all" for every one. Never
    raises for mistakes in a file: that file, or that table, has no names then.
    """
    main = _read(os.path.abspath(path))  # noqa: PTH100 - does not follow links
    tables = _tables(main, "environments")
    chosen = environment or next((name for name, one in tables.items() if one.get("default") is True), "")
    here = tables.get(chosen, {})
    of_environment = _table(here, "variables")
    found = _Found(chosen, {**_texts(of_environment), "ORCHESTRATOR_ENV": chosen})
    found.add(os.path.abspath(path), main, {}, {}, here, {})  # noqa: PTH100
    variables = [*found.variables, *of_environment]
    return DeclaredNames(
        found.functions,
        {key: tuple(sorted(values)) for key, values in sorted(found.labels.items())},
        found.jobs,
        {name: one.get("protected") is True for name, one in tables.items()},
        tuple(dict.fromkeys(variables)),
    )


class _Found:
    """Collects the names of one file after another. `environment`: "all" for every one; `chosen`: the values of its
    variables.
    """

    def __init__(self, environment: str, chosen: Mapping[str, str]) -> None:
        self._environment = environment
        self._chosen = chosen
        self._read: set[str] = set()
        self.functions: dict[str, bool] = {}
        self.labels: dict[str, set[str]] = {}
        self.jobs: dict[str, str] = {}
        self.variables: list[str] = []

    def add(
        self,
        path: str,
        raw: Mapping[str, Any],
        defaults: Mapping[str, Any],
        templates: Mapping[str, Mapping[str, Any]],
        over: Mapping[str, Any],
        values: Mapping[str, str],
    ) -> None:
        """Add a file and what it includes. `defaults`, `templates`, `values` of variables: of the files around it,
        which are inherited. `over`: the environment's table, which is merged over all.
        """
        self._read.add(path)
        defaults = _merged(defaults, _table(raw, "defaults"))
        templates = {**templates, **_tables(raw, "templates")}
        overlay = _tables(over, "functions")
        for name, tables in _functions_of(path, raw):
            self._add(name, (defaults, *_used(tables, templates), *tables, overlay.get(name, {})))
        for name, job in _tables(raw, "jobs").items():
            if self._is_here(job.get("environments")):
                self.jobs.setdefault(name, str(job.get("run", "")))
        own = _table(raw, "variables")
        self.variables += own
        for other in _included(path, raw, values := {**values, **_texts(own), **os.environ, **self._chosen}):
            if other not in self._read:
                self.add(other, _read(other), defaults, templates, over, values)

    def _add(self, name: str, tables: tuple[Mapping[str, Any], ...]) -> None:
        found: Mapping[str, Any] = {}
        for table in tables:
            if table:
                found = _merged(found, table)
        if not self._is_here(found.get("only")):
            return
        self.functions[name] = found.get("enabled") is not False
        for key, value in _table(found, "labels").items():
            if isinstance(value, str) and "${" not in value:
                self.labels.setdefault(key, set()).add(value)

    def _is_here(self, only: object) -> bool:
        return not isinstance(only, list) or self._environment == "all" or self._environment in only


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge a table over another; labels add up."""
    if not below or not above:
        return above or below
    labels = [one["labels"] for one in (below, above) if isinstance(one.get("labels"), dict)]
    return {**below, **above, "labels": {key: value for table in labels for key, value in table.items()}}


def _used(
    tables: tuple[Mapping[str, Any], ...], templates: Mapping[str, Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    for table in tables:
        use = table.get("use")
        for name in use if isinstance(use, list) else (use,):
            if isinstance(name, str) and name in templates:
                yield templates[name]


def _functions_of(path: str, raw: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
    """Yield each function of a file with its tables, those of [each.*] first."""
    own = _tables(raw, "functions")
    made: dict[str, tuple[Mapping[str, Any], ...]] = {}
    if "each" in raw:
        from orchestrator.manifest.each.generating import generated  # noqa: PLC0415 - takes as long to import as everything else
        from orchestrator.manifest.findings import Findings  # noqa: PLC0415
        from orchestrator.manifest.toml_files import SourceFile  # noqa: PLC0415

        file = SourceFile(path)
        file.raw = dict(raw)
        made = {one.key: tuple(table for _, table in one.tables) for one in generated(file, Findings())}
    for name, tables in made.items():
        yield name, (*tables, own.get(name, {}))
    for name, table in own.items():
        if name not in made:
            yield name, (table,)


def _included(path: str, raw: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[str]:
    given = raw.get("include")
    folder = os.path.dirname(path)  # noqa: PTH120 - globs are text
    for pattern in given if isinstance(given, list) else ():
        if isinstance(pattern, str):
            text = put_in(pattern, lambda name: (values.get(name), ""), lambda _: None, lambda _: "")
            for match in sorted(glob.glob(text, root_dir=folder, recursive=True)):  # noqa: PTH207 - accepts "/abs/*" too
                yield os.path.normpath(os.path.join(folder, match))  # noqa: PTH118


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in table.items() if isinstance(value, str)}


def _tables(raw: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Return the tables inside a table, by name. Other values are skipped."""
    return {name: one for name, one in _table(raw, key).items() if isinstance(one, dict)}


def _table(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a table inside a table, empty if there is none."""
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _read(path: str) -> dict[str, Any]:
    """Read a file. Empty if it cannot be read or is not TOML."""
    with suppress(OSError, ValueError, RecursionError):
        text = Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        return parsed_for_names(text)
    return {}


def parsed_for_names(text: str) -> dict[str, Any]:
    """Parse a file except for what functions are made of. Raises `ValueError` if the parsed part is not valid TOML.

    If lines alone do not show their table, as with multi-line strings, the whole file is parsed.
    """
    if '"""' not in text and "'''" not in text:
        with suppress(tomllib.TOMLDecodeError):
            return _by_lines(text)
    return tomllib.loads(text)


def _by_lines(text: str) -> dict[str, Any]:
    functions: dict[str, dict[str, Any]] = {}
    rest: list[str] = []
    begun, table, inner = 0, None, ""  # the table that lines belong to; None: they are parsed completely
    for match in _LINE.finditer(text):
        if (header := match["header"]) is None:
            if table is not None and not inner:
                _add_pair(table, _pair(match["pair"]))
            continue
        _end(text[begun : match.start()], rest, table, inner)
        begun, table, inner = match.start(), None, ""
        if named := _OF_FUNCTION.fullmatch(header):
            table = functions.setdefault(named[1] or named[2] or named[3] or "", {})
            inner, begun = named[4] or "", match.end()
    _end(text[begun:], rest, table, inner)
    raw = tomllib.loads("".join(rest))
    if functions:
        raw["functions"] = {**_tables(raw, "functions"), **functions}
    return raw


def _end(lines: str, rest: list[str], table: dict[str, Any] | None, inner: str) -> None:
    """Add the lines of a table that has ended."""
    if table is None:
        rest.append(lines)
    elif inner == "labels":
        _add_pair(table, {"labels": _pair(lines)})


def _add_pair(table: dict[str, Any], pair: Mapping[str, Any]) -> None:
    for key, value in pair.items():
        known = table.get(key)
        table[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value


@cache  # many functions have the same lines
def _pair(text: str) -> Mapping[str, Any]:
    return tomllib.loads(text)
