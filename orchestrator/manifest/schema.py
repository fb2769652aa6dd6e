"""The JSON Schema of deploy.toml, for editors."""

from __future__ import annotations

from typing import Any

from orchestrator.manifest.file_tables import ManifestFile
from orchestrator.manifest.includes.files import INCLUDED
from orchestrator.manifest.writing.examples import with_examples

# A variable, or a placeholder of [each.NAME].
_VARIABLE = {"type": "string", "pattern": r"\$\{|\{(folder|path|name)\}"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema, draft 2020-12, of the whole file."""
    schema = _tolerant(ManifestFile.model_json_schema(by_alias=True))
    with_examples({**schema["$defs"], ManifestFile.__name__: schema})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "deploy.toml"}


def _tolerant(node: Any) -> Any:
    """Return a copy without pydantic's titles and null branches (TOML has no null), with variables in restricted
    strings.
    """
    if isinstance(node, list):
        return [_tolerant(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "properties" in node:
        properties = {name: _tolerant(property_) for name, property_ in node["properties"].items()}
        return {
            key: properties if key == "properties" else _tolerant(value)
            for key, value in node.items()
            if key != "title"
        }
    branches = [branch for branch in node.get("anyOf", ()) if branch != {"type": "null"}]
    if branches:
        described = {key: value for key, value in node.items() if key not in {"anyOf", "title", "default"}}
        return described | (_tolerant(branches[0]) if len(branches) == 1 else {"anyOf": _tolerant(branches)})
    copied = {key: _tolerant(value) for key, value in node.items() if key not in {"title", "default"}}
    if "const" in copied:
        copied["enum"] = [copied.pop("const")]
    if copied.get("type") == "string" and ("pattern" in copied or "enum" in copied):
        description = {key: copied.pop(key) for key in ("description",) if key in copied}
        return {**description, "anyOf": [copied, _VARIABLE]}
    if "patternProperties" in copied:  # keys with a pattern: others are mistakes
        copied["additionalProperties"] = False
    return copied


def included_schema(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the schema of deploy.toml that applies to an included file."""
    properties = {key: value for key, value in whole["properties"].items() if key in INCLUDED}
    return {**whole, "properties": properties, "title": "a file that deploy.toml includes"}
