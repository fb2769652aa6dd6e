"""docs/json.md and docs/events.md, generated from the published schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.report.published.catalog import CATALOG
from tests.documents import documents
from tests.pages.json_words import FAILURE_KINDS, WORDS
from tests.published import EVENT, kind_of, schema_of

_LINE_MAX = 110  # characters of an example, where a value has room on one line
_ITEMS_MAX = 2  # of a list in an example
_OF_FAILURES = (
    "`kind` of a failure groups equal failures. It is a code of the cloud, such as `INVALID_ARGUMENT` or "
    "`RESOURCE_EXHAUSTED`, or one of these. More may be added."
)
# Of each kind the document that is its example, where that is not the first one.
_EXAMPLES = {"result": "a failed result", "findings": "mistakes"}


def kinds() -> str:
    """Return the documents that commands write, and their words."""
    found = {kind: one for kind, one in CATALOG.items() if kind != EVENT}
    rows = [
        f"| [`{kind}`](#{kind}) | {one.number} | {one.written_by} | {one.stability} |" for kind, one in found.items()
    ]
    rows.insert(-2, f"| [`event`](events.md) | {CATALOG[EVENT].number} | {CATALOG[EVENT].written_by} | "
                f"{CATALOG[EVENT].stability} |")  # fmt: skip
    parts = [_table("kind | number | written by | what may change", rows)]
    for kind, one in found.items():
        parts += [f"## {kind}", f"{one.about} Written by {one.written_by}."]
        parts += [_table("key | type | meaning", list(_keys(schema_of(kind), schema_of(kind).get("$defs", {}), "")))]
        parts += ["An example; long lists are cut:", f"```json\n{example(kind)}\n```"]
    parts += ["## Words", "Enumerated words, and what they mean."]
    for name, (_, meanings) in WORDS.items():
        parts += [f"### {name}", _words(meanings)]
    parts += [
        "## Kinds of failures",
        _OF_FAILURES,
        _words(FAILURE_KINDS),
    ]
    return "\n\n".join(parts).replace("](json.md#", "](#") + "\n"


def _words(meanings: Mapping[str, str]) -> str:
    return _table("word | meaning", [f"| `{word}` | {meaning} |" for word, meaning in meanings.items()])


def events() -> str:
    """Return the lines of an event file."""
    schema = schema_of(EVENT)
    defined = schema["$defs"]
    lines = [rule["then"]["$ref"].rpartition("/")[2] for rule in schema["allOf"]]
    rows = [f"| [`{name}`](#{name}) | {defined[name]['description']} |" for name in lines]
    parts = [_table("kind | written", rows)]
    for name in lines:
        fields = [row for row in _linked(name, defined) if not row.startswith(_HEAD)]
        parts += [f"## {name}", defined[name]["description"], _table("field | type | meaning", fields)]
        found = next(one for one in documents().values() if kind_of(one) == EVENT and one["kind"] == name)
        parts += [f"```json\n{written(found)}\n```"]
    for name in ("change", "identity", "stored_selection", *(one for one in defined if one.startswith("outcome_"))):
        parts += [f"## {name}", defined[name]["description"]]
        parts += [_table("field | type | meaning", list(_linked(name, defined)))]
    parts += ["## failure", defined["failure"]["description"]]
    parts += [_table("field | type | meaning", list(_keys(defined["failure"], defined, "")))]
    return "\n\n".join(parts) + "\n"


def _linked(name: str, defined: Mapping[str, Any]) -> Iterator[str]:
    """Give the rows of an object, with links to the objects in it."""
    rows = _keys(defined[name], defined, "", deep=False)
    for row, value in zip(rows, defined[name]["properties"].values(), strict=True):
        inner, _ = _inner(value)
        named = row.replace("one of the outcomes", "[one of the outcomes](#outcome_deployed)", 1)
        yield named if inner is None else re.sub(r"(objects?)", rf"[\1](#{inner})", named, count=1)


_HEAD = ("| `schema` |", "| `run_id` | string | the run |", "| `kind` |")


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([f"| {head} |", "|" + " --- |" * (head.count("|") + 1), *rows])


def _keys(node: Mapping[str, Any], defined: Mapping[str, Any], above: str, *, deep: bool = True) -> Iterator[str]:
    """Give a row for each key of an object, those of the objects in it behind it. `deep`: of these, too."""
    for name, value in node.get("properties", {}).items():
        key = f"{above}{name}"
        optional = "" if name in node["required"] else "; may be missing"
        meaning = value["description"].replace("|", "\\|")
        yield f"| `{key}` | {_type(value, defined)}{optional} | {meaning} |"
        inner, how = _inner(value)
        if inner is not None and deep:
            yield from _keys(defined[inner], defined, f"{key}{how}.")


def _inner(value: Mapping[str, Any]) -> tuple[str | None, str]:
    """Name the object in a value, and how it is reached from there."""
    if "$ref" in value:
        return value["$ref"].rpartition("/")[2], ""
    branches = [one for one in value.get("anyOf", ()) if one != {"type": "null"}]
    if len(branches) == 1:
        return _inner(branches[0])
    for part, how in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(value.get(part), dict):
            found, more = _inner(value[part])
            return found, how + more
    return None, ""


def _type(value: Mapping[str, Any], defined: Mapping[str, Any]) -> str:
    """Write in a word or two what a key takes."""
    if "$ref" in value:
        return "object"
    if "anyOf" in value:
        return _any_of(value["anyOf"], defined)
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return _enum(value["enum"])
    if value.get("type") == "array":
        of = _type(value["items"], defined) if "items" in value else "values"
        return f"list of {_MANY.get(of, of)}"
    if value.get("type") == "object":
        named = value.get("additionalProperties")
        return f"by name: {_type(named, defined)}" if isinstance(named, dict) else "object"
    if value.get("format") == "date-time":
        return "time"
    return {"string": "string", "integer": "integer", "number": "number", "boolean": "true or false"}.get(
        str(value.get("type")), "any value"
    )


_MANY = {"object": "objects", "string": "strings", "number": "numbers", "time": "times", "integer": "integers"}


def _any_of(branches: list[Mapping[str, Any]], defined: Mapping[str, Any]) -> str:
    names = ["null" if one == {"type": "null"} else _type(one, defined) for one in branches]
    return "one of the outcomes" if names.count("object") > 1 else " or ".join(names)


def _enum(words: list[Any]) -> str:
    if words == list(range(7)):
        return "[exit code](exit-codes.md)"
    for name, (known, _) in WORDS.items():
        if words == [str(word) for word in known]:
            return f"[{name}](json.md#{name.replace(' ', '-')})"
    return ", ".join(f"`{json.dumps(word)}`" for word in words)


def example(kind: str) -> str:
    """Give a document of a kind, shortened."""
    found = [one for name, one in documents().items() if kind_of(one) == kind and name == _EXAMPLES.get(kind, name)]
    return written(shortened(found[0]))


def shortened(value: Any) -> Any:
    """Leave the first items of each list."""
    if isinstance(value, list):
        return [shortened(one) for one in value[:_ITEMS_MAX]]
    return {key: shortened(one) for key, one in value.items()} if isinstance(value, dict) else value


def written(value: Any, indent: int = 0) -> str:
    """Write it as JSON, on one line where it has room."""
    short = json.dumps(value, ensure_ascii=False)
    if len(short) + indent <= _LINE_MAX or not isinstance(value, dict | list) or not value:
        return short
    pad, ends = " " * (indent + 2), "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(key)}: {written(one, indent + 2)}" for key, one in value.items()]
    else:
        rows = [pad + written(one, indent + 2) for one in value]
    return ends[0] + "\n" + ",\n".join(rows) + "\n" + " " * indent + ends[1]
