"""A value of a function as a manifest has it: sizes and durations as people write them, tables as dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema

from orchestrator.manifest.fields import DURATION_SCHEMA, SIZE_SCHEMA
from orchestrator.manifest.tables import FunctionTable
from orchestrator.model import units


def plain_value(setting: str, name: str, value: Any) -> Any:
    """Return a merged value of a function, or its part called `name` (see `ValueOrigin`), as a file could have it.

    | in the merged tables       | returned                                |
    | ---                        | ---                                     |
    | a size, a duration         | "256MB", "1m30s": nothing is rounded    |
    | a table, an entry of a list | a dict of the keys that are set        |
    | anything else              | itself                                  |
    """
    kind = FunctionTable.model_fields[setting].annotation
    if name and (table := _table_of(kind)) is not None and name in table.model_fields and not _is_list(kind):
        kind = table.model_fields[name].annotation
    return _plain(value, kind)


def _plain(value: Any, kind: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: _plain(item, fields[name].annotation) for name, item in value.__dict__.items() if item is not None
        }
    if isinstance(value, Mapping):
        table = _table_of(kind)
        fields = table.model_fields if table is not None else {}
        return {name: _plain(item, fields[name].annotation if name in fields else None) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, kind) for item in value]
    schemas = [schema for schema in _schemas(kind) if not isinstance(value, str | bool)]
    if SIZE_SCHEMA in schemas:
        return units.as_size(value)
    return units.as_duration(value) if DURATION_SCHEMA in schemas else value


def _schemas(kind: Any) -> Iterator[Any]:
    """Yield the JSON Schemas of a type, or of the types that it is made of."""
    if get_origin(kind) is Annotated:
        yield from (one.json_schema for one in kind.__metadata__ if isinstance(one, WithJsonSchema))
    for part in get_args(kind):
        yield from _schemas(part)


def _table_of(kind: Any) -> type[BaseModel] | None:
    """Return the table that a type contains, if any."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for part in get_args(kind) if (found := _table_of(part)) is not None), None)


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list or any(_is_list(part) for part in get_args(kind))
