"""What each command does after every way in which a run can end: its exit code, and its messages."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flow import ends
from tests.flow.ends import Scene

LOOKS = ("plan", "show", "runs")
Cell = tuple[int, str]
NOT_PAUSED: Cell = (2, "no run is paused")
TAKES_BACK: Cell = (0, "")
NOT_DUE: Cell = (0, 'nothing is due for job "all"; next: 2026-09-21T16:00:00Z')
TAKEN_UP: Cell = (0, "1 unchanged | 2 deployed")
WAITS = "nothing was sent: this due time waits for your decision"
PAUSED = "run R is paused: continue with `orchestrator promote R`, or undo its changes with `orchestrator rollback R`"
CUT_OFF = "the rollback of run R is not finished: continue it with `orchestrator resume B`"
BLOCKED: Cell = (1, "3 blocked")
RESUMED: Cell = (0, "resuming run R: 3 functions | 3 deployed")
ALL_DONE = "has finished every function that it started"


@dataclass(frozen=True, slots=True)
class End:
    """How a run has ended, and the exit code and messages of each command that may follow. In these, R is the run, B
    its rollback.
    """

    play: Callable[[Scene], None]
    plan: Cell
    state: str  # as in show and runs
    deploy: Cell
    resume: Cell
    promote: Cell = NOT_PAUSED
    rollback: Cell = TAKES_BACK
    run: Cell | None = None  # as `deploy`, unless it is set
    due: Cell | None = None  # `run --due`, likewise: its due time was before, and no run has begun it
    again: Cell = NOT_DUE  # `run --due` if the run was not of `deploy`, but of this due time
    then: Cell = (0, "has been due since 2026-09-21T16:00:00Z")  # and at the next due time

    def cell(self, verb: str) -> Cell:
        """Return the expected messages of a command. The job desires the same as the manifest."""
        if verb in ("show", "runs"):
            return 0, self.state
        found: Cell | None = self.due if verb == "run --due" else getattr(self, verb)
        return found or self.deploy


TAKEN_BACK: Cell = (
    0,
    "is a rollback | to restore what was live before it, run `orchestrator rollback 20260101T000003-000003`",
)
ENDS = {
    "done": End(ends.done, (0, "3 unchanged"), "done", (0, "3 unchanged"), (0, f"nothing to resume: run R {ALL_DONE}")),
    "failed": End(
        ends.failed,
        (0, "1 new version"),
        "failed",
        (0, "1 deployed"),
        (1, "1 function failed: retry with `orchestrator deploy"),
        then=(0, "2 unchanged | 1 deployed"),
    ),
    "breached": End(
        ends.breached,
        (0, "3 new version"),
        "failed",
        (0, "3 deployed"),
        (1, "was stopped for good: 1 of 3 failed"),
        again=(1, "is not done: run R was stopped for good: 1 of 3 failed"),
    ),
    "killed": End(
        ends.killed,
        (0, "2 new version"),
        "interrupted",
        (0, "2 deployed"),
        RESUMED,
        due=TAKEN_UP,
        again=(0, " R on HOST is dead: taken over; 15 min late | 1 unchanged | 2 deployed"),
    ),
    "unknown": End(
        ends.unknown,
        (0, "2 new version"),
        "interrupted",
        (0, "2 deployed"),
        RESUMED,
        due=TAKEN_UP,
        again=TAKEN_UP,
    ),
    "paused": End(
        ends.paused,
        (0, "2 new version"),
        "paused",
        (3, "run R is paused with 2 functions left; this run"),
        (2, "continue with `orchestrator promote R`, or undo its changes with `orchestrator rollback R`"),
        (0, "run R is paused: wave 1 of 2"),
        due=(3, f"{PAUSED} | {WAITS}"),
        again=(0, f"{NOT_DUE[1]} | {PAUSED}"),
        then=(3, f"{PAUSED} | {WAITS}"),
    ),
    "given up": End(
        ends.given_up,
        (0, "2 new version"),
        "given up",
        (0, "2 deployed"),
        (0, "left undone was given up"),
        due=TAKEN_UP,
        again=(0, "what run R left undone was given up: this due time is done; `orchestrator run all -c "),
    ),
    "rolled back": End(
        ends.rolled_back,
        (1, "3 blocked"),
        "done",
        (1, "3 blocked"),
        (0, ALL_DONE),
        rollback=TAKEN_BACK,
        then=BLOCKED,
    ),
    "killed, rolled back": End(
        ends.killed_and_rolled_back,
        (1, "1 blocked"),
        "done",
        (1, "1 blocked"),
        (0, ALL_DONE),
        rollback=TAKEN_BACK,
        again=(0, "run R was rolled back by run B (USER@HOST): this due time is done; `orchestrator run all -c "),
        then=(1, "2 deployed | 1 blocked"),
    ),
    "killed, named back": End(
        ends.killed_and_named_back,
        (0, "2 new version"),
        "done",
        (0, "2 deployed"),
        (1, "not resumed: 1 function: run B has rolled it back"),
        due=TAKEN_UP,
        again=(1, " R on HOST is dead: taken over; 15 min late | 1 unchanged | 1 deployed | 1 blocked"),
    ),
    "rolling back": End(
        ends.rolling_back,
        (0, "3 unchanged"),
        "interrupted",
        (0, "is not finished: continue with `orchestrator resume 20260101T000003-000003`"),
        (0, "resuming run 20260101T000003-000003: 3 functions | 3 deployed"),
        rollback=(3, "it is not finished: run `orchestrator resume 20260101T000003-000003` to continue"),
        due=(3, f"{CUT_OFF} | {WAITS}"),
        again=(0, f"{NOT_DUE[1]} | {CUT_OFF}"),
        then=(3, f"{CUT_OFF} | {WAITS}"),
    ),
}


def run_id(number: int) -> str:
    return f"20260101T{number:06}-{number:06x}"


def ended(root: Path, name: str) -> Scene:
    scene = ends.scene(root)
    ENDS[name].play(scene)
    return scene


def check(scene: Scene, name: str, verb: str, cell: Cell | None = None) -> None:
    code, said = scene.bench.type_in(verb)
    expected, words = cell or ENDS[name].cell(verb)
    assert code == expected, f"{verb} after {name} exits with {code}: {said}"
    (user, host), first = (getpass.getuser(), socket.gethostname()), 2 if cell is None else 3
    for mark, value in (("HOST", host), ("USER", user), (" R", f" {run_id(first)}"), (" B", f" {run_id(first + 1)}")):
        words = words.replace(mark, value)
    assert words in said, f"{verb} after {name} says: {said}"


@pytest.mark.parametrize("name", ENDS)
def test_what_changes_nothing_says_how_it_stands(name: str, tmp_path: Path) -> None:
    scene = ended(tmp_path, name)
    for verb in (*LOOKS, *(["promote"] if ENDS[name].promote is NOT_PAUSED else [])):
        check(scene, name, verb)


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        *((name, verb) for name in ENDS for verb in ("deploy", "resume")),
        ("paused", "promote"),
        *(pytest.param(name, verb, marks=pytest.mark.long) for name in ENDS for verb in ("run", "rollback")),
    ],
)
def test_what_is_typed_next_does_as_the_table_says(name: str, verb: str, tmp_path: Path) -> None:
    check(ended(tmp_path, name), name, verb)


@pytest.mark.parametrize("name", ENDS)
def test_a_due_time_goes_on_as_the_table_says_and_the_next_one_begins(name: str, tmp_path: Path) -> None:
    scene = ends.once_due(tmp_path)
    ENDS[name].play(scene)
    check(scene, name, "run --due", ENDS[name].again)
    scene.bench.pass_time(ends.HOUR_S)
    check(scene, name, "run --due", ENDS[name].then)


@pytest.mark.long
@pytest.mark.parametrize("name", ENDS)
def test_a_due_time_of_another_command_begins_as_the_table_says(name: str, tmp_path: Path) -> None:
    scene = ends.once_due(tmp_path)
    scene.verb = "deploy"
    ENDS[name].play(scene)
    check(scene, name, "run --due", ENDS[name].cell("run --due"))
