"""Due times compared with a brute-force implementation of cron, minute by minute over a year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from orchestrator.manifest.schedule import COUNTED_MAX, Schedule, due, mistake, next_due, times
from tests.long import short_first

MINUTE = timedelta(minutes=1)
YEAR = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@cache
def field(text: str, low: int, high: int) -> set[int]:
    """Parse a numeric cron field, as in crontab(5)."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start, end = (low, high) if span == "*" else (int(first), int(last or (high if step else first)))
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def reader(expression: str) -> Callable[[datetime], bool]:
    """Return a predicate that says whether a local time matches."""
    minute, hour, day, month, weekday = expression.split()
    minutes, hours = field(minute, 0, 59), field(hour, 0, 23)
    days, months = field(day, 1, 31), field(month, 1, 12)
    weekdays = {number % 7 for number in field(weekday, 0, 7)}
    # "if either field starts with *, both must match, else one of them is enough"
    both = day[0] == "*" or weekday[0] == "*"

    def fits(at: datetime) -> bool:
        if at.minute not in minutes or at.hour not in hours or at.month not in months:
            return False
        in_days, in_weekdays = at.day in days, at.isoweekday() % 7 in weekdays
        return in_days and in_weekdays if both else in_days or in_weekdays

    return fits


@cache
def on_the_wall(expression: str) -> list[datetime]:
    """Yield every matching minute of the year and of the days around it, independent of the time zone."""
    fits, first = reader(expression), datetime(2026, 12, 31)  # noqa: DTZ001 - the clock on the wall
    minutes = (first + number * MINUTE for number in range(367 * 24 * 60))
    return [wall for wall in minutes if fits(wall)]


def brute_force(expression: str, timezone: str) -> list[datetime]:
    """Yield every due time of the year, by checking each minute of it."""
    zone, (start, end) = ZoneInfo(timezone), YEAR
    minute, hour, *_ = expression.split()
    if minute[0] == "*" or hour[0] == "*":  # follows real time
        fits = reader(expression)
        minutes = (start + number * MINUTE for number in range(int((end - start) / MINUTE)))
        return [at for at in minutes if fits(at.astimezone(zone))]
    found = set()
    for wall in on_the_wall(expression):
        shown = wall
        while shown.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != shown:
            shown += MINUTE  # a time that does not exist: right after the jump
        found.add(shown.replace(tzinfo=zone).astimezone(UTC))  # fold 0: the first of a time that comes twice
    return sorted(at for at in found if start < at < end)


@pytest.mark.parametrize("timezone", short_first(1, [BERLIN, "Europe/Moscow", "UTC"]))
@pytest.mark.parametrize(
    "expression",
    ["0 3 * * 1-5", "30 2 * * *", "*/20 * * * *", "15 1,2,3 * * *", "0 */6 * * *", "5 2 1,15 * *", "0 12 13 * 5"],
)
def test_a_year_of_due_times(expression: str, timezone: str) -> None:
    start, end = YEAR
    found = list(takewhile(lambda at: at < end, times(Schedule(expression, timezone), start)))
    assert found == [at for at in brute_force(expression, timezone) if at > start]


# expression, the interval in UTC, due times in UTC. Berlin: +1 h, and +2 h from 28 March, 01:00 UTC, to 31 October,
# 01:00 UTC.
CHANGES = [
    ("30 2 * * *", "2027-03-27T12:00", "2027-03-29T12:00", ["2027-03-28T01:00", "2027-03-29T00:30"]),
    ("0,30 2,3 * * *", "2027-03-27T12:00", "2027-03-28T12:00", ["2027-03-28T01:00", "2027-03-28T01:30"]),
    ("30 2 * * *", "2027-10-30T12:00", "2027-11-01T12:00", ["2027-10-31T00:30", "2027-11-01T01:30"]),
    ("30 * * * *", "2027-10-30T23:45", "2027-10-31T02:00", ["2027-10-31T00:30", "2027-10-31T01:30"]),
    ("30 * * * *", "2027-03-28T00:00", "2027-03-28T02:00", ["2027-03-28T00:30", "2027-03-28T01:30"]),
]  # fmt: skip


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("expression", "since", "until", "expected"), CHANGES)
def test_the_clock_changes(expression: str, since: str, until: str, expected: list[str]) -> None:
    found = takewhile(lambda at: at <= moment(until), times(Schedule(expression, BERLIN), moment(since)))
    assert list(found) == [moment(text) for text in expected]


def test_a_time_that_comes_twice_is_not_due_again_in_between() -> None:
    at = moment("2027-10-31T00:30")
    assert next_due(Schedule("30 2 * * *", BERLIN), at + 10 * MINUTE) == moment("2027-11-01T01:30")
    assert due(Schedule("30 2 * * *", BERLIN), at, moment("2027-10-31T01:10")) is None


def test_the_newest_due_time_counts_and_the_missed_before_it_are_counted() -> None:
    daily = Schedule("0 3 * * *")
    found = due(daily, moment("2027-01-01T03:00"), moment("2027-01-05T02:00"))
    assert found is not None
    assert (found.at, found.missed) == (moment("2027-01-04T03:00"), 2)
    assert due(daily, moment("2027-01-04T03:00"), moment("2027-01-05T02:59")) is None


def test_a_due_time_counts_from_its_very_second() -> None:
    found = due(Schedule("0 3 * * *"), moment("2027-01-01T03:00"), moment("2027-01-02T03:00"))
    assert found is not None
    assert found.at == moment("2027-01-02T03:00")


def test_years_of_missed_minutes_are_counted_up_to_a_bound() -> None:
    found = due(Schedule("* * * * *"), moment("2020-01-01T00:00"), moment("2027-01-01T00:00"))
    assert found is not None
    assert (found.at, found.missed) == (moment("2027-01-01T00:00"), COUNTED_MAX)


def test_a_rare_due_time_is_found_however_long_ago() -> None:
    found = due(Schedule("0 0 29 2 *"), moment("2020-01-01T00:00"), moment("2027-01-01T00:00"))
    assert found is not None
    assert (found.at, found.missed) == (moment("2024-02-29T00:00"), 1)


def test_what_cron_does_not_take() -> None:
    assert mistake("0 3 * * 1-5") == ""
    assert mistake("61 3 * * *") == "invalid minute"
    assert mistake("0 0 31 2 *") == "invalid day-of-month"
