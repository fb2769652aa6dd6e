"""Replaces variables in the texts of a manifest: `${NAME}`, `${NAME:-x}`, and `$${` for a literal `${`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.manifest.locate import KeyPath

Complain = Callable[[KeyPath, str], None]
# Returns the value of a variable, None if it is not set; and why its declaration gives none, "" if it does.
Look = Callable[[str], tuple[str | None, str]]
# Returns how to set a variable that is not set: "set it, or …".
Hint = Callable[[str], str]

_DOLLAR = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")
_NO_VARIABLE = "`${` must be followed by a variable's name and `}`; write `$${` for a literal `${`"
_NESTED = "the default of a variable is plain text, and cannot contain `${`"


def interpolate(tables: Mapping[str, Any], look: Look, complain: Complain, hint: Hint) -> dict[str, Any]:
    """Replace the variables in all string values, at any depth. Keys stay as they are.

    `complain` is called for each missing variable, and for each invalid `${`. Such a value is left as written.
    """

    def value(given: Any, path: KeyPath) -> Any:
        if isinstance(given, str):
            return put_in(given, look, lambda rule: complain(path, rule), hint) if "${" in given else given
        if isinstance(given, dict):
            return {key: value(item, (*path, key)) for key, item in given.items()}
        if isinstance(given, list):
            return [value(item, (*path, index)) for index, item in enumerate(given)]
        return given

    return {key: value(item, (key,)) for key, item in tables.items()}


def put_in(text: str, look: Look, complain: Callable[[str], None], hint: Hint) -> str:
    """Replace the variables in one text.

    | written        | set to "v"   | set to ""    | not set      |
    | ---            | ---          | ---          | ---          |
    | `${NAME}`      | v            | (nothing)    | a mistake    |
    | `${NAME:-x}`   | v            | x            | x            |
    | `$${NAME}`     | `${NAME}`    | `${NAME}`    | `${NAME}`    |
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if wrong := _misuse(match):
            complain(wrong)
            return match[0]
        name, default = match[1], match[2]
        value, broken = look(name)
        if broken:
            complain(broken)
        elif value or (value is not None and default is None):
            return value
        elif default is not None:
            return default
        else:
            complain(f"the variable {name} is not set; {hint(name)}")
        return match[0]

    return _DOLLAR.sub(replacement, text)


def _misuse(match: re.Match[str]) -> str:
    if match[1] is None:
        return _NO_VARIABLE
    return _NESTED if "${" in (match[2] or "") else ""


def misused(text: str) -> str:
    """Return how a text misuses variables, whatever is set; "" where it does not."""
    return next((wrong for match in _DOLLAR.finditer(text) if match[0] != "$${" and (wrong := _misuse(match))), "")


def variables_in(value: Any) -> Iterator[str]:
    """Yield the variables in a value, at any depth."""
    if isinstance(value, str):
        yield from (match[1] for match in _DOLLAR.finditer(value) if match[1])
    elif isinstance(value, dict):
        yield from (name for item in value.values() for name in variables_in(item))
    elif isinstance(value, list):
        yield from (name for item in value for name in variables_in(item))
