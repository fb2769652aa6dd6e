"""Declared and live scaling and access: the tables of both modules."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.function.access import ROLE, desired_roles, opens, roles_of
from orchestrator.function.fields import (
    changed_otherwise,
    desired_otherwise,
    in_words,
    is_made,
    made_of,
    own_changes,
    own_key,
    own_request,
    still_as,
    taken_back_change,
    unmade,
)
from orchestrator.function.scaling import desired_policies, policies_of
from orchestrator.model import AccessBinding, Change, ChangeKind, Function, Scaling, ScalingPolicy
from tests.builders import spec

OLD_ROLE = "serverless.functions.invoker"
ONE = {"provisioned": 1, "zone_instances": 1, "zone_requests": 0}


@pytest.mark.parametrize(
    ("declared", "live", "desired"),
    [
        (Scaling(zone_instances=2), None, {"provisioned": 0, "zone_instances": 2, "zone_requests": 0}),
        (Scaling(zone_instances=2), ONE, {"provisioned": 1, "zone_instances": 2, "zone_requests": 0}),
        (Scaling(zone_instances=1), ONE, ONE),
        (Scaling(0, 0, 0), ONE, None),
        (Scaling(0, 0), ONE, None),
        (Scaling(zone_requests=0), None, None),
        (Scaling(0, 0, 7), ONE, {"provisioned": 0, "zone_instances": 0, "zone_requests": 7}),
    ],
)
def test_what_is_not_declared_of_a_policy_stays(
    declared: Scaling, live: dict[str, int] | None, desired: dict[str, int] | None
) -> None:
    assert desired_policies({"t": declared}, {"t": live} if live is not None else {}) == {"t": desired}


def test_a_policy_that_limits_nothing_is_none() -> None:
    assert policies_of([ScalingPolicy("a"), ScalingPolicy("b", zone_requests=1)]).keys() == {"b"}


@pytest.mark.parametrize(
    ("public", "live", "desired"),
    [
        (None, {ROLE: True}, None),
        (True, {}, {ROLE: True}),
        (True, {OLD_ROLE: True}, {OLD_ROLE: True}),
        (False, {}, {}),
        (False, {ROLE: True, OLD_ROLE: True}, {ROLE: None, OLD_ROLE: None}),
    ],
)
def test_which_roles_everybody_is_to_have(
    public: bool | None, live: dict[str, bool], desired: dict[str, bool | None] | None
) -> None:
    assert desired_roles(public, live) == desired


@pytest.mark.parametrize(
    ("binding", "is_public"),
    [
        (AccessBinding(ROLE, "allUsers", "system"), True),
        (AccessBinding(OLD_ROLE, "allUsers", "system"), True),
        (AccessBinding(ROLE, "allAuthenticatedUsers", "system"), False),
        (AccessBinding("functions.viewer", "allUsers", "system"), False),
        (AccessBinding(ROLE, "ajerobot", "serviceAccount"), False),
        (AccessBinding(ROLE, "allUsers", "userAccount"), False),
    ],
)
def test_whom_a_binding_lets_in(binding: AccessBinding, is_public: bool) -> None:
    assert bool(roles_of([binding])) is is_public


LIVE = Function("d4e1", "b1g1", "thumb", scaling={"$latest": ONE, "stable": ONE}, public={})
WANTED = spec(scaling={"$latest": Scaling(zone_instances=3)}, scaling_exact=True, public=True)


def test_each_tag_is_a_change_of_its_own_and_all_roles_are_one() -> None:
    latest, stable, access = own_changes(WANTED, LIVE)
    assert (latest.kind, latest.before, stable.after) == (
        ChangeKind.SCALING, {"scaling": {"$latest": ONE}}, {"scaling": {"stable": None}},
    )  # fmt: skip
    assert in_words(latest) == "scaling of $latest: provisioned 1, zone_instances 1 → provisioned 1, zone_instances 3"
    assert in_words(stable) == "scaling of stable: provisioned 1, zone_instances 1 → none"
    assert (access.after, in_words(access), opens(access)) == ({"public": {ROLE: True}}, "public: no → yes", True)
    assert own_changes(WANTED, unmade(WANTED))[-1].kind is ChangeKind.ACCESS


def test_what_was_not_read_is_left_as_it_is() -> None:
    unread = Function("d4e1", "b1g1", "thumb")
    assert own_changes(WANTED, unread) == ()
    change = own_changes(WANTED, LIVE)[0]
    assert still_as(unread, change.after)
    assert not is_made(unread, change)
    assert changed_otherwise(unread, change) == ""


def after(function: Function, change: Change) -> Function:
    """Return a Function after a change."""
    ((name, made),) = change.after.items()
    live: dict[str, Any] = {**getattr(function, name), **made}
    kept = {key: value for key, value in live.items() if value is not None}
    scaling, public = (kept, function.public) if name == "scaling" else (function.scaling, kept)
    return Function(function.id, function.folder_id, function.name, scaling=scaling, public=public)


def test_what_is_made_is_asked_for_once_and_comes_back() -> None:
    changes = own_changes(WANTED, LIVE)
    made = LIVE
    for change in changes:
        assert not is_made(made, change)
        assert own_request(made, change) is not None
        made = after(made, change)
        assert (is_made(made, change), own_request(made, change)) == (True, None)
    assert own_changes(WANTED, made) == ()
    assert not desired_otherwise(WANTED, made, made_of(changes))
    assert desired_otherwise(spec(), LIVE, made_of(changes))
    back = made
    for change in reversed(changes):
        taken, since = taken_back_change(made, change)
        assert taken is not None
        assert (taken.kind, since) == (change.kind, ())
        back = after(back, taken)
    assert back == LIVE


def test_what_somebody_has_changed_since_is_named() -> None:
    change = own_changes(WANTED, LIVE)[0]
    theirs = Function("d4e1", "b1g1", "thumb", scaling={"$latest": {**ONE, "zone_instances": 9}}, public={})
    assert changed_otherwise(theirs, change) == "scaling of $latest is provisioned 1, zone_instances 9 now"
    assert taken_back_change(theirs, change) == (None, ("scaling of $latest",))


def test_keys_tell_calls_tags_and_what_was_there_apart() -> None:
    changes = [*own_changes(WANTED, LIVE), *own_changes(WANTED, unmade(WANTED))]
    keys = set()
    for change in changes:
        request = own_request(Function("d4e1", "", "", scaling={}, public={}), change)
        if request is not None:
            keys |= {own_key("d4e1", request, change, attempt) for attempt in (1, 2)}
    assert len(keys) == 2 * 3  # a policy in place of another one; a first one; access
