"""docs/manifest-keys.md: every key of deploy.toml, generated from the schema and from the rules of its fields."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainValidator, StringConstraints
from pydantic.fields import FieldInfo

from orchestrator.job.binding import manifest_schema
from orchestrator.manifest.fields import PATTERNS
from orchestrator.manifest.file_tables import EachTable, ManifestFile
from orchestrator.manifest.lists import LISTS
from orchestrator.manifest.rollout.rollout_fields import NEVER_ARRIVES, OURS
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.writing.examples import EXAMPLES
from orchestrator.model.units import DURATION_PATTERN, MB, PERCENT_PATTERN, SIZE_PATTERN
from tests.pages.merge_rules import merge_rule

FIRST_VERSION = "0.1.0"
# The version of each key that is newer than the first version: its path, as in the headings.
SINCE: Mapping[str, str] = {}
# Tables of the schema: how keys in it are written, and what the table is.
TABLES = {
    "ManifestFile": ("", "At the top of a file"),
    "EnvironmentTable": ("environments.NAME.", "[environments.NAME]"),
    "CloudTable": ("cloud.", "[cloud]"),
    "StorageTable": ("storage.", "[storage]"),
    "LimitsTable": ("limits.", "[limits]"),
    "RolloutTable": ("rollout.", "[rollout], and rollout of [jobs.NAME]"),
    "GateTable": ("rollout.gate.", "gate of [rollout]"),
    "FunctionTable": ("functions.NAME.", "[functions.NAME], [templates.NAME], [defaults]"),
    "PackageTable": ("functions.NAME.package.", "package"),
    "BuildTable": ("functions.NAME.build.", "build"),
    "SecretTable": ("functions.NAME.secrets.", "Entries of secrets"),
    "VerifyTable": ("functions.NAME.verify.", "verify"),
    "HttpTable": ("functions.NAME.verify.http.", "http of verify"),
    "ScalingTable": ("functions.NAME.scaling.TAG.", "scaling, by tag"),
    "ConnectivityTable": ("functions.NAME.connectivity.", "connectivity"),
    "LogTable": ("functions.NAME.log.", "log"),
    "MountTable": ("functions.NAME.mounts.", "Entries of mounts"),
    "StorageMountTable": ("functions.NAME.storage_mounts.", "Entries of storage_mounts"),
    "AsyncInvocationTable": ("functions.NAME.async_invocation.", "async_invocation"),
    "AsyncTargetTable": ("functions.NAME.async_invocation.success.", "success and failure of async_invocation"),
    "MetadataTable": ("functions.NAME.metadata.", "metadata"),
    "EachTable": ("each.NAME.", "[each.NAME], which also has the keys of [functions.NAME]"),
    "JobTable": ("jobs.NAME.", "[jobs.NAME]"),
    "SkipTable": ("jobs.NAME.skip.", "Entries of skip"),
    "NotifyTable": ("notify.NAME.", "[notify.NAME]"),
}
# Wrong values for each function that checks a field: what it says of them is the limit. Without values, the type or the
# description says it already.
PROBES: Mapping[str, tuple[Any, ...]] = {
    "_memory": (MB, 129 * MB),
    "_timeout": (7200,),
    "_deadline": (0,),
    "_disk_size": (1,),
    "_block_size": (1,),
    "_wave": (0,),
    "_waves": ([2, 1],),
    "_free_tag": ("$latest", "orc-a", "orc-b"),
    "no_ring": ("orc-a", "orc-b"),
    "_environment_name": ("all", "none"),
    "_object_name": (":", "x" * 1024),
    "_object_prefix": ("x" * 1000,),
    "_bounded_by.<locals>.<lambda>": (1e8,),
    "_hook": ("ftp://x", "https://x y"),
    "_link": ("",),
    "_header_name": ("é", *sorted(NEVER_ARRIVES), *sorted(OURS)),
    "_header_value": ("\n",),
    "size": (),
    "duration": (),
    "share": ("101%",),
    "_pause": (),
    "_json": (),
    "_body": (),
    "_headers": (),
    "_program": (),
    "_canary": (),
}
_TYPES = {"a size": SIZE_PATTERN, "a duration": DURATION_PATTERN, "a count or a share": PERCENT_PATTERN}
_MANY = {
    "a table": "tables",
    "a string": "strings",
    "a count or a share": "counts and shares",
    "a table of strings": "tables of strings",
}
_DEFAULT = re.compile(r"\s*Default: (.+?)\.(?=\s|$)")


def tables() -> str:
    """Return every key of every table of the schema, in reading order."""
    schema = manifest_schema()
    parts = []
    for model in models(ManifestFile, {}):
        table = schema if model is ManifestFile else schema["$defs"][model.__name__]
        parts.append(f"## {TABLES[model.__name__][1]}")
        for key, field in own_fields(model).items():
            parts += _key(model, key, field, table, schema["$defs"])
    return "\n\n".join(parts)


def paths() -> list[str]:
    """Return the paths of all keys."""
    return [f"{TABLES[model.__name__][0]}{key}" for model in models(ManifestFile, {}) for key in own_fields(model)]


def own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by key, without those of a function in [each.NAME]."""
    inherited = FunctionTable.model_fields if model is EachTable else {}
    return {field.alias or name: field for name, field in model.model_fields.items() if name not in inherited}


def models(model: type[BaseModel], seen: dict[type[BaseModel], None]) -> Iterator[type[BaseModel]]:
    """Yield a table and all the tables in it, each once."""
    if model not in seen:
        seen[model] = None
        yield model
        for field in model.model_fields.values():
            for inner in _inside(field.annotation):
                yield from models(inner, seen)


def default_of(description: str) -> str:
    """Return the default that a description has, "" if it has none."""
    found = _DEFAULT.search(description)
    return found[1] if found else ""


def example_line(table: str, key: str) -> str:
    """Return the example of a key, as TOML."""
    return next(line for line in EXAMPLES[table].splitlines() if line.startswith(f"{key} = "))


def _key(
    model: type[BaseModel], key: str, field: FieldInfo, table: dict[str, Any], defined: dict[str, Any]
) -> Iterator[str]:
    path = f"{TABLES[model.__name__][0]}{key}"
    property_ = table["properties"][key]
    text = property_["description"]
    merged = merge_rule(model, key)
    listed = next((rule.said for rule in LISTS.values() if rule.said and text.endswith(rule.said)), "")
    required = key in table.get("required", ()) or text.endswith("Required.")
    default = default_of(text)
    said = _DEFAULT.sub("", text.removesuffix("Required.").removesuffix(listed)).strip()
    facts = [f"Type: {_type(property_, defined)}"]
    limits = list(dict.fromkeys(_limits(field.annotation, field.metadata)))
    if limits:
        facts.append(f"Limits: {limits[0]}" if len(limits) == 1 else "\n    - ".join(["Limits:", *limits]))
    facts.append("Required" if required else f"Default: {_code(default) if default else 'not set'}")
    facts += [f"Merge: {merged[0].lower()}{merged[1:].rstrip('.')}", f"Since: {SINCE.get(path, FIRST_VERSION)}"]
    yield f"### `{path}`"
    yield said
    yield "\n".join(f"- {fact}" for fact in facts)
    yield f"```toml\n{example_line(model.__name__, key)}\n```"


def _code(default: str) -> str:
    """Return a default with its value as code."""
    value, mark, rest = default.partition(",")
    literal = re.fullmatch(r'"[^"]*"|\d+|true|false|https://\S+|YC_\w+', value)
    return f"`{value}`{mark}{rest}" if literal else default


def _inside(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in typing.get_args(annotation) for model in _inside(part)]


def _limits(annotation: Any, metadata: typing.Iterable[Any] = ()) -> Iterator[str]:
    """Yield the limits of a field, of its keys and of its entries."""
    of = "characters" if str in (annotation, *typing.get_args(annotation)) else "entries"
    for one in metadata:
        yield from _limits(annotation, one.metadata) if isinstance(one, FieldInfo) else _limit(one, of)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from _limits(inner[0], annotation.__metadata__)
    elif origin is dict:
        yield from (f"names: {limit}" for limit in _limits(inner[0]))
        yield from (f"values: {limit}" for limit in _limits(inner[1]))
    elif origin is list:
        yield from (f"entries: {limit}" for limit in _limits(inner[0]))
    else:
        for part in inner if origin is not typing.Literal else ():
            yield from _limits(part)


def _limit(one: Any, of: str) -> Iterator[str]:
    """Yield what a constraint says. `of`: what the length of the value counts."""
    match one:
        case StringConstraints():
            if one.pattern is not None:
                yield PATTERNS[str(one.pattern)]
            if one.max_length is not None:
                yield f"must have at most {one.max_length} characters"
        case Ge():
            yield f"must be at least {one.ge}"
        case Gt():
            yield f"must be more than {one.gt}"
        case Le():
            yield f"must be at most {one.le}"
        case MinLen():
            yield "must not be empty"
        case MaxLen():
            yield f"must have at most {one.max_length} {of}"
        case PlainValidator() | AfterValidator() | BeforeValidator():
            yield from _probed(one.func)


def _probed(function: Any) -> Iterator[str]:
    rules: dict[str, list[Any]] = {}
    for wrong in PROBES[function.__qualname__]:
        try:
            function(wrong)
        except ValueError as error:
            rules.setdefault(str(error).partition("; ")[0], []).append(wrong)
        else:
            message = f"{function.__qualname__} accepts {wrong!r}"
            raise AssertionError(message)
    for rule, values in rules.items():
        # A rule about certain values names them.
        yield f"must not be one that {rule}: {', '.join(map(str, values))}" if rule.startswith("is ") else rule


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return in a word or two what a key accepts."""
    if "$ref" in field:
        return "a table"
    if "anyOf" in field:
        named = [name for name, pattern in _TYPES.items() if repr(pattern) in str(field)]
        first, *others = field["anyOf"]
        return (
            named[0]
            if named
            else " or ".join(
                _type(one, definitions) for one in (first, *(one for one in others if one.get("type") == "array"))
            )
        )
    if "enum" in field:
        return " or ".join(f'`"{value}"`' for value in field["enum"])
    if field.get("format") == "date":
        return "a date"
    kind = field.get("type")
    if kind is None:
        return "any JSON value"
    if kind == "array":
        of = _type(field["items"], definitions)
        return f"a list of {_MANY.get(of, of)}"
    if kind == "object":
        of_tables = "$ref" in str([field.get("additionalProperties"), field.get("patternProperties")])
        return "tables by name" if of_tables else "a table of strings"
    return {"boolean": "`true` or `false`", "integer": "an integer", "number": "a number"}.get(str(kind), "a string")
