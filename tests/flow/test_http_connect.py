"""Connecting: everything that can be wrong at the start is reported before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud.connect import connect
from orchestrator.errors import CloudError, Code, Exit, StartError
from orchestrator.model import CloudAddress
from tests.flow.httpserver import SERVICES, VERSION, Handler, Seen, answer, listing, serving


def try_to_connect(handler: Handler, environ: Mapping[str, str]) -> tuple[StartError, list[Seen]]:
    async def main() -> tuple[StartError, list[Seen]]:
        async with serving(handler) as server:
            with pytest.raises(StartError) as caught:
                async with connect(CloudAddress(endpoint=server.url), environ, version=VERSION):
                    pass
            return caught.value, server.seen

    return anyio.run(main)


def discovering(rest: Handler) -> Handler:
    async def handle(seen: Seen) -> web.Response:
        if seen.path == "/endpoints":
            return listing(f"http://{seen.headers['Host']}")
        result = rest(seen)
        return result if isinstance(result, web.Response) else await result

    return handle


def test_a_connection_has_all_ports_and_a_token() -> None:
    async def main() -> tuple[str, str, list[Seen]]:
        async with serving(discovering(lambda _: answer({"id": "d4e", "name": "f"}))) as server:
            address = CloudAddress(endpoint=f"{server.url}/")
            async with connect(address, {"YC_IAM_TOKEN": "t1.a"}, version=VERSION) as connection:
                assert (await connection.functions.get_function("d4e")).name == "f"
                assert (await connection.operations.get("d4e")).id == "d4e"
                assert await connection.directory.cloud_of("b1g") is None
                assert connection.storage_endpoint == connection.endpoint == server.url
                assert connection.client.server_time() is not None
                return await connection.token(), server.url, server.seen

    token, _, seen = anyio.run(main)
    assert token == "t1.a"
    assert {item.headers.get("Authorization") for item in seen[1:]} == {"Bearer t1.a"}


def test_a_refused_credential_is_a_start_error_with_all_facts() -> None:
    def refuse(_seen: Seen) -> web.Response:
        return answer({"code": 16, "message": "OAuth token is invalid"}, 401, {"x-request-id": "r-1"})

    error, seen = try_to_connect(discovering(refuse), {"YC_TOKEN": "y0_abc"})
    assert error.exit is Exit.NOT_STARTED
    assert error.message.startswith("no IAM token from the OAuth token of YC_TOKEN: OAuth token is invalid (HTTP 401, ")
    assert "x-request-id r-1" in error.message
    assert [item.path for item in seen] == ["/endpoints", "/iam/v1/tokens"]


def test_without_credentials_the_four_ways_are_listed() -> None:
    error, seen = try_to_connect(discovering(lambda _: answer({})), {"YC_METADATA_ADDR": "127.0.0.1:1"})
    assert "no IAM token from the metadata service at 127.0.0.1:1 (no other credentials are set)" in error.message
    names = ("YC_IAM_TOKEN", "YC_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_METADATA_ADDR", "--sandbox")
    assert all(name in error.advice for name in names)
    assert len(seen) == 1


def test_a_key_file_that_is_missing_is_named() -> None:
    error, _ = try_to_connect(discovering(lambda _: answer({})), {"YC_SERVICE_ACCOUNT_KEY_FILE": "/no/key.json"})
    assert "/no/key.json cannot be read" in error.message


def test_an_endpoint_nobody_listens_at_is_named() -> None:
    async def main() -> None:
        async with connect(CloudAddress(endpoint="http://127.0.0.1:1"), {"YC_IAM_TOKEN": "t1.a"}, version=VERSION):
            pass

    with pytest.raises(
        StartError, match=r"http://127\.0\.0\.1:1 returned no list of services: .*connection refused"
    ) as caught:
        anyio.run(main)
    assert "HTTPS_PROXY" in caught.value.advice


def test_storage_is_asked_for_only_when_it_is_needed() -> None:
    def handle(seen: Seen) -> web.Response:
        return listing(f"http://{seen.headers['Host']}", SERVICES[:-1])

    async def main() -> None:
        async with (
            serving(handle) as server,
            connect(CloudAddress(endpoint=server.url), {"YC_IAM_TOKEN": "t1.a"}, version=VERSION) as connection,
        ):
            with pytest.raises(StartError, match="does not list the service storage"):
                _ = connection.storage_endpoint

    anyio.run(main)


def test_overrides_reach_the_calls() -> None:
    async def main() -> int:
        async with (
            serving(discovering(lambda _: answer({}))) as server,
            serving(lambda _: answer({"id": "op"})) as other,
        ):
            async with connect(
                CloudAddress(endpoint=server.url),
                {"YC_IAM_TOKEN": "t1.a"},
                version=VERSION,
                overrides={"operation": other.url},
            ) as connection:
                await connection.operations.get("op")
            return len(other.seen)

    assert anyio.run(main) == 1


@pytest.mark.parametrize(("token", "count"), [("t1.a", 0), ("y0_abc", 1)])
def test_warnings_of_the_credentials_are_handed_on(token: str, count: int) -> None:
    async def main() -> tuple[str, ...]:
        async with (
            serving(discovering(lambda _: answer({"iamToken": "t1.b"}))) as server,
            connect(CloudAddress(endpoint=server.url), {"YC_TOKEN": token}, version=VERSION) as connection,
        ):
            return connection.warnings

    assert len(anyio.run(main)) == count


def test_an_error_of_the_run_passes_through_unchanged() -> None:
    async def main() -> None:
        async with (
            serving(discovering(lambda _: answer({"code": 5, "message": "gone"}, 404))) as server,
            connect(CloudAddress(endpoint=server.url), {"YC_TOKEN": "t1.a"}, version=VERSION) as connection,
        ):
            await connection.functions.get_function("d4e")

    with pytest.raises(CloudError, match="gone") as caught:
        anyio.run(main)
    assert caught.value.code is Code.NOT_FOUND
