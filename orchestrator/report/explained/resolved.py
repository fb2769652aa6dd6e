"""Resolved settings: for people as an equivalent manifest without defaults and templates, and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from orchestrator.manifest.findings import dotted
from orchestrator.manifest.lists import LISTS
from orchestrator.manifest.writing.toml_text import toml_value
from orchestrator.planning.resolved import ResolvedFunction, ResolvedValue
from orchestrator.redaction.patterns import MARK
from orchestrator.report.explained.function_views import ResolvedView
from orchestrator.report.explained.origin_words import origin_json, origin_words, place_json, place_words
from orchestrator.report.plain_text import cells, pad

_COLUMN_MAX = 48  # cells; the origin of a longer value follows directly
_GAP = "  "


def resolved_text(view: ResolvedView, *, width: int | None) -> str:
    """Return the settings as TOML: each value with its origin as a comment, and if asked for with what it replaces.
    `width`: of the terminal, None for none. A comment that does not fit beside its value is put above it.
    """
    head = [f"# environment: {view.environment}"] if view.environment else []
    tables = ("\n".join(_table(one, width, verbose=view.verbose)) for one in view.functions)
    return "\n\n".join([*head, *tables])


def _table(one: ResolvedFunction, width: int | None, *, verbose: bool) -> Iterator[str]:
    yield f"[{dotted(('functions', one.key))}]  # {place_words(one.place)}"
    lines = [line for setting, values in groupby(one.values, _setting) for line in _lines(setting, list(values))]
    column = max((cells(text) for text, _ in lines if cells(text) <= _COLUMN_MAX), default=0)
    for text, value in lines:
        origin = f"# {origin_words(value.origin, replaced=verbose)}" if value is not None else ""
        line = f"{pad(text, column)}{_GAP}{origin}" if origin else text
        beside = not origin or width is None or cells(line) <= width
        yield from [line] if beside else [origin, text]


def _setting(value: ResolvedValue) -> str:
    return value.origin.setting


def _lines(setting: str, values: Sequence[ResolvedValue]) -> Iterator[tuple[str, ResolvedValue | None]]:
    """Yield the lines of one key. A list whose entries come from several tables has a line for each."""
    if not _is_of_entries(setting, values):
        yield from ((f"{value.origin.key} = {value.toml}", value) for value in values)
        return
    yield f"{setting} = [", None
    yield from ((f"{_GAP}{value.toml},", value) for value in values)
    yield "]", None


def _is_of_entries(setting: str, values: Sequence[ResolvedValue]) -> bool:
    """Return whether the values are entries of a list rather than keys of a table or the whole value."""
    rule = LISTS.get(f"functions.{setting}")
    return rule is not None and bool(rule.by or rule.adds) and values[0].origin.key != setting


def resolved_json(view: ResolvedView, redacted: Callable[[Any], Any]) -> dict[str, Any]:
    """Return them as JSON values. `redacted`: hides secrets in a value."""
    return {
        "environment": view.environment or None,
        "functions": [_function(one, redacted) for one in view.functions],
        "warnings": list(view.warnings),
    }


def _function(one: ResolvedFunction, redacted: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "function": one.key,
        "name": one.name,
        "folder_id": one.folder_id or None,
        "place": place_json(one.place),
        "settings": [_row(value, redacted(value.origin.value)) for value in one.values],
    }


def _row(value: ResolvedValue, shown: Any) -> dict[str, Any]:
    return {
        "key": value.origin.key,
        "value": shown,
        "redacted": MARK in toml_value(shown),
        **origin_json(value.origin),
    }
