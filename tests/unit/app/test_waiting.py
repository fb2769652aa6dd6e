"""Which runs wait for a user, so that no due time decides for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.chains.waiting import waits_for
from orchestrator.journal.events import Breached, Event, OperationAccepted, RunEnded, UnitEnded
from orchestrator.journal.identity import Identity
from orchestrator.journal.rollout_events import GivenUp, RollbackBegun, RunPaused
from orchestrator.journal.store import open_store
from orchestrator.model import Action, Cancelled, Deployed, Outcome, Plan, Unit
from tests.builders import spec
from tests.runs import planned, started

ABOUT = Identity(manifest="/p/deploy.toml", folders=("b1gfolder",))
ENDPOINT = started().endpoint
JOB, OTHER = "run nightly", "deploy"
DONE, LEFT = Deployed("v", read_back=True), Cancelled("stopped")


def run(
    number: int, verb: str, outcomes: dict[str, Outcome], *more: Event, code: int | None = 3, **of: Any
) -> list[Event]:
    """Return a run of these functions; deployed ones got a new version."""
    begun = replace(started(str(number), units=len(outcomes)), verb=verb, identity=ABOUT, **of)
    events: list[Event] = [begun]
    for key, outcome in outcomes.items():
        events.append(replace(planned(key), changes=()))
        if outcome == DONE:
            events.append(OperationAccepted(2.0, key, "createVersion", f"o{key}", f"d4e-{key}", "v", "r"))
        events.append(UnitEnded(3.0, key, outcome))
    return [*events, *more, *([RunEnded(4.0, code)] if code is not None else [])]


PAUSED = run(1, JOB, {"a": DONE, "b": LEFT, "c": LEFT}, RunPaused(3.5, "wave 1 of 2 has ended", 1))
BREACHED = [Breached(3.1, "1 of 2 failed", "rollback"), RollbackBegun(3.2, "2", "1 of 2 failed")]
OWED = run(1, JOB, {"a": DONE, "b": LEFT}, *BREACHED)
CUT = run(2, "rollback", {"a": LEFT}, rolls_back="1")
BY_HAND = run(1, JOB, {"a": DONE, "b": DONE}, code=0)


def waits(tmp_path: Path, runs: tuple[list[Event], ...], verb: str, *functions: str) -> str:
    with open_store(tmp_path) as store:
        for events in runs:
            journal = store.start_run(events[0])  # type: ignore[arg-type]  # it begins with its start
            for event in events[1:]:
                journal.append(event)
    units = [
        Unit(name.strip("="), spec(name.strip("="), folder_id="b1gfolder"), action, "because")
        for name in functions
        for action in [Action.UNCHANGED if "=" in name else Action.VERSION]
    ]
    return "; ".join(waits_for(tmp_path, ENDPOINT, ABOUT, verb, Plan(tuple(units))))


PROMOTE = "run 1 is paused: continue with `orchestrator promote 1`, or undo its changes with `orchestrator rollback 1`"
RESUME = "the rollback of run 1 is not finished: continue it with `orchestrator resume {}`"


@pytest.mark.parametrize(
    ("runs", "verb", "functions", "says"),
    [
        ((PAUSED,), JOB, (), PROMOTE),
        ((PAUSED,), JOB, ("z",), PROMOTE),
        ((PAUSED,), OTHER, ("b",), PROMOTE),
        ((PAUSED,), OTHER, ("a", "z"), ""),  # that one is deployed
        ((PAUSED,), OTHER, ("=b",), ""),  # nothing changes in it
        ((PAUSED, run(2, OTHER, {"b": DONE}, code=0)), JOB, (), PROMOTE),  # some of them
        ((PAUSED, run(2, OTHER, {"b": DONE, "c": DONE}, code=0)), JOB, (), ""),
        ((PAUSED, run(2, OTHER, {"b": DONE}, code=0), run(3, OTHER, {"c": DONE}, code=0)), JOB, (), ""),
        ((PAUSED, run(2, OTHER, {"b": DONE}, code=0)), OTHER, ("b",), ""),
        ((PAUSED, run(2, JOB, {"b": DONE, "c": DONE}, code=0, resumes="1", approves="1")), JOB, (), ""),
        ((PAUSED, run(2, "rollback", {"a": DONE}, code=0, rolls_back="1")), JOB, (), ""),
        ((PAUSED, run(2, JOB, {}, GivenUp(3.0, 2), code=0, resumes="1")), JOB, (), ""),
        ((OWED,), JOB, (), RESUME.format(1)),
        ((OWED[:-1],), JOB, (), RESUME.format(1)),  # killed
        ((OWED, CUT), JOB, (), RESUME.format(1)),
        ((OWED,), OTHER, ("a",), RESUME.format(1)),
        ((OWED,), OTHER, ("=a",), RESUME.format(1)),
        ((OWED,), OTHER, ("b",), ""),  # nothing was done for it
        ((OWED, run(3, OTHER, {"a": DONE}, code=0)), JOB, (), ""),  # a user has decided
        ((OWED, run(3, JOB, {}, GivenUp(3.0, 1), code=0, resumes="1")), JOB, (), ""),
        ((BY_HAND, CUT), JOB, (), RESUME.format(2)),
        ((BY_HAND, CUT, run(3, "rollback", {}, GivenUp(3.0, 1), code=0, resumes="2")), JOB, (), ""),
        ((BY_HAND, CUT[:-2]), JOB, (), RESUME.format(2)),  # killed
        ((BY_HAND, CUT), OTHER, ("a",), RESUME.format(2)),
        ((BY_HAND, CUT), OTHER, ("b",), ""),
        ((BY_HAND, run(2, "rollback", {"a": DONE}, code=0, rolls_back="1")), JOB, (), ""),
        ((BY_HAND,), JOB, ("a",), ""),
        ((run(1, JOB, {"a": DONE, "b": LEFT}),), JOB, ("b",), ""),  # killed: the next call resumes it
    ],
)
def test_what_keeps_a_due_run_from_starting(
    tmp_path: Path, runs: tuple[list[Event], ...], verb: str, functions: tuple[str, ...], says: str
) -> None:
    assert waits(tmp_path, runs, verb, *functions) == says
