"""Parsing of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.session.choosing import check_agreed
from orchestrator.app.session.options import NAMING, Names, RunOptions, read_options
from orchestrator.app.session.typed import seconds
from orchestrator.cli import cli
from orchestrator.errors import UsageError
from tests.builders import spec


@pytest.mark.parametrize(("text", "expected"), [("10", 10.0), ("0", 0.0), ("0.5", 0.5), ("10s", 10.0), ("1m30s", 90.0)])
def test_a_duration_is_one_with_units_or_a_number_of_seconds(text: str, expected: float) -> None:
    assert seconds("--lock-timeout", text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e3", "10 s", "nan", "9999999999"])
def test_what_is_no_duration_is_reported_with_its_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--lock-timeout .*: must be a "):
        seconds("--lock-timeout", text)


# Every option that selects functions or job parameters, by its environment variables.
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
def test_an_empty_variable_of_an_option_that_selects_is_reported(
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


def parsed(verb: str, *args: str) -> RunOptions:
    parent = cli.make_context("orchestrator", [verb])
    given = cli.commands[verb].make_context(verb, list(args), parent=parent).params
    return read_options(verb, {key: value for key, value in given.items() if key not in ("run", "give_up", "output")})


@pytest.mark.parametrize("verb", ["deploy", "plan", "resume", "run"])
@pytest.mark.parametrize(
    ("given", "names"),
    [((), ()), (("a",), ("a",)), (("a,b", "c"), ("a", "b", "c")), ((" a , b ",), ("a", "b")), (("a", "a"), ("a",))],
    ids=str,
)
def test_names_are_given_one_by_one_or_with_commas(verb: str, given: tuple[str, ...], names: tuple[str, ...]) -> None:
    typed = ["nightly"] if verb == "run" else []
    for name in given:
        typed += ["--again", name, "--no-way-back", name]
    options = parsed(verb, *typed)
    assert (options.again, options.no_way_back, options.lossy) == (names, names, ())
    assert (options.now, options.no_verify) == (False, False)


def test_what_is_skipped_and_agreed_to_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NOW": "1", "NO_VERIFY": "true", "AGAIN": "a,b", "NO_WAY_BACK": "c d"}.items():
        monkeypatch.setenv(f"ORCHESTRATOR_{name}", value)
    options = parsed("deploy")
    assert (options.now, options.no_verify) == (True, True)
    assert (options.again, options.no_way_back) == (("a", "b"), ("c", "d"))


@pytest.mark.parametrize("text", ["", " ", "a,", ",", "a,,b"])
@pytest.mark.parametrize("option", ["--again", "--no-way-back"])
def test_an_empty_name_is_reported(option: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{option} has an empty name"):
        parsed("deploy", option, text)


@pytest.mark.parametrize(("key", "option"), NAMING.items())
def test_names_of_nothing_are_reported(key: str, option: str) -> None:
    specs = [spec("api", name="api-prod")]
    for name in ("api", "api-prod"):
        check_agreed(RunOptions("deploy", Path(), **{key: (name,)}), specs)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f'^{option} apl: there is no function apl; did you mean "api"'):
        check_agreed(RunOptions("deploy", Path(), **{key: ("apl",)}), specs)  # type: ignore[arg-type]


def test_names_that_are_agreed_to_may_be_globs() -> None:
    names = Names(("auth-*", "billing"))
    assert [name in names for name in ("auth-login", "billing", "billing-2", "")] == [True, True, False, False]
