"""What a plan adds so that a version is verified and promoted, and what is left of that for a resumed run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.journal.events import OperationAccepted
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import (
    Action,
    Change,
    ChangeKind,
    Deployed,
    Fingerprint,
    FunctionSpec,
    Plan,
    TagHeld,
    Unit,
    Verdict,
    Verify,
)
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.resume import still_meant
from orchestrator.planning.verifying import (
    NOT_VERIFYING,
    Verifying,
    on_another_base,
    tags_by_function,
    taken_from,
    with_verification,
)
from tests.builders import function, settings, spec, version

B = f"{'b' * 16}.{'b' * 16}"
PASSED = Verifying(frozenset({"v1"}))
VERIFIED = spec(verify=Verify())
BOTH = replace(VERIFIED, promote=("stable",))
MAKES = Change(ChangeKind.VERSION, {"$latest": "v1"}, {"$latest": None})
VERIFIES, VERIFIES_LIVE = (Change(ChangeKind.VERIFY, {}, {"$latest": one}) for one in (None, "v1"))


def moves(holder: str, to: str | None) -> Change:
    return Change(ChangeKind.TAG, {"stable": holder}, {"stable": to})


def live(*tags: str, **others: tuple[str, ...]) -> LiveState:
    """Return a folder in which v1 is live with these tags, and other versions hold theirs."""
    versions = [version("v1", "id-f", tags=("$latest", *tags), description=f"[orchestrator:1:{B}]")]
    return indexed([function()], [*versions, *(version(one, "id-f", tags=held) for one, held in others.items())])


def unit(desired: FunctionSpec, action: Action, *changes: Change) -> Unit:
    digest = Fingerprint("b" * 16, "b" * 16)
    return Unit("f", desired, action, "why", digest, function_id="id-f", base_version_id="v1", changes=changes)


@pytest.mark.parametrize(
    ("desired", "state", "known", "expected"),
    [
        (spec(), live(), NOT_VERIFYING, []),
        (VERIFIED, live(), PASSED, []),
        (VERIFIED, live(), NOT_VERIFYING, [VERIFIES_LIVE]),
        (VERIFIED, live(), Verifying(skipped=True), []),
        (BOTH, live("stable"), PASSED, []),
        (BOTH, live(), PASSED, [moves("", "v1")]),
        (BOTH, live(v0=("stable",)), PASSED, [moves("v0", "v1")]),
        (BOTH, live("stable"), NOT_VERIFYING, [VERIFIES_LIVE]),
        (BOTH, live(v0=("stable",)), NOT_VERIFYING, [VERIFIES_LIVE, moves("v0", "v1")]),
        (BOTH, live(v0=("stable",)), Verifying(skipped=True), [moves("v0", "v1")]),
        (spec(promote=("stable",)), live(), NOT_VERIFYING, [moves("", "v1")]),
    ],
)
def test_a_live_version_is_verified_and_promoted_without_another(
    desired: FunctionSpec, state: LiveState, known: Verifying, expected: list[Change]
) -> None:
    found = with_verification(unit(desired, Action.UNCHANGED), state, known)
    assert list(found.changes) == expected
    assert found.action is (Action.VERIFY if expected else Action.UNCHANGED)
    assert found.spec == desired


@pytest.mark.parametrize(
    ("desired", "known", "expected"),
    [
        (spec(), NOT_VERIFYING, []),
        (VERIFIED, NOT_VERIFYING, [VERIFIES]),
        (VERIFIED, PASSED, [VERIFIES]),
        (BOTH, NOT_VERIFYING, [VERIFIES, moves("v0", None)]),
        (BOTH, Verifying(skipped=True), [moves("v0", None)]),
        (spec(promote=("stable",)), NOT_VERIFYING, [moves("v0", None)]),
    ],
)
def test_a_new_version_is_verified_then_promoted(
    desired: FunctionSpec, known: Verifying, expected: list[Change]
) -> None:
    found = with_verification(unit(desired, Action.VERSION, MAKES), live("orc-a", v0=("stable", "orc-b")), known)
    made, *after = found.changes
    assert after == expected
    if desired.verify is None:
        assert (made, found.spec) == (MAKES, desired)
    else:
        assert made.before == {"$latest": "v1", "orc-b": "v0"}
        assert made.after == {"$latest": None, "orc-b": None}
        assert found.spec.settings.tags == ("orc-b",)


def test_rings_are_taken_without_verify_where_they_are_asked_for() -> None:
    found = with_verification(unit(spec(), Action.VERSION, MAKES), live(), Verifying(rings=True))
    assert found.spec.settings.tags == ("orc-a",)


def test_other_changes_of_the_function_come_first() -> None:
    update = Change(ChangeKind.UPDATE, {}, {"labels": {}})
    found = with_verification(unit(VERIFIED, Action.UPDATE, update), live(), NOT_VERIFYING)
    assert (found.action, found.changes) == (Action.UPDATE, (update, VERIFIES_LIVE))


def test_a_blocked_function_gets_nothing() -> None:
    blocked = unit(BOTH, Action.BLOCKED)
    assert with_verification(blocked, live(), NOT_VERIFYING) == blocked


def test_what_is_known_of_a_verdict_is_the_reason() -> None:
    reported = Verifying(others={"v1": "has failed its verification in run r"})
    found = with_verification(unit(BOTH, Action.UNCHANGED), live(), reported)
    assert found.reason == "v1 has failed its verification in run r and does not hold the tag stable"


def test_without_room_for_it_there_is_no_ring_tag() -> None:
    state = live(*(f"t{number}" for number in range(9)), v0=("other",))
    taken = tags_by_function(state)["id-f"]
    found = with_verification(unit(VERIFIED, Action.VERSION, MAKES), state, NOT_VERIFYING, taken)
    assert (found.spec, found.changes) == (VERIFIED, (MAKES, VERIFIES))


@pytest.mark.parametrize(
    ("their", "ring", "holder"), [(("orc-b",), "orc-a", ""), ((), "orc-a", ""), (("orc-a",), "orc-b", "v1")]
)
def test_on_another_base_it_takes_the_ring_tag_that_this_lacks(their: tuple[str, ...], ring: str, holder: str) -> None:
    base = version("v1", "id-f", tags=("$latest", "orc-b"))
    change = Change(ChangeKind.VERSION, {"$latest": "v9", "orc-a": ""}, {"$latest": None, "orc-a": None})
    planned = unit(spec(settings=settings(tags=("x", "orc-a"))), Action.COPY, change)
    found = on_another_base(planned, base, version("v9", "id-f", tags=("$latest", *their)))
    assert found.spec.settings.tags == ("x", ring)
    assert found.changes[0].before == {"$latest": "v9", ring: holder}
    assert found.changes[0].after == {"$latest": None, ring: None}


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "taken"),
    [
        ([], False),
        ([TagHeld("stable", "v0", NOON)], False),
        ([TagHeld("stable", "v1", NOON)], False),
        ([TagHeld("stable", "v1", NOON, NOON), TagHeld("stable", "v0", NOON)], True),
        ([TagHeld("other", "v1", NOON, NOON)], False),
    ],
)
def test_a_tag_was_taken_from_the_version_that_had_it(rows: list[TagHeld], taken: bool) -> None:
    assert (taken_from(rows, moves("v0", "v1")) is not None) is taken


def then(*, verdict: bool = False, action: Action = Action.VERSION) -> UnitState:
    """Return the unit of a run that has made v1, and was killed."""
    made = ChangeState(Change(ChangeKind.VERSION, {"$latest": "v0"}, {"$latest": None}))
    made.operations["o"] = OperationAccepted(0.0, "f", ChangeKind.VERSION, "o", "id-f", "v1")
    verdicts = {"v1": VersionVerified(0.0, "f", "v1", Verdict.PASSED)} if verdict else {}
    base = "v0" if action is Action.VERSION else "v1"
    changes = [made] if action is Action.VERSION else [ChangeState(VERIFIES_LIVE)]
    return UnitState(
        "f", "f", "folder", "id-f", action, base_version_id=base, fingerprint=B, changes=changes, verdicts=verdicts
    )


@pytest.mark.parametrize("desired_now", ["the same", "something else"])
@pytest.mark.parametrize(
    ("state", "known", "left"),
    [
        (live("orc-a"), NOT_VERIFYING, [VERIFIES_LIVE, moves("", "v1")]),
        (live("orc-a"), PASSED, [moves("", "v1")]),
        (live("orc-a", "stable"), PASSED, []),
    ],
)
def test_a_run_that_is_taken_up_does_what_is_missing_and_makes_no_second_version(
    state: LiveState, known: Verifying, left: list[Change], desired_now: str
) -> None:
    action = Action.UNCHANGED if desired_now == "the same" else Action.VERSION
    changes = () if action is Action.UNCHANGED else (MAKES,)
    now = with_verification(unit(BOTH, action, *changes), state, known)
    plan, settled = still_meant(Plan((now,)), state, {"f": then()}, known)
    assert [list(one.changes) for one in plan.units] == ([left] if left else [])
    assert settled == ({} if left else {"f": Deployed("v1", read_back=True)})


def test_a_run_that_only_verifies_is_taken_up_as_that() -> None:
    for known, verdict in ((NOT_VERIFYING, False), (PASSED, True)):
        now = with_verification(unit(VERIFIED, Action.UNCHANGED), live(), known)
        plan, settled = still_meant(Plan((now,)), live(), {"f": then(verdict=verdict, action=Action.VERIFY)}, known)
        assert [list(one.changes) for one in plan.units] == ([] if verdict else [[VERIFIES_LIVE]])
        assert settled == ({"f": Deployed("v1", read_back=True)} if verdict else {})


def test_what_is_known_to_be_bad_is_said_where_nothing_is_verified() -> None:
    known = Verifying(others={"v1": "has failed its verification in run R1"}, skipped=True)
    found = with_verification(unit(BOTH, Action.UNCHANGED), live(v0=("stable",)), known)
    assert found.reason == "v1 has failed its verification in run R1 and does not hold the tag stable"
