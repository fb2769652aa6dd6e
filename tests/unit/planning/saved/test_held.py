"""What of a saved plan a later plan still carries out: the rows of its truth table, and the messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.model import (
    Action,
    Blocked,
    Build,
    Change,
    ChangeKind,
    Failed,
    Failure,
    FunctionSpec,
    Plan,
    Rollout,
    Secret,
    SourceCode,
    Step,
    Storage,
    Unit,
    Verify,
    VersionCopy,
    WayBack,
    WayBackKind,
)
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.back.withdrawn import WITHDRAWN
from orchestrator.planning.meanwhile.decide_again import decided_again
from orchestrator.planning.planner import build
from orchestrator.planning.saved.document import SavedPlan
from orchestrator.planning.saved.facts import facts_of_function, facts_of_run, facts_of_settings, stands_for
from orchestrator.planning.saved.held import Today, differing, held, is_changed_since, new_bases
from orchestrator.planning.verifying import Verifying
from orchestrator.version.stamp import code_digest, fingerprint, stamped
from tests.builders import function, settings, source, spec, tree, version
from tests.saved_plans import KEY, ROOT, RUN, facts_of, planned, saved_of

OLD, NEW = spec(settings=settings(memory_bytes=1)), spec(settings=settings(memory_bytes=2))
PROMOTED = replace(NEW, verify=Verify(), promote=("stable",))


def live(desired: FunctionSpec, id: str = "v1", *, by_us: bool = True, **more: tuple[str, ...]) -> LiveState:
    """Return a folder in which a version of the function is live, and others hold tags."""
    description = stamped("", fingerprint(desired.settings, code_digest(desired.code, None))) if by_us else "by hand"
    raw = {
        "description": description, "runtime": "python312", "entrypoint": "index.handler", "executionTimeout": "10s",
        "resources": {"memory": str(desired.settings.memory_bytes)},
    }  # fmt: skip
    there = function(desired.name)
    others = [version(one, there.id, tags=tags) for one, tags in more.items()]
    return indexed([there], [version(id, there.id, **raw), *others])  # type: ignore[arg-type]  # a test's loose table


def plan_of(desired: FunctionSpec, there: LiveState, **how: object) -> Plan:
    return build({"f": desired}, there, {}, {}, **how)  # type: ignore[arg-type]  # the same


def hold(saved: SavedPlan, plan: Plan, there: LiveState, resolved: dict[str, str] | None = None) -> Unit:
    today = Today(there, KEY, {"f": resolved or {}}, {"v2": "petya"})
    (unit,) = held(saved, plan, today).units
    return unit


def test_what_is_as_it_was_is_carried_out_and_not_decided_again() -> None:
    plan = plan_of(NEW, live(OLD))
    unit = hold(saved_of({"f": NEW}, plan), plan, live(OLD))
    assert unit == replace(plan.units[0], exact=True)
    assert unit.action is Action.VERSION


def test_what_is_live_as_planned_is_unchanged_and_says_so() -> None:
    saved = saved_of({"f": NEW}, plan_of(NEW, live(OLD)))
    unit = hold(saved, plan_of(NEW, live(NEW, "v2")), live(NEW, "v2"))
    assert (unit.action, unit.reason) == (Action.UNCHANGED, "already live as planned")
    assert new_bases(saved, plan_of(NEW, live(NEW, "v2")), live(NEW, "v2"), KEY) == {}


def test_another_live_version_blocks_with_who_made_it() -> None:
    saved = saved_of({"f": NEW}, plan_of(NEW, live(OLD)))
    other = live(spec(settings=settings(memory_bytes=1)), "v2")
    plan = plan_of(NEW, other)
    unit = hold(saved, plan, other)
    assert (unit.action, unit.changes) == (Action.BLOCKED, ())
    assert unit.reason == "changed since the plan was made: version v2 was made by petya"
    assert list(new_bases(saved, plan, other, KEY)) == ["f"]


def test_what_the_plan_left_alone_is_left_alone() -> None:
    saved = saved_of({"f": OLD}, plan_of(OLD, live(OLD)))
    assert saved.units[0].action == "unchanged"
    edited = live(NEW, "v2")
    unit = hold(saved, plan_of(OLD, edited), edited)
    assert (unit.action, "version v2 was made by petya" in unit.reason) == (Action.BLOCKED, True)
    lost = hold(saved, plan_of(OLD, indexed([function()], [])), indexed([function()], []))
    assert (lost.action, lost.reason.endswith("its version, v1, was deleted")) == (Action.BLOCKED, True)


def test_what_was_known_to_be_verified_is_not_verified_again() -> None:
    checked = replace(OLD, verify=Verify())
    known = plan_of(checked, live(OLD), verifying=Verifying(frozenset({"v1"})))
    assert known.units[0].action is Action.UNCHANGED
    anew = plan_of(checked, live(OLD))
    assert anew.units[0].action is Action.VERIFY
    assert hold(saved_of({"f": checked}, known), anew, live(OLD)).action is Action.UNCHANGED


@pytest.mark.parametrize(("holder", "action"), [("v0", Action.VERIFY), ("v9", Action.BLOCKED)])
def test_of_a_plan_that_was_cut_off_the_rest_is_done(holder: str, action: Action) -> None:
    """Its version is made; verification and promotion are left, as long as the tag has not moved."""
    saved = saved_of({"f": PROMOTED}, plan_of(PROMOTED, live(OLD, v0=("stable",))))
    assert [change.kind for change in saved.units[0].changes] == [ChangeKind.VERSION, ChangeKind.VERIFY, ChangeKind.TAG]
    there = live(NEW, "v2", v0=("stable",)) if holder == "v0" else live(NEW, "v2", v9=("stable",))
    unit = hold(saved, plan_of(PROMOTED, there), there)
    assert unit.action is action
    if action is Action.VERIFY:
        assert [change.kind for change in unit.changes] == [ChangeKind.VERIFY, ChangeKind.TAG]
        assert unit.exact


def test_a_created_function_gets_its_version_after_a_kill_and_labels_no_more() -> None:
    desired = replace(NEW, create=True, labels={"team": "a"})
    saved = saved_of({"f": desired}, plan_of(desired, indexed([], [])))
    bare = indexed([replace(function(), labels={"team": "a"})], [])
    assert hold(saved, plan_of(desired, bare), bare).action is Action.VERSION
    other = indexed([replace(function(), labels={"team": "b"})], [])
    unit = hold(saved, plan_of(desired, other), other)
    assert (unit.action, "its description or its scaling were changed" in unit.reason) == (Action.BLOCKED, True)


def test_a_function_that_was_made_again_is_another() -> None:
    saved = saved_of({"f": NEW}, plan_of(NEW, live(OLD)))
    there = function(id="id-new")
    again = indexed([there], [version("v1", there.id, **dict(live(OLD).versions["v1"].raw))])
    assert hold(saved, plan_of(NEW, again), again).reason.endswith(
        "the function, id-f, was deleted and created again as id-new"
    )


def test_a_tag_that_another_version_holds_by_now_blocks() -> None:
    tagged = replace(NEW, settings=replace(NEW.settings, tags=("stable",)))
    saved = saved_of({"f": tagged}, plan_of(tagged, live(OLD, v0=("stable",))))
    there = live(OLD, v9=("stable",))
    assert hold(saved, plan_of(tagged, there), there).reason.endswith("the tag stable is held by v9 now")


def test_a_way_back_that_is_lost_blocks() -> None:
    plan = plan_of(NEW, live(OLD))
    whole = replace(plan, units=(replace(plan.units[0], way_back=WayBack(WayBackKind.COPY)),))
    lost = replace(plan, units=(replace(plan.units[0], way_back=WayBack(WayBackKind.NONE, "no secret any more")),))
    saved = saved_of({"f": NEW}, whole)
    assert hold(saved, whole, live(OLD)).action is Action.VERSION
    assert hold(saved, lost, live(OLD)).reason.endswith("it can no longer be rolled back: no secret any more")


def test_what_names_stand_for_is_live_state() -> None:
    named = replace(NEW, settings=replace(NEW.settings, secrets=(Secret("TOKEN", "key", name="db"),)))
    first, second = (
        replace(NEW, settings=replace(NEW.settings, secrets=(Secret("TOKEN", "key", id="e6q", version_id=one),)))
        for one in ("one", "two")
    )
    saved = saved_of({"f": named}, plan_of(first, live(OLD)))
    resolved = stands_for(facts_of_settings(named.settings), facts_of_settings(second.settings))
    unit = hold(saved, plan_of(second, live(OLD)), live(OLD), resolved)
    assert unit.reason.endswith("names in the manifest stand for something else now: secrets.TOKEN")


def test_what_is_blocked_now_for_the_same_version_keeps_its_reason() -> None:
    saved = saved_of({"f": NEW}, plan_of(NEW, live(OLD)))
    (unit,) = plan_of(NEW, live(OLD)).units
    failure = Failure("no room in the quota")
    full = replace(unit, action=Action.BLOCKED, reason=failure.message, failure=failure, changes=())
    assert hold(saved, Plan((full,)), live(OLD)).reason == "no room in the quota"
    assert "version v2 was made" in hold(saved, Plan((full,)), live(OLD, "v2")).reason


def test_changes_in_another_order_are_not_the_plan() -> None:
    plan = plan_of(NEW, live(OLD))
    (unit,) = plan.units
    other = replace(unit, changes=(Change(ChangeKind.TAG, {"a": ""}, {"a": "v1"}), *unit.changes))
    assert hold(saved_of({"f": NEW}, plan), Plan((other,)), live(OLD)).action is Action.BLOCKED
    reversed_ = replace(other, changes=other.changes[::-1])
    assert hold(saved_of({"f": NEW}, Plan((other,))), Plan((reversed_,)), live(OLD)).action is Action.BLOCKED
    twice = replace(other, changes=(other.changes[0], *other.changes))
    assert hold(saved_of({"f": NEW}, Plan((other,))), Plan((twice,)), live(OLD)).action is Action.BLOCKED
    assert hold(saved_of({"f": NEW}, Plan((other,))), Plan((other,)), live(OLD)).action is Action.VERSION


def test_what_a_rollback_has_taken_back_since_is_said_to_be_that_and_is_done_by_no_run_of_the_plan() -> None:
    saved, now = saved_of({"f": NEW}, plan_of(NEW, live(OLD))), live(OLD, "v2")
    (desired,) = plan_of(NEW, now).units
    failure = Failure("withdrawn by rollback r2 of run r1", kind=WITHDRAWN)
    back = replace(desired, action=Action.BLOCKED, reason=failure.message, failure=failure, changes=())
    unit = hold(saved, Plan((back,)), now)
    said = "changed since the plan was made: version v2 was made by petya; it is withdrawn by rollback r2 of run r1"
    assert unit.reason == said
    assert is_changed_since(Blocked(unit.reason))
    assert not any(map(is_changed_since, (None, Blocked("a canary has failed"), Failed(Step.CREATE, failure))))


def unlike(then: FunctionSpec, now: FunctionSpec) -> list[str]:
    saved = saved_of({"f": then}, planned({"f": then}, live(OLD)))
    return list(differing(saved, KEY, RUN, facts_of({"f": now}), {}, {}))


def test_each_difference_of_what_is_desired_is_named_without_a_value() -> None:
    base = replace(NEW, settings=replace(NEW.settings, environment={"A": "one", "B": "x"}), labels={"t": "a"})
    assert unlike(base, base) == []
    for now, said in (
        (replace(base, settings=replace(base.settings, environment={"A": "two", "B": "x"})), "environment.A changed"),
        (replace(base, settings=replace(base.settings, environment={"A": "one"})), "environment.B removed"),
        (replace(base, settings=replace(base.settings, memory_bytes=5)), "memory changed"),
        (replace(base, settings=replace(base.settings, execution_timeout_s=None)), "timeout removed"),
        (replace(base, settings=replace(base.settings, tags=("a",))), "tags added"),
        (replace(base, settings=replace(base.settings, secrets=(Secret("T", "k", id="e"),))), "secrets.T added"),
        (replace(base, labels={"t": "b"}), "labels.t changed"),
        (replace(base, labels_exact=True), "labels_exact added"),
        (replace(base, create=True), "create added"),
        (replace(base, id="d4e"), "id added"),
        (replace(base, name="g"), "name changed"),
        (replace(base, verify=Verify(payload={"token": "hidden"})), "verify added"),
        (replace(base, promote=("stable",)), "promote added"),
        (replace(base, let_go=frozenset({"memory_bytes"})), "let_go added"),
        (replace(base, function_description="text"), "function_description added"),
        (replace(base, code=source()), "code changed"),
    ):  # fmt: skip
        assert unlike(base, now) == [said]


def test_a_selection_that_has_more_or_less_and_a_run_that_spreads_otherwise() -> None:
    one, two = {"f": NEW}, {"g": replace(NEW, key="g", name="g")}
    saved = saved_of(one, planned(one, live(OLD)))
    assert differing(saved, KEY, RUN, facts_of(two), {}, {"f": "in the plan, and not in deploy.toml any more"}) == {
        "in the plan, and not in deploy.toml any more": ["f"], "selected, but not in the plan": ["g"]
    }  # fmt: skip
    rollout = facts_of_run(Rollout(waves=(1, "100%"), max_failures=0), Storage("other"), ROOT)
    said = ["rollout.max_failures added", "rollout.waves added", "storage.bucket changed"]
    assert list(differing(saved, KEY, rollout, facts_of(one), {}, {})) == said


def test_sources_count_by_what_they_hold_and_where_they_are_from_the_manifest() -> None:
    def desired(root: str) -> dict[str, FunctionSpec]:
        return {"f": replace(NEW, code=SourceCode(Path(root, "src"), Path(root)))}

    def facts(root: str, content: str) -> dict[str, dict[str, object]]:
        return {"f": facts_of_function(desired(root)["f"], tree(content), Path(root), uploaded=False)}

    trees = {"f": tree("a" * 64)}
    saved = saved_of(desired(str(ROOT)), planned(desired(str(ROOT)), live(OLD), trees), trees)
    assert differing(saved, KEY, RUN, facts("/elsewhere/clone", "a" * 64), {}, {}) == {}
    assert list(differing(saved, KEY, RUN, facts("/elsewhere/clone", "b" * 64), {}, {})) == ["source files changed"]
    gone = (Step.PACKAGE, Failure("/src does not exist"))
    lost = {"f": facts_of_function(desired("/x")["f"], gone, Path("/x"), uploaded=False)}
    assert list(differing(saved, KEY, RUN, lost, {"f": gone}, {})) == ["source files removed: /src does not exist"]


def test_a_build_without_a_folder_counts_by_its_command_where_its_source_is_not_here() -> None:
    def facts(folder: str, command: str = "make") -> dict[str, object]:
        code = SourceCode(ROOT / "src", ROOT, Build(command, ROOT / folder))
        return facts_of_function(replace(NEW, code=code), None, ROOT, uploaded=True)

    assert facts("src") == facts(".") != facts("src", "make all")


def test_a_copy_of_a_saved_plan_is_not_made_from_another_version_instead() -> None:
    copy = spec(settings=settings(memory_bytes=2), code=VersionCopy("v1"))
    before, now = live(OLD), live(OLD, "v2")
    (unit,) = planned({"f": copy}, before).units
    base, latest = before.latest("id-f"), now.latest("id-f")
    made = decided_again(unit, base, latest)
    assert isinstance(made, Unit)
    assert made.base_version_id == "v2"
    refused = decided_again(replace(unit, exact=True), base, latest)
    assert isinstance(refused, Blocked)
    assert refused.reason.startswith("changed since the plan: version v2 was made")


def test_what_nobody_has_declared_is_no_fact_so_a_new_field_changes_no_plan_that_is_saved() -> None:
    assert facts_of_run(Rollout(), Storage("b"), ROOT) == {"storage.bucket": "b", "storage.prefix": ""}
    assert facts_of_function(replace(NEW, verify=Verify(attempts=5)), None, ROOT, uploaded=False) == {
        "runtime": "python312", "entrypoint": "index.handler", "memory": 2, "timeout": 10.0, "name": "f",
        "folder_id": "folder", "verify": {"attempts": 5},
        "code": ["BucketPackage", {"bucket": "bucket", "object": "f.zip", "sha256": "0" * 64}],
    }  # fmt: skip
