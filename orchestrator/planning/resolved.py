"""The settings of functions after all tables are merged, each with its origin. Secrets are hidden."""

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

# Free texts, and tables with secrets under names of their own.
_FREE = ("verify", "build")
_OF_NO_USE = ("only",)  # set once the environment is known


@dataclass(frozen=True, slots=True)
class ResolvedValue:
    """`origin`: its `value` is as in a manifest, with paths relative to the manifest's folder, and `MARK` in place of
    secrets. `toml`: the same as TOML, on one line.
    """

    origin: ValueOrigin
    toml: str

    @property
    def is_redacted(self) -> bool:
        """Whether some of it is hidden."""
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
    """Return a function's values. An unnamed folder ("") is not a value.

    | a value                                              | is shown as              |
    | ---                                                  | ---                      |
    | of a variable whose name looks secret                | MARK                     |
    | with a variable of such a name in it                 | MARK                     |
    | in `verify`, `build`, under a name that looks secret | MARK, the rest unchanged |
    | any other                                            | it is                    |

    The caller also hides what looks like a secret, and what is known to be one.
    """
    origins = (one for one in origins_of(found, spec.key) if one.setting not in _OF_NO_USE)
    values = (_resolved(one, spec, found.main.folder) for one in origins)
    shown = tuple(one for one in values if one.origin.value is not None)
    return ResolvedFunction(spec.key, spec.name, spec.folder_id, spec.place, shown)


def _resolved(one: ValueOrigin, spec: FunctionSpec, folder: str) -> ResolvedValue:
    value = spec.folder_id or None if one.setting == "folder_id" else _shown(one, folder)
    written = "" if value == MARK else one.written  # a part of it may not be a variable
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
