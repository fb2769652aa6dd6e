"""`ports.Invocations`, in memory and over HTTP: the same calls, the same answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, InvokeAnswer, InvokeRequest
from orchestrator.sandbox.invocation.calls import CallSeeds, Denied, LateRouting, Matching
from orchestrator.sandbox.memory.faults import Faults, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.body import set_tag_request
from tests.clouds import FOLDER
from tests.contract.conftest import CALLER, OPERATION_S, OnCloud, Ports

Call = Callable[..., Awaitable[InvokeAnswer]]


def _echo(event: Any, context: Mapping[str, Any]) -> Any:
    return {"event": event, "request": context["request_id"]}


async def _deployed(ports: Ports, **version: Any) -> tuple[Call, str]:
    """Create a Function with one Version. Returns a call of it, and the Version's ID."""
    function_id = await ports.function(FOLDER)
    version_id = (await ports.version(function_id, "first", **version)).version_id

    async def call(tag: str = LATEST, body: bytes = b"{}", **more: Any) -> InvokeAnswer:
        return await ports.invocations.invoke(InvokeRequest(function_id, tag, body=body, **more))

    return call, version_id


def _seeds(ports: Ports) -> CallSeeds:
    return ports.cloud.seeds.calls


def test_a_raw_call(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        _seeds(ports).handle(_echo)
        call, version_id = await _deployed(ports)
        answer = await call(body=b'{"a": [1, "\xc3\xa4"]}')
        found = json.loads(answer.body)
        assert (answer.status, found["event"]) == (200, {"a": [1, "ä"]})
        assert answer.headers["x-request-id"] == found["request"]
        assert answer.headers["x-function-version-id"] == version_id
        assert "x-function-error" not in answer.headers
        assert json.loads((await call(body=b"no JSON")).body)["event"] == "no JSON"
        assert json.loads((await call(body=b"")).body)["event"] == ""

    on_cloud(program)


def test_an_http_call(on_cloud: OnCloud) -> None:
    def handler(event: Any, _context: Mapping[str, Any]) -> Any:
        headers = {"X-Seen": event["headers"]["X-Mark"], "X-Function-Id": "forged"}
        assert not {"authorization", "Authorization"} & event["headers"].keys()
        body = [event["httpMethod"], event["queryStringParameters"]["q"], event["body"], event["isBase64Encoded"]]
        return {"statusCode": 201, "headers": headers, "body": json.dumps(body)}

    async def program(ports: Ports) -> None:
        _seeds(ports).handle(handler)
        call, _ = await _deployed(ports)
        answer = await call(body=b"\xff", raw=False, method="PUT", headers={"X-Mark": "m"}, query={"q": "ä"})
        assert (answer.status, json.loads(answer.body)) == (201, ["PUT", "ä", "/w==", True])
        assert answer.headers["x-seen"] == "m"
        assert answer.headers["x-function-id"].startswith("d4e")

    on_cloud(program)


def test_an_answer_of_another_shape_is_502_but_not_for_a_raw_call(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        _seeds(ports).handle(lambda _event, _context: {"done": 1})
        call, _ = await _deployed(ports)
        assert (await call()).status == 200
        answer = await call(raw=False)
        assert (answer.status, answer.headers["x-function-error"]) == (502, "true")
        assert json.loads(answer.body)["errorType"] == "ProxyIntegrationError"

    on_cloud(program)


def test_a_handler_that_raises_or_takes_too_long(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        call, _ = await _deployed(ports, executionTimeout="0.2s")
        _seeds(ports).handle(_echo, delay_s=0.5, times=1)
        _seeds(ports).handle(lambda event, _context: event["none"])
        answer = await call()
        assert (answer.status, "x-function-error" in answer.headers) == (504, False)
        answer = await call()
        assert (answer.status, answer.headers["x-function-error"]) == (502, "true")
        error = json.loads(answer.body)
        assert (error.keys(), error["errorType"]) == ({"errorMessage", "errorType", "stackTrace"}, "KeyError")

    on_cloud(program)


def test_who_may_call(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        _seeds(ports).handle(_echo)
        call, _ = await _deployed(ports)
        _seeds(ports).denied.add(Denied(CALLER, "first"))
        answer = await call()
        assert answer.status == 403
        assert "serverless.functions.invoker" in json.loads(answer.body)["errorMessage"]
        ports.cloud.access.open((await ports.functions.list_functions(FOLDER))[0].id)
        assert (await call()).status == 200

    on_cloud(program)


def test_tags_lead_to_versions(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        _seeds(ports).handle(_echo)
        call, first = await _deployed(ports, tag=["stable"])
        second = (await ports.version((await call()).headers["x-function-id"], "second")).version_id
        assert (await call()).headers["x-function-version-id"] == second
        assert (await call("stable")).headers["x-function-version-id"] == first
        assert (await call("none")).status == 404
        none = await ports.invocations.invoke(InvokeRequest("d4enone", LATEST))
        assert none.status == 404

    on_cloud(program)


@pytest.mark.parametrize("missing", [False, True])
def test_routing_may_be_late(on_cloud: OnCloud, missing: bool) -> None:
    async def program(ports: Ports) -> None:
        _seeds(ports).handle(_echo)
        call, first = await _deployed(ports, tag=["stable"])
        await anyio.sleep(0.6)
        _seeds(ports).late.append(LateRouting(Matching(function="first"), 0.5, missing))
        function_id = (await call()).headers["x-function-id"]
        second = (await ports.version(function_id, "second", tag=["new"])).version_id
        assert (await call()).headers["x-function-version-id"] == first
        assert (await call("new")).status == 404
        moved = await ports.functions.send(set_tag_request(second, "stable"), idempotency_key="move")
        await ports.finished(moved)
        answer = await call("stable")
        assert (answer.status, answer.headers.get("x-function-version-id")) == (
            (404, None) if missing else (200, first)
        )
        await anyio.sleep(0.6)
        for tag in (LATEST, "new", "stable"):
            assert (await call(tag)).headers["x-function-version-id"] == second

    on_cloud(program)


def test_a_zone_takes_so_many_calls_at_once(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        _seeds(ports).handle(_echo, delay_s=0.3)
        _seeds(ports).live_calls = 2
        call, _ = await _deployed(ports)
        found: list[InvokeAnswer] = []

        async def once() -> None:
            found.append(await call())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(once)
        assert sorted(answer.status for answer in found) == [200, 200, 429, 429, 429]
        refused = next(answer for answer in found if answer.status == 429)
        assert "Concurrent requests exceeded" in json.loads(refused.body)["errorMessage"]
        assert (await call()).status == 200

    on_cloud(program, quotas=Quotas(calls_per_zone=4))


def test_answers_are_as_seeded(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        seeds = _seeds(ports)
        seeds.answer(503, {"errorMessage": "later"}, function="first", times=2)
        seeds.answer(500, "text", headers={"X-A": "b"}, tag="stable")
        seeds.answer(body={"ok": True}, runtime="golang123")
        call, _ = await _deployed(ports, runtime="golang123", tag=["stable"])
        assert [(await call()).status for _ in range(3)] == [503, 503, 200]
        answer = await call("stable")
        assert (answer.status, answer.body, answer.headers["x-a"]) == (500, b"text", "b")

    on_cloud(program)


def test_what_is_not_seeded_and_cannot_be_run_says_so(on_cloud: OnCloud) -> None:
    async def program(ports: Ports) -> None:
        call, _ = await _deployed(ports, runtime="golang123")
        answer = await call()
        assert (answer.status, "seed an answer" in answer.body.decode()) == (501, True)

    on_cloud(program)


def test_trouble_on_the_way(on_cloud: OnCloud) -> None:
    faults = Faults()

    async def program(ports: Ports) -> None:
        _seeds(ports).handle(_echo)
        call, _ = await _deployed(ports)
        faults.fail_next("invoke")
        assert (await call()).status == 503
        faults.fail_next("invoke", Trouble(lost=True))
        with pytest.raises(CloudError) as caught:
            await call()
        assert caught.value.code is Code.UNAVAILABLE
        faults.fail_next("invoke", Trouble(delay_s=OPERATION_S * 2))
        with pytest.raises(CloudError) as caught:
            await call(timeout_s=OPERATION_S)
        assert caught.value.code is Code.DEADLINE_EXCEEDED

    on_cloud(program, faults=faults)
