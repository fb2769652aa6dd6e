from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from orchestrator.model import Mount, Secret, Settings
from orchestrator.version.copy import carried_over
from orchestrator.version.fields import FIELDS, TAGS
from tests.builders import settings
from tests.settings import any_settings

A, B, C = (Secret("A", "k", "e6q1"), Secret("B", "k", "e6q2"), Secret("C", "k", "e6q3"))
A2 = replace(A, version_id="e6qv")
TMP, DATA = Mount("tmp", disk_size_bytes=1 << 30), Mount("data", "read_only", "bucket")
# setting, former value, our new value, someone else's new value, both
MERGED: list[tuple[str, Any, Any, Any, Any]] = [
    ("runtime", "python311", "python312", "python311", "python312"),
    ("runtime", "python311", "python311", "python312", "python312"),
    ("runtime", "python311", "python312", "python312", "python312"),
    ("memory_bytes", 1, 2, 1, 2),
    ("environment", {"A": "1"}, {"A": "1", "B": "2"}, {"A": "1", "FIX": "1"}, {"A": "1", "FIX": "1", "B": "2"}),
    ("environment", {"A": "1", "B": "1"}, {"A": "1"}, {"A": "1", "B": "1", "C": "1"}, {"A": "1", "C": "1"}),
    ("environment", {"A": "1"}, {"A": "2"}, {"A": "2"}, {"A": "2"}),
    ("environment", {"A": "1"}, {}, {"B": "1", "A": "1"}, {"B": "1"}),
    ("secrets", (A,), (A, B), (A, C), (A, C, B)),
    ("secrets", (A,), (A2,), (A, C), (A2, C)),
    ("mounts", (TMP,), (), (TMP, DATA), (DATA,)),
    ("tags", ("a",), ("a",), ("a", "b"), ("a", "b")),
]
CONFLICTS: list[tuple[str, Any, Any, Any, str]] = [
    ("runtime", "python311", "python312", "python313", "runtime"),
    ("environment", {"A": "1"}, {"A": "2"}, {"A": "3"}, "environment"),
    ("environment", {"A": "1"}, {"A": "2"}, {}, "environment"),
    ("environment", {"A": "1"}, {}, {"A": "3"}, "environment"),
    ("environment", {}, {"A": "2"}, {"A": "3"}, "environment"),
    ("secrets", (A,), (A2,), (replace(A, key="other"),), "secrets"),
    ("memory_bytes", 1, 2, 3, "memory"),
]


@pytest.mark.parametrize(("setting", "former", "ours", "theirs", "both"), MERGED)
def test_both_changes_are_kept(setting: str, former: Any, ours: Any, theirs: Any, both: Any) -> None:
    versions = [settings(**{setting: value}) for value in (ours, former, theirs)]
    made, conflicts = carried_over(*versions)
    assert (getattr(made, setting), conflicts) == (both, ())


@pytest.mark.parametrize(("setting", "former", "ours", "theirs", "label"), CONFLICTS)
def test_what_both_have_changed_differently_is_named(
    setting: str, former: Any, ours: Any, theirs: Any, label: str
) -> None:
    versions = [settings(**{setting: value}) for value in (ours, former, theirs)]
    assert carried_over(*versions)[1] == (label,)


@given(any_settings(), any_settings())
@limits(max_examples=40, deadline=None)
def test_a_change_of_every_field_by_one_side_alone_is_the_whole_change(one: Settings, other: Settings) -> None:
    rows = [row.setting for row in (*FIELDS, TAGS)]
    made, conflicts = carried_over(one, other, other)
    assert not conflicts
    assert all(getattr(made, name) == getattr(one, name) for name in rows)
    made, conflicts = carried_over(one, one, other)
    assert not conflicts
    assert all(getattr(made, name) == getattr(other, name) for name in rows)
