"""What the Versions of a Function show about each other: whose code is in doubt, and whose is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.model import Fingerprint, Version
from orchestrator.model.live_state import Replaced
from orchestrator.version.history import EMPTY, History, history_of
from orchestrator.version.stamp import HAND_MARK, back_mark, base_mark, marked_back, stamped
from tests.builders import version

A, B, C = (Fingerprint(one * 16, one * 16) for one in "abc")
BY_HAND = "by hand"
EDITED = "its code, which may have been edited"


def marked(digest: Fingerprint, *marks: tuple[str, str]) -> str:
    return stamped("", replace(digest, marks=marks))


def back(description: str, withdrawn: Fingerprint) -> str:
    return marked_back(description, back_mark(withdrawn, version("v", "f", description=description)))


def history(*descriptions: str) -> History:
    return history_of(
        replace(version(f"v{n}", "f", description=said), created_at=datetime(2027, 1, 1, 0, n, tzinfo=UTC))
        for n, said in enumerate(descriptions, 1)
    )


def doubt(*descriptions: str) -> str:
    known = history(*descriptions)
    found = known.doubt(known.versions[-1])
    return found.of if found is not None else ""


a, b, c = (marked(one) for one in (A, B, C))

SOUND: list[tuple[str, ...]] = [
    (a,),
    (a, b),
    (a, b, marked(A, base_mark("v2"))),  # forth and back
    (BY_HAND,),  # nothing is known about it
    (BY_HAND, BY_HAND),
    (BY_HAND, a),
    (a, BY_HAND, b),  # adopted
    (a, a, b),
    (a, b, back(a, B)),  # a rollback
    (a, b, back(a, B), marked(B, base_mark("v3")), back(a, B)),  # the same failure, rolled back twice
    (a, b, back(a, B), back(b, A)),  # a rollback that was rolled back
    (back(a, B),),  # what it names was deleted
    (BY_HAND, a, back(BY_HAND, A)),  # what was new before is restored
    (marked(A, ("j", "nightly")), a),
    (a, marked(A, HAND_MARK), b),
]
DOUBTED: list[tuple[tuple[str, ...], str]] = [
    ((a, a), EDITED),
    ((a, b, a), EDITED),  # a manual copy of an older one
    ((a, b, c, b), EDITED),
    ((a, BY_HAND), EDITED),
    ((BY_HAND, a, BY_HAND), EDITED),
    ((a, b, back(a, B), back(a, B)), EDITED),  # a manual copy of a rollback's copy
    ((a, a, b, back(a, B)), EDITED),  # a rollback to what was copied by hand
    ((a, BY_HAND, b, back(BY_HAND, B)), EDITED),
    ((marked(A, HAND_MARK),), "its code, which was made or edited by hand before it was copied"),
    ((marked(A, ("j", "lvl"), HAND_MARK),), "its code, which was made or edited by hand before job lvl copied it"),
    ((a, marked(A, HAND_MARK), b, back(marked(A, HAND_MARK), B)),
     "its code, which was made or edited by hand before it was copied"),
    ((marked(A, HAND_MARK), marked(A, HAND_MARK)), EDITED),
]  # fmt: skip


@pytest.mark.parametrize("descriptions", SOUND, ids=str)
def test_what_this_tool_has_made_is_in_no_doubt(descriptions: tuple[str, ...]) -> None:
    assert doubt(*descriptions) == ""


@pytest.mark.parametrize(("descriptions", "of"), DOUBTED, ids=str)
def test_what_was_made_by_hand_is_in_doubt(descriptions: tuple[str, ...], of: str) -> None:
    assert doubt(*descriptions) == of


def test_the_last_sound_one_is_neither_by_hand_nor_in_doubt() -> None:
    known = history(a, b, b, BY_HAND)
    found = known.last_sound(known.versions[-1])
    assert found is not None
    assert found.id == "v2"
    assert EMPTY.last_sound(known.versions[0]) is None


def test_what_is_still_being_made_says_nothing_and_the_live_one_is_the_newest_of_its_second() -> None:
    pending = version("v0", "f", description=a, status="CREATING")
    latest: Version = version("v1", "f", description=a)  # made in the same second as another
    assert history_of([pending, latest], latest).doubt(latest) is None
    twin = version("v2", "f", description=a)
    for order in ([latest, twin], [twin, latest]):
        assert history_of(order, latest).doubt(latest) is not None
        assert history_of(order, latest).doubt(twin) is None
    known = history(a, b, a)  # the last of them was requested later, and was ready sooner
    assert history_of(known.versions, known.versions[0]).doubt(known.versions[0]) is None


def test_nobody_knows_the_code_of_a_function_that_somebody_has_made_again() -> None:
    known = history(a, b)
    again = history_of(known.versions, known.versions[-1], Replaced("d4e-former", "run"))
    for one in (again, again.with_also(version("v9", "f", description=c))):
        assert [found.of if (found := one.doubt(v)) is not None else None for v in one.versions] == [""] * len(
            one.versions
        )
        assert one.last_sound(one.versions[-1]) is None
