"""As fast as the quotas allow, in virtual time: makespan over the lower bound, calls, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import anyio
import pytest

from orchestrator.engine.base import Base
from orchestrator.model import Limits
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.quotas import Quotas
from tests.long import LONG, short_first
from tests.speed.virtual import FAST, SpeedBench, measure

ASSUMED = Limits(operations_per_folder=20, operations_per_cloud=20, polls_per_second=1000.0)  # calls/s: learned too
UNTOLD = CloudSettings(quota_details=False)


@pytest.mark.parametrize(
    ("durations", "settings", "above_oracle", "looks"),
    short_first(
        4,
        [
            ("lognormal:2,0.4", CloudSettings(), 0.03, 4.0),
            ("lognormal:2,0.4", CloudSettings(creating_visible=False), 0.055, 8.0),
            ("lognormal:2,0.4", CloudSettings(creating_after_s=1.0), 0.03, 5.0),
            ("9*fixed:1+1*fixed:30", CloudSettings(), 0.03, 4.1),  # reads of `$latest` spread the ends
            ("9*fixed:1+1*fixed:30", CloudSettings(creating_visible=False), 0.04, 6.0),
            ("lognormal:2,0.1", CloudSettings(), 0.03, 4.0),
            ("lognormal:2,0.1", CloudSettings(creating_visible=False), 0.03, 6.0),
            ("lognormal:2,1.0", CloudSettings(), 0.04, 4.0),
            ("lognormal:2,1.0", CloudSettings(creating_visible=False), 0.10, 11.0),
        ],
    ),
)
def test_a_run_is_hardly_longer_than_one_who_sees_each_end_at_once_would_make_it(
    tmp_path: Path, durations: str, settings: CloudSettings, above_oracle: float, looks: float
) -> None:
    found = measure(tmp_path, 400, durations, settings=settings)
    assert found.ratio(20) <= found.oracle(20) + above_oracle
    assert found.looks <= looks
    assert not found.refused


@LONG
def test_the_bar_for_a_thousand_operations(tmp_path: Path) -> None:
    visible = measure(tmp_path / "visible", 1000)
    assert visible.ratio(20) <= 1.05
    assert visible.looks <= 4.0
    hidden = measure(tmp_path / "hidden", 1000, settings=CloudSettings(creating_visible=False))
    assert hidden.ratio(20) <= 1.08
    assert hidden.looks <= 8.0
    assert hidden.listings < 20


def quota(slots: int) -> Quotas:
    return Quotas(10, slots, slots)


@pytest.mark.parametrize("slots", short_first(1, [8, 30]))
def test_a_limit_that_nobody_tells_is_found_and_the_next_run_starts_there(tmp_path: Path, slots: int) -> None:
    count = 150 * slots // 4
    first = measure(tmp_path / "1", count, quotas=quota(slots), settings=UNTOLD, limits=ASSUMED, mute=True)
    known = measure(tmp_path / "2", count, quotas=quota(slots), limits=FAST)
    assert first.refused_share(60.0) < 0.02
    end_s = min(first.done[-1], known.done[-1]) - 10.0
    assert first.per_second(60.0, end_s) >= 0.95 * known.per_second(60.0, end_s)
    again = measure(
        tmp_path / "3",
        count,
        quotas=quota(slots),
        settings=UNTOLD,
        limits=ASSUMED,
        mute=True,
        knowledge=first.knowledge,
    )
    assert again.refused_share() < 0.02
    assert again.per_second(5.0, 60.0) >= 0.95 * known.per_second(5.0, 60.0)


@LONG
@pytest.mark.parametrize("seeds", [range(1, 3), pytest.param(range(1, 11), marks=LONG)], ids=len)
def test_a_run_that_has_to_find_its_limit_is_hardly_longer_than_one_that_is_reported(
    tmp_path: Path, seeds: range
) -> None:
    longer = []
    for seed in seeds:
        found, reported = (
            measure(
                tmp_path / f"{seed}{mute}", 300, "lognormal:1,0.3", quotas=Quotas(10, 20, 9), limits=ASSUMED, mute=mute,
                latency_s=0.02, folders=2, seed=seed,
            )
            for mute in (True, False)
        )  # fmt: skip
        longer.append(found.makespan_s / reported.makespan_s)
    assert max(longer) <= 1.05, longer
    assert median(longer) <= 1.02, longer


@LONG
@pytest.mark.parametrize(("before", "after"), [(20, 8), (20, 30)])
def test_a_limit_that_changes_in_mid_run_is_found(tmp_path: Path, before: int, after: int) -> None:
    async def change(bench: SpeedBench) -> None:
        await anyio.sleep(40.0)
        bench.cloud.active.quotas = quota(after)

    found = measure(
        tmp_path / "1", 400 + 50 * after, quotas=quota(before), settings=UNTOLD, limits=ASSUMED, mute=True,
        meanwhile=change,
    )  # fmt: skip
    known = measure(tmp_path / "2", 50 * after, quotas=quota(after), limits=FAST)
    assert found.refused_share(60.0) < 0.02
    end_s = found.done[-1] - 10.0
    assert found.per_second(100.0, end_s) >= 0.95 * known.per_second(10.0, known.done[-1] - 10.0)


def test_where_quota_manager_tells_the_limit_it_is_never_tried_for_more(tmp_path: Path) -> None:
    reported = measure(tmp_path, 400, quotas=quota(12), limits=ASSUMED)
    assert not reported.refused
    assert reported.ratio(12) < 1.08


@LONG
def test_who_else_uses_the_quota_is_yielded_to(tmp_path: Path) -> None:
    full_s = 0.0

    async def others(bench: SpeedBench) -> None:
        """Others hold ten Operations from 20 s on, for a minute, and would take an eleventh."""
        nonlocal full_s
        await anyio.sleep(20.0)
        for number in range(10):
            bench.cloud.active.add(f"theirs{number}", "folder", "sandbox-cloud")
        await anyio.sleep(20.0)
        for _ in range(400):
            await anyio.sleep(0.1)
            full_s += 0.1 * (not _room(bench))
        for number in range(10):
            bench.cloud.active.remove(f"theirs{number}", "folder", "sandbox-cloud")

    found = measure(tmp_path, 1200, limits=ASSUMED, meanwhile=others)
    assert full_s < 20, "a colleague found no slot for more than half of the time"
    assert found.refused_share(40.0) < 0.02
    assert found.per_second(110.0, found.done[-1] - 10.0) > 0.9 * found.per_second(5.0, 20.0)


def _room(bench: SpeedBench) -> bool:
    try:
        bench.cloud.active.admit("theirs", "folder", "sandbox-cloud")
    except Exception:  # noqa: BLE001 - the cloud is full
        return False
    return True


def test_a_reserve_is_left_to_colleagues(tmp_path: Path) -> None:
    found = measure(
        tmp_path, 300, limits=Limits(10, 20, 20, reserve=5, requests_per_second=1000, polls_per_second=1000)
    )
    assert found.ratio(15) < 1.08
    running = sorted([(at, 1) for at in found.accepted] + [(at, -1) for at in found.done])
    held, most = 0, 0
    for _, change in running:
        held += change
        most = max(most, held)
    assert most == 15


def test_a_rate_that_is_refused_is_learned(tmp_path: Path) -> None:
    found = measure(
        tmp_path, 600, "fixed:0.5", quotas=Quotas(10, 60, 60, requests_per_second=7), limits=Limits(10, 60, 60)
    )
    assert found.refused_share(30.0) < 0.05
    assert found.per_second(20.0, found.done[-1] - 5.0) > 0.75 * 7
    assert found.knowledge.requests_per_second is not None
    assert 5 < found.knowledge.requests_per_second < 9


@pytest.mark.parametrize("durations", short_first(1, ["lognormal:2,0.4", "lognormal:20,0.4", "lognormal:60,0.4"]))
def test_the_look_at_what_is_live_costs_hardly_a_call_and_no_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durations: str
) -> None:
    limits = replace(FAST, operations_per_folder=15)
    first = measure(tmp_path / "looked", 300, durations, limits=limits, latency_s=0.05)
    assert first.base_looks <= 1.1

    async def believe(_base: Base) -> None:
        """Skip the check."""

    monkeypatch.setattr(Base, "look", believe)
    other = measure(tmp_path / "believed", 300, durations, limits=limits, latency_s=0.05)
    assert other.base_looks == 0.0
    assert first.ratio(15) <= 1.01 * other.ratio(15)
