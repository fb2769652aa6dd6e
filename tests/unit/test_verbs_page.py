"""docs/exit-codes.md and docs/permissions.md have every command, every code, and every role that messages name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cli import cli
from orchestrator.errors import Exit
from tests.pages import DOCS
from tests.pages.verbs_page import CALLS, ENDS, ROLES, known_end

ROOT = Path(__file__).parents[2]
_SERVICES = r"functions|storage|iam\.serviceAccounts|vpc|lockbox|quota-manager|resource-manager"
_ROLE = re.compile(rf"\b(?:{_SERVICES})\.(?:viewer|editor|admin|user|uploader|payloadViewer|functionInvoker)\b")


def test_every_command_has_its_exit_codes() -> None:
    assert [*ENDS] == sorted(cli.commands)
    assert {code for codes in ENDS.values() for code in codes} == {*Exit}
    assert {*CALLS} <= {*ENDS}


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"(?m)^\| (\d) \|", (DOCS / "exit-codes.md").read_text("utf-8"))
    assert [int(code) for code in rows] == [*Exit]


def test_every_role_that_the_program_names_is_on_the_page() -> None:
    named = {
        role for path in (ROOT / "orchestrator").rglob("*.py") for role in _ROLE.findall(path.read_text("utf-8"))
    }  # fmt: skip
    page = set(_ROLE.findall((DOCS / "permissions.md").read_text("utf-8")))
    assert len(named) > 8
    assert named <= page
    assert {*ROLES.values()} <= page


def test_every_call_of_the_sandbox_has_a_role() -> None:
    routes = (ROOT / "orchestrator" / "sandbox" / "http" / "routes.py").read_text("utf-8")
    served = set(re.findall(r'"((?:list|get|create|update|set|remove|delete)[ A-Z][A-Za-z ]+)"', routes))
    not_ours = {"delete function", "create IAM token", "list endpoints", "get endpoint"}
    assert served - not_ours == {*ROLES} - {"invoke"}


def test_a_surprising_end_is_found() -> None:
    known_end(["plan"], 1, ["listVersions"])
    known_end(["deploy"], -9, [])
    for verb, code, call in (("plan", 5, "listVersions"), ("plan", 0, "createVersion"), ("validate", 0, "get folder")):
        with pytest.raises(AssertionError):
            known_end([verb], code, [call])
