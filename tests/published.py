"""Checks documents against their published schemas: as users read these, or strictly, with every key described."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import orjson

from orchestrator.report.published.catalog import CATALOG
from orchestrator.report.published.schemas import published_schema

EVENT = "event"
_ADVICE = (
    "\nA key that no schema describes, or another type: see orchestrator/report/published/, one table for each document"
)


def kind_of(document: Any) -> str:
    """Return the kind of a document by its `schema`, which has a published number."""
    assert isinstance(document, dict), f"no document with a schema: {str(document)[:200]}"
    said = document.get("schema")
    if isinstance(said, int):
        assert said == CATALOG[EVENT].number
        return EVENT
    head, kind, number = str(said).split("/")
    assert (head, number) == ("orchestrator", str(CATALOG[kind].number)), said
    return kind


def published(document: Any) -> str:
    """Fail if a document does not match its schema, or has a key that the schema does not describe. Returns its
    kind.
    """
    kind = kind_of(document)
    at = document.get("kind", "") if kind == EVENT else ""
    error = next(iter(validator(kind, at, strict=True).iter_errors(document)), None)
    if error is not None:
        at = "/".join(map(str, error.absolute_path))
        raise AssertionError(f"{kind} at /{at}: {(error.context or [error])[0].message[:400]}{_ADVICE}")
    return kind


@cache
def schema_of(kind: str) -> dict[str, Any]:
    return published_schema(kind)


@cache
def validator(kind: str, event: str = "", *, strict: bool = False) -> Any:
    """Return the validator of a kind. `event`: only for events of that kind, which is faster."""
    schema = closed(schema_of(kind)) if strict else schema_of(kind)
    if event:
        assert event in schema["$defs"], f"no event is called {event!r}{_ADVICE}"
        of = schema["$defs"][event]
        if strict:  # as this program writes it: keys that an earlier program may have omitted are required
            of = of | {"required": [name for name in of["properties"] if name != "environment"]}
        schema = {**of, "$defs": schema["$defs"]}
    return jsonschema.Draft202012Validator(schema)


def closed(node: Any) -> Any:
    """Return a schema in which objects have only the described keys."""
    if isinstance(node, list):
        return [closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: closed(value) for key, value in node.items()}
    return made | ({"additionalProperties": False} if {"properties", "required", "type"} <= node.keys() else {})


def objects(kind: str, document: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each object of a document that its schema describes key by key, with that part of the schema."""
    schema = schema_of(kind)
    return _objects(schema, document, schema.get("$defs", {}))


def _objects(node: Any, value: Any, defined: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    if "$ref" in node:
        node = defined[node["$ref"].removeprefix("#/$defs/")]
    for branch in node.get("anyOf", ()):
        if jsonschema.Draft202012Validator({**branch, "$defs": defined}).is_valid(value):
            yield from _objects(branch, value, defined)
            return
    if isinstance(value, list):
        for one in value:
            yield from _objects(node.get("items", {}), one, defined)
    elif isinstance(value, dict):
        if "properties" in node:
            yield node, value
        properties, others = node.get("properties", {}), node.get("additionalProperties", {})
        for key, one in value.items():
            yield from _objects(properties.get(key, others), one, defined)


def documents_in(text: str) -> Iterator[Any]:
    """Yield the documents that a program has written, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        yield document
        at = end + len(text[end:]) - len(text[end:].lstrip())


def published_output(out: str, arguments: Sequence[str]) -> None:
    """Check standard output against the schemas: all of it, if it was to be JSON."""
    asked = "--json" in arguments or {("-o", "json"), ("--output", "json")} & {*pairwise(arguments)}
    if "schema" not in arguments and ((out.startswith("{") and '"schema"' in out[:80]) or (asked and out)):
        for document in documents_in(out):
            published(document)


def published_events(root: Path, arguments: Sequence[str]) -> None:
    """Check each line of the event file that a program was to write against its schema."""
    for option, name in pairwise([*arguments, ""]):
        path = root / (option.removeprefix("--events=") if option.startswith("--events=") else name)
        if option.startswith("--events") and path.is_file():
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):  # a killed program may have written half of one
                    _published_line(line)


@lru_cache(100_000)
def _published_line(line: bytes) -> None:
    published(orjson.loads(line))
