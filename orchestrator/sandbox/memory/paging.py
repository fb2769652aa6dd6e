"""Listings: query parameters, filters, and pages with opaque tokens."""

from __future__ import annotations

import base64
import binascii
import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from orchestrator.model.decode import timestamp
from orchestrator.sandbox.memory.cloud_state import Record, Table
from orchestrator.sandbox.memory.validators import invalid

Query = Mapping[str, Any]  # of strings, as in a URL; numbers are accepted too

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000
_PAGING = ("pageSize", "pageToken", "filter")
_SIGNS = {"=": operator.eq, "<": operator.lt, ">": operator.gt}
_LAST = datetime.max.replace(tzinfo=UTC)
_TERM = re.compile(r"""\s*([a-zA-Z_]\w*)\s*([=<>])\s*(?:"([^"]*)"|'([^']*)'|(true|false))\s*""")


def check_names(query: Query, *names: str, paged: bool = True) -> None:
    """Refuse query parameters that the method does not have."""
    for name in query:
        if name not in names and not (paged and name in _PAGING):
            raise invalid(name, "unknown query parameter")


def required(query: Query, name: str) -> str:
    """Return a required query parameter."""
    value = str(query.get(name) or "")
    if not value:
        raise invalid(name, "Field is required")
    return value


def terms(query: Query, allowed: Collection[str]) -> dict[str, str]:
    """Parse a filter such as `status="ACTIVE" AND runtime='python37'`: field → value."""
    return {name: value for name, _, value in _comparisons(query, allowed, "=")}


def within_times(query: Query, allowed: Collection[str]) -> Callable[[Record], bool]:
    """Parse a filter such as `effectiveFrom > "2026-01-01T00:00:00Z"`, with `=`, `<` or `>`. Returns a check of a
    record's times. A missing time is later than any.
    """
    bounds = []
    for name, sign, value in _comparisons(query, allowed, "=<>"):
        at = timestamp(value)
        if at is None:
            raise invalid("filter", f"{value!r} is not a time: write it as 2026-01-01T00:00:00Z")
        bounds.append((name, _SIGNS[sign], at))

    def fits(record: Record) -> bool:
        return all(compare(timestamp(record.get(name)) or _LAST, at) for name, compare, at in bounds)

    return fits


def _comparisons(query: Query, allowed: Collection[str], signs: str) -> list[tuple[str, str, str]]:
    text = str(query.get("filter") or "")
    if len(text) > 1000:
        raise invalid("filter", "length must be at most 1000")
    found = []
    for part in re.split(r"\s+AND\s+", text) if text.strip() else ():
        term = _TERM.fullmatch(part)
        if term is None or term[2] not in signs:
            raise invalid("filter", f'cannot be read: {part!r}, write field="value"')
        if term[1] not in allowed:
            raise invalid("filter", f"unknown field {term[1]!r}")
        found.append((term[1], term[2], next(value for value in term.groups()[2:] if value is not None)))
    return found


def page(
    query: Query, field: str, table: Table, keys: Sequence[str], answer: Callable[[str], Record | None]
) -> dict[str, Any]:
    """Return one page of `keys`, which are in order of creation. `answer` returns None for what the filter excludes."""
    size = _page_size(query)
    start = bisect_right(keys, _after(query), key=table.number)
    found: list[Record] = []
    for position in range(start, len(keys)):
        if len(found) == size:
            return {field: found, "nextPageToken": _token(query, table.number(keys[position - 1]))}
        record = answer(keys[position])
        if record is not None:
            found.append(record)
    return {field: found} if found else {}


def _page_size(query: Query) -> int:
    try:
        size = int(query.get("pageSize") or PAGE_SIZE_DEFAULT)
    except ValueError:
        raise invalid("pageSize", "must be a number") from None
    if not 0 < size <= PAGE_SIZE_MAX:
        raise invalid("pageSize", f"must be in range 0-{PAGE_SIZE_MAX}")
    return size


def _token(query: Query, after: int) -> str:
    return base64.urlsafe_b64encode(f"{_mark(query)}:{after}".encode()).decode()


def _after(query: Query) -> int:
    """Return the position in a token, which is valid only for the same query."""
    token = str(query.get("pageToken") or "")
    if not token:
        return 0
    try:
        mark, _, after = base64.urlsafe_b64decode(token.encode()).decode("ascii").partition(":")
        if mark == _mark(query):
            return int(after)
    except (binascii.Error, ValueError):
        pass
    raise invalid("pageToken", "is not a token of this listing")


def _mark(query: Query) -> str:
    same = sorted((name, str(value)) for name, value in query.items() if name not in ("pageToken", "pageSize"))
    return f"{crc32(repr(same).encode()):08x}"
