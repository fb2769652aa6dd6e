"""Building blocks of published JSON Schemas: types of values, and objects with a description of each key.

Objects stay open, since keys may be added; a key whose name ends in "?" may be missing, all others are always there. An
object is written as a `title` with its keys, and ends up under that name in `$defs` of the document that it is part of.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Takes = Mapping[str, Any]  # a JSON Schema, in which objects are not hoisted yet
DIALECT = "https://json-schema.org/draft/2020-12/schema"

TEXT: Takes = {"type": "string"}
FLAG: Takes = {"type": "boolean"}
TRUE: Takes = {"const": True}
COUNT: Takes = {"type": "integer", "minimum": 0}
INTEGER: Takes = {"type": "integer"}
NUMBER: Takes = {"type": "number"}
ANYTHING: Takes = {}
OBJECT: Takes = {"type": "object"}
TIME: Takes = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d"}
SHA256: Takes = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TEXTS: Takes = {"type": "array", "items": TEXT}
_PLAIN: Mapping[Any, Takes] = {
    str: TEXT, bool: FLAG, int: INTEGER, float: NUMBER, type(None): {"type": "null"}, Any: ANYTHING,
}  # fmt: skip


def several(of: Takes) -> Takes:
    """A list of these."""
    return {"type": "array", "items": of}


def or_null(of: Takes) -> Takes:
    """One of these, or null."""
    return {"anyOf": [of, {"type": "null"}]}


def keyed(of: Takes, keys: Takes | None = None) -> Takes:
    """An object of these by a name. `keys`: what these names may be."""
    return {"type": "object", **({"propertyNames": keys} if keys else {}), "additionalProperties": of}


def among(*values: str) -> Takes:
    """One of these texts."""
    return {"type": "string", "enum": list(values)}


def members_among(of: type[StrEnum], *more: str) -> Takes:
    """The value of a member; or one of some `more` texts."""
    return among(*(str(member) for member in of), *more)


def just(value: str | int) -> Takes:
    """This value alone."""
    return {"const": value}


def keys(title: str, about: str, of: Mapping[str, tuple[Takes, str]]) -> dict[str, Any]:
    """An object. `of`: by key what it takes, and what it means."""
    return {
        "title": title,
        "description": about,
        "type": "object",
        "properties": {name.removesuffix("?"): _said(takes, said) for name, (takes, said) in of.items()},
        "required": [name for name in of if not name.endswith("?")],
    }


def _said(takes: Takes, said: str) -> Takes:
    return {"$ref": takes, "description": said} if "title" in takes else {**takes, "description": said}


def keys_from(
    kind: type[Any],
    about: str,
    said: Mapping[str, str],
    takes: Mapping[str, Takes] | None = None,
    *,
    title: str = "",
    without: Collection[str] = (),
) -> dict[str, Any]:
    """The object that a dataclass is written as, field by field, `without` some. `said`: what each field means;
    `takes`: of those whose type does not say all.
    """
    hints, given = get_type_hints(kind), takes or {}
    names = [one.name for one in fields(kind) if one.name not in without]
    of = {name: (given.get(name) or _takes(hints[name]), said.get(name, "")) for name in names}
    return keys(title or _words(kind.__name__), about, of)


def whole_document(kind: str, number: int, about: str, of: Takes, *, schema: Any = None) -> dict[str, Any]:
    """A whole document: its `schema`, then its keys; every object in it is defined once. Raises `ValueError` where two
    objects have one name. `schema`: what its `schema` is, where that is not "orchestrator/KIND/N".
    """
    defined: dict[str, Any] = {}
    said = just(schema or f"orchestrator/{kind}/{number}")
    whole = {name: _hoisted(value, defined) for name, value in of.items() if name not in ("title", "description")}
    if "properties" in whole:
        named = {"schema": {**said, "description": "what this document is: orchestrator/KIND/N"}}
        whole["properties"] = named | {name: one for name, one in whole["properties"].items() if name != "schema"}
        whole["required"] = ["schema", *(name for name in whole["required"] if name != "schema")]
    head = {"$schema": DIALECT, "title": f"orchestrator/{kind}/{number}", "description": about}
    return head | whole | ({"$defs": dict(sorted(defined.items()))} if defined else {})


def _hoisted(node: Any, defined: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_hoisted(one, defined) for one in node]
    if not isinstance(node, Mapping):
        return node
    if isinstance(node.get("$ref"), Mapping):
        return {**node, **_hoisted(node["$ref"], defined)}
    if not isinstance(title := node.get("title"), str):
        return {key: _hoisted(value, defined) for key, value in node.items()}
    name = title.replace(" ", "_")
    made = {key: _hoisted(value, defined) for key, value in node.items() if key != "title"}
    if defined.setdefault(name, made) != made:
        raise ValueError(f"two objects are called {title!r}")
    return {"$ref": f"#/$defs/{name}"}


def _takes(hint: Any) -> Takes:
    """What a field takes, by its type."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_takes(one) for one in arguments]}
    if origin is Literal:
        return just(arguments[0])
    if origin is tuple and arguments[-1] is Ellipsis:
        return several(_takes(arguments[0]))
    if origin is tuple:
        return {"type": "array", "prefixItems": [_takes(one) for one in arguments], "minItems": len(arguments)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return keyed(_takes(arguments[1])) if arguments[1] is not Any else OBJECT
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return members_among(hint)
    raise TypeError(f"no JSON Schema is known for {hint}: give what it takes")


def _words(name: str) -> str:
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
