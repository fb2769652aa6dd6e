"""JUnit XML: valid for its readers, with one case for each function and its outcome."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from orchestrator.errors import ManifestError, Mistake
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import fold
from orchestrator.model import (
    Blocked,
    Cancelled,
    Deployed,
    Inconclusive,
    Outcome,
    Pruned,
    Unchanged,
    Unknown,
)
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.ci.junit import junit_of_error, junit_of_run
from tests.runs import deployment, ended, failed, planned, started

OUTLET = Outlet(Redactor())
# From Jenkins' junit-10.xsd, which the readers of other CIs follow: the attributes of each element, required ones in
# capitals, and its children.
SHAPE: dict[str, tuple[str, set[str]]] = {
    "testsuites": ("name tests failures errors time", {"testsuite"}),
    "testsuite": (
        "NAME TESTS failures errors skipped time timestamp id hostname package",
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": ("NAME classname time", {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": ("type message", set()),
    "error": ("type message", set()),
    "skipped": ("type message", set()),
}


def check(element: ET.Element) -> None:
    attributes, children = SHAPE[element.tag]
    known = attributes.split()
    assert set(element.attrib) <= {name.lower() for name in known}, element.tag
    assert {name.lower() for name in known if name.isupper()} <= set(element.attrib), element.tag
    for child in element:
        assert child.tag in children
        check(child)


def parsed(text: str) -> ET.Element:
    root = ET.fromstring(text)
    check(root)
    (suite,) = root
    for name in ("failures", "errors", "skipped"):
        cases = suite.findall(f"testcase/{name.removesuffix('s') if name != 'skipped' else name}")
        assert int(suite.get(name, "")) == len(cases)
    assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
    return suite


@pytest.mark.parametrize(
    ("outcome", "tag", "message"),
    [
        (Deployed("v"), None, ""),
        (Unchanged("v"), None, ""),
        (Pruned(3), None, ""),
        (failed(), "failure", "step track: Service account is not available"),
        (Blocked("edited by hand"), "failure", "edited by hand"),
        (Unknown("no answer", "op1"), "error", "no answer"),
        (Inconclusive("no verdict"), "error", "no verdict"),
        (Cancelled(), "skipped", "the run was stopped"),
    ],
)
def test_each_outcome_is_what_its_readers_call_so(outcome: Outcome, tag: str | None, message: str) -> None:
    suite = parsed(junit_of_run(fold([started(), *deployment("auth", outcome=outcome), ended(1)]), OUTLET))
    (case,) = suite.findall("testcase")
    assert (case.get("name"), case.get("classname"), case.get("time")) == ("auth", "b1gfolder", "3.100")
    if tag is None:
        assert len(case) == 0
        return
    (reported,) = case
    assert (reported.tag, reported.get("message")) == (tag, message)


def test_what_has_not_ended_is_skipped_and_the_suite_says_when_and_how_long() -> None:
    begun = replace(started(units=2), identity=Identity(environment="prod"))
    suite = parsed(junit_of_run(fold([begun, planned("b"), *deployment("a"), ended(3)]), OUTLET))
    assert suite.get("timestamp") == "2026-11-18T11:06:40"
    assert (suite.get("time"), suite.get("id")) == ("8.400", "20261125T030000-a1b2c3")
    names = [(case.get("name"), case.get("classname"), len(case)) for case in suite.findall("testcase")]
    assert names == [("a", "prod.b1gfolder", 0), ("b", "prod.b1gfolder", 1)]


@pytest.mark.parametrize("foreign", ["<b>\"&'", "]]>", "a\nb\x00\x1b[31m", "\ufffe\uffff\udc80", "</failure>"])
def test_foreign_text_is_text(foreign: str) -> None:
    outcome = failed(foreign, detail=f"1\n{foreign}", advice=foreign)
    suite = parsed(junit_of_run(fold([started(), *deployment("auth", outcome=outcome)]), OUTLET))
    (reported,) = suite.findall("testcase/failure")
    assert "operation operation-9, HTTP 400" in (reported.text or "")


def test_a_command_that_cannot_start_is_a_case_of_its_own() -> None:
    error = ManifestError((Mistake("deploy.toml", 3, "functions.a.memry", "unknown key"),))
    suite = parsed(junit_of_error("deploy", error, OUTLET))
    (reported,) = suite.findall("testcase/error")
    assert reported.get("message") == "1 mistake in the manifest"
    assert "deploy.toml:3: functions.a.memry: unknown key" in (reported.text or "")
