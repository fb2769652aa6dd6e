"""Calls of Functions over HTTP: what is sent where, and how invalid answers are handled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud import bounds
from orchestrator.cloud.invocations import HttpInvocations, ToldInvocations
from orchestrator.cloud.tokens import FixedToken
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.model import Function, InvokeAnswer, InvokeRequest
from tests.flow.httpserver import VERSION, Seen, Server, serving
from tests.ports import unserved

pytestmark = pytest.mark.anyio
TOKEN = "t1.secret-token"


@asynccontextmanager
async def _at(url: str) -> AsyncIterator[HttpInvocations]:
    async with open_transport({}, version=VERSION) as transport:
        yield HttpInvocations(transport, FixedToken(TOKEN, "YC_IAM_TOKEN"), url)


async def _called(server: Server, request: InvokeRequest) -> InvokeAnswer:
    async with _at(server.url) as invocations:
        return await invocations.invoke(request)


async def test_a_raw_call_sends_the_body_as_it_is_and_answers_whatever_came() -> None:
    async with serving(lambda _: web.Response(status=502, text="no JSON", headers={"X-Function-Error": "true"})) as on:
        answer = await _called(on, InvokeRequest("d4e/1", "orc-a", body=b'{"a": 1}'))
    assert (answer.status, answer.body, answer.headers["x-function-error"]) == (502, b"no JSON", "true")
    (seen,) = on.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/d4e%2F1", {"a": 1})
    assert seen.query == {"tag": "orc-a", "integration": "raw"}
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_headers_and_parameters_are_the_users_but_not_those_that_choose_who_answers() -> None:
    request = InvokeRequest(
        "d4e1",
        "$latest",
        method="PUT",
        headers={"X-Orchestrator-Verify": "run", "authorization": "Basic x", "Host": "elsewhere"},
        query={"tag": "stable", "q": "ä &"},
        raw=False,
    )
    async with serving(lambda _: web.Response()) as on:
        await _called(on, request)
    (seen,) = on.seen
    assert (seen.method, seen.query) == ("PUT", {"tag": "$latest", "q": "ä &"})
    assert seen.headers["X-Orchestrator-Verify"] == "run"
    assert seen.headers.getall("Authorization") == [f"Bearer {TOKEN}"]  # type: ignore[attr-defined]  # a CIMultiDict
    assert seen.headers["Host"] == f"127.0.0.1:{on.port}"


async def test_the_token_goes_nowhere_else() -> None:
    async with serving(lambda _: web.Response(text="stolen")) as other:
        moved = web.Response(status=307, headers={"Location": f"{other.url}/d4e1"})
        async with serving(lambda _: moved) as on:
            answer = await _called(on, InvokeRequest("d4e1", "$latest"))
    assert (answer.status, other.seen) == (307, [])


async def test_an_answer_that_does_not_come_is_our_timeout() -> None:
    async def wait(_seen: Seen) -> web.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with serving(wait) as on:
        with pytest.raises(CloudError, match=r"function d4e1 did not respond within 0\.05 s") as caught:
            await _called(on, InvokeRequest("d4e1", "$latest", timeout_s=0.05))
    assert caught.value.code is Code.DEADLINE_EXCEEDED


async def test_nobody_there_is_unavailable() -> None:
    with unserved() as address:
        async with _at(f"http://{address}") as invocations:
            with pytest.raises(CloudError, match="no connection to 127") as caught:
                await invocations.invoke(InvokeRequest("d4e1", "$latest"))
    assert (caught.value.code, caught.value.sent) == (Code.UNAVAILABLE, False)


async def test_an_answer_beyond_its_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "INVOKE_ANSWER_MAX_BYTES", 1024 * 1024)
    async with serving(lambda _: web.Response(body=b"x" * (1024 * 1024 + 1))) as on:
        with pytest.raises(CloudError, match="larger than 1MB"):
            await _called(on, InvokeRequest("d4e1", "$latest"))


async def test_an_endpoint_that_is_no_url_is_reported_with_its_key() -> None:
    with pytest.raises(StartError, match=r"not a URL such as https://functions\.yandexcloud\.net") as caught:
        async with _at("functions.yandexcloud.net"):
            pass
    assert caught.value.advice == "check [cloud] invoke_endpoint"


@pytest.mark.parametrize(
    ("said", "endpoint", "called"),
    [
        ("{url}/_invoke/d4e1", "http://127.0.0.1:1", True),
        ("{url}/d4e1/", "http://127.0.0.1:1", True),
        ("{url}/_invoke/d4e1", "https://api.example", False),  # the token would go in clear
        ("{url}/_invoke/another", "http://127.0.0.1:1", False),
        ("", "http://127.0.0.1:1", False),
    ],
)
async def test_where_a_function_is_called_is_reported_by_its_installation(
    said: str, endpoint: str, called: bool
) -> None:
    asked: list[str] = []
    async with serving(lambda _: web.Response(text="1")) as on, open_transport({}, version=VERSION) as transport:

        async def get_function(function_id: str) -> Function:
            asked.append(function_id)
            return Function(function_id, "folder", "f", invoke_url=said.format(url=on.url))

        at = partial(HttpInvocations, transport, FixedToken(TOKEN, "YC_IAM_TOKEN"))
        invocations = ToldInvocations(get_function, at, endpoint)
        if not called:
            with pytest.raises(CloudError, match=f"{endpoint} does not return the URL of function d4e1") as caught:
                await invocations.invoke(InvokeRequest("d4e1", "orc-a"))
            assert (caught.value.code, caught.value.advice) == (
                Code.FAILED_PRECONDITION, "set [cloud] invoke_endpoint",
            )  # fmt: skip
            assert on.seen == []
            return
        for _ in range(2):
            assert (await invocations.invoke(InvokeRequest("d4e1", "orc-a"))).body == b"1"
    assert asked == ["d4e1"]
    assert {seen.path for seen in on.seen} == {said.format(url="").rstrip("/")}
    assert on.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"
