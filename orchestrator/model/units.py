"""Sizes, durations and shares as written in a manifest: parsed, and formatted in messages the same way.

Measured durations are formatted by `report.plain_text.time_span`.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

MB = 1024 * 1024
GB = 1024 * MB

_FACTORS = {"": 1, "k": 1024, "m": MB, "g": GB}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([kmg]?)i?b", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)

# the same rules for editors (JSON Schema)
SIZE_PATTERN = r"^\d{1,15}(\.\d{1,9})? ?([kKmMgG]?)[iI]?[bB]$"
DURATION_PATTERN = r"^(?=.)(\d{1,6}h)?(\d{1,6}m)?(\d{1,9}(\.\d{1,9})?s)?(\d{1,9}ms)?$"
PERCENT_PATTERN = r"^\d{1,3}(\.\d{1,6})?%$"


def size(value: object) -> int:
    """Return the bytes of `"128MB"` (binary units, as on the cloud's own pages) or of a whole number of bytes. Raises
    `ValueError` with the rule.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("must not be negative")
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('must be a size such as "128MB" or "1GB", or a whole number of bytes')
    bytes_ = float(match[1]) * _FACTORS[match[2].lower()]
    if not bytes_.is_integer():
        raise ValueError("must be a whole number of bytes")
    return int(bytes_)


def as_size(size_bytes: int) -> str:
    """Return a size as text for `size`, in the largest unit that divides it: 1GB, 1536MB, 1000B."""
    for unit, factor in (("GB", GB), ("MB", MB), ("KB", 1024)):
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return f"{size_bytes}B"


def duration(value: object) -> float:
    """Return the seconds of `"10s"`, `"1m30s"`, `"1h"`, `"500ms"`, or of a number of seconds. Raises `ValueError` with
    the rule.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not (math.isfinite(value) and 0 <= value < 1e9):
            raise ValueError("must be a number of seconds, 0 or more")
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError('must be a duration such as "10s" or "1m30s", or a number of seconds')
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


_HOURS_MAX_S = 10**9  # beyond what `duration` accepts


def as_duration(seconds: float | Decimal) -> str:
    """Return a duration as text for `duration`, without rounding: 1h, 1m30s, 2.5s, 0s."""
    exact = Decimal(str(seconds)).normalize()
    if not 60 <= exact < _HOURS_MAX_S:
        return f"{exact:f}s"
    hours, rest = divmod(exact, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest.normalize(), "s"))
    return "".join(f"{count:f}{unit}" for count, unit in parts if count)


def share(value: object) -> int | str:
    """Return a count (a whole number) or a share (`"10%"`) after checking it. Raises `ValueError` with the rule."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError('must be a count such as 5, or a share from "0%" to "100%"')
    return match[0]
