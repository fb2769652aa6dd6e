"""Checks of request bodies, composed of small ones. Each takes the field's path and its JSON value, and returns the
value as the API would answer it (None: unset). They raise `Fault` INVALID_ARGUMENT that names the field.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory.faults import Fault

Check = Callable[[str, Any], Any]

_DURATION = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?s", re.ASCII)
_INT64 = re.compile(r"-?\d{1,19}", re.ASCII)


def invalid(path: str, why: str) -> Fault:
    """Return the refusal of one field."""
    violation = {"field": path, "description": why}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return Fault(Code.INVALID_ARGUMENT, f"Request validation error: {path}: {why}", [detail])


def string(pattern: str = "", *, low: int = 0, high: int | None = None) -> Check:
    """A string of `low` to `high` characters that `pattern` matches completely."""
    form = re.compile(pattern) if pattern else None

    def check(path: str, value: Any) -> str | None:
        if not isinstance(value, str):
            raise invalid(path, "must be a string")
        if not low <= len(value) <= (len(value) if high is None else high):
            raise invalid(path, f"length must be in range {low}-{'' if high is None else high}")
        if form is not None and not form.fullmatch(value):
            raise invalid(path, f"does not match the pattern {pattern}")
        return value or None

    return check


def int64(low: int | None = None, high: int | None = None) -> Check:
    """An integer as a string (a number is accepted too), answered as a string."""

    def check(path: str, value: Any) -> str | None:
        exact = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not (exact or isinstance(value, int) or _is_int64(value)):
            raise invalid(path, "must be an int64")
        number = int(value)
        if (low is not None and number < low) or (high is not None and number > high):
            raise invalid(path, f"must be in range {low}-{'' if high is None else high}")
        return str(number) if number else None

    return check


def _is_int64(value: Any) -> bool:
    return isinstance(value, str) and bool(_INT64.fullmatch(value)) and -(2**63) <= int(value) < 2**63


def duration_text(low_s: int, high_s: int) -> Check:
    """A Duration ("10s", "1.5s"), answered with 0, 3, 6 or 9 fractional digits."""

    def check(path: str, value: Any) -> str:
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            raise invalid(path, 'must be a duration such as "10s"')
        try:
            seconds = Decimal(value[:-1])
        except InvalidOperation:
            raise invalid(path, 'must be a duration such as "10s"') from None
        if not low_s <= seconds <= high_s:
            raise invalid(path, f"must be in range {low_s}s-{high_s}s")
        nanos = int(seconds * 10**9)
        whole, fraction = divmod(nanos, 10**9)
        digits = f"{fraction:09d}"
        while digits.endswith("000"):
            digits = digits[:-3]
        return f"{whole}.{digits}s" if digits else f"{whole}s"

    return check


def boolean(path: str, value: Any) -> bool | None:
    """A boolean."""
    if not isinstance(value, bool):
        raise invalid(path, "must be true or false")
    return value or None


def one_of(*names: str) -> Check:
    """An enum by its names; the first is the unset one."""

    def check(path: str, value: Any) -> str | None:
        if value not in names:
            raise invalid(path, f"must be one of {', '.join(names)}")
        return value if value != names[0] else None

    return check


def base64_bytes(*, high: int) -> Check:
    """Bytes in base64, at most `high` of them raw; answered as bytes."""

    def check(path: str, value: Any) -> bytes | None:
        if not isinstance(value, str):
            raise invalid(path, "must be a string with base64")
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise invalid(path, "is not valid base64") from None
        if len(raw) > high:
            raise invalid(path, f"zip archive content exceeds the maximum size of {high} bytes, use Object Storage")
        return raw or None

    return check


def many(item: Check, *, unique: bool = False) -> Check:
    """A list."""

    def check(path: str, value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            raise invalid(path, "must be a list")
        found = [item(f"{path}[{index}]", entry) for index, entry in enumerate(value)]
        if None in found:
            raise invalid(path, "must not have empty entries")
        if unique and len({str(entry) for entry in found}) < len(found):
            raise invalid(path, "must not have an entry twice")
        return found or None

    return check


def string_map(key: Check, entry: Check, *, high: int | None = None) -> Check:
    """An object from strings to strings, with at most `high` entries."""

    def check(path: str, value: Any) -> dict[str, str] | None:
        if not isinstance(value, Mapping):
            raise invalid(path, "must be an object")
        if high is not None and len(value) > high:
            raise invalid(path, f"must have at most {high} entries")
        for name in value:
            key(f"{path} key {name!r}", name)
        return {name: entry(f"{path}.{name}", item) or "" for name, item in value.items()} or None

    return check


def message(
    fields: Mapping[str, Check],
    *,
    required: Collection[str] = (),
    exactly_one: Collection[str] = (),
    at_most_one: Collection[str] = (),
) -> Check:
    """An object with these fields and no others. null means unset."""

    def check(path: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise invalid(path or "body", "must be an object")
        prefix = f"{path}." if path else ""
        unknown = next((name for name in value if name not in fields), None)
        if unknown is not None:
            raise invalid(f"{prefix}{unknown}", "unknown field")
        found = {name: fields[name](f"{prefix}{name}", item) for name, item in value.items() if item is not None}
        found = {name: item for name, item in found.items() if item is not None}
        for name in required:
            if name not in found:
                raise invalid(f"{prefix}{name}", "Field is required")
        for group, least in ((exactly_one, 1), (at_most_one, 0)):
            given = [name for name in group if name in found]
            if group and not least <= len(given) <= 1:
                count = "exactly one" if least else "at most one"
                raise invalid(path or "body", f"{count} of {', '.join(group)} must be given")
        return found

    return check
