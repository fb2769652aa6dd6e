"""Writes TOML. Every value reads back as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


class Variable(str):
    """A text in which `${NAME}` is a variable: it is written as it is."""

    __slots__ = ()


def literal(value: Any) -> Any:
    """Return texts with `$${` for each literal `${`, at any depth: a manifest would otherwise replace variables."""
    if isinstance(value, Variable):
        return value
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {key: literal(item) for key, item in value.items()}
    return [literal(item) for item in value] if isinstance(value, list | tuple) else value


def toml_key(name: str) -> str:
    """Return a key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else toml_string(name)


def dotted_key(*names: str) -> str:
    """Return a dotted key, or the name of a table."""
    return ".".join(map(toml_key, names))


def toml_string(text: str) -> str:
    """Return a basic string. Characters that terminals do not show, such as direction marks, are escaped too."""
    return f'"{"".join(map(_character, text))}"' if not text.isalnum() else f'"{text}"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def toml_value(value: Any) -> str:
    """Return a value on one line: a text, a number, true or false, a list, an inline table."""
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return str(value)


def comment(text: str) -> str:
    """Return a comment of one line."""
    safe = "".join(character if character.isprintable() else " " for character in text)
    return f"# {safe}".rstrip()
