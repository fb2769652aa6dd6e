"""The page of a run: one file, whose policy lets nothing in, and in which untrusted text stays text."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

import orchestrator.report.html as front_end
from orchestrator.journal.events import StepStarted, UnitEnded, UnitPlanned
from orchestrator.model import Change, ChangeKind, Deployed, Step
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.values import Account
from orchestrator.report.html.page import report_page
from orchestrator.report.html.page_data import WorkedTime, page_data
from tests.runs import RUN_ID, STARTED_AT, account, ended, failed, planned, started, whole_run

FOLDER = Path(front_end.__file__).parent
OURS = [path for kind in ("*.js", "*.css") for path in FOLDER.glob(kind)]
ATTEMPTS = (
    "<script>window.had = 1</script>", "</script><script>window.had = 1</script>", "<!--<script>", "]]>",
    '"><img src=x onerror="window.had = 1">', "' onmouseover='window.had = 1", "\u2028window.had = 1\u2029",
    "javascript:window.had=1", "${window.had = 1}", "`;window.had = 1;`", "\\u003cscript\\u003e", "&lt;script&gt;",
    "\x00\x1b[2J", "</title><script>window.had = 1</script>", "__proto__",
)  # fmt: skip


class Elements(HTMLParser):
    """Its elements, their attributes, and the content of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.texts.append((self.elements[-1][0], data))


def written(found: Account) -> str:
    return report_page(found, Outlet(Redactor()))


def data_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return orjson.loads(found[1])


def hostile(text: str) -> Account:
    """A run in which this text is every name, reason and message."""
    key = f"f{text}"
    change = Change(ChangeKind.UPDATE, {text: text}, {text: f"{text}2"})
    plan = replace(planned(key), name=text, reason=text, changes=(change,), warnings=(text,))
    outcome = failed(text, advice=text, request_id=text, operation_id=text, detail=f"{text}\n{text}")
    events = [started(), plan, *whole_run(key)[2:-2], UnitEnded(STARTED_AT + 9, key, outcome), ended(1, reason=text)]
    return account(events)


def test_its_policy_allows_its_own_script_and_style_and_nothing_else() -> None:
    found = Elements(written(account(whole_run("f"))))
    policy = next(one["content"] for tag, one in found.elements if one.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
    script = next(text for tag, text in found.texts if tag == "script" and "uPlot" in text)
    style = next(text for tag, text in found.texts if tag == "style")

    def allowed(text: str) -> str:
        return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'", "script-src": allowed(script), "style-src": allowed(style), "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip


def test_it_loads_nothing() -> None:
    found = Elements(written(account(whole_run("f"))))
    assert {tag for tag, _ in found.elements} == {
        "html", "head", "meta", "title", "style", "body", "noscript", "code", "script",
    }  # fmt: skip
    named = {name for _, attributes in found.elements for name in attributes}
    assert named == {"lang", "charset", "http-equiv", "content", "name", "type", "id"}
    for path in OURS:
        text = path.read_text("utf-8")
        assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|WebSocket|import\(", text), path


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_scripts_make_no_markup_of_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|</(script|style)", text
    )


@pytest.mark.parametrize("text", ATTEMPTS)
def test_foreign_text_stays_text(text: str) -> None:
    made = written(hostile(text))
    plain = Elements(written(account(whole_run("f"))))
    assert [tag for tag, _ in Elements(made).elements] == [tag for tag, _ in plain.elements]
    assert made.count("</script>") == 2
    assert not set("<>&\u2028\u2029") & set(re.findall(r'id="data">(.*?)</script>', made, re.DOTALL)[0])
    row = data_of(made)["functions"][0]
    shown = (
        text.replace("\x00", "\\x00").replace("\x1b", "\\x1b").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
    assert row[0] == f"f{shown}"
    assert row[17][2:5] == [shown, shown, shown]
    assert row[17][10:] == ["new", "version-f" + shown]


def test_a_secret_is_hidden() -> None:
    secret = "t1.9euelZqTlpCLm5aWkZ6Xk5mQnO3rnpWa"
    found = hostile(f"token {secret}.aaaa_bbbb-{'c' * 86}")
    assert secret not in written(found)
    change = Change(ChangeKind.UPDATE, {"labels": {"password": "abc"}}, {"labels": {"password": "abd"}})
    plan: UnitPlanned = replace(planned("f"), changes=(change,))
    made = data_of(written(account([started(), plan, UnitEnded(STARTED_AT + 1, "f", Deployed("v")), ended()])))
    assert "abd" not in str(made["functions"])


def test_what_lies_between_two_runs_is_left_out() -> None:
    later = STARTED_AT + 1000
    again = replace(started("R2", at=later), resumes=RUN_ID)
    found = account([*whole_run("f"), again, planned("g", at=later), ended(at=later + 10)])
    at = WorkedTime(found)
    assert [at(one) for one in (0.0, 8.4, 1000.0, 1010.0)] == [0, 8400, 8400, 18400]
    assert at.gaps == [(8400, 991.6)]
    assert page_data(found, lambda value: value)["total_ms"] == 18400


def test_steps_follow_each_other_and_say_what_went_wrong() -> None:
    made = page_data(account(whole_run("f")), lambda value: value)
    steps = made["functions"][0][12]
    read = [(made["texts"][what >> 1], what & 1, gap, took) for what, gap, took in zip(*[iter(steps)] * 3, strict=True)]
    assert read[:5] == [
        ("package", 0, 0, 100), ("upload", 0, 100, 500), ("queue", 0, 500, 1000), ("create", 1, 1000, 200),
        ("queue", 0, 700, 500),
    ]  # fmt: skip


def test_a_step_that_is_not_over_says_so() -> None:
    begun = [*whole_run("f")[:2], StepStarted(STARTED_AT + 1, "f", Step.BUILD)]
    row = page_data(account(begun, STARTED_AT + 5, alive=True), lambda value: value)["functions"][0]
    assert row[12][-2:] == [1000, -1]


def test_of_many_slots_the_most_in_each_part_of_time_is_drawn() -> None:
    found = account(whole_run("f"))
    (scope,) = found.scopes
    busy = replace(scope, slots=tuple((number / 1000, number % 7) for number in range(10_000)))
    times, counts = page_data(replace(found, scopes=(busy,)), lambda value: value)["scopes"][0]["slots"]
    assert len(times) == len(counts) <= 2002
    assert (max(counts), times[-1], counts[-1]) == (6, 9999, 9999 % 7)
    assert times == sorted(times)


def test_five_thousand_functions_have_room_in_two_megabytes() -> None:
    """With names and IDs of real length: 20 characters, and 36 for a request's."""
    (one,) = account(whole_run("f")).functions
    operation = replace(one.operations[0], operation_id="o" * 20, request_id="r" * 36, version_id="n" * 20)
    rows = tuple(
        replace(
            one, function=f"team-function-{number:06}", name=f"function-{number:06}", function_id=f"d4e{number:017}",
            old_version_id=f"d4f{number:017}", new_version_id=f"d4g{number:017}", operations=(operation,),
        )
        for number in range(5000)
    )  # fmt: skip
    assert len(written(replace(account(whole_run("f")), functions=rows))) < 2_000_000
