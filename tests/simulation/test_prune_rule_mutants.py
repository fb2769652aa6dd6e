"""Each rule of a prune broken on purpose: a test must fail. Those that the simulation detects too are in
`test_prune_mutants.py`. A row: what is broken, and which test detects it.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.leftovers import judging, removing
from orchestrator.app.session.leftovers.storage import with_storage
from orchestrator.app.session.pruning import planning as pruning_plans
from orchestrator.engine.changing import deletions
from orchestrator.journal import retention
from orchestrator.model import Blocked
from orchestrator.planning.prune import evidence, finding, packages, past, plan, rule
from orchestrator.planning.prune.rule import Why
from orchestrator.planning.saved.note import PlanNote
from orchestrator.sandbox.memory import objects, paging
from orchestrator.sandbox.memory.adapters import MemoryObjectStore
from orchestrator.version import body
from tests.long import short_first

Break = Callable[[pytest.MonkeyPatch], None]
UNDER_WAY = "test_an_operation_that_is_under_way_keeps_all_versions_of_its_function"
MEANWHILE = "test_an_operation_that_somebody_begins_meanwhile_blocks_its_function"
GOING_ON = "orchestrator.app.session.pruning.going_on"
UNIT, FLOW = "tests/unit/planning/prune/", "tests/flow/"
RULE, PAST, EVIDENCE = f"{UNIT}test_prune_rule.py", f"{UNIT}test_prune_past.py", f"{UNIT}test_prune_evidence.py"
FLEET = f"{FLOW}test_prune_whole.py::test_a_mutant_is_noticed"  # its first line compares a plan with a second opinion
STORED, ENGINE = f"{FLOW}test_stored.py", f"{FLOW}test_prune.py"
PACKAGES, RETENTION = f"{UNIT}test_packages.py", "tests/unit/journal/test_retention.py"
RUNS, WHOLE = "tests/unit/app/test_known_runs.py", "tests/simulation/test_prune_killed.py"


def goes_for(*whys: Why) -> Break:
    """Delete what is kept for these reasons."""

    def broken(patch: pytest.MonkeyPatch) -> None:
        whole = rule._Judge.first

        def first(self: Any, version: Any) -> tuple[Why, str]:
            why, detail = whole(self, version)
            return (Why.OLD, "") if why in whys else (why, detail)

        patch.setattr(rule._Judge, "first", first)

    broken.__name__ = "ignores " + ", ".join(whys)
    return broken


def says(place: Any, name: str, answer: Any, *, later: bool = False) -> Break:
    """Make a function return this, whatever its arguments. `later`: it is awaited."""

    async def awaited(*_: object, **__: object) -> Any:
        return answer

    def broken(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(place, name, awaited if later else lambda *_, **__: answer)

    broken.__name__ = f"{name} says {answer!r}"
    return broken


def holds(place: Any, name: str, value: Any) -> Break:
    """Set a constant to this."""

    def broken(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(place, name, value)

    broken.__name__ = f"{name} is {value!r}"[:60]
    return broken


def count_ours_alone_among_the_newest(patch: pytest.MonkeyPatch) -> None:
    whole = rule.judged

    def judged(versions: Any, latest: Any, policy: Any, *given: Any, **also: Any) -> Any:
        others = sum("[orchestrator:" not in one.description for one in versions)
        return whole(versions, latest, replace(policy, keep=policy.keep + others), *given, **also)

    for place in (rule, finding):
        patch.setattr(place, "judged", judged)


def one_page_of_versions_only(patch: pytest.MonkeyPatch) -> None:
    whole = paging.page
    patch.setattr(paging, "page", lambda *given: {k: v for k, v in whole(*given).items() if k != "nextPageToken"})


def one_page_of_the_bucket_only(patch: pytest.MonkeyPatch) -> None:
    whole = objects.Objects.list

    def first(self: Any, *given: Any, **also: Any) -> Any:
        page = whole(self, *given, **also)
        return replace(page, token="") if given[1:] and given[1] == "functions/" and not also else page

    patch.setattr(objects.Objects, "list", first)


def forget_blocked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(past, "_BAD", {kind: why for kind, why in past._BAD.items() if kind is not Blocked})


def keep_what_was_withdrawn_for_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence._Telling, "copies_since", lambda self, _later: iter(self.copies))


def keep_every_copy_of_a_copy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence._Telling, "_passes_on", lambda *_: False)


def delete_by_force(patch: pytest.MonkeyPatch) -> None:
    whole = body.delete_version_request
    patch.setattr(body, "delete_version_request", lambda one: replace(whole(one), body={"force": True}))


def stop_at_the_first_that_cannot_go(patch: pytest.MonkeyPatch) -> None:
    async def go(self: Any) -> None:
        for number in self.left:
            if self.refused:
                return
            await self._delete(number)

    patch.setattr(deletions._Deletions, "go", go)


def delete_what_was_put_again(patch: pytest.MonkeyPatch) -> None:
    whole = MemoryObjectStore.delete

    async def delete(self: Any, bucket: str, listed: Any) -> bool:
        now = self._objects.head(bucket, listed.key)
        return await whole(self, bucket, replace(listed, modified_at=now.modified_at if now is not None else 0.0))

    patch.setattr(MemoryObjectStore, "delete", delete)


def take_what_is_young_by_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        f"{GOING_ON}.with_storage", lambda *given, **also: with_storage(*given, **{**also, "as_of": math.inf})
    )


def leave_the_bucket_to_others(patch: pytest.MonkeyPatch) -> None:
    async def planned(*given: Any, **also: Any) -> Any:
        return replace(await with_storage(*given, **also), stored=None)

    patch.setattr(f"{GOING_ON}.with_storage", planned)


def forget(name: str) -> Break:
    """Make one of the sources of what runs rely on empty: `digests`, `here`, `holders` of leases, or `unreadable`."""

    def broken(patch: pytest.MonkeyPatch) -> None:
        whole = judging._flying

        def flying(found: Any, digests: Any, here: Any, holders: Any) -> Any:
            given = {"digests": digests, "here": here, "holders": holders}
            if name == "unreadable":
                found = replace(found, unreadable={})
            return whole(found, *({**given, name: ()}[one] for one in given))

        patch.setattr(judging, "_flying", flying)

    broken.__name__ = f"forgets {name}"
    return broken


def swallow_a_page_that_fails(patch: pytest.MonkeyPatch) -> None:
    whole = MemoryObjectStore._call

    async def call(self: Any, what: str, act: Any) -> Any:
        try:
            return await whole(self, what, act)
        except Exception:
            if what != "list objects":
                raise
            return replace(self._objects.list("packages", "nothing at all"), token="")

    patch.setattr(MemoryObjectStore, "_call", call)


def retain_without(kept: retention.Kept) -> Break:
    """Delete records that are kept for this reason."""

    def broken(patch: pytest.MonkeyPatch) -> None:
        whole = retention.retained

        def retained(*given: Any, **also: Any) -> Any:
            return {one: retention.Kept.NOT if why is kept else why for one, why in whole(*given, **also).items()}

        for place in (retention, judging):
            patch.setattr(place, "retained", retained)

    broken.__name__ = f"records go that are {kept.name}"
    return broken


_ELSEWHERE = (retention.Kept.NOT, retention.Kept.OF_A_FUNCTION)  # tested elsewhere: `last_of_functions`
MUTANTS: list[tuple[Break, str]] = [
    (one_page_of_versions_only, FLEET),
    (forget("digests"), STORED),  # an object of a run in flight is deleted
    (one_page_of_the_bucket_only, STORED),
    (forget_blocked, PAST),
    (leave_the_bucket_to_others, f"{WHOLE}::test_resume_does_all_that_was_agreed_to"),
    # which Versions are kept: `rule`, row by row
    (goes_for(Why.LAST_RUN), RULE),
    (goes_for(Why.LATEST), RULE),
    (goes_for(Why.TAGGED), FLEET),
    (goes_for(Why.CHANGING), RULE),
    (goes_for(Why.OPERATION), RULE),
    (goes_for(Why.NAMED), FLEET),
    (goes_for(Why.RUN), FLEET),
    (goes_for(Why.NEWEST), FLEET),
    (goes_for(Why.OTHERS), FLEET),
    (says(rule, "evidence", frozenset()), FLEET),
    (says(rule._Judge, "too_young", answer=False), FLEET),
    (says(rule, "_between", ()), FLEET),
    (says(rule, "_ours", frozenset()), RULE),
    (count_ours_alone_among_the_newest, FLEET),
    (holds(rule, "UNRECORDED_DAYS", 30), RULE),
    # what runs show
    (says(past, "unsettled", ""), PAST),
    (says(past, "_is_good", answer=False), PAST),
    (says(past, "_is_sure", answer=True), PAST),
    (says(past, "touched_by", {}), PAST),
    (says(past.Past, "is_known", answer=True), RUNS),
    (keep_what_was_withdrawn_for_good, EVIDENCE),
    (keep_every_copy_of_a_copy, EVIDENCE),
    # Operations, the manifest, what was agreed to
    (
        says(finding, "_under_way", {}, later=True),
        f"{ENGINE}::{UNDER_WAY}",
    ),
    (
        says(deletions, "_under_way", None, later=True),
        f"{ENGINE}::{MEANWHILE}",
    ),
    (says(pruning_plans, "_named", frozenset()), f"{WHOLE}::test_a_version_that_the_manifest_names_anywhere_stays"),
    (says(plan, "_agreed", None), f"{UNIT}test_prune_agreed.py"),
    (delete_by_force, f"{ENGINE}::test_a_version_that_gets_a_tag_meanwhile_stays_and_is_named"),
    (stop_at_the_first_that_cannot_go, f"{ENGINE}::test_one_that_cannot_be_deleted_stops_no_other"),
    (take_what_is_young_by_now, f"{WHOLE}::test_what_was_too_young_when_it_was_agreed_to_stays"),
    # packages
    (holds(packages, "PACKAGE_KEPT_S", 0.0), PACKAGES),
    (says(judging, "_named", frozenset()), STORED),
    (says(judging, "needed_by_plans", {}), STORED),
    (says(packages, "is_undone", answer=False), PACKAGES),
    (forget("here"), STORED),
    (forget("holders"), STORED),
    (forget("unreadable"), STORED),
    (swallow_a_page_that_fails, STORED),
    (delete_what_was_put_again, STORED),
    # records and what is beside them
    (says(removing, "_unindex", "", later=True), STORED),
    (says(judging, "last_of_functions", frozenset()), STORED),
    (says(judging, "judge_claim", ""), STORED),
    (says(PlanNote, "goes", answer=True), STORED),
    (says(judging, "find_dead", (), later=True), STORED),
    *((retain_without(kept), RETENTION) for kept in retention.Kept if kept not in _ELSEWHERE),
]


def noticed(nodes: str, folder: Path) -> bool:
    """Return whether these tests fail now, in files under ``folder``."""
    options = ["-x", "-q", "-p", "no:randomly", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    # A folder of its own: by default pytest also tidies the one that all runs of this user share,
    # where runs at the same time delete each other's entries during a listing.
    options += ["--basetemp", str(folder / "inner")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main([*options, nodes])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), code
    return code is pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(("broken", "nodes"), short_first(5, MUTANTS), ids=lambda one: getattr(one, "__name__", ""))
def test_a_broken_rule_is_noticed(broken: Break, nodes: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file, _, _ = nodes.partition("::")
    # Complete: names that it imports are never the broken ones.
    import_module(file.removesuffix(".py").replace("/", "."))
    broken(monkeypatch)
    assert noticed(nodes, tmp_path), f"{broken.__name__}: {nodes} has not noticed"
