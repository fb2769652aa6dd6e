"""Virtual time, and how long the sandbox's Operations take."""

from __future__ import annotations

import random

import anyio
import pytest

from orchestrator.prediction.virtual_time import StalledError, run
from orchestrator.sandbox.memory.cloud_state import rfc3339
from orchestrator.sandbox.memory.faults import Distribution


def test_time_starts_at_zero_and_jumps() -> None:
    async def main(hours: int) -> tuple[float, float]:
        began = anyio.current_time()
        await anyio.sleep(hours * 3600)
        return began, anyio.current_time()

    assert run(main, 48) == (0.0, 48 * 3600.0)


def test_sleepers_wake_in_order() -> None:
    async def main() -> list[float]:
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await anyio.sleep(seconds)
            woken.append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            for seconds in (3.5, 1.25, 2.0, 1e-6, 86_400.0 * 400):
                tasks.start_soon(sleeper, seconds)
        return woken

    assert run(main) == pytest.approx([1e-6, 1.25, 2.0, 3.5, 86_400.0 * 400], abs=1e-6)


def test_time_limits_hold() -> None:
    async def main() -> bool:
        with anyio.move_on_after(10) as scope:
            await anyio.sleep(11)
        return scope.cancelled_caught

    assert run(main)


def test_waiting_for_ever_is_an_error() -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.Event().wait)

    with pytest.raises(StalledError):
        run(main)


def test_an_error_of_the_program_comes_out() -> None:
    async def main() -> None:
        await anyio.sleep(1)
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        run(main)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lognormal:2,0.4", Distribution("lognormal", 2.0, 0.4)),
        (" fixed:1.5 ", Distribution("fixed", 1.5, 1.5)),
        ("0.5-2", Distribution("uniform", 0.5, 2.0)),
    ],
)
def test_durations_are_read_from_text(text: str, expected: Distribution) -> None:
    assert Distribution.parse(text) == expected


@pytest.mark.parametrize("text", ["", "fast", "fixed:", "lognormal:2", "1-", "-1-2", "fixed:-1"])
def test_odd_durations_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"lognormal:1\.2,0\.4"):
        Distribution.parse(text)


@pytest.mark.parametrize(
    ("text", "low", "high"), [("fixed:3", 3.0, 3.0), ("0.5-2", 0.5, 2.0), ("lognormal:2,0.4", 0.2, 20.0)]
)
def test_drawn_durations_are_what_was_asked(text: str, low: float, high: float) -> None:
    durations, rng = Distribution.parse(text), random.Random(1)
    drawn = sorted(durations.draw(rng) for _ in range(1001))
    assert low <= drawn[0] <= drawn[-1] <= high
    if text.startswith("lognormal"):
        assert drawn[500] == pytest.approx(2.0, rel=0.1)


def test_the_same_seed_draws_the_same_durations() -> None:
    one, other = random.Random(5), random.Random(5)
    assert [Distribution().draw(one) for _ in range(20)] == [Distribution().draw(other) for _ in range(20)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000000000Z"),
        (0.000000001, "1970-01-01T00:00:00.000000001Z"),
        (1.9999999999, "1970-01-01T00:00:02.000000000Z"),
    ],
)
def test_times_are_written_with_nine_digits(seconds: float, expected: str) -> None:
    assert rfc3339(seconds) == expected
