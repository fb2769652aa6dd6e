"""Where each value of a function comes from: file, line and table, through defaults, templates and included files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.as_live_rules import is_code_only, is_idle, that_count
from orchestrator.manifest.findings import dotted
from orchestrator.manifest.lists import entry_name, rule_of
from orchestrator.manifest.load import Survey
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft, Layer
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.manifest.values import DEFAULT_TIMEOUT_S
from orchestrator.manifest.variables.interpolation import variables_in
from orchestrator.model import Place

BUILT_IN = "built-in default"
_NO_SETTINGS = ("use", "without")  # they control merging, and are not settings themselves
_ORDER = tuple(FunctionTable.model_fields)
_FOLDER_VARIABLE = "YC_FOLDER_ID"


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """One value of a function, in the smallest unit that tables and lists are merged by: a key, or an entry of one.

    `key`: "memory", "environment.LEVEL", "secrets.TOKEN", "exclude[0]". `name`: the entry's, "" for a whole key.
    `value`: as merged, with variables replaced: it may be secret. `table`: "functions.x", "templates.web", "defaults",
    "cloud"; otherwise a source that is not a table: `BUILT_IN`, "YC_FOLDER_ID". `place` None: no file has it.
    `variables`: the `${NAME}` in it; `written`: the text as it is in the file, if it is one. `over`: the places of
    values that it replaces, the nearest first.
    """

    key: str
    name: str
    value: Any
    table: str
    place: Place | None
    variables: tuple[str, ...] = ()
    written: str = ""
    over: tuple[Place, ...] = ()

    @property
    def setting(self) -> str:
        """The key of the function's table that contains it."""
        return re.split(r"[.\[]", self.key, maxsplit=1)[0]


def origins_of(found: Survey, key: str) -> tuple[ValueOrigin, ...]:
    """Return the origins of all values of a function, in the order of its keys.

    | the value                                        | comes from                                               |
    | ---                                              | ---                                                      |
    | a key, an entry of a table                       | the nearest table that has it                            |
    | an entry of `secrets`, `mounts`                  | the nearest list that has one with this name             |
    | an entry of `exclude`                            | the list that contains it: they add up                   |
    | any other list                                   | the nearest list                                         |
    | `name`, where no table has one                   | the head of the function's table                         |
    | `folder_id`, where no table has one              | [cloud] folder_id, otherwise YC_FOLDER_ID                |
    | `timeout`, where no table has one                | the program's default                                    |
    | an entry of `ignore` that changes nothing here   | is left out                                              |
    """
    draft = found.drafts[key]
    values = [
        _origin(draft, path, name, value)
        for setting, whole in that_count(draft.values).items()
        if setting not in _NO_SETTINGS
        for path, name, value in _parts(setting, whole)
        if setting != "ignore"
        or not value
        or not is_idle(value, draft.values)  # entries of shared tables may be for other functions
    ]
    made = [*_of_its_place(draft), *values, *_built_in(draft)]
    return tuple(sorted(made, key=lambda one: _ORDER.index(one.setting)))


def _parts(setting: str, whole: Any) -> Iterator[tuple[KeyPath, str, Any]]:
    """Split a merged value into the parts that one table sets: the path in the merged values, the name, the value."""
    if isinstance(whole, dict) and whole:
        yield from (((setting, name), name, value) for name, value in whole.items())
    elif isinstance(whole, list) and whole and (rule_of(setting).by or rule_of(setting).adds):
        for index, item in enumerate(whole):
            yield (setting, index), entry_name(setting, item) if rule_of(setting).by else "", item
    else:
        yield (setting,), "", whole


def _origin(draft: Draft, path: KeyPath, name: str, value: Any) -> ValueOrigin:
    layer, inside = draft.origin(path)
    text = _raw(layer.file, (*layer.path, *inside))
    variables = tuple(dict.fromkeys(variables_in(text)))
    return ValueOrigin(
        key=dotted((path[0], name)) if name else dotted(path),
        name=name,
        value=value,
        table=dotted(layer.path),
        place=_place(layer, inside),
        variables=variables,
        written=text if variables and isinstance(text, str) else "",
        over=tuple(_replaced(draft, layer, path, name)),
    )


def _place(layer: Layer, inside: KeyPath) -> Place:
    return Place(layer.file.shown, layer.file.line((*layer.path, *inside)))


def _replaced(draft: Draft, nearest: Layer, path: KeyPath, name: str) -> Iterator[Place]:
    """Yield where farther tables have the same key, which the nearest one replaces."""
    setting = str(path[0])
    number = next(number for number, layer in enumerate(draft.layers) if layer is nearest)
    for layer in reversed(draft.layers[:number]):
        if len(path) > 1 and isinstance(path[1], int):
            for index, item in enumerate(layer.values.get(setting, ()) if rule_of(setting).by else ()):
                if entry_name(setting, item) == name:
                    yield _place(layer, (setting, index))
        elif layer.has(path):
            yield _place(layer, path)


def _raw(file: SourceFile, path: KeyPath) -> Any:
    """Return what is at a path, before variables are replaced; None where nothing is."""
    found: Any = file.raw
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _of_its_place(draft: Draft) -> Iterator[ValueOrigin]:
    """Yield values that a function has by its place in the file."""
    if "name" not in draft.values:
        yield ValueOrigin("name", "", draft.key, dotted(draft.own.path), _place(draft.own, ()))
    if "folder_id" in draft.values:
        return
    folder = draft.folder
    written = _raw(folder.file, folder.path)
    if written is None:
        yield ValueOrigin("folder_id", "", None, _FOLDER_VARIABLE, None)
        return
    variables = tuple(dict.fromkeys(variables_in(written)))
    place = Place(folder.file.shown, folder.file.line(folder.path))
    yield ValueOrigin(
        "folder_id", "", None, dotted(folder.path[:-1]), place, variables, str(written) if variables else ""
    )


def _built_in(draft: Draft) -> Iterator[ValueOrigin]:
    if "timeout" not in that_count(draft.values) and not is_code_only(draft.values):
        yield ValueOrigin("timeout", "", DEFAULT_TIMEOUT_S, BUILT_IN, None)
