"""A unit of a former run is a Function of a folder; its key in the manifest is only a label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.journal.events import OperationAccepted, Requested
from orchestrator.journal.unit_state import ChangeState, UnitState
from orchestrator.model import (
    Action,
    Blocked,
    Change,
    ChangeKind,
    Code,
    Deployed,
    Failed,
    Fingerprint,
    Outcome,
    Plan,
    Unchanged,
    Unit,
    VersionCopy,
)
from orchestrator.model.live_state import indexed
from orchestrator.planning.meanwhile.since_then import no_longer_desired
from orchestrator.planning.resume import named_now, still_meant
from tests.builders import function, spec, version

# what the run knew of the unit, what the manifest declares now → the unit's key now, whether it is still declared
TABLE: list[tuple[str, UnitState, dict[str, dict[str, str]], str, bool]] = [
    ("the same", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "api"}}, "api", True),
    ("another key", UnitState("api", "api", "one", "d4e1"), {"new": {"name": "api"}}, "new", True),
    ("another name, the id", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "x", "id": "d4e1"}}, "api", True),
    ("no id yet", UnitState("api", "api", "one", ""), {"new": {"name": "api"}}, "new", True),
    ("another id", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "api", "id": "d4e2"}}, "one/api", False),
    ("its key taken", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "other"}}, "one/api", False),
    ("another folder", UnitState("api", "api", "two", "d4e1"), {"api": {"name": "api"}}, "two/api", False),
    ("not declared", UnitState("api", "api", "one", "d4e1"), {"other": {"name": "other"}}, "api", False),
    ("a name that is none", UnitState("d4e1", "", "one", "d4e1"), {"d4e1": {"name": "x"}}, "one/d4e1", False),
]


@pytest.mark.parametrize(
    ("unit", "declared", "key", "is_declared"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_units_are_found_by_folder_and_function(
    unit: UnitState, declared: dict[str, dict[str, str]], key: str, is_declared: bool
) -> None:
    specs = {name: spec(name, folder_id="one", **values) for name, values in declared.items()}
    found, gone = named_now({unit.key: unit}, specs)
    (both,) = [*found.items(), *gone.items()]
    assert both[0] == both[1].key == key
    assert bool(found) is is_declared
    assert (both[1].name, both[1].function_id) == (unit.name, unit.function_id)


def test_a_function_whose_name_cannot_be_reported_is_found_by_its_key() -> None:
    """Its mistakes are reported then, instead of its absence."""
    unit = UnitState("api", "api", "one", "d4e1")
    for unstated, is_found in ((frozenset({"name"}), True), (frozenset[str](), False)):
        found, _ = named_now({"api": unit}, {"api": spec("api", folder_id="one", name="?", unstated=unstated)})
        assert bool(found) is is_found


def _stamped(fingerprint: str) -> str:
    return f"[orchestrator:1:{fingerprint}]"


A, B, C = (f"{letter * 16}.{letter * 16}" for letter in "abc")
CUT_OFF = UnitState("f", "f", "folder", "id-f", Action.VERSION, base_version_id="v0", fingerprint=B)
BLOCKED_SINCE = replace(CUT_OFF, action=Action.BLOCKED)
MOVING = replace(CUT_OFF, action=Action.RETAG)
LEFT_ALONE = replace(CUT_OFF, action=Action.UNCHANGED, fingerprint=A)
WHY = "its settings or its source have changed since the run began"

# the run's unit, the live state (ID, fingerprint), the desired state now → the outcome, None: it is carried out
MEANT: list[tuple[str, UnitState, tuple[str, str], str, Outcome | None]] = [
    ("as planned", CUT_OFF, ("v0", A), B, None),
    ("changed", CUT_OFF, ("v0", A), C, Blocked(WHY)),
    ("changed back, not begun", CUT_OFF, ("v0", A), A, Blocked(WHY)),
    ("changed back, and blocked for it before", BLOCKED_SINCE, ("v0", A), A, Blocked(WHY)),
    ("changed back, made", CUT_OFF, ("v1", B), A, Deployed("v1", read_back=True)),
    ("changed, made", CUT_OFF, ("v1", B), C, Deployed("v1", read_back=True)),
    ("made", CUT_OFF, ("v1", B), B, Deployed("v1", read_back=True)),
    ("made by another, who made the same", CUT_OFF, ("v9", B), B, Unchanged("v9")),
    ("made by another, and wanted so now", CUT_OFF, ("v9", C), C, Blocked(WHY)),
    ("made by another, and wanted no more", CUT_OFF, ("v9", C), A, Blocked(WHY)),
    ("its tags moved", replace(MOVING, fingerprint=A), ("v0", A), A, Deployed("v0", read_back=True)),
    ("its tags moved, and changed back", MOVING, ("v0", A), A, Blocked(WHY)),
    ("left alone", LEFT_ALONE, ("v0", A), A, Unchanged("v0")),
    ("left alone, and changed", LEFT_ALONE, ("v9", B), B, Unchanged("v9")),
]


@pytest.mark.parametrize(
    ("then", "latest", "desired", "expected"), [row[1:] for row in MEANT], ids=[row[0] for row in MEANT]
)
def test_a_unit_is_done_only_as_what_the_run_was_about(
    then: UnitState, latest: tuple[str, str], desired: str, expected: Outcome | None
) -> None:
    version_id, is_live = latest
    live = indexed([function()], [version(version_id, "id-f", description=_stamped(is_live))])
    kind = ChangeKind.VERSION if then.action in (Action.VERSION, Action.BLOCKED) else ChangeKind.TAG
    change = ChangeState(Change(kind))
    if then.action is not Action.UNCHANGED:
        change.requests.append(Requested(0.0, "f", kind, "id-f", "key", 1))
        made = "v1" if kind is ChangeKind.VERSION else ""
        change.operations["o"] = OperationAccepted(0.0, "f", kind, "o", "id-f", made)
    then = replace(then, changes=[change])
    action = Action.UNCHANGED if is_live == desired else Action.VERSION
    settings, code = desired.split(".")
    unit = Unit("f", spec(), action, "", Fingerprint(settings, code), None, "id-f", version_id)
    plan, settled = still_meant(Plan((unit,)), live, {"f": then})
    reported = {**settled, **{one.key: Blocked(one.reason) for one in plan.units if one.action is Action.BLOCKED}}
    assert reported == ({} if expected is None else {"f": expected})
    if isinstance(expected, Blocked):
        (blocked,) = plan.units
        assert (str(blocked.fingerprint), blocked.base_version_id) == (then.fingerprint, "v0")  # `resume` still can


OWN = "the function's own settings have changed since the run began"
MADE: dict[str, Any] = {"name": "f", "labels": {"team": "b"}}
# what the run was to change of the Function itself, its labels and description by now, their desired values now →
# blocked for it
OWN_TABLE: list[tuple[str, dict[str, Any], dict[str, str] | None, dict[str, str], str | None, bool]] = [
    ("nothing, then as now", {}, {"team": "a"}, {"team": "a"}, None, False),
    ("as planned", {"labels": {"team": "b"}}, {"team": "a"}, {"team": "b"}, None, False),
    ("done", {"labels": {"team": "b"}}, {"team": "b"}, {"team": "b"}, None, False),
    ("done, and another label by hand", {"labels": {"team": "b"}}, {"team": "b", "x": "y"}, {"team": "b"}, None, False),
    ("changed", {"labels": {"team": "b"}}, {"team": "a"}, {"team": "c"}, None, True),
    ("changed, when it was done", {"labels": {"team": "b"}}, {"team": "b"}, {"team": "c"}, None, True),
    ("changed back", {"labels": {"team": "b"}}, {"team": "a"}, {"team": "a"}, None, True),
    ("taken out", {"labels": {"team": "b"}}, {"team": "a"}, {}, None, True),
    ("one more", {}, {"team": "a"}, {"team": "a", "tier": "gold"}, None, True),
    ("a description more", {}, {}, {}, "new", True),
    ("a description as planned", {"description": "new"}, {}, {}, "new", False),
    ("to be made", MADE, None, {"team": "b"}, None, False),
    ("to be made otherwise", MADE, None, {"team": "c"}, None, True),
    ("made", MADE, {"team": "b"}, {"team": "b"}, None, False),
    ("made, and changed", MADE, {"team": "b"}, {"team": "c"}, None, True),
]


@pytest.mark.parametrize("action", [Action.VERSION, Action.UPDATE, Action.UNCHANGED])
@pytest.mark.parametrize(
    ("after", "live", "labels", "description", "blocked"), [row[1:] for row in OWN_TABLE], ids=[r[0] for r in OWN_TABLE]
)
def test_other_settings_of_the_function_itself_are_not_what_the_run_was_about(
    after: dict[str, Any],
    live: dict[str, str] | None,
    labels: dict[str, str],
    description: str | None,
    blocked: bool,
    action: Action,
) -> None:
    kind = ChangeKind.FUNCTION if "name" in after else ChangeKind.UPDATE
    before = {"labels": {"team": "a"}, "description": ""} if kind is ChangeKind.UPDATE else {}
    changes = [ChangeState(Change(kind, before, after))] if after else [ChangeState(Change(ChangeKind.VERSION))]
    then = replace(CUT_OFF, fingerprint=A, base_version_id="", changes=changes)
    then = replace(then, function_id="" if live is None else then.function_id)
    there = [] if live is None else [replace(function(), labels=live)]
    settings, code = A.split(".")
    desired = spec("f", labels=labels, function_description=description)
    unit = Unit("f", desired, action, "", Fingerprint(settings, code), None, "id-f" if there else None)
    plan, settled = still_meant(Plan((unit,)), indexed(there, []), {"f": then})
    if blocked:
        assert [(one.action, one.reason) for one in plan.units] == [(Action.BLOCKED, OWN)]
    else:
        assert [one.action for one in plan.units] + [action for _ in settled] == [action]


COPIED = "its settings or the version that its code is copied from have changed since the run began"
TOOK = "another version, v9, has taken $latest"


@pytest.mark.parametrize(
    ("code", "there", "desired", "why"),
    [
        (spec().code, ["v0", "v9"], C, WHY),
        (spec().code, ["v0", "v9"], B, f"{TOOK} since the run began"),
        (spec().code, ["v9"], B, f"{TOOK}, and v0 was deleted, since the run began"),
        (VersionCopy("v9"), ["v0", "v9"], C, f"{TOOK} since the run began"),
        (VersionCopy("v9"), ["v9"], C, f"{TOOK}, and v0 was deleted, since the run began"),
        (VersionCopy("v8"), ["v0"], C, COPIED),
        (VersionCopy("v8"), ["v0"], B, ""),
        (VersionCopy("v8"), [], C, "its version, v0, was deleted since the run began"),
    ],
)
def test_a_copy_of_another_version_is_not_reported_as_other_settings(
    code: Code, there: list[str], desired: str, why: str
) -> None:
    versions = [version(one, "id-f", tags=(), description=_stamped(A)) for one in there[:-1]]
    versions += [version(one, "id-f", description=_stamped(A)) for one in there[-1:]]
    then = replace(CUT_OFF, changes=[ChangeState(Change(ChangeKind.VERSION))])
    settings, digest = desired.split(".")
    action = Action.COPY if isinstance(code, VersionCopy) else Action.VERSION
    unit = Unit("f", replace(spec(), code=code), action, "", Fingerprint(settings, digest), None, "id-f")
    plan, _ = still_meant(Plan((unit,)), indexed([function()], versions), {"f": then})
    assert [one.reason for one in plan.units] == [why]


@pytest.mark.parametrize(
    ("there", "versions", "whole", "why"),
    [
        (True, ["v0"], True, "job up no longer includes it"),
        (True, ["v0", "v9"], True, f"{TOOK} since the run began: job up no longer includes it"),
        (True, ["v9"], True, f"{TOOK}, and v0 was deleted, since the run began: job up no longer includes it"),
        (True, [], True, "its version, v0, was deleted since the run began: job up no longer includes it"),
        (False, [], True, "the function, id-f, was deleted since the run began"),
        (False, [], False, "job up no longer includes it"),
    ],
)
def test_what_is_desired_no_more_is_reported_by_what_is_live(
    there: bool, versions: list[str], whole: bool, why: str
) -> None:
    found = [version(one, "id-f", tags=() if one == "v0" and len(versions) > 1 else ("$latest",)) for one in versions]
    live = indexed([function()] if there else [], found, whole=["folder"] if whole else [])
    assert no_longer_desired(live, CUT_OFF, "job up") == why


def _run(**changes: Any) -> UnitState:
    """Return a run that was to make a version with a tag that another version had, and to change a label."""
    version_to_make = Change(ChangeKind.VERSION, {"$latest": "v0", "stable": "v0"}, {"$latest": None, "stable": None})
    label = Change(ChangeKind.UPDATE, {"labels": {"team": "a"}}, {"labels": {"team": "b"}})
    given = {"changes": [ChangeState(label), ChangeState(version_to_make)], **changes}
    return replace(CUT_OFF, **given)


@pytest.mark.parametrize(
    ("tags", "team", "why"),
    [
        (("$latest", "stable"), "b", ""),
        (("$latest", "stable", "more"), "b", ""),
        (("$latest",), "b", "version v1 was made, but does not hold the tag stable (v0 has it)"),
        (("$latest", "stable"), "c",
         "version v1 was made, but the function's own settings were changed since"),
    ],
)  # fmt: skip
def test_what_a_run_made_is_deployed_only_with_all_that_it_changed(tags: tuple[str, ...], team: str, why: str) -> None:
    there = [replace(function(), labels={"team": team})]
    former = version("v0", "id-f", tags=("stable",) if "stable" not in tags else (), description=_stamped(A))
    live = indexed(there, [former, version("v1", "id-f", tags=tags, description=_stamped(B))])
    settings, code = B.split(".")
    unit = Unit("f", spec(), Action.UNCHANGED, "", Fingerprint(settings, code), None, "id-f", "v1")
    _, settled = still_meant(Plan((unit,)), live, {"f": _run()})
    outcome = settled["f"]
    assert (outcome.failure.message if isinstance(outcome, Failed) else "") == why
    assert isinstance(outcome, Failed) or outcome == Deployed("v1", read_back=True)


@pytest.mark.parametrize(
    ("now", "holder", "team", "why"),
    [
        ("id-f", "v0", "a", ""),
        ("id-f", "v0", "b", ""),
        ("id-f", "v0", "c", "label team is c now, changed by other means since the run began"),
        ("id-f", "v9", "a", "the tag stable was moved to v9 since the run began"),
        ("id-f", "", "a", "the tag stable was moved to none since the run began"),
        ("id-g", "v0", "a",
         "the function, id-f, was deleted since the run began and created again as id-g"),
        (None, "v0", "a", "the function, id-f, was deleted since the run began"),
    ],
)  # fmt: skip
def test_what_somebody_has_changed_since_the_run_began_is_left_alone(
    now: str | None, holder: str, team: str, why: str
) -> None:
    there = [replace(function(), id=now, labels={"team": team})] if now else []
    live = indexed(there, [version("v0", now, description=_stamped(A))] if now else [])
    settings, code = B.split(".")
    change = Change(ChangeKind.VERSION, {"$latest": "v0", "stable": holder}, {"$latest": None, "stable": None})
    desired = spec(labels={"team": "b"})
    unit = Unit("f", desired, Action.VERSION, "", Fingerprint(settings, code), None, now, "v0", (change,))
    plan, _ = still_meant(Plan((unit,)), live, {"f": _run()})
    (found,) = plan.units
    assert (found.reason if found.action is Action.BLOCKED else "") == why
