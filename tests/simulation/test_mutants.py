"""The simulation detects engines that were broken on purpose."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.engine import attempts, breaker, calls, run
from orchestrator.engine import in_flight as looking
from orchestrator.engine import read_back as reading
from orchestrator.engine.attempts import Attempts
from orchestrator.engine.base import Base, TagHolder
from orchestrator.engine.breaker import Breaker
from orchestrator.engine.calls import Call, Calls, StepFailedError
from orchestrator.engine.changing import new_version
from orchestrator.engine.changing.new_version import NewVersions
from orchestrator.engine.quotas.slots import Slot, Slots
from orchestrator.engine.tracking.tracker import Tracked, Tracker
from orchestrator.engine.verdicts import Tally
from orchestrator.errors import CloudError, JournalError
from orchestrator.journal import run_journal
from orchestrator.journal.events import Event, Requested, StepFinished
from orchestrator.journal.run_journal import RunJournal
from orchestrator.model import Deployed, Failure, Operation, OperationError, Outcome, Step, Unit, Version
from orchestrator.resilience import policy
from orchestrator.version import stamp
from orchestrator.version.stamp import read_stamp
from tests.flow import test_breaker as refusals
from tests.flow import test_rollout
from tests.flow import test_small_rules as rules
from tests.flow import test_tags_moved as tags
from tests.flow import test_times as times
from tests.simulation.mutants import Break, must_be_caught
from tests.simulation.test_crash import live_through
from tests.unit.engine import test_breaker, test_slots
from tests.unit.journal import test_store

SEEDS_MAX = 150  # of the 500 that pass on the real engine


def drop_the_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stamp, "version_key", lambda *_: str(uuid.uuid4()))


def take_a_failed_poll_for_a_failed_operation(patch: pytest.MonkeyPatch) -> None:
    async def finished(self: Tracker, operation: Operation) -> Tracked:
        while not operation.done:
            await anyio.sleep(0.5)
            try:
                operation = await self._operations.get(operation.id)
            except CloudError as error:
                return Tracked(replace(operation, done=True, error=OperationError(14, error.message)))
        return Tracked(operation)

    patch.setattr(Tracker, "finished", finished)


def free_the_slot_at_an_early_error(patch: pytest.MonkeyPatch) -> None:
    async def finished(self: Tracker, operation: Operation) -> Tracked:
        while not operation.done and operation.error is None:
            await anyio.sleep(0.2)
            try:
                operation = await self._operations.get(operation.id)
            except CloudError:
                continue
        return Tracked(replace(operation, done=True))

    patch.setattr(Tracker, "finished", finished)


def write_the_intent_after_the_call(patch: pytest.MonkeyPatch) -> None:
    whole = Calls._send

    async def send(self: Calls, call: Call) -> Operation:
        written: list[Any] = []
        found = await whole(replace(self, emit=written.append), call)
        for event in written:
            self.emit(event)
        return found

    patch.setattr(Calls, "_send", send)


def poll_before_the_operation_is_written(patch: pytest.MonkeyPatch) -> None:
    whole = Calls._accepted

    async def accepted(self: Calls, call: Call) -> Any:
        slot, operation = await whole(self, call)
        return slot, (await self.tracker.finished(operation)).operation

    patch.setattr(Calls, "_accepted", accepted)


def say_failed_at_the_deadline(patch: pytest.MonkeyPatch) -> None:
    class LateError(StepFailedError):
        def __init__(self, reason: str) -> None:
            super().__init__(Step.CREATE, Failure(reason))

    patch.setattr(calls, "UnsettledError", LateError)


def read_nothing_back(patch: pytest.MonkeyPatch) -> None:
    async def read_back(*_: Any) -> dict[str, Any]:
        return {}

    patch.setattr(run, "read_back", read_back)


def repeat_an_old_failure_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Attempts, "ended_before", lambda *_: False)


def take_every_replay_for_deleted(patch: pytest.MonkeyPatch) -> None:
    async def exists(*_: Any) -> bool:
        return False

    patch.setattr(NewVersions, "_exists", exists)
    patch.setattr(Attempts, "ended_before", lambda *_: True)
    patch.setattr(attempts, "_MAX_REPLAYS", 20)  # it uses all of them, for each repeated Version


def never_look_before_asking_again(patch: pytest.MonkeyPatch) -> None:
    async def look(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(new_version, "in_flight", look)


def take_a_lost_answer_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    whole = policy.judge
    verdicts = policy.ErrorClass

    def judge(error: CloudError) -> policy.ErrorClass:
        found = whole(error)
        return verdicts.PERMANENT if found is verdicts.UNSURE and error.call == "createVersion" else found

    patch.setattr(policy, "judge", judge)


def believe_the_plan(patch: pytest.MonkeyPatch) -> None:
    async def look(_base: Base) -> None:
        return None

    patch.setattr(Base, "look", look)


def overwrite_in_silence(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(reading, "_overwrote", nothing)


def count_no_slots(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slots, "_urgency", lambda *_: 1.0)


def keep_the_slot_of_a_refused_call(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slot, "refused", lambda _self, _metric, retry_after_s: retry_after_s or 1.0)


def take_what_has_left_the_listing_for_done(patch: pytest.MonkeyPatch) -> None:
    whole = Tracker._follow

    async def follow(self: Tracker, one: Any) -> Tracked:
        found: list[Tracked] = []
        async with anyio.create_task_group() as group:

            async def poll() -> None:
                found.append(await whole(self, one))
                group.cancel_scope.cancel()

            group.start_soon(poll)
            while one.watched is not None and not one.watched.gone:
                await one.watched.changed.wait()
            if one.watched is not None:
                group.cancel_scope.cancel()
        return found[0] if found else Tracked(replace(one.operation, done=True))

    patch.setattr(Tracker, "_follow", follow)


# With a seed that detects it: tried first, it saves the others. Any other seed may detect it too.
BREAKS: list[tuple[Break, int]] = [
    (drop_the_key, 13),
    (take_a_failed_poll_for_a_failed_operation, 0),
    (free_the_slot_at_an_early_error, 0),
    (write_the_intent_after_the_call, 0),
    (poll_before_the_operation_is_written, 0),
    (say_failed_at_the_deadline, 61),
    (read_nothing_back, 0),
    (repeat_an_old_failure_for_ever, 2),
    (take_every_replay_for_deleted, 2),
    (never_look_before_asking_again, 6),
    (take_a_lost_answer_for_a_refusal, 1),
    (believe_the_plan, 37),
    (overwrite_in_silence, 14),
    (count_no_slots, 3),
    (keep_the_slot_of_a_refused_call, 12),
    (take_what_has_left_the_listing_for_done, 20),
]


@pytest.mark.parametrize(("broken", "seed_first"), BREAKS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_broken_engine_is_caught(
    broken: Break, seed_first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    must_be_caught(
        broken, [seed_first, *range(SEEDS_MAX)], live_through, tmp_path, monkeypatch,
        by=(AssertionError, BaseExceptionGroup, KeyError),
    )  # fmt: skip


# --- rules that a simulation rarely reaches: each is caught by a small test -----------------------------------------


def forget_an_earlier_unsure_try(patch: pytest.MonkeyPatch) -> None:
    whole = Calls._send

    async def send(self: Calls, call: Call) -> Operation:
        try:
            return await whole(self, call)
        except CloudError as error:
            self._is_unsure(call, unsure=policy.judge(error) is policy.ErrorClass.UNSURE)
            raise

    patch.setattr(Calls, "_send", send)


def miss_a_tag_at_read_back(patch: pytest.MonkeyPatch) -> None:
    whole = reading._compare

    def compare(unit: Unit, outcome: Deployed, version: Version, latest: Version | None) -> Outcome:
        return whole(unit, outcome, replace(version, tags=unit.spec.settings.tags), latest)

    patch.setattr(reading, "_compare", compare)


def take_what_was_not_forced_for_a_forced_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(looking, "_same", lambda description, unit: read_stamp(description) == unit.fingerprint)


def remember_the_quota_of_one_function_for_all(patch: pytest.MonkeyPatch) -> None:
    whole = Calls._again

    async def again(self: Calls, call: Call, *rest: Any) -> None:
        await whole(self, replace(call, function_id=""), *rest)

    patch.setattr(Calls, "_again", again)


def keep_what_was_asked_at_release(patch: pytest.MonkeyPatch) -> None:
    whole = Slots._free
    patch.setattr(Slots, "_free", lambda self, scope, **_: whole(self, scope, asked=False))


def count_on_after_a_failed_append(patch: pytest.MonkeyPatch) -> None:
    whole = RunJournal.append

    def append(self: RunJournal, event: Event) -> None:
        try:
            whole(self, event)
        except JournalError:
            self._seq += len(self._waiting)  # of this transaction, which was rolled back
            raise

    patch.setattr(RunJournal, "append", append)


def let_the_intent_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run_journal, "_WITH_THE_NEXT", (*run_journal._WITH_THE_NEXT, Requested))


def count_refusals_of_all_folders_together(patch: pytest.MonkeyPatch) -> None:
    whole = Breaker._lane
    patch.setattr(Breaker, "_lane", lambda self, lane: whole(self, lane._replace(folder_id="")))


def forget_what_was_accepted(patch: pytest.MonkeyPatch) -> None:
    whole = Breaker.hear

    def hear(self: Breaker, event: Event) -> None:
        whole(self, replace(event, ok=False) if isinstance(event, StepFinished) else event)

    patch.setattr(Breaker, "hear", hear)


def take_one_setting_for_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(breaker, "_traits", lambda _unit: frozenset())


def take_five_answers_for_all(patch: pytest.MonkeyPatch) -> None:
    whole = Breaker.hear

    def hear(self: Breaker, event: Event) -> None:
        whole(self, event)
        for lane in self._lanes.values():
            lane.asked.clear()

    patch.setattr(Breaker, "hear", hear)


def stop_before_a_declared_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "Breaker", lambda folders, on: Breaker(folders, on=bool(folders) or on))


def let_a_wave_follow_one_that_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tally, "wave_ended", lambda _self, _number: "")


def take_a_share_of_all(patch: pytest.MonkeyPatch) -> None:
    whole = Tally.wave_begins
    patch.setattr(Tally, "wave_begins", lambda self, _end: whole(self, self.units))


def move_tags_as_planned(patch: pytest.MonkeyPatch) -> None:
    async def look(_holder: TagHolder) -> None:
        return None

    patch.setattr(TagHolder, "look", look)


def take_what_was_over_at_once_for_our_own(patch: pytest.MonkeyPatch) -> None:
    whole = Calls.run

    async def run_once(self: Calls, call: Call, found: Operation | None = None) -> Operation:
        return await whole(self, replace(call, attempt=call.attempt + 1), found)

    patch.setattr(Calls, "run", run_once)


INTENT = next(event for event in test_store.AT_ONCE if isinstance(event, Requested))
SMALL: list[tuple[Break, Callable[[Path], None]]] = [
    (forget_an_earlier_unsure_try, rules.test_a_refusal_says_nothing_of_an_earlier_try_whose_answer_was_lost),
    (miss_a_tag_at_read_back, rules.test_a_tag_that_the_version_does_not_hold_is_seen_when_it_is_read_back),
    (
        take_what_was_not_forced_for_a_forced_version,
        lambda folder: rules.test_what_is_in_flight_is_ours_only_if_it_was_forced_alike(folder, "0123abcd"),
    ),
    (remember_the_quota_of_one_function_for_all, rules.test_a_quota_of_one_function_stops_no_other),
    (
        keep_what_was_asked_at_release,
        lambda _: test_slots.test_a_slot_that_is_given_back_is_not_asked_for_any_more(accepted=False),
    ),
    (count_on_after_a_failed_append, test_store.test_after_an_append_that_failed_the_next_leaves_no_gap),
    (
        let_the_intent_wait,
        lambda folder: test_store.test_what_a_killed_run_must_not_lose_is_there_when_append_returns(folder, INTENT),
    ),
    (
        count_refusals_of_all_folders_together,
        refusals.test_no_rights_in_one_folder_leaves_the_other_alone,
    ),
    (forget_what_was_accepted, lambda _: test_breaker.test_once_one_was_accepted_nothing_is_ended()),
    (take_five_answers_for_all, lambda _: test_breaker.test_an_answer_that_is_awaited_is_waited_for()),
    (
        take_one_setting_for_another,
        lambda _: test_breaker.test_five_with_the_same_setting_say_nothing_of_those_with_another(),
    ),
    (stop_before_a_declared_limit, lambda folder: refusals.test_a_declared_limit_is_the_only_one(folder, 30)),
    (
        let_a_wave_follow_one_that_failed,
        test_rollout.test_without_max_failures_a_wave_with_a_failure_is_the_last_one,
    ),
    (
        move_tags_as_planned,
        lambda folder: tags.test_a_tag_that_was_moved_since_the_plan_is_not_moved_over("moved", folder),
    ),
    (
        take_what_was_over_at_once_for_our_own,
        lambda folder: times.test_what_failed_within_one_tick_of_the_clock_is_not_taken_for_the_next_runs_own_failure(
            0.0, folder
        ),
    ),
    (take_a_share_of_all, test_rollout.test_a_share_is_of_the_functions_up_to_the_running_waves_end),
]


@pytest.mark.parametrize(("broken", "caught_by"), SMALL, ids=lambda one: getattr(one, "__name__", ""))
def test_a_small_break_is_caught(
    broken: Break, caught_by: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    caught_by(tmp_path / "whole")
    broken(monkeypatch)
    with pytest.raises((AssertionError, JournalError)):
        caught_by(tmp_path / "broken")
