"""A document of every published kind, as the program writes it for given values: at least one each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from typing import Any

import orjson
import pytest

from orchestrator.app.session.saved.saving import _rollout
from orchestrator.engine.spreading.gate_facts import GateFacts, Member, counts_of
from orchestrator.journal.events import Event, UnitEnded
from orchestrator.journal.state import fold
from orchestrator.model import Notify, Rollout
from orchestrator.report.display.displays import EventFile
from orchestrator.report.formats import FORMATS
from orchestrator.report.notice.document import notification
from orchestrator.report.published.events import JOURNAL_ALONE
from orchestrator.report.views import ResultView
from tests.published import documents_in
from tests.runs import RUN_ID, ended, whole_run
from tests.unit.journal.test_events import A_RUN, OUTCOMES
from tests.unit.planning.saved.test_sealed_files import DOCUMENT
from tests.unit.report.notice.test_notice import BREACHED, run
from tests.unit.report.test_formats import FAILED_RUN, MISTAKES, OUTLET, VIEWS


def lines_of(events: list[Event]) -> list[dict[str, Any]]:
    """Return the lines of `--events` of a run."""
    stdout = io.TextIOWrapper(io.BytesIO())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdout", stdout)
        file = EventFile("-", RUN_ID, OUTLET)
        for event in events:
            file(event)
    return list(documents_in(stdout.buffer.getvalue().decode()))


def gate_facts() -> dict[str, Any]:
    members = [
        Member("auth", "auth", "b1g", "d4e1", "d4e2", "d4e0", "deployed", "passed"),
        Member("bill", "bill", "b1g", "d4e3", "", "d4e4", "failed", "", "Service account is not available"),
    ]
    facts = GateFacts(RUN_ID, 1, 2, counts_of(members, 4), tuple(members), tuple(members[1:]), 8.4, "prod", ("b1g",))
    return dict(orjson.loads(OUTLET.json(asdict(facts))))


@cache
def documents() -> dict[str, dict[str, Any]]:
    """Return them, each with a name."""
    return dict(_documents())


def _documents() -> Iterator[tuple[str, Any]]:
    views = {name: view for name, (view, _, _) in VIEWS.items()} | {
        "mistakes": MISTAKES,
        "a failed result": ResultView(fold(FAILED_RUN)),
    }
    for name, view in views.items():
        if name != "a saved plan":  # which is shown as it was read
            yield name, orjson.loads(FORMATS["json"]()(view, None, OUTLET))
    yield "a saved plan", DOCUMENT | {"rollout": orjson.loads(OUTLET.json(_rollout(Rollout())))}
    hook = Notify("ops", ("breach",), "https://x", link="https://ci.example/{environment}/{run}")
    said = notification("breach", run(BREACHED), hook, run_id=RUN_ID, then="orchestrator resume")
    yield "a notification", orjson.loads(OUTLET.json(said))
    yield "what a gate reads", gate_facts()

    written = [event for event in A_RUN if event.kind not in JOURNAL_ALONE]
    ends = [UnitEnded(1.0, "f", outcome) for outcome in OUTCOMES]
    for number, line in enumerate(lines_of([*written[:-1], *ends, ended(1, reason="stopped")])):
        yield f"event {number} {line['kind']}", line
    for number, line in enumerate(lines_of(whole_run("auth"))):
        yield f"event {number} {line['kind']} of a whole run", line
