"""What a selection keeps of what a former run left undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app.session.chains.left import Left
from orchestrator.app.session.choosing import selected
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import RunOptions
from orchestrator.errors import UsageError
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import CloudAddress, Limits, Manifest, Rollout, Storage
from tests.builders import spec

DECLARED = {"a": spec("a"), "b": spec("b")}


def request(option: str, key: str, *patterns: str) -> Request:
    manifest = Manifest(Path("deploy.toml"), CloudAddress(), Storage(), Limits(), Rollout(), DECLARED, {})
    unit = UnitState(key, key, DECLARED["a"].folder_id, f"d4e-{key}")
    left = Left(replace(RunState(), run_id="R1"), option, {key: unit})
    return Request(RunOptions("deploy", manifest.path, patterns=patterns), {}, Path(), manifest, left=left)


@pytest.mark.parametrize("option", ["failed", "undone"])
@pytest.mark.parametrize(("key", "patterns"), [("gone", ()), ("a", ("b",))], ids=["not declared", "not selected"])
def test_what_is_left_and_not_selected_can_be_given_up(option: str, key: str, patterns: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as refused:
        selected(request(option, key, *patterns))
    assert key in refused.value.message
    assert "`orchestrator resume R1 --give-up`" in refused.value.advice


def test_what_is_left_and_selected_is_taken() -> None:
    assert list(selected(request("undone", "a", "a", "b"))) == ["a"]


@pytest.mark.parametrize(
    ("rollout", "patterns", "says"),
    [
        (Rollout(), (), ""),
        (Rollout(two_phase=True), (), "two_phase needs `promote` on every function of the run: b, c have none"),
        (Rollout(two_phase=True), ("a", "b"), "two_phase needs `promote` on every function of the run: b has none"),
        (Rollout(two_phase=True), ("a",), ""),
    ],
)
def test_two_phases_need_tags_on_all_that_is_selected(rollout: Rollout, patterns: tuple[str, ...], says: str) -> None:
    declared = {"a": spec("a", promote=("stable",)), "b": spec("b"), "c": spec("c")}
    manifest = Manifest(Path("deploy.toml"), CloudAddress(), Storage(), Limits(), rollout, declared, {})
    asked = Request(RunOptions("deploy", manifest.path, patterns=patterns), {}, Path(), manifest)
    if not says:
        assert selected(asked)
        return
    with pytest.raises(UsageError) as refused:
        selected(asked)
    assert (refused.value.message, int(refused.value.exit)) == (says, 2)
