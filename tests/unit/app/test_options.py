"""What is read from the command line."""

from __future__ import annotations

import pytest

from orchestrator.app.session.options import seconds
from orchestrator.cli import cli
from orchestrator.errors import UsageError


@pytest.mark.parametrize(("text", "expected"), [("10", 10.0), ("0", 0.0), ("0.5", 0.5), ("10s", 10.0), ("1m30s", 90.0)])
def test_a_duration_is_one_with_units_or_a_number_of_seconds(text: str, expected: float) -> None:
    assert seconds("--lock-timeout", text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e3", "10 s", "nan", "9999999999"])
def test_what_is_no_duration_is_told_with_its_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--lock-timeout .*: must be a "):
        seconds("--lock-timeout", text)


# Every option that selects functions or a job's parameters, by the environment variables that it has.
SELECTING = [
    (verb, name)
    for verb, names in {
        "deploy": ("ORCHESTRATOR_LABEL", "ORCHESTRATOR_DEPLOY_LABELS"),
        "plan": ("ORCHESTRATOR_LABEL", "ORCHESTRATOR_PLAN_LABELS"),
        "run": ("ORCHESTRATOR_LABEL", "ORCHESTRATOR_RUN_LABELS", "ORCHESTRATOR_RUN_PARAM"),
        "resume": ("ORCHESTRATOR_RESUME_PARAM",),
    }.items()
    for name in names
]  # fmt: skip


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(("verb", "name"), SELECTING)
def test_an_empty_variable_of_an_option_that_selects_is_told(
    monkeypatch: pytest.MonkeyPatch, verb: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    args = ["job"] if verb == "run" else []
    with pytest.raises(UsageError, match=f"{name} is empty"):
        cli.commands[verb].make_context(verb, args, parent=cli.make_context("orchestrator", [verb]))


def test_what_is_typed_wins_over_an_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LABEL", "")
    monkeypatch.setenv("ORCHESTRATOR_FAILED", "")
    parent = cli.make_context("orchestrator", ["deploy"])
    made = cli.commands["deploy"].make_context("deploy", ["-l", "a=b"], parent=parent)
    assert (made.params["labels"], made.params["failed"]) == (("a=b",), False)
