"""Answers without end from any service are read up to a limit, and the error names the call."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud import bounds
from orchestrator.cloud.connect import token_source
from orchestrator.cloud.functions import HttpDirectory, HttpFunctions, HttpOperations
from orchestrator.cloud.http import HttpClient
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError
from orchestrator.resilience.policy import ErrorClass, judge
from orchestrator.version.body import version_request
from tests.flow.httpserver import Seen, answer, client_of, endpoints_at, serving

MB = 1024 * 1024


def failed(handler: Callable[[Seen], web.Response], ask: Callable[[HttpClient], Awaitable[Any]]) -> CloudError:
    async def main() -> CloudError:
        async with serving(handler) as server, client_of(server.url) as client:
            with pytest.raises(CloudError) as caught:
                await ask(client)
            return caught.value

    return anyio.run(main)


CALLS: dict[str, Callable[[HttpClient], Awaitable[Any]]] = {
    "list functions": lambda client: HttpFunctions(client).list_functions("b1g"),
    "getVersion": lambda client: HttpFunctions(client).get_version("v"),
    "listRuntimes": lambda client: HttpFunctions(client).list_runtimes(),
    "createVersion": lambda client: HttpFunctions(client).send(version_request({}), idempotency_key="k"),
    "get operation": lambda client: HttpOperations(client).get("o"),
    "list quota limits": lambda client: HttpDirectory(client).quotas("c"),
    "get folder": lambda client: HttpDirectory(client).cloud_of("b1g"),
}


@pytest.mark.parametrize("status", [200, 404, 503])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_larger_than_any_is_not_read(name: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ANSWER_MAX_BYTES", MB)
    large = web.json_response
    error = failed(lambda _: large({"id": "x" * 2 * MB}, status=status), CALLS[name])
    assert error.message == f"the response to {name} is larger than 1MB: it was not read"
    assert (error.call, error.http_status) == (name, status)
    assert "the response is not from the cloud's API" in error.advice
    assert judge(error) is ErrorClass.UNSURE  # the rest of it is not known


def test_an_answer_of_200_mb_packed_small_takes_no_such_memory() -> None:
    bomb = gzip.compress(b"[" + b" " * (200 * MB))
    assert len(bomb) < MB

    def give(_: Seen) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    tracemalloc.start()
    try:
        error = failed(give, CALLS["list functions"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than 64MB" in error.message
    assert peak < 2.5 * bounds.ANSWER_MAX_BYTES


def test_an_answer_within_the_bound_is_read() -> None:
    async def main() -> None:
        page = {"functions": [{"id": f"d4e{number}", "description": "x" * 10_000} for number in range(1000)]}
        async with serving(lambda _: answer(page)) as server, client_of(server.url) as client:
            assert len(await HttpFunctions(client).list_functions("b1g")) == 1000

    anyio.run(main)


@pytest.mark.parametrize("page", [{"functions": [{"id": "d1"}]}, {"functions": []}, {}], ids=str)
def test_pages_without_end_come_to_one(page: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGES_MAX", 20)
    numbers = itertools.count()
    error = failed(lambda _: answer({**page, "nextPageToken": f"p{next(numbers)}"}), CALLS["list functions"])
    assert error.message == "the response to list functions cannot be used: after 20 pages there are still more"
    assert next(numbers) == 20


def test_as_many_pages_as_may_be_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PAGES_MAX", 20)
    tokens = [*(f"p{number}" for number in range(19)), ""]

    async def main() -> None:
        given = iter(tokens)
        page = lambda _: answer({"functions": [{"id": "d1"}], "nextPageToken": next(given)})  # noqa: E731
        async with serving(page) as server, client_of(server.url) as client:
            assert len(await HttpFunctions(client).list_functions("b1g")) == 20

    anyio.run(main)


def test_large_pages_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LISTING_MAX_BYTES", 3 * MB)
    numbers = itertools.count()
    error = failed(
        lambda _: answer({"functions": [{"id": "x" * MB}], "nextPageToken": f"p{next(numbers)}"}),
        CALLS["list functions"],
    )
    assert "its pages together are larger than 3MB" in error.message
    assert next(numbers) == 3


@pytest.mark.parametrize("token", [{"a": 1}, 7, "x" * (bounds.PAGE_TOKEN_MAX_CHARACTERS + 1)], ids=["map", "7", "long"])
def test_a_page_token_that_is_none(token: object) -> None:
    error = failed(lambda _: answer({"functions": [], "nextPageToken": token}), CALLS["list functions"])
    assert "its page token is not a text of at most 8192 characters" in error.message


@pytest.mark.parametrize("source", ["oauth", "metadata"])
def test_a_token_answer_larger_than_any_is_not_read(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cloud.connect.TOKEN_ANSWER_MAX_BYTES", 64 * 1024)

    async def main() -> CloudError:
        async with (
            serving(lambda _: answer({"iamToken": "x" * 100_000, "access_token": "x" * 100_000})) as server,
            open_transport({}, version="1") as transport,
        ):
            environ = {"YC_TOKEN": "y0_" + "a" * 40} if source == "oauth" else {"YC_METADATA_ADDR": server.url}
            with pytest.raises(CloudError) as caught:
                await token_source(environ, transport, endpoints_at(server.url)).token()
            return caught.value

    error = anyio.run(main)
    name = "create IAM token" if source == "oauth" else "metadata token"
    assert f"the response to {name} is larger than" in error.message
