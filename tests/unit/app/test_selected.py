"""What a selection leaves of what a former run left undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.planning import selected
from orchestrator.app.session.session import Request
from orchestrator.app.session.taking_up import Left
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
