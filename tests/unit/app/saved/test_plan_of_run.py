"""A run of a saved plan is resumed with that plan only: the errors where its file is unusable."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from orchestrator.app.session.saved.holding import plan_of_run
from orchestrator.errors import UsageError
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.state import RunState
from orchestrator.planning.saved.document import SavedPlan, with_id
from tests.builders import spec
from tests.saved_plans import document_of, planned, saved_of
from tests.unit.planning.saved.test_held import live

WANTED = {"f": spec()}
PLAN = saved_of(WANTED, planned(WANTED, live(spec())))
WITH_ITS_FILE = "continue with its file, wherever it is: `orchestrator resume r1 --plan FILE`"


def holds_for(hours: int) -> SavedPlan:
    at = datetime.now(UTC) + timedelta(hours=hours)
    return with_id(replace(PLAN, expires_at=at.isoformat(timespec="seconds")))


def run_of(plan: SavedPlan, path: Path) -> RunState:
    return RunState("r1", verb="deploy", identity=Identity(selection=Selection(plan=plan.id, plan_file=str(path))))


def test_the_file_of_a_run_is_read_again_where_it_is_there_and_holds(tmp_path: Path) -> None:
    path, plan = tmp_path / "plan.json", holds_for(1)
    path.write_bytes(orjson.dumps(document_of(plan)))
    found = plan_of_run(run_of(plan, path))
    assert found is not None
    assert found.id == plan.id
    assert plan_of_run(RunState("r1", verb="deploy")) is None


@pytest.mark.parametrize(
    ("there", "said", "its_file_does"),
    [
        (None, "cannot be read: No such file", True),
        (b"{", "is not a saved plan, or is incomplete", True),
        (orjson.dumps(document_of(PLAN)), f"now contains plan {PLAN.id}", True),
        (orjson.dumps(document_of(holds_for(-1))), "expired at", False),
    ],
)
def test_the_right_file_is_asked_for_but_where_the_plan_has_expired(
    tmp_path: Path, there: bytes | None, said: str, its_file_does: bool
) -> None:
    path = tmp_path / "plan.json"
    if there is not None:
        path.write_bytes(there)
    plan = holds_for(1) if its_file_does else replace(PLAN, id=orjson.loads(there or b"")["id"])
    with pytest.raises(UsageError, match=said) as error:
        plan_of_run(run_of(plan, path))
    assert error.value.message.startswith(f"run r1 applies plan {plan.id} and nothing else: ")
    assert (WITH_ITS_FILE in error.value.advice) is its_file_does
    assert "`orchestrator resume r1 --give-up`" in error.value.advice
