"""What seed files say about calls of Functions: one row of `TABLES` for each kind of table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.sandbox.invocation.calls import CallSeeds, Denied, LateRouting, Matching, SeededAnswer

_MATCHING = ("function", "folder_id", "tag", "version_id", "sha256", "runtime")
_NAMES = frozenset(_MATCHING)

# For each table: the keys that every row has, and those that it may have.
TABLES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "answers": (frozenset(), _NAMES | {"status", "headers", "body", "delay_s", "times"}),
    "denied": (frozenset({"subject"}), frozenset({"function"})),
    "late_tags": (frozenset({"late_s"}), _NAMES | {"missing"}),
    "live_calls": (frozenset({"calls"}), frozenset()),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys((*_MATCHING, "subject"), (_is_text, "a non-empty string")),
    "status": (lambda value: _is_count(value) and 200 <= value <= 599, "an HTTP status, 200 to 599"),
    "headers": (
        lambda value: isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()),
        "a table of strings",
    ),
    "delay_s": (lambda value: _is_number(value) and value >= 0, "seconds"),
    "late_s": (lambda value: _is_number(value) and value > 0, "seconds, more than 0"),
    "times": (lambda value: _is_count(value) and value > 0, "a number of times, at least 1"),
    "calls": (lambda value: _is_count(value) and value >= 0, "a number of calls"),
    "missing": (lambda value: isinstance(value, bool), "true or false"),
}


def add_row(seeds: CallSeeds, table: str, row: Mapping[str, Any]) -> None:
    """Add a row of `TABLES`. Raises `ValueError` that names the mistake."""
    for key, value in row.items():
        is_right, what = _RULES.get(key, (lambda _value: True, ""))
        if not is_right(value):
            raise ValueError(f"{key} = {value!r} is not {what}")
    matching = Matching(**{key: row[key] for key in _MATCHING if key in row})
    match table:
        case "answers":
            more = {key: row[key] for key in row if key not in _NAMES}
            seeds.answers.append(SeededAnswer(matching, **more))
        case "denied":
            seeds.denied.add(Denied(row["subject"], row.get("function", "")))
        case "late_tags":
            seeds.late.append(LateRouting(matching, row["late_s"], row.get("missing", False)))
        case _:
            seeds.live_calls += row["calls"]
