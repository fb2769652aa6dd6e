"""The simulation of prunes detects rules of a prune that were broken on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.leftovers import judging
from orchestrator.app.session.pruning import known_runs
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import LATEST, Blocked, Version
from orchestrator.planning.prune import packages, past, rule
from orchestrator.planning.prune.rule import Why
from tests.long import LONG, short_first
from tests.simulation.mutants import Break, must_be_caught
from tests.simulation.prunes import PruneBench
from tests.simulation.test_prunes import live_through

SEEDS_MAX = 120
SEED_OF_COUNTING = 24  # detects `count_runs_that_may_have_changed_nothing`


def ignore_tags(patch: pytest.MonkeyPatch) -> None:
    whole = rule._Judge.first

    def first(self: Any, version: Version) -> tuple[Why, str]:
        return whole(self, replace(version, tags=tuple(tag for tag in version.tags if tag == LATEST)))

    patch.setattr(rule._Judge, "first", first)


def take_missing_records_for_empty(patch: pytest.MonkeyPatch) -> None:
    whole = known_runs._known
    patch.setattr(known_runs, "_known", lambda *given: replace(whole(*given), recorded=True))


def ignore_what_was_live_before(patch: pytest.MonkeyPatch) -> None:
    def speaks_of(unit: UnitState) -> Iterator[str]:
        yield unit.version_id
        for state in unit.changes:
            yield from (accepted.version_id for accepted in state.operations.values())

    patch.setattr(past, "_speaks_of", speaks_of)


def forget_the_run_before_the_last(patch: pytest.MonkeyPatch) -> None:
    whole = past._FunctionPast.take

    def take(self: Any, run: Any, runs: int) -> None:
        whole(self, run, min(runs, 1))

    patch.setattr(past._FunctionPast, "take", take)
    patch.setattr(past.Past, "is_known", lambda *_: False)


def count_runs_that_may_have_changed_nothing(patch: pytest.MonkeyPatch) -> None:
    """The last good runs are ignored, by the program or by the bench: what they need is also kept for other reasons, so
    such a count nearly always keeps it too. `test_prune_past` has one of the rare cases.
    """
    patch.setattr(past, "_is_sure", lambda _unit: True)
    keep_the_last_runs_alone(patch)


def keep_the_last_runs_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(past, "_is_good", lambda *_: False)
    patch.setattr(PruneBench, "last_good_chains", lambda *_: [])


def prune_after_a_failed_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(past, "unsettled", lambda *_: "")


def take_blocked_for_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(past, "_BAD", {kind: why for kind, why in past._BAD.items() if kind is not Blocked})


def let_failed_runs_push_out_good_ones(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(past, "_is_good", lambda *_: False)


def delete_packages_that_were_just_put(patch: pytest.MonkeyPatch) -> None:
    whole = packages.judge_packages

    def judge(listing: Any, *given: Any) -> Any:
        return whole(replace(listing, at=listing.at + 40 * 86_400), *given)

    patch.setattr(judging, "judge_packages", judge)


# With a seed that detects it: tried first, it saves the others. Any other seed may detect it too.
BREAKS: list[tuple[Break, int]] = [
    (ignore_tags, 30),
    (take_missing_records_for_empty, 9),
    (ignore_what_was_live_before, 5),
    (forget_the_run_before_the_last, 5),
    (count_runs_that_may_have_changed_nothing, SEED_OF_COUNTING),
    (prune_after_a_failed_run, 3),
    (delete_packages_that_were_just_put, 2),
    (take_blocked_for_settled, 46),
    (let_failed_runs_push_out_good_ones, 5),
]


@pytest.mark.parametrize(("broken", "seed_first"), short_first(3, BREAKS), ids=lambda one: getattr(one, "__name__", ""))
def test_a_broken_prune_is_caught(
    broken: Break, seed_first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    must_be_caught(broken, [seed_first, *range(SEEDS_MAX)], live_through, tmp_path, monkeypatch)


@LONG
def test_a_count_of_runs_alone_is_what_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_the_last_runs_alone(monkeypatch)
    live_through(SEED_OF_COUNTING, tmp_path)
