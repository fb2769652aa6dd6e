"""The simulation of rollouts, or a small test, detects programs that were broken on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.commands import resume as resume_command
from orchestrator.app.session import back, execution, leasing, planning
from orchestrator.app.session.taking_up import check_not_taken_back
from orchestrator.engine import progress as progressing
from orchestrator.engine import run
from orchestrator.engine.breaker import Breaker
from orchestrator.engine.changing import verify
from orchestrator.engine.changing.verify import Verifier
from orchestrator.engine.spreading import gate
from orchestrator.errors import Exit
from orchestrator.function.verification import judge_answer
from orchestrator.journal import state
from orchestrator.journal.events import UnitEnded
from orchestrator.journal.record import RunRecord
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.runs import RolloutState
from orchestrator.journal.taken_back import NOTHING_TAKEN_BACK
from orchestrator.model import Cancelled, Change, ChangeKind, Fingerprint, Unit, Verdict
from orchestrator.model.live_state import LiveState
from orchestrator.planning import resume, stages, verifying
from orchestrator.planning.back import rollback
from orchestrator.resilience.stop import Stop
from orchestrator.version import stamp
from orchestrator.version.stamp import without_back_mark
from tests.engine import Bench
from tests.flow import test_breaker as refusals
from tests.flow import test_rollback as backs
from tests.flow import test_verify as verified
from tests.flow import test_waves as waves
from tests.long import short_first
from tests.runs import STARTED_AT
from tests.simulation import test_crash
from tests.simulation.mutants import Break, must_be_caught
from tests.simulation.test_rollouts import live_through
from tests.unit.app import test_due as due

SEEDS_MAX = 120


def forget_the_verdict_on_resume(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resume, "with_verification", lambda unit, *_: unit)


def forget_the_verdict_in_the_next_plan(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifying, "_is_verified", lambda *_: False)


def give_both_runs_one_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stop, "successor", lambda self: self)


def take_back_by_what_was_live_at_the_runs_end(patch: pytest.MonkeyPatch) -> None:
    whole = rollback.taken_back

    def taken_back(touched: Any, live: LiveState, former: Any) -> tuple[Unit, ...]:
        ended = dict(live.tagged)
        for one in touched:
            if one.made and one.made[-1] in live.versions:
                ended[one.function_id, "$latest"] = live.versions[one.made[-1]]
        return whole(touched, replace(live, tagged=ended), former)

    patch.setattr(back, "taken_back", taken_back)


def give_the_tag_to_the_copy(patch: pytest.MonkeyPatch) -> None:
    whole = rollback._latest

    def latest(unit: Unit, *rest: Any) -> tuple[Unit, str]:
        found, why = whole(unit, *rest)
        kinds = [change.kind for change in found.changes]
        if ChangeKind.VERSION not in kinds:
            return found, why
        tags = [replace(one, after=dict.fromkeys(one.after)) for one in found.changes if one.kind is ChangeKind.TAG]
        others = [one for one in found.changes if one.kind is not ChangeKind.TAG]
        return replace(found, changes=(*others, *tags)), why

    patch.setattr(rollback, "_latest", latest)


def leave_the_back_mark_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rollback, "marked_back", lambda description, _mark: without_back_mark(description))


def write_the_run_into_the_body(patch: pytest.MonkeyPatch) -> None:
    numbers, whole = itertools.count(), stamp.stamped

    def stamped(description: str, digest: Fingerprint) -> str:
        return whole(description, replace(digest, marks=(*digest.marks, ("run", str(next(numbers))))))

    patch.setattr(stamp, "stamped", stamped)


def draw_the_ring_tag_from_memory(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifying, "next_ring", lambda *_: "orc-a")  # as a machine does that has made none yet


def promote_before_all_have_passed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "staging_of", lambda _rollout, *, back: stages.Staging.BACK if back else stages.Staging.WHOLE)


def take_what_nobody_knows_for_passed(patch: pytest.MonkeyPatch) -> None:
    whole = judge_answer

    def judge(*given: Any) -> Any:
        found = whole(*given)
        return replace(found, verdict=Verdict.PASSED) if found.verdict is Verdict.INCONCLUSIVE else found

    patch.setattr(verify, "judge_answer", judge)


def call_once_more_what_has_failed(patch: pytest.MonkeyPatch) -> None:
    whole = Verifier._judged

    async def judged(self: Verifier, one: Any) -> Any:
        found = await whole(self, one)
        return await whole(self, one) if found[0].verdict is Verdict.FAILED else found

    patch.setattr(Verifier, "_judged", judged)


def deploy_what_was_withdrawn(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "without_withdrawn", lambda plan, *_, **__: plan)


def carry_a_paused_run_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resume_command, "_check", check_not_taken_back)


def begin_again_what_was_rolled_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state, "_taken_back", lambda *_: NOTHING_TAKEN_BACK)


def owe_no_rollback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RolloutState, "owes_rollback", lambda *_: False)


def go_on_after_a_breach(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(progressing.RunProgress, "begin", lambda _self: None)
    patch.setattr(resume, "_begun", lambda _unit: True)


def keep_the_lease(patch: pytest.MonkeyPatch) -> None:
    async def end(*_: Any) -> None:
        return None

    patch.setattr(leasing, "_end", end)


def record_no_operations(patch: pytest.MonkeyPatch) -> None:
    whole = RunRecord.__call__

    def call(self: RunRecord, event: Any) -> None:
        whole(self, event)
        self.operations.clear()

    patch.setattr(RunRecord, "__call__", call)


def call_it_back_whatever_is_left_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(execution, "rolled_back_code", lambda _code: 5)


def leave_the_ring_tag_where_it_is(patch: pytest.MonkeyPatch) -> None:
    whole = rollback._tags

    def tags(*given: Any) -> tuple[list[Change], list[str]]:
        moves, left = whole(*given)
        return [one for one in moves if not any(tag.startswith("orc-") for tag in one.after)], left

    patch.setattr(rollback, "_tags", tags)


# With a seed that detects it: tried first, it saves the others. Any other seed may detect it too.
BREAKS: list[tuple[Break, int]] = [
    (owe_no_rollback, 4),
    (keep_the_lease, 0),
    (forget_the_verdict_on_resume, 29),
    (give_both_runs_one_stop, 4),
    (take_back_by_what_was_live_at_the_runs_end, 1),
    (forget_the_verdict_in_the_next_plan, 0),
    (promote_before_all_have_passed, 1),
    (take_what_nobody_knows_for_passed, 5),
    (call_once_more_what_has_failed, 0),
    (deploy_what_was_withdrawn, 5),
    (carry_a_paused_run_on, 41),
    (begin_again_what_was_rolled_back, 43),
    (go_on_after_a_breach, 1),
    (record_no_operations, 8),
    (call_it_back_whatever_is_left_alone, 6),
    (leave_the_ring_tag_where_it_is, 0),
]


@pytest.mark.parametrize(("broken", "seed_first"), short_first(2, BREAKS), ids=lambda one: getattr(one, "__name__", ""))
def test_a_broken_rollout_is_caught(
    broken: Break, seed_first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    must_be_caught(broken, [seed_first, *range(SEEDS_MAX)], live_through, tmp_path, monkeypatch)


# --- rules that a simulation rarely reaches: each is caught by a small test -----------------------------------------


def let_the_breaker_end_a_rollback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "Breaker", lambda folders, on: Breaker(folders, on=bool(folders) or on))


def verify_by_a_tag_of_the_users(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verify, "ring_of", lambda tags: min(tags, default=""))


def take_a_gate_that_cannot_tell_for_one_that_fails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "INCONCLUSIVE", -1)


def count_a_canary_as_any_other(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(progressing.RunProgress, "_is_canary", lambda *_: False)


def run_a_paused_due_time_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(due, "is_done", lambda result: result.exit in (0, 1, 5))


def rollback_bench(folder: Path) -> Bench:
    for number, source in enumerate(("src", "newer")):
        (folder / source).mkdir()
        (folder / source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
    return Bench(folder, durations="fixed:1")


WAITS = ((UnitEnded(STARTED_AT, "f", Cancelled()), RunPaused(STARTED_AT, "approval", 1)), Exit.INTERRUPTED, True)
SMALL: list[tuple[Break, Callable[[Path], None]]] = [
    (leave_the_back_mark_out, lambda folder: backs.test_the_back_mark_is_of_what_was_withdrawn(rollback_bench(folder))),
    (write_the_run_into_the_body, lambda folder: test_crash.live_through(13, folder)),  # a lost answer, a lost key
    (draw_the_ring_tag_from_memory, verified.test_ring_tags_take_turns_and_promoted_ones_follow),
    (let_the_breaker_end_a_rollback, refusals.test_what_is_refused_in_a_rollback_ends_nothing_else),
    (verify_by_a_tag_of_the_users, verified.test_it_is_called_by_its_ring_tag_and_by_none_of_the_users),
    (
        take_a_gate_that_cannot_tell_for_one_that_fails,
        lambda folder: waves.test_what_a_gate_says_of_a_wave(
            folder, waves.UNSURE, "pause", "DDCC", Verdict.INCONCLUSIVE, "paused"
        ),
    ),
    (
        count_a_canary_as_any_other,
        lambda folder: waves.test_a_canary_that_fails_breaches_whatever_is_allowed(folder, 5),
    ),
    (
        run_a_paused_due_time_again,
        lambda _: due.test_a_due_time_is_done_once_nothing_takes_it_up_by_itself(*WAITS),
    ),
    (give_the_tag_to_the_copy, lambda folder: backs.test_everything_is_as_it_was_before(rollback_bench(folder))),
]


@pytest.mark.parametrize(("broken", "caught_by"), SMALL, ids=lambda one: getattr(one, "__name__", ""))
def test_a_small_break_of_a_rollout_is_caught(
    broken: Break, caught_by: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    caught_by(tmp_path / "whole")
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        caught_by(tmp_path / "broken")
