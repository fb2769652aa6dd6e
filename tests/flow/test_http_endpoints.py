"""Discovery: addresses of an installation, and clear errors if there are none."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud.endpoints import Endpoints, clean_endpoint, discover
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import StartError
from tests.flow.httpserver import VERSION, Seen, answer, serving


def found(entries: object, overrides: dict[str, str] | None = None) -> tuple[Endpoints, list[Seen], str]:
    async def main() -> tuple[Endpoints, list[Seen], str]:
        async with (
            serving(lambda _: answer({"endpoints": entries})) as server,
            open_transport({}, version=VERSION) as transport,
        ):
            return await discover(transport, server.url + "/", overrides), server.seen, server.url

    return anyio.run(main)


NEEDED = [{"id": "serverless-functions", "address": "f.test:443"}, {"id": "operation", "address": "o.test:80"}]


def test_addresses_get_the_endpoint_s_scheme() -> None:
    endpoints, _, _ = found([*NEEDED, {"id": "iam", "address": "[::1]:8080"}, {"id": "storage", "address": "s.test"}])
    assert endpoints.urls == {
        "serverless-functions": "http://f.test:443",
        "operation": "http://o.test",
        "iam": "http://[::1]:8080",
        "storage": "http://s.test",
    }


def test_discovery_is_one_call_without_credentials() -> None:
    _, seen, _ = found(NEEDED)
    assert [(item.method, item.path, item.query) for item in seen] == [("GET", "/endpoints", {})]
    assert "Authorization" not in seen[0].headers


def test_overrides_win_and_may_add() -> None:
    endpoints, _, _ = found(NEEDED, {"operation": "https://other.test/", "lockbox": "http://l.test"})
    assert endpoints.url("operation") == "https://other.test"
    assert endpoints.url("lockbox") == "http://l.test"


def test_a_missing_service_is_named_when_it_is_needed() -> None:
    endpoints, _, url = found(NEEDED)
    with pytest.raises(StartError, match=f"{url} does not list the services iam, lockbox") as caught:
        endpoints.require("operation", "iam", "lockbox")
    assert "--endpoint" in caught.value.advice


def test_an_installation_without_functions_is_refused_at_once() -> None:
    with pytest.raises(StartError, match="does not list the service serverless-functions"):
        found(NEEDED[1:])


NONSENSE: list[tuple[str, Callable[[], web.Response], str]] = [
    ("no list", lambda: answer({"hello": "world"}), "did not return a list of services"),
    ("empty list", lambda: answer({"endpoints": []}), "did not return a list of services"),
    ("list of words", lambda: answer({"endpoints": ["iam"]}), "lists a service without id or address"),
    ("no address", lambda: answer({"endpoints": [{"id": "iam"}]}), "lists a service without id or address"),
    (
        "bad address",
        lambda: answer({"endpoints": [{"id": "iam", "address": "http://x/"}]}),
        "an invalid address for iam",
    ),
    (
        "html",
        lambda: web.Response(text="<html>Hi</html>", content_type="text/html"),
        "with an HTML page instead of JSON: Hi",
    ),
    (
        "redirect",
        lambda: web.Response(status=302, headers={"Location": "http://portal.test/"}),
        "a redirect to http://portal.test/",
    ),
    (
        "404",
        lambda: answer({"code": 5, "message": "no such page"}, 404, {"x-request-id": "r-9"}),
        "no such page (HTTP 404, code NOT_FOUND, x-request-id r-9",
    ),
]


@pytest.mark.parametrize(("response", "part"), [row[1:] for row in NONSENSE], ids=[row[0] for row in NONSENSE])
def test_an_endpoint_that_answers_nonsense_is_a_start_error(response: Callable[[], web.Response], part: str) -> None:
    async def main() -> StartError:
        async with serving(lambda _: response()) as server, open_transport({}, version=VERSION) as transport:
            with pytest.raises(StartError) as caught:
                await discover(transport, server.url)
            return caught.value

    error = anyio.run(main)
    assert part in error.message
    assert error.advice


@pytest.mark.parametrize(
    "endpoint", ["localhost:8080", "api.cloud.yandex.net", "ftp://x", "https://", "http://h:99999", "https://u:p@h", ""]
)
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(StartError, match="is not a URL"):
        clean_endpoint(endpoint)
