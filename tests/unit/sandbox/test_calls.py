"""Calls of Functions in the memory cloud: permissions, where tags lead, limits, and answers of handlers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.model import InvokeAnswer, InvokeRequest
from orchestrator.prediction import virtual_time
from orchestrator.sandbox.invocation.calls import Denied
from orchestrator.sandbox.memory.invocations import MemoryInvocations
from orchestrator.sandbox.memory.quotas import BusyError, Quotas, Zone
from tests.clouds import Desk, body, inline


class _Calls:
    """One Function with one Version on a desk, and a client that calls it."""

    def __init__(self, **version: Any) -> None:
        self.desk = Desk()
        self.function_id = self.desk.function()
        self.version_id = self.desk.version(self.function_id, **version)
        self.seeds = self.desk.cloud.seeds.calls

    async def call(self, tag: str = "$latest", body: bytes = b"{}", *, subject: str | None = None, **more: Any) -> Any:
        client = MemoryInvocations(self.desk.cloud, subject=subject)
        return await client.invoke(InvokeRequest(self.function_id, tag, body=body, **more))

    def run(self, program: Callable[[], Awaitable[None]]) -> None:
        began = self.desk.clock.now

        async def main() -> None:
            self.desk.cloud.invocations._core.clock = lambda: began + anyio.current_time()
            await program()
            self.desk.clock.now = began + anyio.current_time()

        virtual_time.run(main)
        self.desk.cloud.invocations._core.clock = self.desk.clock

    def once(self, *args: Any, **more: Any) -> InvokeAnswer:
        found: list[InvokeAnswer] = []

        async def main() -> None:
            found.append(await self.call(*args, **more))

        self.run(main)
        return found[0]


def _echo(event: Any, context: Mapping[str, Any]) -> Any:
    return {"event": event, "version": context["function_version"]}


def test_a_raw_call_gives_the_event_as_it_is_and_the_result_as_it_is() -> None:
    calls = _Calls()
    calls.seeds.handle(_echo)
    answer = calls.once(body=b'{"a": 1}')
    assert (answer.status, json.loads(answer.body)) == (200, {"event": {"a": 1}, "version": calls.version_id})
    assert answer.headers["x-function-version-id"] == calls.version_id
    assert answer.headers["x-function-id"] == calls.function_id
    assert len(answer.headers["x-request-id"]) == 36


def test_a_handler_that_raises_is_502_with_its_error() -> None:
    calls = _Calls()
    calls.seeds.handle(lambda _event, _context: 1 / 0)
    answer = calls.once()
    assert (answer.status, answer.headers["x-function-error"]) == (502, "true")
    assert json.loads(answer.body)["errorType"] == "ZeroDivisionError"


def test_a_handler_beyond_its_timeout_is_504() -> None:
    calls = _Calls(executionTimeout="3s")
    calls.seeds.handle(_echo, delay_s=3.5)
    answer = calls.once()
    assert (answer.status, round(answer.seconds, 2)) == (504, 3.05)


def test_whoever_waits_shorter_is_reported_so() -> None:
    calls = _Calls()
    calls.seeds.handle(_echo, delay_s=3.5)
    with pytest.raises(CloudError, match=r"did not respond within 2 s") as caught:
        calls.once(timeout_s=2.0)
    assert caught.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("subject", "public", "status"),
    [("ajeother", False, 200), ("", False, 401), ("ajedenied", False, 403), ("", True, 200), ("ajedenied", True, 200)],
)
def test_who_may_call(subject: str, public: bool, status: int) -> None:
    calls = _Calls()
    calls.seeds.handle(_echo)
    calls.seeds.denied.add(Denied("ajedenied"))
    if public:
        calls.desk.cloud.access.open(calls.function_id)
    answer = calls.once(subject=subject)
    assert answer.status == status
    if status == 403:
        assert "serverless.functions.invoker" in json.loads(answer.body)["errorMessage"]


def test_what_does_not_exist_is_404() -> None:
    calls = _Calls()
    assert calls.once("stable").status == 404
    calls.function_id = "d4enone"
    assert calls.once().status == 404


def test_a_version_that_is_being_made_is_not_reached() -> None:
    calls = _Calls()
    calls.seeds.handle(_echo)
    calls.desk.begin(body(calls.function_id, tag=["new"]))
    assert calls.once().headers["x-function-version-id"] == calls.version_id
    assert calls.once("new").status == 404


def test_handlers_are_found_by_version_and_by_what_is_in_the_package() -> None:
    calls = _Calls(tag=["stable"])
    code = calls.desk.cloud.state.codes[calls.version_id]
    second = calls.desk.version(calls.function_id, **inline("index.py", "more.py"))
    calls.seeds.handle(lambda _event, _context: "second", version_id=second)
    calls.seeds.handle(lambda _event, _context: "first code", sha256=code["sha256"])
    assert (calls.once().body, calls.once("stable").body) == (b'"second"', b'"first code"')
    copy = calls.desk.version(calls.function_id, versionId=calls.version_id)
    answer = calls.once()
    assert (answer.body, answer.headers["x-function-version-id"]) == (b'"first code"', copy)


@pytest.mark.parametrize(
    ("concurrency", "quotas", "takes"),
    [
        (1, Quotas(calls_per_zone=10, instances_per_zone=2), 2),
        (3, Quotas(calls_per_zone=10, instances_per_zone=2), 6),
        (3, Quotas(calls_per_zone=4, instances_per_zone=2), 4),
    ],
)
def test_an_instance_takes_so_many_calls_as_its_concurrency(concurrency: int, quotas: Quotas, takes: int) -> None:
    zone, taken = Zone(), 0
    with ExitStack() as held:
        for _ in range(10):
            try:
                held.enter_context(zone.call("d4e1", concurrency, quotas, live_calls=0))
            except BusyError:
                continue
            taken += 1
        assert taken == takes
    with zone.call("d4e1", concurrency, quotas, live_calls=0):
        pass
