"""What users have done since a due time, so that no call starts it automatically."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.due.due_settled import settled_by
from orchestrator.app.session.taking_up import Now
from orchestrator.journal.events import Event, RunEnded, UnitEnded
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import GivenUp, RunPaused
from orchestrator.journal.store import open_store
from orchestrator.model import Cancelled, Deployed, Outcome
from tests.runs import failed, planned, started

ABOUT = Identity(manifest="/p/deploy.toml", folders=("b1gfolder",), user="anna", host="laptop")
JOB, CAME_AT = "run nightly", 10.0
DONE, LEFT = Deployed("v", read_back=True), Cancelled("stopped")


def run(
    at: int, outcomes: dict[str, Outcome], *more: Event, code: int | None = 3, of: Iterable[str] = (), **how: Any
) -> list[Event]:
    """Run the job at a time in seconds, which is also its ID."""
    how = {"verb": JOB, **how}
    selection = Selection(tuple(of), job="" if "rolls_back" in how else how["verb"].removeprefix("run "))
    identity = replace(ABOUT, selection=selection, environment=how.pop("environment", ""))
    begun = replace(started(f"r{at:02}", units=len(outcomes), at=float(at)), identity=identity, **how)
    ends = [event for key, outcome in outcomes.items() for event in (planned(key), UnitEnded(at, key, outcome))]
    return [begun, *ends, *more, *([RunEnded(at + 0.5, code)] if code is not None else [])]


def back(at: int, rolls_back: str, *, code: int | None = 0, of: Iterable[str] = ()) -> list[Event]:
    return run(at, {"a": DONE}, code=code, of=of, verb="rollback", rolls_back=rolls_back)


def given_up(at: int, resumes: str) -> list[Event]:
    return run(at, {}, GivenUp(float(at), 2), code=0, resumes=resumes)


HALF: dict[str, Outcome] = {"a": DONE, "b": LEFT, "c": LEFT}
CUT, KILLED = run(11, HALF), run(11, HALF, code=None)
PAUSED = run(5, HALF, RunPaused(5.2, "wave 1 of 2 has ended", 1))
REST = run(12, {"b": DONE, "c": failed()}, code=1)
BACK = "run r11 was rolled back by run r13 (anna@laptop)"
UP = "what run r11 left undone was given up"
TURN = "all that run r11 left out has had its turn"


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ((), ""),
        ((CUT,), ""),
        ((KILLED, back(13, "r11")), BACK),
        ((CUT, back(13, "r11")), BACK),
        ((CUT, back(13, "r11", code=1)), BACK),  # something was left as it is, and reported
        ((CUT, back(13, "r11", code=3)), ""),  # it waits for the end of the rollback
        ((CUT, back(13, "r11", of=["a"])), ""),
        ((CUT, run(12, HALF, resumes="r11"), back(13, "r12")), BACK),
        ((CUT, back(13, "r11"), run(14, HALF)), BACK),
        ((CUT, back(12, "r11"), back(13, "r12")), ""),  # the rollback was itself rolled back
        ((PAUSED, back(13, "r05")), BACK.replace("r11", "r05")),  # the due time had waited behind that run
        ((PAUSED, back(9, "r05")), ""),
        ((PAUSED, run(12, {"b": DONE, "c": DONE}, code=0, resumes="r05", approves="r05")), ""),
        ((PAUSED, given_up(12, "r05")), ""),
        ((CUT, given_up(12, "r11")), UP),
        ((CUT, REST), TURN),
        ((CUT, run(12, {"b": DONE}, code=0)), ""),
        ((CUT, run(12, {"b": DONE}, code=0), run(13, {"c": DONE}, code=0, of=["c"])), TURN),
        ((run(5, HALF), REST), ""),  # of the previous due time
        ((run(11, HALF, of=["a", "b", "c"]), back(13, "r11")), ""),
        ((run(11, HALF, verb="run other"), back(13, "r11")), ""),
        ((run(11, HALF, verb="deploy"), back(13, "r11")), ""),
        ((run(11, HALF, environment="prod"), back(13, "r11")), ""),
        ((run(11, HALF, endpoint="https://elsewhere"), back(13, "r11")), ""),
    ],
)
def test_what_settles_a_due_time(tmp_path: Path, runs: tuple[list[Event], ...], why: str) -> None:
    with open_store(tmp_path) as store:
        for first, *others in runs:
            journal = store.start_run(first)  # type: ignore[arg-type]  # it begins with its start
            for event in others:
                journal.append(event)
    identity = replace(ABOUT, selection=Selection(job="nightly"))
    assert settled_by(Now(JOB, started().endpoint, identity, tmp_path), CAME_AT) == why
