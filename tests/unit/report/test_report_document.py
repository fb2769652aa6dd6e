"""The output of `report --json`: it follows its schema, and stays the same, also for journals of older versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import orjson
import pytest

from orchestrator.app.commands.schema import schema_command
from orchestrator.app.session.known_run import read_account
from orchestrator.journal.events import Event, UnitEnded
from orchestrator.journal.store import open_store
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.values import Account
from orchestrator.report.account.view import ReportView
from orchestrator.report.formats import FORMATS
from orchestrator.report.html.page import report_page
from orchestrator.report.views import DocumentView
from tests.golden.former import unpacked
from tests.runs import STARTED_AT, account, ended, failed, started, whole_run
from tests.unit.report.test_account import TWO_SLOTS

GOLDEN = (
    Path(__file__).parent / "report.json"
)  # made by this module: `python -m tests.unit.report.test_report_document`


def chain() -> list[Event]:
    """A run that is bound by a limit, and in which one function fails."""
    return [*TWO_SLOTS[:-1], UnitEnded(STARTED_AT + 10, "d", failed()), ended(1, at=STARTED_AT + 11)]


def document(found: Account) -> Any:
    return orjson.loads(FORMATS["json"]()(ReportView(found), None, Outlet(Redactor())))


def schema() -> Any:
    view = schema_command("report").view
    assert isinstance(view, DocumentView)
    return orjson.loads(view.text)


@pytest.mark.parametrize(
    "events", [chain(), whole_run("f", "g"), [started()], []], ids=["chain", "whole", "begun", "none"]
)
def test_it_is_as_its_schema_says(events: list[Event]) -> None:
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    found = document(account(events, alive=True))
    jsonschema.validate(found, published)
    with pytest.raises(jsonschema.ValidationError):  # the schema is not empty
        jsonschema.validate(found | {"functions": [{"function": 1}]}, published)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"schema": "orchestrator/report/2"}, published)
    del found["schema"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, published)


def test_it_stays_as_it_was() -> None:
    """Keys may be added: then regenerate the file. None may be removed or change its meaning without a new schema."""
    assert document(account(chain())) == orjson.loads(GOLDEN.read_bytes())


def test_runs_of_former_programs_are_reported(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "project")
    state_dir, published, states = root / ".orchestrator", schema(), list[str]()
    with open_store(state_dir) as store:
        for run in store.runs():
            found = read_account(store, run.id, state_dir)
            jsonschema.validate(document(found), published)
            assert found.seconds == pytest.approx(sum(part.seconds for part in found.parts), abs=0.02)
            assert report_page(found, Outlet(Redactor()))
            assert found.verb in FORMATS["text"]()(ReportView(found), 100, Outlet(Redactor()))
            states.append(found.state)
            if sum(len(one.tries) for one in found.functions):
                assert any(scope.refused_s for scope in found.scopes)
    assert set(states) >= {"done", "failed", "interrupted"}


if __name__ == "__main__":
    GOLDEN.write_bytes(orjson.dumps(document(account(chain())), option=orjson.OPT_INDENT_2) + b"\n")
