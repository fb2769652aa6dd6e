"""Notes of saved plans: what they keep, until when, and which are invalid."""

from __future__ import annotations

import pytest

from orchestrator.planning.saved.note import PlanNote, needed_by_plans, read_note

DAY_S = 86_400.0
NOW = 1_800_000_000.0
NOTE = PlanNote("p1", NOW, ("functions/a.zip", "functions/b.zip"))


def test_a_note_is_read_as_it_was_written() -> None:
    assert read_note(NOTE.encode()) == NOTE


@pytest.mark.parametrize(("days", "needs"), [(-9.0, True), (0.9, True), (1.1, False)])
def test_a_plan_keeps_its_packages_until_it_has_expired(days: float, *, needs: bool) -> None:
    found = needed_by_plans([NOTE], NOW + days * DAY_S)
    assert found == (dict.fromkeys(NOTE.objects, "p1") if needs else {})


@pytest.mark.parametrize(("days", "goes"), [(29.9, False), (30.1, True)])
def test_a_note_goes_long_after_its_plan(days: float, *, goes: bool) -> None:
    assert NOTE.goes(NOW + days * DAY_S) is goes


def test_of_two_plans_the_one_that_needs_it_longer_is_named() -> None:
    longer = PlanNote("p2", NOW + 9 * DAY_S, ("functions/a.zip",))
    assert needed_by_plans([longer, NOTE], NOW)["functions/a.zip"] == "p2"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        NOTE.encode().replace(b'"schema":1', b'"schema":2'),
        NOTE.encode().replace(b"+00:00", b""),
        NOTE.encode().replace(b'["functions/a.zip","functions/b.zip"]', b"null"),
        NOTE.encode().replace(b'["functions/a.zip","functions/b.zip"]', b"[1]"),
    ],
)
def test_what_is_no_note_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"understood|newer|time zone|list of keys|empty"):
        read_note(body)
