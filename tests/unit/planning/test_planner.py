from __future__ import annotations

import re
from dataclasses import replace

from orchestrator.model import Action, Change, ChangeKind, Failure, FunctionSpec, Step, Tree, Unit, VersionCopy
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.planner import Prepared, build
from orchestrator.version.adoption import Adoption
from orchestrator.version.stamp import code_digest, fingerprint, stamped
from tests.builders import function, settings, source, spec, tree, version

EMPTY = indexed([], [])


def live(
    desired: FunctionSpec, *, prepared: Prepared = None, description: str | None = None, **changes: object
) -> LiveState:
    """Return a folder in which the desired function is deployed exactly so."""
    digest = fingerprint(desired.settings, code_digest(desired.code, prepared if isinstance(prepared, Tree) else None))
    raw: dict[str, object] = {
        "description": description if description is not None else stamped(desired.settings.description, digest),
        "runtime": desired.settings.runtime, "entrypoint": desired.settings.entrypoint,
        "resources": {"memory": str(desired.settings.memory_bytes)}, "executionTimeout": "10s",
        "environment": dict(desired.settings.environment),
    }  # fmt: skip
    tags = ("$latest", *desired.settings.tags)
    there = function(desired.name)
    given = {"tags": tags} | changes
    return indexed([there], [version("v1", there.id, **(raw | given))])  # type: ignore[arg-type]  # a test's loose table


def plan_one(
    desired: FunctionSpec, there: LiveState, prepared: Prepared = None, *, forced: str = "", adopt: bool = False
) -> Unit:
    (unit,) = build(
        {desired.key: desired}, there, {desired.key: prepared}, {}, forced=forced, adopt=Adoption(everything=adopt)
    ).units
    return unit


def test_a_missing_function_is_created_where_that_is_allowed() -> None:
    unit = plan_one(spec(create=True), EMPTY)
    assert (unit.action, unit.function_id, unit.base_version_id) == (Action.CREATE, None, None)


def test_a_missing_function_is_blocked_otherwise_with_advice() -> None:
    unit = plan_one(spec(), EMPTY)
    assert unit.action is Action.BLOCKED
    assert unit.reason == 'folder folder has no function named "f"'
    assert unit.failure is not None
    assert "create = true" in unit.failure.advice


def test_a_pinned_id_that_is_not_there_is_blocked() -> None:
    assert plan_one(spec(id="d4e"), EMPTY).reason == "folder folder has no function with the ID d4e"


def test_what_is_live_as_desired_is_unchanged() -> None:
    desired = spec(settings=settings(tags=("stable",), description="text"))
    unit = plan_one(desired, live(desired))
    assert (unit.action, unit.base_version_id) == (Action.UNCHANGED, "v1")


def test_force_makes_a_new_version_all_the_same() -> None:
    unit = plan_one(spec(), live(spec()), forced="0" * 8)
    assert (unit.action, unit.reason) == (Action.VERSION, "forced")


def test_force_says_what_changes_besides() -> None:
    unit = plan_one(spec(settings=settings(runtime="python313")), live(spec()), forced="0" * 8)
    assert unit.reason == "forced; runtime python312 → python313"


def test_what_the_same_forced_run_has_made_already_is_unchanged() -> None:
    digest = replace(fingerprint(settings(), code_digest(spec().code, None)), forced="0" * 8)
    there = live(spec(), description=stamped("", digest))
    assert plan_one(spec(), there, forced="0" * 8).action is Action.UNCHANGED
    assert plan_one(spec(), there, forced="1" * 8).reason == "forced"
    assert plan_one(spec(), there).action is Action.UNCHANGED


def test_a_stamp_in_the_declared_description_is_text() -> None:
    desired = spec(settings=settings(description=stamped("copied from the console", fingerprint(settings(), "0" * 16))))
    assert plan_one(desired, live(desired)).action is Action.UNCHANGED


def test_what_a_new_version_drops_of_ours_that_is_not_known_is_said() -> None:
    there = live(spec(), gpu={"count": "1"})
    assert plan_one(spec(), there).action is Action.UNCHANGED
    unit = plan_one(spec(settings=settings(runtime="python313")), there)
    assert (unit.action, unit.reason) == (
        Action.VERSION,
        "runtime python312 → python313; removes settings that this program does not know: gpu",
    )


def test_reasons_name_what_differs_and_never_show_values() -> None:
    before = spec(settings=settings(environment={"A": "1", "B": "hidden", "C": "3"}))
    after = spec(
        settings=settings(runtime="python313", memory_bytes=2**28, environment={"B": "other", "C": "3", "D": "4"})
    )
    unit = plan_one(after, live(before))
    assert unit.action is Action.VERSION
    assert unit.reason == (
        "runtime python312 → python313; memory 128MB → 256MB; environment: +D ~B -A"
    )  # fmt: skip
    assert unit.settings_text == unit.reason
    assert [f"{one.sign} {one.label} {one.what}" for one in unit.settings] == [
        "~ runtime python312 → python313", "~ memory 128MB → 256MB", "+ environment D", "~ environment B",
        "- environment A",
    ]  # fmt: skip


def test_changed_code_is_a_new_version() -> None:
    desired = spec(code=source())
    unit = plan_one(desired, live(desired, prepared=tree()), tree("b" * 64))
    assert unit.action is Action.VERSION
    assert re.fullmatch("package [0-9a-f]{4}… → [0-9a-f]{4}…", unit.reason)


def test_a_version_made_by_hand_is_replaced_where_nothing_is_taken_away() -> None:
    unit = plan_one(spec(settings=settings(environment={"A": "1"})), live(spec(), description=""))
    assert (unit.action, unit.reason) == (
        Action.VERSION, "the live version was not made by this tool: environment: +A",
    )  # fmt: skip


def test_nothing_is_taken_from_a_version_made_by_hand_until_it_is_adopted() -> None:
    there = live(spec(), description="", environment={"LEVEL": "x"}, secrets=[{"environmentVariable": "TOKEN"}])
    unit = plan_one(spec(), there)
    assert (unit.action, unit.function_id) == (Action.BLOCKED, "id-f")
    assert unit.reason == (
        "the live version was not made by this tool, and the new version would remove environment LEVEL; secrets TOKEN"
    )
    assert unit.failure is not None
    assert "--adopt" in unit.failure.advice
    adopted = plan_one(spec(), there, adopt=True)
    assert (adopted.action, adopted.reason) == (
        Action.VERSION, "the live version was not made by this tool: environment: -LEVEL; secrets: -TOKEN",
    )  # fmt: skip


def test_an_equal_version_that_lacks_a_tag_gets_it_and_one_that_is_not_active_is_made_again() -> None:
    desired = spec(settings=settings(tags=("blue", "stable")))
    unit = plan_one(desired, live(desired, tags=("$latest", "blue")))
    assert unit.action is Action.RETAG
    assert unit.changes == (Change(ChangeKind.TAG, {"stable": ""}, {"stable": "v1"}),)
    assert unit.reason == "the live version lacks the tag stable"
    assert plan_one(spec(), live(spec(), status="OBSOLETE")).reason == "the live version is OBSOLETE"


def test_a_copy_resolves_latest_and_tags_to_the_version_they_stand_for() -> None:
    there = live(spec(settings=settings(tags=("stable",))))
    for name in ("$latest", "stable", "v1"):
        unit = plan_one(spec(code=VersionCopy(name), settings=settings(concurrency=2)), there)
        assert (unit.action, unit.spec.code) == (Action.COPY, VersionCopy("v1"))


def test_a_copy_of_a_version_that_is_not_there_is_blocked() -> None:
    unit = plan_one(spec(code=VersionCopy("v9")), live(spec()))
    assert unit.reason == "folder folder has no version v9 to copy the code from"


def test_a_source_that_cannot_be_read_fails_its_function_only() -> None:
    failure = Failure("the build failed", kind="build")
    plan = build(
        {"a": spec("a", create=True), "b": spec("b", create=True)}, EMPTY, {"a": (Step.BUILD, failure)}, {}
    )  # fmt: skip
    assert [(unit.action, unit.failed_step) for unit in plan.units] == [
        (Action.BLOCKED, Step.BUILD),
        (Action.CREATE, None),
    ]


def test_a_name_that_cannot_be_resolved_blocks_its_function_only() -> None:
    plan = build({"a": spec("a", create=True)}, EMPTY, {}, {"a": Failure("no such secret")})
    assert [(unit.action, unit.reason) for unit in plan.units] == [(Action.BLOCKED, "no such secret")]


def test_a_missing_entry_file_is_an_error_before_anything_is_sent() -> None:
    unit = plan_one(spec(code=source(), create=True), EMPTY, tree(paths=("main.py",)))
    assert (unit.action, unit.failed_step) == (Action.BLOCKED, Step.PACKAGE)
    assert "index.py" in unit.reason


def test_two_names_for_one_live_function_are_both_blocked() -> None:
    there = live(spec("f"))
    plan = build({"f": spec("f"), "g": spec("g", id="id-f")}, there, {}, {})
    assert {unit.action for unit in plan.units} == {Action.BLOCKED}
    assert {unit.reason for unit in plan.units} == {"f, g refer to one live function, id-f"}


def test_folders_take_turns() -> None:
    desired = {
        key: spec(key, folder_id=folder, create=True)
        for key, folder in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("c2", "c")]
    }
    plan = build(desired, EMPTY, {}, {})
    assert [unit.key for unit in plan.units] == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_copy_of_the_live_version_with_its_settings_is_unchanged() -> None:
    assert plan_one(spec(code=VersionCopy("$latest")), live(spec())).action is Action.UNCHANGED


def test_a_description_that_leaves_the_stamp_no_room_stops_its_own_function_alone() -> None:
    long = spec(settings=settings(description="x" * 501), create=True)
    units = build({"f": long, "g": spec("g", create=True)}, EMPTY, {}, {}).units
    assert [unit.action for unit in units] == [Action.BLOCKED, Action.CREATE]
    assert "its description has 501 characters" in units[0].reason
