"""--adopt NAME@VERSION_ID: which live versions may lose what they have, and its syntax."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.app.session.options import read_options
from orchestrator.app.session.typed import with_adoption
from orchestrator.cli import cli
from orchestrator.errors import UsageError
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action
from orchestrator.planning.planner import build
from orchestrator.planning.resume import agreed
from orchestrator.version.adoption import NOTHING, Adoption, adoption_of
from tests.builders import spec
from tests.unit.planning.test_planner import live

FV1 = frozenset({("f", "v1")})


@pytest.mark.parametrize(
    ("texts", "adoption"),
    [
        ([], NOTHING),
        (["*"], Adoption(everything=True)),
        (["f@v1"], Adoption(versions=FV1)),
        (["team/f@v1", "f@v1"], Adoption(versions=FV1 | {("team/f", "v1")})),
        (["a@b@v1"], Adoption(versions=frozenset({("a@b", "v1")}))),
    ],
)
def test_what_is_written_is_read_and_written_again(texts: list[str], adoption: Adoption) -> None:
    assert adoption_of(texts) == adoption
    assert adoption_of(adoption.texts()) == adoption


@pytest.mark.parametrize("text", ["f", "@v1", "f@", "f@v1 v2", ""])
def test_anything_else_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME@VERSION_ID"):
        adoption_of([text])


TYPED: list[tuple[list[str], tuple[str, ...], tuple[str, ...]]] = [
    (["--adopt"], (), ("*",)),
    (["f", "--adopt"], ("f",), ("*",)),
    (["@names.txt", "--adopt"], ("@names.txt",), ("*",)),
    (["--adopt", "f@v1"], (), ("f@v1",)),
    (["--adopt=f@v1", "--adopt", "g@v2", "f"], ("f",), ("f@v1", "g@v2")),
    (["--adopt", "--yes"], (), ("*",)),
    (["--adopt", "--", "f@v1"], ("f@v1",), ("*",)),
]


@pytest.mark.parametrize(("typed", "functions", "adopt"), TYPED, ids=str)
def test_the_option_takes_a_value_only_where_it_looks_like_one(
    typed: list[str], functions: tuple[str, ...], adopt: tuple[str, ...]
) -> None:
    command = cli.commands["deploy"]
    context = command.make_context("deploy", with_adoption(typed))
    assert (context.params["functions"], context.params["adopt"]) == (functions, adopt)


@pytest.mark.parametrize("typed", [["--adopt", "f"], ["--yes", "--adopt", "auth-*", "f"], ["--adopt", "@names.txt"]])
def test_a_name_without_a_version_adopts_nothing(typed: list[str]) -> None:
    """It could mean this name or everything, which decides what is lost."""
    given: dict[str, Any] = dict(cli.commands["deploy"].make_context("deploy", with_adoption(typed)).params)
    given.pop("output")
    with pytest.raises(UsageError, match="is not NAME@VERSION_ID"):
        read_options("deploy", given)


@pytest.mark.parametrize(
    ("value", "adoption"),
    [("1", Adoption(everything=True)), ("0", NOTHING), ("f@v1 g@v2", Adoption(versions=FV1 | {("g", "v2")}))],
)
def test_the_environment_says_the_same(value: str, adoption: Adoption, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ADOPT", value)
    given: dict[str, Any] = dict(cli.commands["deploy"].make_context("deploy", []).params)
    given.pop("output")
    assert read_options("deploy", given).adopt == adoption


def test_a_slip_is_a_usage_error() -> None:
    given = dict(cli.commands["deploy"].make_context("deploy", ["--adopt=f"]).params)
    given.pop("output")
    with pytest.raises(UsageError, match='--adopt: "f" is not NAME@VERSION_ID'):
        read_options("deploy", given)


# --- in a plan ------------------------------------------------------------------------------------------------------


def planned(adopt: Adoption) -> Any:
    there = live(spec(), description="", environment={"A": "x"})
    (unit,) = build({"f": spec()}, there, {}, {}, adopt=adopt).units
    return unit


def test_a_version_that_is_named_may_lose_what_it_has() -> None:
    assert planned(adoption_of(["f@v1"])).action is Action.VERSION
    assert planned(adoption_of(["g@v1"])).action is Action.BLOCKED


def test_what_was_said_of_a_version_does_not_hold_for_the_next() -> None:
    unit = planned(adoption_of(["f@v0"]))
    assert unit.action is Action.BLOCKED
    assert unit.reason.endswith("(--adopt names v0, which is no longer live)")
    assert unit.failure.advice.endswith("--adopt f@v1")


def test_nobody_is_said_to_have_named_what_a_resumed_run_agreed_to() -> None:
    unit = planned(agreed({"f": UnitState("f", action=Action.VERSION, base_version_id="v0")}))
    assert unit.action is Action.BLOCKED
    assert unit.reason.endswith("(what the run may remove was agreed to for version v0, which is no longer live)")
