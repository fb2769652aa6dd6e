from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.function.fields import (
    FUNCTION_FIELDS,
    function_key,
    function_request,
    in_words,
    own_changes,
    own_key,
    update_request,
)
from orchestrator.model import Change, ChangeKind, Function
from tests.builders import spec
from tests.protobuf import parse_update_function


def test_every_field_is_one_of_a_declared_function() -> None:
    live = Function("d4e1", "b1g1", "thumb")
    assert all(hasattr(spec(), row.setting) and hasattr(live, row.live) for row in FUNCTION_FIELDS)


def test_what_is_unset_is_not_sent() -> None:
    assert function_request("b1g1", "thumb", {}).body == {"folderId": "b1g1", "name": "thumb"}
    assert function_request("b1g1", "thumb", {"team": "media"}).body == {
        "folderId": "b1g1", "name": "thumb", "labels": {"team": "media"},
    }  # fmt: skip


def test_golden_keys() -> None:
    """Another key would make another function."""
    assert function_key("b1g1", "thumb", {}, 1) == "d64bf1f9-5742-5f93-bb10-5abbd145f395"
    assert function_key("b1g1", "thumb", {"team": "media"}, 2) == "866e3af7-7860-5549-8d0c-f5aa1b595009"


LIVE = Function("d4e1", "b1g1", "thumb", labels={"team": "a", "by": "hand"}, description="old")
# declared, (what changes before, after), in words
OWN: list[tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None, str]] = [
    ({}, None, None, ""),
    ({"labels": {"team": "a"}}, None, None, ""),
    ({"labels": {"team": "b"}}, {"labels": {"team": "a"}}, {"labels": {"team": "b"}}, "label team: a → b"),
    ({"labels": {"x": "1"}}, {"labels": {"x": None}}, {"labels": {"x": "1"}}, "label x: none → 1"),
    (
        {"labels": {"team": "a"}, "labels_exact": True},
        {"labels": {"by": "hand"}}, {"labels": {"by": None}}, "label by: hand → none",
    ),
    (
        {"labels_exact": True},
        {"labels": {"by": "hand", "team": "a"}}, {"labels": {"by": None, "team": None}},
        "label by: hand → none; label team: a → none",
    ),
    ({"function_description": "old"}, None, None, ""),
    ({"function_description": ""}, {"description": "old"}, {"description": ""}, "function description changed"),
    (
        {"function_description": "new", "labels": {"team": "b"}},
        {"labels": {"team": "a"}, "description": "old"}, {"labels": {"team": "b"}, "description": "new"},
        "label team: a → b; function description changed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "before", "after", "words"), OWN)
def test_what_changes_of_a_functions_own_settings(
    declared: dict[str, Any], before: dict[str, Any] | None, after: dict[str, Any] | None, words: str
) -> None:
    change = next(iter(own_changes(spec(**declared), LIVE)), None)
    if change is None:
        assert after is None
        return
    assert (change.before, change.after, in_words(change)) == (before, after, words)
    request = update_request(LIVE, change.after)
    assert request is not None
    parsed = parse_update_function(LIVE.id, request.body)
    assert set(parsed.update_mask.paths) == set(change.after)
    back = replace(LIVE, labels=dict(parsed.labels) or LIVE.labels, description=parsed.description or LIVE.description)
    if not declared.get("labels_exact"):
        assert dict(back.labels).items() >= dict(declared.get("labels", {})).items()
        assert "by" in back.labels


def test_an_update_that_is_there_is_not_asked_for() -> None:
    assert update_request(LIVE, {"labels": {"team": "a", "gone": None}, "description": "old"}) is None


def test_an_update_keeps_what_somebody_added_since_the_plan() -> None:
    since = replace(LIVE, labels={**LIVE.labels, "added": "since"})
    request = update_request(since, {"labels": {"team": "b"}})
    assert request is not None
    assert (request.method, request.path) == ("PATCH", "/functions/v1/functions/d4e1")
    assert request.body == {"updateMask": "labels", "labels": {"team": "b", "by": "hand", "added": "since"}}


def test_an_update_keeps_its_key_until_something_else_is_asked_for() -> None:
    request = update_request(LIVE, {"labels": {"team": "b"}})
    other = update_request(LIVE, {"labels": {"team": "c"}})
    assert request is not None
    assert other is not None
    change = Change(ChangeKind.UPDATE, {"labels": {"team": "a"}}, {"labels": {"team": "b"}})
    first = own_key("d4e1", request, change, 1)
    assert first == own_key("d4e1", request, change, 1)
    others = {
        own_key("d4e2", request, change, 1), own_key("d4e1", other, change, 1),
        own_key("d4e1", request, replace(change, before={"labels": {"team": "x"}}), 1),
        own_key("d4e1", request, change, 2),
    }  # fmt: skip
    assert len(others) == 4
    assert first not in others
