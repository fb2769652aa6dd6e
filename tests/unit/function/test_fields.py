from __future__ import annotations

from orchestrator.function.fields import FUNCTION_FIELDS, function_key, function_request
from tests.builders import spec


def test_every_field_is_one_of_a_declared_function() -> None:
    assert all(hasattr(spec(), row.setting) for row in FUNCTION_FIELDS)


def test_what_is_unset_is_not_sent() -> None:
    assert function_request("b1g1", "thumb", {}).body == {"folderId": "b1g1", "name": "thumb"}
    assert function_request("b1g1", "thumb", {"team": "media"}).body == {
        "folderId": "b1g1", "name": "thumb", "labels": {"team": "media"},
    }  # fmt: skip


def test_golden_keys() -> None:
    """Another key would make another function."""
    assert function_key("b1g1", "thumb", {}, 1) == "d64bf1f9-5742-5f93-bb10-5abbd145f395"
    assert function_key("b1g1", "thumb", {"team": "media"}, 2) == "866e3af7-7860-5549-8d0c-f5aa1b595009"
