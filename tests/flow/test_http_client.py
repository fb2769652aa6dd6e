"""The client: tokens on calls, one refresh, keep-alive, waits and clocks from headers."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud.answers import Answer
from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.http import HttpClient
from orchestrator.cloud.tokens import CachedToken, Issued
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, Code, StartError
from tests.flow.httpserver import VERSION, Seen, answer, client_of, endpoints_at, serving

EXPIRED = {"code": 16, "message": "The token has expired"}


class Issuer:
    """Gives t1.1, t1.2 …; raises once `broken`."""

    def __init__(self) -> None:
        self.issued = 0
        self.broken = False
        self.now = 0.0

    async def issue(self) -> Issued:
        if self.broken:
            raise CloudError("IAM is away", call="create IAM token", code=Code.UNAVAILABLE, sent=True)
        self.issued += 1
        return Issued(f"t1.{self.issued}", 3600.0)

    def source(self) -> CachedToken:
        return CachedToken(self.issue, now=lambda: self.now, origin="a key", advice="mend the key")


def test_a_refused_token_is_renewed_once_and_the_call_repeated() -> None:
    def handle(seen: Seen) -> web.Response:
        return answer({"id": "op"}) if seen.headers["Authorization"] == "Bearer t1.2" else answer(EXPIRED, 401)

    async def main() -> list[Seen]:
        async with serving(handle) as server, client_of(server.url, Issuer().source()) as client:
            await client.call("operation", "POST", "/x", name="createVersion", body={"a": 1}, idempotency_key="k")
            return server.seen

    first, second = anyio.run(main)
    assert (first.body, second.body) == ({"a": 1}, {"a": 1})
    assert [seen.headers["Idempotency-Key"] for seen in (first, second)] == ["k", "k"]
    assert first.headers["x-client-request-id"] != second.headers["x-client-request-id"]


def test_a_token_refused_twice_is_an_error_after_two_calls() -> None:
    async def main() -> tuple[CloudError, int]:
        async with (
            serving(lambda _: answer(EXPIRED, 401)) as server,
            client_of(server.url, Issuer().source()) as client,
        ):
            with pytest.raises(CloudError) as caught:
                await client.call("operation", "GET", "/x", name="get operation")
            return caught.value, len(server.seen)

    error, calls = anyio.run(main)
    assert (error.code, error.http_status, calls) == (Code.UNAUTHENTICATED, 401, 2)


def test_many_calls_with_a_refused_token_renew_it_once() -> None:
    issuer = Issuer()

    async def handle(seen: Seen) -> web.Response:
        await anyio.sleep(0.01)
        return answer({"id": "op"}) if seen.headers["Authorization"] == "Bearer t1.2" else answer(EXPIRED, 401)

    async def main() -> None:
        async with (
            serving(handle) as server,
            client_of(server.url, issuer.source()) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(50):
                tasks.start_soon(call, client)

    async def call(client: HttpClient) -> None:
        await client.call("operation", "GET", "/x", name="get operation")

    anyio.run(main)
    assert issuer.issued == 2


def test_a_fixed_token_that_is_refused_says_how_to_get_another() -> None:
    async def main() -> tuple[CloudError, int]:
        async with serving(lambda _: answer(EXPIRED, 401)) as server, client_of(server.url) as client:
            with pytest.raises(CloudError) as caught:
                await client.call("operation", "GET", "/x", name="get operation")
            return caught.value, len(server.seen)

    error, calls = anyio.run(main)
    assert (error.code, error.call, calls) == (Code.UNAUTHENTICATED, "get operation", 1)
    assert "the token of YC_IAM_TOKEN has expired" in error.message
    assert "The token has expired" in error.message
    assert "yc iam create-token" in error.advice


def test_where_no_token_can_be_had_the_call_was_never_sent() -> None:
    issuer = Issuer()
    issuer.broken = True

    async def main() -> tuple[CloudError, int]:
        async with serving(lambda _: answer({})) as server, client_of(server.url, issuer.source()) as client:
            with pytest.raises(CloudError) as caught:
                await client.call("operation", "POST", "/x", name="createVersion")
            return caught.value, len(server.seen)

    error, calls = anyio.run(main)
    assert (error.sent, error.code, calls) == (False, Code.UNAVAILABLE, 0)


def test_another_error_than_401_is_not_repeated() -> None:
    async def main() -> int:
        async with serving(lambda _: answer({"code": 14}, 503)) as server, client_of(server.url) as client:
            with pytest.raises(CloudError):
                await client.call("operation", "GET", "/x", name="get operation")
            return len(server.seen)

    assert anyio.run(main) == 1


def test_an_unauthorized_call_carries_no_token() -> None:
    async def main() -> Seen:
        async with serving(lambda _: answer({})) as server, client_of(server.url) as client:
            await client.call("iam", "POST", "/x", name="create IAM token", authorized=False)
            return server.seen[0]

    assert "Authorization" not in anyio.run(main).headers


def test_a_service_that_is_not_offered_is_named() -> None:
    async def main() -> None:
        async with open_transport({}, version=VERSION) as transport:
            client = HttpClient(transport, Endpoints("http://here", {}), Issuer().source())
            await client.call("lockbox", "GET", "/x", name="get secret")

    with pytest.raises(StartError, match="http://here does not list the service lockbox"):
        anyio.run(main)


def test_calls_in_a_row_use_one_connection() -> None:
    async def main() -> set[int]:
        async with serving(lambda _: answer({})) as server, client_of(server.url) as client:
            for _ in range(5):
                await client.call("operation", "GET", "/x", name="get operation")
            return {seen.connection for seen in server.seen}

    assert len(anyio.run(main)) == 1


def test_an_error_keeps_the_connection_too() -> None:
    async def main() -> set[int]:
        async with serving(lambda _: answer({"code": 5}, 404)) as server, client_of(server.url) as client:
            for _ in range(3):
                with pytest.raises(CloudError):
                    await client.call("operation", "GET", "/x", name="get operation")
            return {seen.connection for seen in server.seen}

    assert len(anyio.run(main)) == 1


def test_every_attempt_has_its_own_client_request_id() -> None:
    async def main() -> list[str]:
        async with serving(lambda _: answer({})) as server, client_of(server.url) as client:
            answers = [await client.call("operation", "GET", "/x", name="get operation") for _ in range(3)]
            assert [item.client_request_id for item in answers] == [
                s.headers["x-client-request-id"] for s in server.seen
            ]
            return [item.client_request_id for item in answers]

    ids = anyio.run(main)
    assert len(set(ids)) == 3
    assert all(uuid.UUID(item).version == 4 for item in ids)


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
WAITS: list[tuple[str, dict[str, str], float | None]] = [
    ("nothing", {}, None),
    ("seconds", {"Retry-After": "7"}, 7.0),
    ("zero", {"Retry-After": "0"}, 0.0),
    ("fraction", {"Retry-After": "1.5"}, 1.5),
    ("date after Date", {"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": DATE}, 30.0),
    ("date before Date", {"Retry-After": "Wed, 21 Oct 2026 07:00:00 GMT", "Date": DATE}, 0.0),
    ("old form of date", {"Retry-After": "Wednesday, 21-Oct-26 07:28:30 GMT", "Date": DATE}, 30.0),
    ("negative", {"Retry-After": "-3"}, None),
    ("endless", {"Retry-After": "inf"}, None),
    ("words", {"Retry-After": "soon"}, None),
]


@pytest.mark.parametrize(("headers", "wait_s"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_retry_after_is_read_in_each_form(headers: dict[str, str], wait_s: float | None) -> None:
    async def main() -> CloudError:
        busy = {"code": 8, "message": "busy"}
        async with serving(lambda _: answer(busy, 429, headers)) as server, client_of(server.url) as client:
            with pytest.raises(CloudError) as caught:
                await client.call("operation", "GET", "/x", name="get operation")
            return caught.value

    assert anyio.run(main).retry_after_s == wait_s


def get(headers: dict[str, str]) -> tuple[Answer, datetime | None]:
    async def main() -> tuple[Answer, datetime | None]:
        async with serving(lambda _: answer({}, 200, headers)) as server, client_of(server.url) as client:
            return await client.call("operation", "GET", "/x", name="get operation"), client.server_time()

    return anyio.run(main)


def test_the_poll_interval_of_the_server_is_kept() -> None:
    assert get({"x-operation-poll-interval": "3", "Retry-After": "9"})[0].poll_after_s == 3.0


def test_retry_after_of_a_good_answer_is_a_poll_interval() -> None:
    assert get({"Retry-After": "9"})[0].poll_after_s == 9.0


def test_the_ids_of_a_good_answer_are_kept() -> None:
    found, _ = get({"X-Request-Id": "r", "x-server-trace-id": "t"})
    assert (found.request_id, found.server_trace_id) == ("r", "t")


def test_the_server_s_clock_is_known_from_its_date() -> None:
    assert get({"Date": DATE})[1] == datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


def test_the_server_s_clock_goes_on_with_ours() -> None:
    ours = [1000.0]

    async def main() -> datetime | None:
        async with (
            serving(lambda _: answer({}, 200, {"Date": DATE})) as server,
            client_of(server.url, clock=lambda: ours[0]) as client,
        ):
            assert client.server_time() is None
            await client.call("operation", "GET", "/x", name="get operation")
            ours[0] += 90
            return client.server_time()

    assert anyio.run(main) == datetime(2026, 10, 21, 7, 29, 30, tzinfo=UTC)


def test_endpoints_may_lead_to_different_hosts() -> None:
    async def main() -> tuple[int, int]:
        async with serving(lambda _: answer({})) as one, serving(lambda _: answer({})) as other:
            urls = {**endpoints_at(one.url).urls, "operation": other.url}
            async with open_transport({}, version=VERSION) as transport:
                client = HttpClient(transport, Endpoints(one.url, urls), Issuer().source())
                await client.call("serverless-functions", "GET", "/x", name="get function")
                await client.call("operation", "GET", "/x", name="get operation")
            return len(one.seen), len(other.seen)

    assert anyio.run(main) == (1, 1)
