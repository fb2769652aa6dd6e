"""Settings that are left as they are live: whatever they are, nothing has to be done, nothing is guarded, and new
versions keep them. All other settings behave as usual.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.function.fields import own_changes
from orchestrator.journal.unit_state import UnitState
from orchestrator.manifest.origins.of_function import ValueOrigin
from orchestrator.model import (
    NONE_LEFT,
    Action,
    AsLive,
    AsyncInvocation,
    Blocked,
    BucketPackage,
    Connectivity,
    Function,
    LogOptions,
    MetadataOptions,
    Mount,
    Place,
    Plan,
    Secret,
    Settings,
    Unit,
    Version,
)
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.back.withdrawn import without_withdrawn
from orchestrator.planning.meanwhile.decide_again import decided_again
from orchestrator.planning.meanwhile.rebased import as_run_then, on_former_bases
from orchestrator.planning.resume import still_meant
from orchestrator.planning.saved.held import Today, held
from orchestrator.planning.why.facts import Held
from orchestrator.planning.why.setting_rows import setting_rows
from orchestrator.version.as_live import LIVE_MARK, as_it_is_live, live_mark, with_parts
from orchestrator.version.body import settings_fields
from orchestrator.version.copy import settings_of
from orchestrator.version.fields import FIELDS
from orchestrator.version.history import histories
from orchestrator.version.stamp import (
    STAMP_MAX_CHARS,
    back_mark,
    code_digest,
    fingerprint,
    marked_back,
    read_stamp,
    stamped,
)
from tests.builders import function, settings, spec, version
from tests.saved_plans import KEY, facts_of, planned, saved_of
from tests.unit.planning.test_planner import plan_one

MOUNTS = frozenset({"mounts", "storage_mounts"})
ROWS = sorted({row.setting for row in FIELDS} - {"storage_mounts"})
NEW_CODE = BucketPackage("bucket", "f.zip", "1" * 64)
MEMORY = AsLive(frozenset({"memory_bytes"}))


def left(*names: str, whole: bool = False) -> AsLive:
    return AsLive(MOUNTS | {*names} if "mounts" in names else frozenset(names), whole)


def made(id: str, sent: Settings, named: AsLive = NONE_LEFT, **shown: Any) -> Version:
    """Return a version of ours with these settings, some of which were left as they were live."""
    mark = live_mark(sent, named)
    digest = replace(fingerprint(sent, code_digest(spec().code, None)), marks=(mark,) if mark is not None else ())
    return version(id, "id-f", **(settings_fields(sent, stamped(sent.description, digest)) | shown))


def by_hand(id: str, before: Version, now: Settings, **shown: Any) -> Version:
    """Return the version that someone makes from one of ours in the console, which keeps its description and stamp."""
    description = before.description
    if now.description != settings_of(before).description:
        stamp = read_stamp(description)
        description = stamped(now.description, stamp) if stamp is not None else now.description
    return version(id, "id-f", **(settings_fields(now, "") | {"description": description, "imageSize": "9"} | shown))


def row(*versions: Version) -> LiveState:
    """Return a folder whose one function got these versions in turn."""
    timed = [
        replace(one, created_at=datetime(2027, 1, 1, 0, number, tzinfo=UTC), tags=())
        for number, one in enumerate(versions)
    ]
    return indexed([function()], [replace(timed[-1], tags=("$latest",)), *timed[:-1]])


# For each field the declared value, and the values that someone else set: more, less, nothing.
VALUES: dict[str, tuple[Any, Any]] = {
    "runtime": ("python312", "python39"),
    "entrypoint": ("index.handler", "other.handler"),
    "execution_timeout_s": (10.0, 900.0),
    "environment": ({"A": "1", "B": "2"}, {"B": "3", "C": "4"}),
    "secrets": ((Secret("S", "k", "e6q", None, "e6r"),), (Secret("T", "k", "e6q", None, "e6r"),)),
    "service_account_id": ("aje1", None),
    "memory_bytes": (128 << 20, 1 << 30),
    "tmpfs_size_bytes": (None, 600 << 20),
    "concurrency": (4, 2),
    "named_service_accounts": ({"db": "aje1"}, {"db": "aje2"}),
    "mounts": ((Mount("m", bucket="bbb"),), (Mount("n", disk_size_bytes=1 << 30),)),
    "connectivity": (Connectivity("enp1"), Connectivity("enp2")),
    "log": (None, LogOptions(min_level="TRACE")),
    "async_invocation": (AsyncInvocation(2), AsyncInvocation(5)),
    "metadata": (None, MetadataOptions(gce_http_endpoint=False)),
    "description": ("ours", "theirs"),
}


def test_every_field_has_its_values() -> None:
    assert {*VALUES} == {*ROWS}


@pytest.mark.parametrize("setting", VALUES)
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("marked", [False, True], ids=["left since", "left always"])
@pytest.mark.parametrize("gone", [False, True], ids=["", "older one pruned"])
def test_whatever_is_live_of_what_is_left_so_nothing_is_to_do_and_a_new_version_carries_it(
    setting: str, swapped: bool, marked: bool, gone: bool
) -> None:
    ours_of_it, theirs_of_it = VALUES[setting][::-1] if swapped else VALUES[setting]
    named, declared = left(setting), settings(**{setting: ours_of_it})
    ours = made("v1", declared, named if marked else NONE_LEFT)
    edited = by_hand("v2", ours, replace(declared, **{setting: theirs_of_it}))
    there, desired = row(edited) if gone else row(ours, edited), spec(settings=declared, as_live=named)
    unit = plan_one(desired, there)
    assert (unit.action, unit.reason) == (Action.UNCHANGED, "up to date")
    for changed in (replace(desired, code=NEW_CODE), replace(desired, settings=other_than(setting, declared))):
        unit = plan_one(changed, there)
        assert unit.action is Action.VERSION, unit.reason
        assert getattr(unit.spec.settings, setting) == getattr(settings_of(edited), setting)
        assert replace(unit.spec.settings, **{setting: ours_of_it}) == changed.settings
        assert "left as it is live" in unit.reason
    if not gone:  # otherwise the cloud may have filled it in
        assert plan_one(spec(settings=declared), there).action is not Action.UNCHANGED


def other_than(setting: str, before: Settings) -> Settings:
    return replace(before, **({"memory_bytes": 3 << 30} if setting != "memory_bytes" else {"execution_timeout_s": 7.0}))


# --- who has changed what -------------------------------------------------------------------------------------------

V1 = made("v1", settings(), MEMORY, imageSize="9")
WANTED = spec(settings=settings(), as_live=MEMORY)
NEXT = replace(WANTED, code=NEW_CODE)


def with_memory(gb: int, **changes: Any) -> Settings:
    return settings(memory_bytes=gb << 30, **changes)


def test_many_changes_in_a_row_and_one_back_to_what_it_was_are_all_somebody_elses() -> None:
    edits = [by_hand(f"v{number}", V1, with_memory(number)) for number in range(2, 9)]
    there = row(V1, *edits, by_hand("v9", V1, settings()))
    assert plan_one(WANTED, there).action is Action.UNCHANGED
    assert plan_one(NEXT, there).action is Action.VERSION


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        (by_hand("v2", V1, with_memory(2), imageSize="10"), "its code, which may have been edited"),
        (by_hand("v2", V1, settings()), "its code, which may have been edited"),
        (by_hand("v2", V1, with_memory(2, execution_timeout_s=60.0)), "timeout 1m → 10s"),
        (by_hand("v2", V1, with_memory(2), description="mine"), "its code, which may have been edited"),
        (by_hand("v2", V1, with_memory(2), gpu="1"), "its code, which may have been edited"),
    ],
    ids=["code", "nothing", "another setting", "the stamp", "what nobody knows"],
)
def test_what_else_somebody_has_changed_is_guarded(edited: Version, why: str) -> None:
    unit = plan_one(NEXT, row(V1, edited))
    assert unit.action is Action.BLOCKED
    assert why in unit.reason
    assert "memory" not in unit.reason


def test_what_is_not_left_so_any_more_is_guarded_though_we_made_that_version() -> None:
    carried = made("v2", with_memory(1), MEMORY)
    unit = plan_one(replace(WANTED, as_live=NONE_LEFT), row(V1, carried))
    assert unit.action is Action.BLOCKED
    assert unit.reason == (
        "v2 has settings that were left as they were live, and no longer are, and the new version would"
        " change back memory 1GB → 128MB"
    )
    assert plan_one(spec(settings=with_memory(1)), row(V1, carried)).action is Action.UNCHANGED
    more = replace(WANTED, as_live=left("memory_bytes", "environment", "log"))
    assert plan_one(more, row(V1, carried)).action is Action.UNCHANGED


def test_the_words_say_what_is_live_and_no_value_of_a_variable() -> None:
    named = left("memory_bytes", "environment.LEVEL", "secrets.LEVEL", "log", "environment.NEW", "secrets.NEW")
    declared = settings(environment={"LEVEL": "hidden", "A": "1"})
    ours = made("v1", declared, named)
    live = with_memory(1, environment={"NEW": "hidden", "A": "1"}, log=LogOptions(min_level="WARN"))
    unit = plan_one(spec(settings=declared, as_live=named, code=NEW_CODE), row(ours, by_hand("v2", ours, live)))
    assert unit.reason.split("; ")[1:] == [
        "environment.LEVEL: left as it is live (none)", "environment.NEW: left as it is live",
        "memory: left as it is live (1GB)", "log: left as it is live",
    ]  # fmt: skip
    assert unit.spec.settings.environment == {"A": "1", "NEW": "hidden"}


def test_a_variable_is_one_whether_it_has_a_value_or_is_a_secret() -> None:
    named = left("environment.A", "secrets.A")
    secret = Secret("A", "k", "e6q", None, "e6r")
    ours = made("v1", settings(environment={"A": "1"}), named)
    there = row(ours, by_hand("v2", ours, settings(secrets=(secret,))))
    unit = plan_one(spec(settings=settings(environment={"A": "1"}), as_live=named, code=NEW_CODE), there)
    assert (dict(unit.spec.settings.environment), unit.spec.settings.secrets) == ({}, (secret,))
    # If all variables are left as they are live, one that is declared as a secret is still ours.
    whole, plain = left("environment"), made("v1", settings(environment={"A": "1", "B": "2"}))
    unit = plan_one(spec(settings=settings(secrets=(secret,)), as_live=whole), row(plain))
    assert (dict(unit.spec.settings.environment), unit.spec.settings.secrets) == ({"B": "2"}, (secret,))
    assert unit.reason.startswith("environment: -A; secrets: +A")


def test_what_a_new_version_could_not_carry_on_stops_it_and_nothing_else() -> None:
    named = left("log", "environment.A", "secrets.A")
    ours = made("v1", settings(), named, logOptions={"minLevel": "WARN", "stream": "x"}, secrets="odd")
    assert plan_one(
        spec(as_live=left("log")), row(made("v1", settings(), left("log"), logOptions={"stream": "x"}))
    ).action is (Action.UNCHANGED)
    unit = plan_one(spec(as_live=named, code=NEW_CODE), row(ours))
    assert unit.action is Action.BLOCKED
    assert unit.reason == (
        "version v1 has settings that are left as they are live, but that this program cannot keep: it does"
        " not know them or cannot read them:"
        " logOptions.stream, secrets"
    )


def test_a_new_function_and_one_without_a_version_get_what_is_declared() -> None:
    new = plan_one(replace(WANTED, create=True), indexed([], []))
    first = plan_one(WANTED, indexed([function()], []))
    for unit in (new, first):
        assert unit.spec.settings == settings()
        assert unit.fingerprint is not None
        assert LIVE_MARK in dict(unit.fingerprint.marks)


# --- settings = "live" ----------------------------------------------------------------------------------------------

ALL = AsLive(frozenset(row.setting for row in FIELDS), whole=True)
CODE_ONLY = spec(settings=Settings("", "", 0, tags=("stable",)), as_live=ALL)


def test_code_alone_is_a_new_version_with_every_setting_as_it_is_live() -> None:
    made_by_others = version(
        "v1", "id-f", **settings_fields(with_memory(2, environment={"A": "1"}, concurrency=3), "theirs")
    )
    unit = plan_one(CODE_ONLY, row(made_by_others))
    assert (unit.action, unit.reason) == (
        Action.VERSION, "the live version was not made by this tool; its settings: left as they are live",
    )  # fmt: skip
    assert unit.spec.settings == replace(settings_of(made_by_others), tags=("stable",))
    ours = made("v2", replace(unit.spec.settings, tags=()), ALL)
    there = row(made_by_others, ours, by_hand("v3", ours, with_memory(1)))
    assert plan_one(replace(CODE_ONLY, settings=Settings("", "", 0)), there).action is Action.UNCHANGED
    again = plan_one(replace(CODE_ONLY, code=NEW_CODE), there)
    assert (again.action, again.spec.settings.memory_bytes) == (Action.VERSION, 1 << 30)


@pytest.mark.parametrize("there", [indexed([], []), indexed([function()], [])], ids=["no function", "no version"])
def test_code_alone_needs_something_live(there: LiveState) -> None:
    for desired in (CODE_ONLY, replace(CODE_ONLY, create=True)):
        unit = plan_one(desired, there)
        assert unit.action is Action.BLOCKED
        assert 'with `settings = "live"` it has no settings of its own' in unit.reason
    assert "has no function with the ID d4e" in plan_one(replace(CODE_ONLY, id="d4e"), there).reason


def test_a_stamp_has_room_for_every_mark() -> None:
    digest = replace(fingerprint(settings(), "f" * 16), forced="0" * 8)
    marks = (("e", "0" * 8), ("j", "j" * 10), ("b", "0" * 4), (LIVE_MARK, "0" * 6))
    assert len(stamped("", replace(digest, marks=marks))) < STAMP_MAX_CHARS
    assert live_mark(settings(), left("labels.team")) is None


def test_taking_what_is_live_twice_is_taking_it_once() -> None:
    once = as_it_is_live(WANTED, by_hand("v2", V1, with_memory(2)))
    assert as_it_is_live(once, by_hand("v2", V1, with_memory(2))) == once
    assert with_parts(settings(), with_memory(2), replace(MEMORY, but=frozenset({"memory_bytes"}))) == settings()


# --- what was planned before someone changed their settings ---------------------------------------------------------


@pytest.mark.parametrize("exact", [False, True])
def test_a_change_of_theirs_between_the_plan_and_the_call_is_carried_on(exact: bool) -> None:
    unit, there = replace(plan_one(NEXT, row(V1)), exact=exact), row(V1)
    history = histories(there)["id-f"]
    base, edited = there.latest("id-f"), later(by_hand("v2", V1, with_memory(2)))
    again = decided_again(unit, base, edited, history=history)
    assert isinstance(again, Unit)
    assert again.spec.settings == with_memory(2)
    assert again.base_version_id == "v2"
    assert again.fingerprint == fingerprint(with_memory(2), code_digest(NEW_CODE, None))
    assert again.changes[0].before == {"$latest": "v2"}
    for other in (with_memory(2, execution_timeout_s=60.0), settings()):
        edited = later(by_hand("v2", V1, other))
        assert isinstance(decided_again(unit, base, edited, history=history), Blocked)
    alone = replace(unit, spec=replace(unit.spec, as_live=NONE_LEFT))
    assert isinstance(decided_again(alone, base, later(by_hand("v2", V1, with_memory(2))), history=history), Blocked)


def later(version: Version) -> Version:
    return replace(version, created_at=datetime(2027, 2, 1, tzinfo=UTC))


def test_a_plan_is_known_again_on_each_base_that_others_have_changed_since() -> None:
    edits = [by_hand("v2", V1, with_memory(2)), by_hand("v3", V1, with_memory(3))]
    planned, now = plan_one(NEXT, row(V1)), plan_one(NEXT, row(V1, *edits))
    former = list(on_former_bases(now, row(V1, *edits)))
    assert [one.base_version_id for one in former] == ["v2", "v1"]
    assert (former[1].fingerprint, former[1].changes) == (planned.fingerprint, planned.changes)
    assert now.fingerprint != planned.fingerprint
    assert as_run_then(now, row(V1, *edits), str(planned.fingerprint), "v1") == former[1]
    assert not list(on_former_bases(plan_one(replace(NEXT, as_live=NONE_LEFT), row(V1, *edits)), row(V1, *edits)))


def test_what_was_rolled_back_stays_so_when_others_change_what_is_theirs() -> None:
    withdrawn = plan_one(NEXT, row(V1)).fingerprint
    assert withdrawn is not None
    text = marked_back(V1.description, back_mark(withdrawn, V1))
    bad = made("v2", settings(), MEMORY)
    back = version("v3", "id-f", **(dict(V1.raw) | {"description": text}))
    bad = replace(bad, description=stamped("", withdrawn), raw={**bad.raw, "description": stamped("", withdrawn)})
    edited = by_hand("v4", back, with_memory(2), description=text)
    for there in (row(V1, bad, back), row(V1, bad, back, edited)):
        (unit,) = without_withdrawn(Plan((plan_one(NEXT, there),)), there).units
        assert unit.reason.startswith("withdrawn by a rollback")


def test_labels_and_description_of_a_function_are_left_too() -> None:
    named = left("labels.team", "function_description", "tags.blue")
    desired = spec(settings=settings(tags=("blue", "green")), labels={"team": "a", "tier": "gold"}, as_live=named,
                  function_description="ours", labels_exact=True)  # fmt: skip
    there = Function("id-f", "folder", "f", labels={"team": "b", "tier": "gold", "x": "y"}, description="theirs")
    (change,) = own_changes(desired, there)
    assert change.after == {"labels": {"x": None}}
    assert own_changes(replace(desired, as_live=left("labels", "function_description")), there) == ()
    assert as_it_is_live(desired, V1).settings.tags == ("green",)
    assert as_it_is_live(replace(desired, as_live=left("tags")), V1).settings.tags == ()
    assert as_it_is_live(desired, None).settings.tags == ("blue", "green")


def test_why_tells_what_is_left_and_what_is_declared() -> None:
    there = row(V1, by_hand("v2", V1, with_memory(2)))
    unit = plan_one(WANTED, there)
    origin = ValueOrigin("memory", "", 128 << 20, "functions.f", Place("deploy.toml", 3))
    (reported,) = setting_rows(unit.spec, [origin], there, function(), unit.fingerprint)
    assert (reported.held, reported.desired, reported.live) == (Held.LEFT, "128MB", "2GB")
    whole = plan_one(replace(CODE_ONLY, settings=Settings("", "", 0)), there)
    reported_all = setting_rows(whole.spec, [], there, function(), whole.fingerprint)
    assert {"memory", "runtime", "entrypoint"} <= {one.key for one in reported_all}
    assert {one.held for one in reported_all} == {Held.LEFT}


def test_a_saved_plan_is_carried_out_with_what_is_live_by_then() -> None:
    saved = saved_of({"f": NEXT}, planned({"f": NEXT}, row(V1)))
    assert facts_of({"f": NEXT})["f"]["as_live"] == {"names": ["memory_bytes"]}

    def held_on(edited: Version) -> Unit:
        there = row(V1, edited)
        (unit,) = held(saved, planned({"f": NEXT}, there), Today(there, KEY, {"f": {}}, {})).units
        return unit

    unit = held_on(by_hand("v2", V1, with_memory(2)))
    assert (unit.action, unit.exact, unit.base_version_id) == (Action.VERSION, True, "v2")
    assert unit.spec.settings == with_memory(2)
    for other in (with_memory(2, environment={"A": "1"}), settings()):
        unit = held_on(by_hand("v2", V1, other))
        assert (unit.action, unit.reason[:40]) == (Action.BLOCKED, "changed since the plan was made: version")
    idle = saved_of({"f": WANTED}, planned({"f": WANTED}, row(V1)))
    there = row(V1, by_hand("v2", V1, with_memory(2)))
    (unit,) = held(idle, planned({"f": WANTED}, there), Today(there, KEY, {"f": {}}, {})).units
    assert unit.action is Action.UNCHANGED


def test_a_run_that_is_taken_up_goes_on_with_what_is_live_by_then() -> None:
    then = UnitState("f", "f", "folder", "id-f", Action.VERSION, base_version_id="v1",
                     fingerprint=str(plan_one(NEXT, row(V1)).fingerprint))  # fmt: skip
    there = row(V1, by_hand("v2", V1, with_memory(2)))
    plan, settled = still_meant(Plan((plan_one(NEXT, there),)), there, {"f": then})
    assert not settled
    assert [(unit.action, unit.base_version_id) for unit in plan.units] == [(Action.VERSION, "v2")]
    another = plan_one(replace(NEXT, settings=settings(execution_timeout_s=20.0)), there)
    for unit, live in ((another, there), (plan_one(replace(NEXT, as_live=NONE_LEFT), there), there)):
        (blocked,) = still_meant(Plan((unit,)), live, {"f": then})[0].units
        assert blocked.action is Action.BLOCKED
