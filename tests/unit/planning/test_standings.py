"""How far the functions of a chain are, counted from marks and compared with the fold of all events, at each moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from orchestrator.journal.events import Event, OperationAccepted, OperationDone, Requested, RunStarted, StepRetried
from orchestrator.journal.functions.unit_marks import marks_of
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Step
from orchestrator.planning.why.standings import Standings
from tests.runs import STARTED_AT, deployment, failed, planned, started

KEYS = [f"f{number}" for number in range(5)]
PLAN = [*(planned(key) for key in KEYS), planned("rest", action=Action.UNCHANGED)]
ELSEWHERE = replace(planned("far"), folder_id="b1hfolder")


def renamed(events: Iterable[Event]) -> list[Event]:
    """Return the same events for functions with other keys in the manifest."""
    return [replace(event, key=f"new-{event.key}") if hasattr(event, "key") else event for event in events]  # type: ignore[call-arg]


CHAIN: list[Event] = [
    started("r0", units=7),
    *PLAN,
    ELSEWHERE,
    *deployment("f0", outcome=failed())[1:],
    *deployment("f1")[1:13],  # requested, refused, requested again
    *deployment("f2")[1:-2],  # killed with an Operation in flight
    replace(started("r1", units=6), resumes="r0"),
    *renamed(PLAN[:5]),
    *renamed([planned("rest")]),  # it has changed meanwhile
    *renamed(deployment("f2")[-2:]),
    *renamed(deployment("f1")[1:]),
    *renamed(deployment("f3")[1:16]),
]


@pytest.mark.parametrize("number", range(1, len(CHAIN) + 1))
def test_the_counts_agree_with_the_fold_of_all_events(number: int) -> None:
    found, whole, answered = Standings(), RunState(), dict[str, bool]()
    for event in CHAIN[:number]:
        whole.apply(event)
        if isinstance(event, RunStarted):
            found.begin_run()
        for mark in marks_of(event):
            found.apply(mark)
        if isinstance(event, Requested):
            answered[event.key.removeprefix("new-")] = False
        elif isinstance(event, OperationAccepted | StepRetried):
            answered[event.key.removeprefix("new-")] = True
    units = list(whole.units.values())
    assert found.turns == whole.turns
    assert {unit.name: found.turn_of(unit.folder_id, unit.name) for unit in units} == {
        unit.name: unit.turn for unit in units
    }
    busy = [
        unit.folder_id
        for unit in units
        if unit.outcome is None and (unit.operations.keys() - unit.done.keys() or not answered.get(unit.name, True))
    ]
    assert found.busy() == Counter(busy)
    waiting = [unit for unit in units if unit.outcome is None and not unit.requests and unit.action == Action.VERSION]
    for folder_id in ("b1gfolder", "b1hfolder"):
        assert found.not_asked_for(folder_id) == sum(unit.folder_id == folder_id for unit in waiting)
    for wave, (first, last) in enumerate([(0, 2), (2, 4), (4, 6)], start=1):
        ended = [unit.outcome is not None for unit in units if first < unit.turn <= last]
        assert found.ended_in(wave, (2, 4, 6)) == (sum(ended), len(ended))


def test_what_is_reported_a_function_that_no_plan_has_counts_nowhere() -> None:
    found = Standings()
    for event in (Requested(1.0, "x", "createVersion", "d4e", "key", 1), OperationDone(2.0, "x", "op", 1.0)):
        for mark in marks_of(event):
            found.apply(mark)
    assert (found.busy(), found.turn_of("b1gfolder", "x")) == (Counter(), 0)


def test_most_kinds_say_nothing_of_how_far_units_are() -> None:
    said = [*marks_of(started()), *marks_of(StepRetried(STARTED_AT, "a", Step.CREATE, 1, 1.0, "503"))]
    assert [mark.kind for mark in said] == ["step_retried"]
