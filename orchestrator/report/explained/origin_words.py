"""Where a value of a function comes from, in words and for programs: the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from orchestrator.model import Place


class HasOrigin(Protocol):
    """The origin of a value: see `ValueOrigin`."""

    @property
    def table(self) -> str: ...
    @property
    def place(self) -> Place | None: ...
    @property
    def variables(self) -> tuple[str, ...]: ...
    @property
    def written(self) -> str: ...
    @property
    def over(self) -> tuple[Place, ...]: ...


def origin_words(one: HasOrigin, *, replaced: bool = True) -> str:
    """Return "deploy.toml:12 [templates.web], ${LEVEL}, over deploy.toml:4". `replaced`: include what it replaces."""
    table = f"[{one.table}]" if one.table else ""  # a top-level key, such as a file's folder_id, has none
    place = f"{place_words(one.place)} {table}".rstrip() if one.place is not None else one.table
    over = f", over {', '.join(map(place_words, one.over))}" if one.over and replaced else ""
    variables = f", ${{{'}, ${'.join(one.variables)}}}" if one.variables else ""
    return f"{place}{variables}{over}"


def place_words(place: Place | None) -> str:
    """Return FILE:LINE, or the known part of it."""
    return f"{place.file}:{place.line}" if place is not None and place.line else place.file if place is not None else ""


def origin_json(one: HasOrigin) -> dict[str, Any]:
    """Return it as JSON values."""
    return {
        "from": one.table,
        "place": place_json(one.place),
        "over": _places(one.over),
        "variables": list(one.variables),
        "written": one.written,
    }


def place_json(place: Place | None) -> dict[str, Any] | None:
    """Return a place as JSON values; null for none."""
    return asdict(place) if place is not None else None


def _places(places: Sequence[Place]) -> list[dict[str, Any]]:
    return [asdict(place) for place in places]
