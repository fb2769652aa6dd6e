"""[each.NAME]: one table for many functions, one for each folder, name or row."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.manifest.findings import Findings, did_you_mean, dotted
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.toml_files import SourceFile, corrected, nearest_there

_KINDS = ("folders", "names", "rows")
# The placeholders of each kind. The first one is the name if the table has no `name`.
_PLACEHOLDERS = {"folders": ("folder", "path"), "names": ("name",), "rows": ("name",)}
_NO_VARIABLE = (
    "selects the function, and is the same in every environment, so it cannot contain a variable; the key `name` can:"
    ' name = "{name}-${ORCHESTRATOR_ENV}"'
)
_PLACEHOLDER = re.compile(r"\{\{(?:folder|path|name)\}\}|\{(folder|path|name)\}")


@dataclass(frozen=True, slots=True)
class Generated:
    """One function that an [each.NAME] generates. `tables`: as they would be written for it alone, the nearest last,
    each with its place in the file.
    """

    key: str
    tables: tuple[tuple[KeyPath, dict[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """What one function is generated from: the values of its placeholders, and its row with the row's place."""

    values: Mapping[str, str]
    row: dict[str, Any] | None = None
    place: KeyPath = ()


def generated(file: SourceFile, findings: Findings) -> Iterator[Generated]:
    """Yield the functions of all [each.*] of a file, before variables are replaced.

    | the table has                       | a function for each            | placeholders         | name by default |
    | ---                                 | ---                            | ---                  | ---             |
    | `folders = "functions/*"`           | folder, sorted                 | `{folder}`, `{path}` | `{folder}`      |
    | `names = ["a", "b"]`                | name                           | `{name}`             | `{name}`        |
    | `rows = [{ name = "a", … }]`        | row, merged over the table     | `{name}`             | `{name}`        |

    Placeholders are allowed in every text and key of the table. `{{name}}` is a literal `{name}`; other braces stay as
    they are. The name is also the function's key. If it contains a variable, the default is the key instead: what
    selects a function must be the same in every environment.
    """
    declared = file.raw.get("each", {})
    if not isinstance(declared, dict):
        findings.mistake(file, ("each",), "must be a table")
        return
    first: dict[str, KeyPath] = {}
    for name, table in declared.items():
        path = ("each", name)
        if not isinstance(table, dict):
            findings.mistake(file, path, "must be a table")
            continue
        for one in _of_table(file, path, table, findings):
            place = one.tables[-1][0]
            other = first.setdefault(one.key, place)
            if other is not place:
                rule = f"generates {one.key}, which {dotted(other)} ({file.shown}:{file.line(other)}) generates too"
                findings.mistake(file, place, rule, function=one.key)
                continue
            yield one


def _of_table(file: SourceFile, path: KeyPath, table: dict[str, Any], findings: Findings) -> Iterator[Generated]:
    given = [kind for kind in _KINDS if kind in table]
    if len(given) != 1:
        near = next((hint for key in table if (hint := did_you_mean(key, _KINDS))), "")
        rule = f"set only one of {', '.join(_KINDS)}" if given else f"needs one of {', '.join(_KINDS)}{near}"
        findings.mistake(file, (*path, given[1]) if given else path, rule)
        return
    kind = given[0]
    rest = {key: value for key, value in table.items() if key != kind}
    default = f"{{{_PLACEHOLDERS[kind][0]}}}"
    name = rest.get("name", default)
    wrong = [*_unknown_placeholders(rest, path, kind)]
    if not isinstance(name, str):
        wrong.append(((*path, "name"), "must be a string"))
    items = [*_items(file, path, kind, table[kind], findings)]
    for item in items:
        wrong += _unknown_placeholders(item.row, item.place, kind)
    for where, rule in wrong:
        findings.mistake(file, where, rule)
    for item in items if not wrong else ():
        key = _filled(default if _has_variable(name) else name, item.values)
        tables = [(path, _filled(rest, item.values))]
        if item.row is not None:
            tables.append((item.place, _filled(item.row, item.values)))
        yield Generated(key, tuple(tables))


def _items(file: SourceFile, path: KeyPath, kind: str, given: Any, findings: Findings) -> Iterator[_Item]:
    entries = [given] if kind == "folders" and isinstance(given, str) else given
    desired = dict if kind == "rows" else str
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, desired) for entry in entries):
        what = {"folders": "a glob, or a list of globs", "names": "a list of names", "rows": "a list of tables"}[kind]
        findings.mistake(file, (*path, kind), f"must be {what}, and not empty")
        return
    if kind == "folders":
        for folder in _folders(file, (*path, kind), entries, isinstance(given, list), findings):
            name = Path(file.folder, folder).resolve().name if folder == "." else Path(folder).name
            values = {"path": folder, "folder": name}
            yield _Item({key: value.replace("${", "$${") for key, value in values.items()})  # a name is not a variable
        return
    for index, entry in enumerate(entries):
        place = (*path, kind, index)
        if _has_variable(entry if kind == "names" else entry.get("name")):
            findings.mistake(file, place if kind == "names" else (*place, "name"), _NO_VARIABLE)
        elif kind == "names" and entry in entries[:index]:
            findings.mistake(file, place, f'"{entry}" is listed twice')
        elif kind == "names":
            yield _Item({"name": entry}, place=place)
        elif isinstance(entry.get("name"), str):
            yield _Item({"name": entry["name"]}, {key: value for key, value in entry.items() if key != "name"}, place)
        else:
            findings.mistake(file, (*place, "name"), "is required, a string")


def _has_variable(name: object) -> bool:
    return isinstance(name, str) and "${" in name.replace("$${", "")


def _folders(file: SourceFile, path: KeyPath, patterns: list[str], is_list: bool, findings: Findings) -> list[str]:
    """Return the folders that globs match, relative to the file. Globs with ! exclude folders."""
    found: dict[str, None] = {}
    for index, pattern in enumerate(patterns):
        where = (*path, index) if is_list else path
        bare = pattern.removeprefix("!")
        matches = {
            os.path.normpath(match)
            for match in glob.glob(bare, root_dir=file.folder, recursive=True)  # noqa: PTH207 - relative to a file
            if os.path.isdir(os.path.join(file.folder, match))  # noqa: PTH112, PTH118 - strings, as elsewhere
        }
        if pattern.startswith("!"):
            if not matches & found.keys():
                findings.mistake(file, where, f'"{pattern}" matches no folder to exclude; correct or remove it')
            found = {folder: None for folder in found if folder not in matches}
            continue
        if not matches:
            rule = f'"{pattern}" matches no folder{corrected(nearest_there(file.folder, bare))}'
            findings.mistake(file, where, rule)
        found.update(dict.fromkeys(matches))
    return sorted(found)


def _unknown_placeholders(value: Any, path: KeyPath, kind: str) -> Iterator[tuple[KeyPath, str]]:
    """Yield placeholders that a table of this kind does not have."""
    texts: list[str] = []
    if isinstance(value, dict):
        texts = list(value)
        for key, item in value.items():
            yield from _unknown_placeholders(item, (*path, key), kind)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_placeholders(item, (*path, index), kind)
    elif isinstance(value, str):
        texts = [value]
    for text in texts:
        for match in _PLACEHOLDER.finditer(text):
            if match[1] and match[1] not in _PLACEHOLDERS[kind]:
                has = " and ".join(f"{{{name}}}" for name in _PLACEHOLDERS[kind])
                yield (
                    path,
                    f"{match[0]} is not a placeholder here: `{kind}` has {has}; for a literal one write {{{match[0]}}}",
                )


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """Return the value with placeholders replaced, at any depth, also in keys."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]] if match[1] else match[0][1:-1], value)
    if isinstance(value, dict):
        return {_filled(key, values): _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value
