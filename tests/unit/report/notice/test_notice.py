"""Notifications about a run: which one is due when, and bodies that stay as they are published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.errors import ManifestError, Mistake, OrchestratorError, StartError
from orchestrator.journal.events import Breached, Event
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Blocked, Notify
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.notice.bodies import SLACK_MAX, TELEGRAM_MAX, body_of
from orchestrator.report.notice.document import Unstarted, not_started_document, notice_of, notification
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, started

GOLDEN = Path(__file__).parents[3] / "golden" / "notifications"
PAUSED = RunPaused(STARTED_AT + 6, "the wave is to be approved", wave=1)
BREACHED = Breached(STARTED_AT + 5, "2 of 3 functions failed", "rollback")
LINK = "https://ci.example/{environment}/{run}"
IDENTITY = Identity(
    place="infra/deploy.toml", environment="prod", folders=("b1gfolder",), selection=Selection(job="nightly"),
    user="ann", host="ci-1", commit="ab" * 20,
)  # fmt: skip


def run(*more: Event, rolls_back: str = "") -> RunState:
    first = replace(started(units=3), identity=IDENTITY, rolls_back=rolls_back)
    outcomes = {"auth": None, "bill": failed("no <role> & @all: password=hunter2hunter2"), "cart": Blocked("edited")}
    return fold([first, *(event for key, one in outcomes.items() for event in deployment(key, outcome=one)), *more])


@pytest.mark.parametrize(
    ("events", "rolls_back", "notice"),
    [
        ((BREACHED,), "", "breach"),
        ((PAUSED,), "", "paused"),
        ((ended(0),), "", "done"),
        ((ended(0),), "R1", "rolled_back"),
        ((ended(5),), "", "rolled_back"),
        ((ended(1),), "", "failed"),
        ((ended(1),), "R1", "failed"),
        ((ended(3),), "", "failed"),
        ((PAUSED, ended(3)), "", ""),
        ((PAUSED, ended(1)), "", "failed"),
        ((deployment("auth")[0],), "", ""),
    ],
)
def test_which_notice_is_due(events: tuple[Event, ...], rolls_back: str, notice: str) -> None:
    assert notice_of(events[-1], run(*events, rolls_back=rolls_back)) == notice


CHAT = Notify("t", ("paused",), "https://x", format="telegram", chat_id="-1")
HOOKS = {
    "failed.json": (Notify("ops", ("failed",), "https://x", link=LINK), "failed", (ended(1),)),
    "breach.json": (Notify("ops", ("breach",), "https://x"), "breach", (BREACHED,)),
    "paused.telegram.json": (CHAT, "paused", (PAUSED,)),
    "failed.slack.json": (Notify("s", ("failed",), "https://x", format="slack", link=LINK), "failed", (ended(1),)),
}  # fmt: skip


def body(hook: Notify, kind: str, state: RunState) -> Any:
    found = notification(kind, state, hook, run_id=RUN_ID, then="`orchestrator resume` goes on")
    return orjson.loads(body_of(hook, found, Outlet(Redactor())))


@pytest.mark.parametrize("name", HOOKS)
def test_bodies_are_as_they_were_published(name: str) -> None:
    hook, kind, events = HOOKS[name]
    found = body(hook, kind, run(*events))
    assert found == orjson.loads((GOLDEN / name).read_bytes())
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(patterns=("auth", "b*"), labels=("team=a",)), "auth b* --label team=a"),
        (Selection(left_by="failed"), "--failed"), (Selection(parameters={"to": "x"}), "--param to=x"),
        (Selection(patterns=("f" * 2000,)), "f" * 600 + "…"),
    ],
)  # fmt: skip
def test_a_run_of_some_functions_says_of_which(selection: Selection, said: str) -> None:
    first = replace(started(units=1), identity=replace(IDENTITY, selection=selection))
    state = fold([first, *deployment("auth"), ended(0)])
    assert body(Notify("o", ("done",), "https://x"), "done", state)["selection"] == said
    text = body(Notify("o", ("done",), "https://x", format="slack"), "done", state)["text"]
    assert text.splitlines()[:2] == ["done: deploy prod: 1 deployed", f"selected: {said}"]


def test_a_text_of_a_rollback_counts_what_it_rolled_back() -> None:
    first = replace(started(units=1), verb="rollback", rolls_back="R1")
    state = fold([first, *deployment("auth"), ended(0)])
    text = body(Notify("o", ("rolled_back",), "https://x", format="slack"), "rolled_back", state)["text"]
    assert text.startswith("rolled back: rollback: 1 rolled back\n")


@pytest.mark.parametrize(("format", "most"), [("telegram", TELEGRAM_MAX), ("slack", SLACK_MAX)])
def test_a_text_is_as_long_as_a_chat_takes(format: str, most: int) -> None:
    keys = [f"f{chr(97 + number)}" for number in range(20)]
    events = [event for key in keys for event in deployment(key, outcome=failed(f"{key} {'🙂' * 900}"))]
    text = body(Notify("t", ("failed",), "https://x", format=format), "failed", fold([started(), *events]))["text"]
    assert len(text.encode("utf-16-le")) // 2 <= most


def test_a_document_is_bounded_and_counts_what_it_leaves_out() -> None:
    keys = [f"f{chr(97 + number)}" for number in range(20)]
    events = [event for key in keys for event in deployment(key, outcome=failed(f"{key} is bad {key * 900}"))]
    events += [event for n in range(30) for event in deployment(f"g{n}", outcome=Blocked("edited"))]
    found = body(Notify("t", ("failed",), "https://x"), "failed", fold([started(units=50), *events]))
    assert [cause["count"] for cause in found["causes"]] == [30, 1, 1, 1, 1]
    assert len(found["causes"][0]["functions"]) == 10
    assert found["more_causes"] == 16
    assert len(orjson.dumps(found)) < 6000


def unstarted(error: OrchestratorError) -> Unstarted:
    return Unstarted("deploy", "https://api.cloud.yandex.net", IDENTITY, STARTED_AT, STARTED_AT + 2, error, "later")


def test_a_command_without_a_run_has_the_same_document() -> None:
    hook = Notify("ops", ("failed",), url="https://x", link=LINK)
    found = not_started_document(unstarted(StartError("no network", advice="connect it")), hook)
    assert found.keys() == notification("failed", run(ended(1)), hook, run_id=RUN_ID).keys()
    assert (found["run_id"], found["exit_code"], found["reason"]) == ("", 6, "could not start: no network")
    assert (found["next"], found["link"]) == ("connect it; later", "https://ci.example/prod/")


@pytest.mark.parametrize("format", ["slack", "telegram"])
def test_a_text_of_no_run_says_so(format: str) -> None:
    hook = Notify("ops", ("failed",), url="https://x", format=format, chat_id="1")
    mistakes = tuple(Mistake("deploy.toml", line, f"functions.f{line}.memory", "is too small") for line in range(1, 8))
    document = not_started_document(unstarted(ManifestError(mistakes)), hook)
    text = str(orjson.loads(body_of(hook, document, Outlet(Redactor())))["text"])
    assert text.splitlines()[:3] == [
        "failed: deploy prod: no run began",
        "could not start: 7 mistakes in the manifest",
        "deploy.toml:1: functions.f1.memory: is too small",
    ]
    assert "and 2 more causes\nno run, by ann@ci-1, commit abababababab\n" in text
    assert [one["functions"] for one in document["causes"]] == [["f1"], ["f2"], ["f3"], ["f4"], ["f5"]]
