"""The simulation bites: engines broken on purpose, each of which it has to catch."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.engine import calls, changes, run
from orchestrator.engine.calls import Call, Calls, StepFailedError
from orchestrator.engine.changes import Changes
from orchestrator.engine.quotas.slots import Slot, Slots
from orchestrator.engine.tracking.tracker import Tracked, Tracker
from orchestrator.errors import CloudError
from orchestrator.model import Failure, Operation, OperationError, Step
from orchestrator.resilience import policy
from orchestrator.version import stamp
from tests.simulation.test_crash import live_through

SEEDS_MAX = 150  # of the 500 that pass on the engine as it is
Break = Callable[[pytest.MonkeyPatch], None]


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
    patch.setattr(Changes, "_ended_before", lambda *_: False)


def take_every_replay_for_deleted(patch: pytest.MonkeyPatch) -> None:
    async def exists(*_: Any) -> bool:
        return False

    patch.setattr(Changes, "_exists", exists)
    patch.setattr(Changes, "_ended_before", lambda *_: True)


def never_look_before_asking_again(patch: pytest.MonkeyPatch) -> None:
    async def look(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(changes, "in_flight", look)


def take_a_lost_answer_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    whole = policy.judge
    verdicts = policy.Verdict

    def judge(error: CloudError) -> policy.Verdict:
        found = whole(error)
        return verdicts.PERMANENT if found is verdicts.UNSURE and error.call == "createVersion" else found

    patch.setattr(policy, "judge", judge)


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


BREAKS: list[Break] = [
    drop_the_key,
    take_a_failed_poll_for_a_failed_operation,
    free_the_slot_at_an_early_error,
    write_the_intent_after_the_call,
    poll_before_the_operation_is_written,
    say_failed_at_the_deadline,
    read_nothing_back,
    repeat_an_old_failure_for_ever,
    take_every_replay_for_deleted,
    never_look_before_asking_again,
    take_a_lost_answer_for_a_refusal,
    count_no_slots,
    keep_the_slot_of_a_refused_call,
    take_what_has_left_the_listing_for_done,
]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_a_broken_engine_is_caught(broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    for seed in range(SEEDS_MAX):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            live_through(seed, folder)
        except (AssertionError, BaseExceptionGroup, KeyError):
            return
    pytest.fail(f"{broken.__name__} went through {SEEDS_MAX} seeds")
