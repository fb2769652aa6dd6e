"""Checks the raw tables of one file against the schema, and reports mistakes as sentences.

A wrong value is removed and the rest is checked again, so that one mistake does not hide others.
"""

from __future__ import annotations

import copy
import json
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.manifest.fields import PATTERNS
from orchestrator.manifest.file_tables import ManifestFile
from orchestrator.manifest.findings import did_you_mean
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.tables import FunctionTable

_SENTENCES = {
    "missing": "is required",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode text",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "date_type": "must be a date such as 2027-03-01, without quotes",
    "recursion_loop": "is nested too deeply",
    "finite_number": "must be a finite number",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "string_too_long": "must have at most {max_length} characters",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
_SHOWN_MAX = 80  # characters of a wrong value that are shown
_LISTED_MAX = 8  # keys of a table that are listed
_MAX_ROUNDS = 12  # deeper than any table of the schema


class Check:
    """The checked tables of one file. `raw`: as they are written; `broken`: paths of wrong, removed values."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.tables = ManifestFile()
        self.raw = raw
        self.broken: set[KeyPath] = set()
        self._around: set[KeyPath] = set()  # the broken paths and all paths above them

    def is_broken(self, path: KeyPath) -> bool:
        """Return whether something was wrong at or under the key."""
        return path in self._around

    def take_out(self, path: KeyPath) -> None:
        """Delete the deepest key on the path. For a list item the whole list goes, so that indexes stay correct."""
        if not self.broken:
            self.raw = copy.deepcopy(self.raw)  # the original is used again for other environments
        parent, last = self.raw, 0
        container: Any = self.raw
        for depth, part in enumerate(path):
            if isinstance(container, dict) and part in container:
                parent, last = container, depth
            elif not (isinstance(container, list) and isinstance(part, int) and part < len(container)):
                break
            container = container[part]
        parent.pop(str(path[last]), None)
        self.broken |= {path, path[: last + 1]}
        self._around.update(path[:end] for end in range(1, len(path) + 1))


def check(raw: dict[str, Any], unusable: list[KeyPath], complain: Callable[[KeyPath, str], None]) -> Check:
    """Check the tables of a file. `unusable`: values that are known to be wrong, and are not reported again."""
    checked = Check(raw)
    for path in unusable:
        checked.take_out(path)
    for _ in range(_MAX_ROUNDS):
        earlier = frozenset(checked.broken)
        try:
            checked.tables = ManifestFile.model_validate(checked.raw)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                path = _path(details)
                if earlier.isdisjoint(path[:end] for end in range(1, len(path) + 1)):
                    complain(path, _sentence(details, path))
                checked.take_out(path)
        else:
            break
    return checked


def _path(details: ErrorDetails) -> KeyPath:
    location = details["loc"]
    return location[:-1] if location and location[-1] == "[key]" else location


def _sentence(details: ErrorDetails, path: KeyPath) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        value = details["input"]
        rule = PATTERNS[context["pattern"]]
        return f"{json.dumps(value, ensure_ascii=False)} is not valid: {rule}" if 0 < len(value) <= _SHOWN_MAX else rule
    if kind == "literal_error":
        allowed = typing.get_args(_annotation(path))
        if len(allowed) == 1:
            return f'must be "{allowed[0]}"'
        return f"must be one of {', '.join(allowed)}{did_you_mean(str(details['input']), allowed)}"
    if kind == "list_type" and isinstance(details["input"], str) and len(details["input"]) <= _SHOWN_MAX:
        return f"{_SENTENCES[kind]}{_as_list(details['input'], path)}"
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**context)
    return details["msg"]


def _as_list(value: str, path: KeyPath) -> str:
    """Return how to write a string as a list of strings, "" where the list has other entries."""
    entries = typing.get_args(_annotation(path))
    return f": [{json.dumps(value, ensure_ascii=False)}]" if entries and _bare(entries[0]) is str else ""


def _unknown_key(path: KeyPath) -> str:
    model = _annotation(path[:-1])
    known = keys_of(model) if isinstance(model, type) and issubclass(model, BaseModel) else []
    key = str(path[-1])
    hint = did_you_mean(key, known)
    if len(path) == 1 and key in FunctionTable.model_fields:
        hint = "; it belongs in [defaults] or in [functions.NAME]"
    elif not hint and len(path) > 1 and 0 < len(known) <= _LISTED_MAX:
        hint = f"; the keys are {', '.join(known)}"
    return f"unknown key{hint}"


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table, as written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _annotation(path: KeyPath) -> Any:
    """Return the type that the schema gives to a path."""
    annotation: Any = ManifestFile
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
            annotation = fields[str(part)].annotation
        else:
            annotation = typing.get_args(annotation)[-1]
        annotation = _bare(annotation)
    return annotation


def _bare(annotation: Any) -> Any:
    """Return the type without `| None` and `Annotated`."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in {types.UnionType, typing.Union}:
            annotation = next(arg for arg in typing.get_args(annotation) if arg is not types.NoneType)
        else:
            return annotation
