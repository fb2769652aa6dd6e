"""The account of what the real engine does in virtual time: complete at each moment, and right about another limit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeGuard

import pytest

from orchestrator.journal.condition_events import LimitChanged
from orchestrator.journal.events import Event, RunEnded
from orchestrator.model import Gate, Limits, Rollout
from orchestrator.ports import CommandEnd
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.values import Account
from orchestrator.report.html.page import report_page
from orchestrator.sandbox.memory.faults import Faults, Rates
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import Bench, sources
from tests.runs import account, started

CROWDED = Quotas(10, 3, 4)  # while the run assumes more


def reported(bench: Bench, *, count: int) -> list[Event]:
    """Return a run's events as in a journal, with its beginning and its end."""
    first, last = min(event.at for event in bench.events), max(event.at for event in bench.events)
    return [started(units=count, at=first), *bench.events, RunEnded(last, 1)]


def check(found: Account) -> None:
    """Check that it has no contradictions."""
    assert math.fsum(part.seconds for part in found.parts) == pytest.approx(found.seconds, abs=0.02)
    for scope in found.scopes:
        assert [at for at, _ in scope.slots] == sorted(at for at, _ in scope.slots)
        assert all(count >= 0 for _, count in scope.slots)
        assert scope.most <= max((limit.allowed for limit in scope.limits), default=math.inf)
    for one in found.functions:
        assert all(step.to_s is None or step.from_s <= step.to_s for step in one.steps)
        assert all(operation.late_s is None or operation.late_s >= 0 for operation in one.operations)


def _is_of_cloud(event: Event) -> TypeGuard[LimitChanged]:
    return isinstance(event, LimitChanged) and event.what.startswith("cloud")


def test_every_beginning_of_a_run_has_an_account_that_contradicts_nothing(tmp_path: Path) -> None:
    """With waves, a pause, a gate, refusals, lost answers, failures and retries."""
    faults = Faults(Rates(unavailable=0.05, lost=0.03, throttled=0.03), seed=7, failing_functions={"f005", "f011"})
    bench = Bench(tmp_path, durations="lognormal:2,0.4", faults=faults, quotas=CROWDED)
    bench.commands.ends = [CommandEnd(0, "fine", 5.0)] * 3
    rollout = Rollout(waves=(2, "50%", "100%"), pause_s=30.0, max_failures=5, gate=Gate(("./gate.sh",), Path()))
    bench.deploy(sources(tmp_path, 24), rollout=rollout)
    events = reported(bench, count=24)
    for end in range(0, len(events) + 1, 7):
        now = max((event.at for event in events[:end]), default=0.0)
        check(account(events[:end], now, alive=True))
        check(account(events[:end], now + 3.0))
    found = account(events)
    check(found)
    assert {wave.number for wave in found.waves} == {1, 2, 3}
    assert [(stop.kind, stop.verdict) for stop in found.stops][:2] == [("pause", ""), ("gate", "passed")]
    assert sum(len(scope.refused_s) for scope in found.scopes if scope.id) > 0
    assert any(again.no_room for one in found.functions for again in one.tries)
    assert {one.function for one in found.functions if one.failure is not None} == {"f005", "f011"}
    clouds = {event.cloud_id for event in events if isinstance(event, LimitChanged) and event.what.startswith("folder")}
    assert {f"cloud {cloud}" for cloud in clouds} == {event.what for event in events if _is_of_cloud(event)}
    assert found.first_failure in ("f005", "f011")
    assert found.functions[0].operations[0].late_s is not None
    assert {part.part for part in found.parts} >= {"wave", "tail"}
    live = {str(row["functionId"]): str(row["id"]) for row in bench.versions() if "$latest" in row["tags"]}
    assert len(live) == 22
    for one in found.functions:
        assert one.live_version_id == live.get(one.function_id, ""), one.function
    assert report_page(found, Outlet(Redactor()))


def test_what_another_limit_would_give_is_what_it_gives(tmp_path: Path) -> None:
    """For a run that is limited by its folder's slots. Another run draws other durations, so it is not the same."""

    def seconds(slots: int) -> tuple[Account, float]:
        root = tmp_path / str(slots)
        root.mkdir()
        limits = Limits(operations_per_folder=slots, operations_per_cloud=12, requests_per_second=1000.0)
        bench = Bench(root, durations="lognormal:2,0.4", limits=limits)
        bench.deploy(sources(root, 120))
        found = account(reported(bench, count=120))
        check(found)
        return found, found.seconds

    before, _ = seconds(6)
    _, after_s = seconds(12)
    assert before.would_give is not None
    assert (before.would_give.scope, before.would_give.limit) == ("folder folder", 12)
    assert before.would_give.seconds == pytest.approx(after_s, rel=0.1)
