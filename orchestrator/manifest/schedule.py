"""When a job is due: five cron fields in a time zone, with the same handling of daylight saving time as cron.

A job at fixed hours whose time does not exist runs right after the jump. One whose time comes twice runs the first
time only. Jobs with a * in the hour or the minute follow real time. All times are aware; returned ones are in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

COUNTED_MAX = 1000  # missed due times that are counted one by one
_LOOK_BACK = (timedelta(hours=2), timedelta(days=2), timedelta(days=40), timedelta(days=400), timedelta(days=366 * 30))


@dataclass(frozen=True, slots=True)
class Schedule:
    """`expression`: minute, hour, day, month, day of the week; `timezone`: such as Europe/Moscow."""

    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Due:
    """The latest due time that has passed, and how many before it were missed (at most `COUNTED_MAX`)."""

    at: datetime
    missed: int


def mistake(expression: str) -> str:
    """Return what is wrong with five cron fields, "" where nothing is."""
    try:
        CronSim(expression, datetime(2024, 1, 1))  # noqa: DTZ001 - only parsed
    except CronSimError as error:
        return str(error).replace("Bad ", "invalid ")
    return ""


def times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the due times after a moment. Ends if there is none within 50 years."""
    last = after
    for found in CronSim(schedule.expression, after.astimezone(ZoneInfo(schedule.timezone))):
        at = found.astimezone(UTC)
        # Two local times may be the same moment, and the hour that comes twice may begin again.
        if at > last:
            last = at
            yield at


def next_due(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first due time after now."""
    return next(times(schedule, now), None)


def due(schedule: Schedule, since: datetime, now: datetime) -> Due | None:
    """Return what has become due after `since` and not later than `now`; None where nothing has."""
    newest = None
    for span in _LOOK_BACK:
        start = max(since, now - span)
        for at in times(schedule, start):
            if at > now:
                break
            newest = at
        if newest is not None or start == since:
            break
    if newest is None:
        return None
    missed = sum(at < newest for at in islice(times(schedule, since), COUNTED_MAX + 1) if at <= newest)
    return Due(newest, min(missed, COUNTED_MAX))
