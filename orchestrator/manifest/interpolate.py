"""`${NAME}` in the strings of a manifest; `$${` is a literal `${`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.manifest.locate import KeyPath

_DOLLAR = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")

Complain = Callable[[KeyPath, str], None]


def interpolate(tables: dict[str, Any], environ: Mapping[str, str], complain: Complain) -> dict[str, Any]:
    """Put the variables into all string values, at any depth; keys stay as they are.

    `complain` hears of each missing variable and of each `${` that is none; such a value is left as written.
    """
    return {key: _value(value, (key,), environ, complain) for key, value in tables.items()}


def _value(value: Any, path: KeyPath, environ: Mapping[str, str], complain: Complain) -> Any:
    if isinstance(value, str):
        return _text(value, path, environ, complain) if "${" in value else value
    if isinstance(value, dict):
        return {key: _value(item, (*path, key), environ, complain) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, (*path, index), environ, complain) for index, item in enumerate(value)]
    return value


def _text(text: str, path: KeyPath, environ: Mapping[str, str], complain: Complain) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match[1]
        if name is None:
            complain(path, "`${` must be followed by a variable's name and `}`; write `$${` for a literal `${`")
        elif name in environ:
            return environ[name]
        else:
            complain(path, f"the environment variable {name} is not set; set it, or write `$${{` for a literal `${{`")
        return match[0]

    return _DOLLAR.sub(replacement, text)
