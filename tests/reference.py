"""The tables of docs/manifest.md, generated from the schema: `python -m tests.reference` writes them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orchestrator.job.binding import manifest_schema
from orchestrator.manifest.file_tables import EachTable, ManifestFile
from orchestrator.manifest.tables import FunctionTable
from orchestrator.model.units import DURATION_PATTERN, PERCENT_PATTERN, SIZE_PATTERN

PAGE = Path(__file__).parent.parent / "docs" / "manifest.md"
BEGIN, END = "<!-- keys: made by `python -m tests.reference` -->\n", "<!-- end of keys -->\n"
# Tables of the schema, and how their place is written.
PLACES = {
    "ManifestFile": "At the top of the main file",
    "FunctionTable": "[functions.NAME], [templates.NAME], [defaults]",
    "CloudTable": "[cloud]",
    "StorageTable": "[storage]",
    "LimitsTable": "[limits]",
    "RolloutTable": "[rollout], and `rollout` of [jobs.NAME]",
    "JobTable": "[jobs.NAME]",
    "NotifyTable": "[notify.NAME]",
    "EnvironmentTable": "[environments.NAME]",
    "EachTable": "[each.NAME], beside the keys of [functions.NAME]",
}
_MANY = {
    "a table": "tables",
    "a text": "texts",
    "a count or a share": "counts and shares",
    "a table of texts": "tables",
}
_PATTERNS = {SIZE_PATTERN: "a size", DURATION_PATTERN: "a duration", PERCENT_PATTERN: "a count or a share"}


def page(text: str) -> str:
    """Return the page with the tables between its marks."""
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return every table of the schema, in reading order."""
    definitions = manifest_schema()["$defs"]
    return "\n".join(_table(model, definitions) for model in _models(ManifestFile, {}))


def _table(model: type[BaseModel], definitions: dict[str, Any]) -> str:
    schema = manifest_schema() if model is ManifestFile else definitions[model.__name__]
    place = PLACES.get(model.__name__) or _used_as(model)
    rows = [f"### {place}", "", "| key | takes | what |", "| --- | --- | --- |"]
    required = schema.get("required", ())
    inherited = FunctionTable.model_fields if model is EachTable else {}
    for key, field in schema["properties"].items():
        if key in inherited:
            continue
        said = field["description"]
        said += " Required." if key in required and "Required" not in said else ""
        rows.append(f"| `{key}` | {_takes(field, definitions)} | {said.replace('|', chr(92) + '|')} |")
    return "\n".join([*rows, ""])


def _used_as(model: type[BaseModel]) -> str:
    keys = [
        f"`{field.alias or name}`"
        for other in _models(ManifestFile, {})
        for name, field in other.model_fields.items()
        if model in _inside(field.annotation)
    ]
    return " and ".join(dict.fromkeys(keys))


def _models(model: type[BaseModel], seen: dict[type[BaseModel], None]) -> Iterator[type[BaseModel]]:
    """Yield a table and all the tables in it, each once."""
    if model not in seen:
        seen[model] = None
        yield model
        for field in model.model_fields.values():
            for inner in _inside(field.annotation):
                yield from _models(inner, seen)


def _inside(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in typing.get_args(annotation) for model in _inside(part)]


def _takes(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return in a word or two what a key accepts."""
    if "$ref" in field:
        return "a table"
    if "anyOf" in field:
        named = [name for pattern, name in _PATTERNS.items() if repr(pattern) in str(field)]
        return named[0] if named else _takes(field["anyOf"][0], definitions)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("format") == "date":
        return "a date"
    kind = field.get("type")
    if kind is None:
        return "any JSON"
    if kind == "array":
        of = _takes(field["items"], definitions)
        return f"a list of {_MANY.get(of, of)}"
    if kind == "object":
        of_tables = "$ref" in str([field.get("additionalProperties"), field.get("patternProperties")])
        return "tables by name" if of_tables else "a table of texts"
    return {"boolean": "`true`, `false`", "integer": "a number", "number": "a number"}.get(str(kind), "a text")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
