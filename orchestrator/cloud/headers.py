"""What the headers of an answer say: waits that the server asks for, and its clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

POLL_INTERVAL = "x-operation-poll-interval"  # integer seconds; seen by the official Go client since 2018


def http_date(value: str | None) -> datetime | None:
    """Read an HTTP date (RFC 9110, all three forms) as UTC; None where it is none."""
    if not value:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After`: seconds, or a date, counted from the answer's own `Date` (else from `now`, epoch seconds)."""
    value = headers.get("Retry-After")
    seconds = _seconds(value)
    if seconds is not None:
        return seconds
    until = http_date(value)
    if until is None:
        return None
    sent_at = http_date(headers.get("Date"))
    return max(0.0, until.timestamp() - (sent_at.timestamp() if sent_at else now))


def poll_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Say when the server wants to be asked again: `x-operation-poll-interval`, else `Retry-After`."""
    interval = _seconds(headers.get(POLL_INTERVAL))
    return interval if interval is not None else retry_after_s(headers, now)
