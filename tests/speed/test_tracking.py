"""Wrong listings, servers with poll intervals, and a limited rate of polls: nothing is lost, and it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Version
from orchestrator.sandbox.memory.adapters import MemoryFunctions
from orchestrator.sandbox.memory.core import CloudSettings
from tests.long import short_first
from tests.speed.virtual import FAST, measure

Lie = Callable[[list[tuple[Version, ...]], int], tuple[Version, ...]]


def empty(_found: list[tuple[Version, ...]], _number: int) -> tuple[Version, ...]:
    return ()


def stale(found: list[tuple[Version, ...]], _number: int) -> tuple[Version, ...]:
    """Return what was true fifty listings ago, and what is true now."""
    return tuple({version.id: version for answer in found[-50:] for version in answer}.values())


def frozen(found: list[tuple[Version, ...]], _number: int) -> tuple[Version, ...]:
    return found[0]


def flapping(found: list[tuple[Version, ...]], number: int) -> tuple[Version, ...]:
    """Return every other answer from a replica that has only half of it."""
    return found[-1] if number % 2 else found[-1][: len(found[-1]) // 2]


# Listings that still show what has ended cost the first Operations that much time.
@pytest.mark.parametrize(
    ("lie", "above_oracle"), short_first(2, [(empty, 0.07), (stale, 0.15), (frozen, 0.15), (flapping, 0.07)])
)
def test_listings_that_lie_are_found_out_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: Lie, above_oracle: float
) -> None:
    truth = MemoryFunctions.list_versions
    found: list[tuple[Version, ...]] = []

    async def lying(self: MemoryFunctions, folder_id: str, *, filter: str = "") -> Any:
        answer = await truth(self, folder_id, filter=filter)
        if not filter:
            return answer
        found.append(answer)
        return lie(found, len(found))

    monkeypatch.setattr(MemoryFunctions, "list_versions", lying)
    run = measure(tmp_path, 400)
    assert run.ratio(20) <= run.oracle(20) + above_oracle
    assert len(found) < 200, "lies are listened to for ever"


def test_the_server_says_how_often_it_wants_to_be_asked(tmp_path: Path) -> None:
    settings = CloudSettings(creating_visible=False, poll_interval_s=3)
    run = measure(tmp_path, 200, "fixed:1", settings=settings)
    assert run.looks <= 1.1  # one poll each, and listings until it is clear that they show nothing
    assert run.ratio(20) > 2.5  # the cost of this


def test_polls_keep_to_their_rate(tmp_path: Path) -> None:
    limits = replace(FAST, polls_per_second=10.0)
    run = measure(tmp_path, 300, settings=CloudSettings(creating_visible=False), limits=limits)
    assert run.looks * 300 <= 10.0 * run.makespan_s + 10
