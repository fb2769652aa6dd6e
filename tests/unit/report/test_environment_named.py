"""Every view of a manifest's environment, or of a run in one, names the environment, in every format."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args

import pytest

from orchestrator.journal.events import RunStarted
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import fold
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.view import ReportView
from orchestrator.report.display.displays import EventFile
from orchestrator.report.environment_views import EnvironmentsView
from orchestrator.report.explained.function_views import InitView
from orchestrator.report.formats import FORMATS
from orchestrator.report.logs import _run_started
from orchestrator.report.messages import Messages
from orchestrator.report.views import (
    CommandResult,
    DocumentView,
    FindingsView,
    ImportView,
    ResultView,
    RewriteView,
    RunsView,
    SavedPlanView,
    View,
    within,
)
from tests.unit.report.test_formats import RUN, VIEWS

PROD = "prod"
# Views of no environment: the text of a manifest or a file; or of all environments.
OF_NONE = (EnvironmentsView, InitView, ImportView, RewriteView, DocumentView)
NOTHING_SHOWN = ("no runs",)


def in_prod(view: View) -> View:
    """Set the environment prod in a view, as the command that makes it does."""
    if isinstance(view, ResultView):
        state = fold([])
        state.identity = Identity(environment=PROD)
        return replace(view, state=state, history=True)
    if isinstance(view, ReportView):
        return replace(view, account=replace(view.account, environment=PROD))
    if isinstance(view, RunsView):
        return RunsView(tuple(replace(run, identity=Identity(environment=PROD)) for run in view.runs))
    if isinstance(view, FindingsView):
        return replace(view, environments=(PROD,))
    if isinstance(view, SavedPlanView):
        return replace(view, facts={**view.facts, "environment": PROD}, document=b'{"environment": "prod"}')
    return within(view, PROD)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", [name for name, (view, _, _) in VIEWS.items() if not isinstance(view, OF_NONE)])
def test_every_view_names_it(name: str, format: str) -> None:
    outlet, view = Outlet(Redactor()), VIEWS[name][0]
    assert PROD not in FORMATS[format]()(view, None, outlet)
    assert (PROD in FORMATS[format]()(in_prod(view), None, outlet)) is (name not in NOTHING_SHOWN)


def test_no_kind_of_view_is_left_out() -> None:
    reported_otherwise = {ResultView, ReportView, RunsView, FindingsView, SavedPlanView, *OF_NONE}
    for kind in get_args(View):
        assert ("environment" in {slot.name for slot in fields(kind)}) is (kind not in reported_otherwise), kind


def test_a_plan_that_is_shown_before_a_run_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages()
    messages.environment = PROD
    plan = VIEWS["a plan"][0]
    messages.plan(plan)  # type: ignore[arg-type]
    assert capsys.readouterr().err.startswith("environment prod: folder folder\n")
    messages.finish(CommandResult(0, plan), "markdown")
    assert capsys.readouterr().out.startswith("### Plan for `prod`: ")


def test_events_and_logs_name_it(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    started = RunStarted(0.0, "R1", "deploy", "e", "deploy.toml", 1, "0.1", identity=Identity(environment=PROD))
    assert _run_started(started)[2]["environment"] == PROD
    assert "environment" not in _run_started(replace(started, identity=Identity()))[2]
    EventFile("-", "R1", Outlet(Redactor()))(started)
    assert b'"environment":"prod"' in capfdbinary.readouterr().out.replace(b": ", b":")
    assert RUN.identity.environment == ""
