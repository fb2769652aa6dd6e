"""Reading a job's parameters: what stands in [jobs.NAME] or behind `--param` may be of any type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.job.contract import JobError

Given = Mapping[str, Any]


def texts(given: Given, name: str) -> tuple[str, ...]:
    """Read a list of texts; one text alone counts as a list of one. Raises `JobError`."""
    value = given[name]
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, tuple | list) or not all(isinstance(item, str) and item for item in found):
        raise JobError(f"`{name}` must be a list of texts, not {value!r}", advice=f'write {name} = ["…", "…"]')
    return tuple(found)


def text(given: Given, name: str) -> str:
    """Read a text. Raises `JobError`."""
    value = given[name]
    if not isinstance(value, str) or not value:
        raise JobError(f"`{name}` must be a text, not {value!r}", advice=f'write {name} = "…"')
    return value


def flag(given: Given, name: str) -> bool:
    """Read a boolean. Raises `JobError`."""
    value = given[name]
    if not isinstance(value, bool):
        raise JobError(f"`{name}` must be true or false, not {value!r}", advice=f"write {name} = true")
    return value


def table(given: Given, name: str) -> dict[str, str]:
    """Read a table of texts. Raises `JobError`; values never show in it."""
    value = given[name]
    if not isinstance(value, Mapping):
        raise JobError(f"`{name}` must be a table", advice=f'write {name} = {{ NAME = "value" }}')
    for key, item in value.items():
        if not isinstance(item, str):
            raise JobError(f"`{name}.{key}` must be a text", advice="put its value in quotes")
    return dict(value)


def rows(given: Given, name: str, known: Collection[str]) -> tuple[Mapping[str, Any], ...]:
    """Read a list of tables that have no other keys than `known`. Raises `JobError`."""
    value = given[name]
    if not isinstance(value, tuple | list) or not all(isinstance(row, Mapping) for row in value):
        raise JobError(f"`{name}` must be a list of tables", advice=f"write {name} = [{{ {', '.join(known)} }}]")
    for row in value:
        for key in row:
            if key not in known:
                raise JobError(f'`{name}` has no key "{key}"', advice=f"its keys are {', '.join(known)}")
    return tuple(value)
