"""The settings of functions as their tables make them, each with where it comes from. Nothing secret is in them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.manifest.load import Survey
from orchestrator.manifest.origins.of_function import ValueOrigin, origins_of
from orchestrator.manifest.origins.plain import plain_value
from orchestrator.manifest.writing.toml_text import literal, toml_value
from orchestrator.model import FunctionSpec, Place
from orchestrator.redaction.patterns import MARK, is_secret_variable
from orchestrator.redaction.redactor import Redactor

# Free texts and tables in which secrets stand under names of their own.
_FREE = ("verify", "build")
_OF_NO_USE = ("only",)  # once it is known in which environment this is


@dataclass(frozen=True, slots=True)
class ResolvedValue:
    """`origin`: with `value` as a manifest has it, paths relative to the manifest's folder, and `MARK` in place of what
    is secret. `toml`: the same as TOML writes it, on one line.
    """

    origin: ValueOrigin
    toml: str

    @property
    def is_redacted(self) -> bool:
        """Whether something of it does not show."""
        return MARK in self.toml


@dataclass(frozen=True, slots=True)
class ResolvedFunction:
    """A function with all its values, in the order of the keys."""

    key: str
    name: str
    folder_id: str
    place: Place
    values: tuple[ResolvedValue, ...]


def resolved_function(found: Survey, spec: FunctionSpec) -> ResolvedFunction:
    """Give a function's values. A folder that nothing names ("") is no value.

    | a value                                            | shows                         |
    | ---                                                | ---                           |
    | of a variable whose name says that it is secret    | as MARK                       |
    | that a variable of such a name was put into        | as MARK                       |
    | in `verify`, `build`, under a secret's name        | as MARK, the rest as it is    |
    | any other                                          | as it is                      |

    Beyond that, whoever shows it hides what looks like a secret, and what is known to be one.
    """
    origins = (one for one in origins_of(found, spec.key) if one.setting not in _OF_NO_USE)
    values = (_resolved(one, spec, found.main.folder) for one in origins)
    shown = tuple(one for one in values if one.origin.value is not None)
    return ResolvedFunction(spec.key, spec.name, spec.folder_id, spec.place, shown)


def _resolved(one: ValueOrigin, spec: FunctionSpec, folder: str) -> ResolvedValue:
    value = spec.folder_id or None if one.setting == "folder_id" else _shown(one, folder)
    written = "" if value == MARK else one.written  # a part of it may be no variable
    return ResolvedValue(
        replace(one, value=value, written=written), toml_value(literal(value)) if value is not None else ""
    )


def _shown(one: ValueOrigin, folder: str) -> Any:
    secret = one.setting == "environment" and is_secret_variable(one.name)
    if secret or any(map(is_secret_variable, one.variables)):
        return MARK
    value = plain_value(one.setting, one.name, one.value)
    if one.setting == "source":
        return os.path.relpath(value, folder)
    if one.setting == "files":
        return os.path.relpath(value, folder) if one.name else value
    if one.key == "build.folder":
        return os.path.relpath(value, folder)
    return Redactor().value(value) if one.setting in _FREE else value
