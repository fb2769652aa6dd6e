"""Listings are complete or an error; look-ups return what they found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import pytest
from aiohttp import web

from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.functions import HttpDirectory, HttpFunctions, HttpOperations
from orchestrator.cloud.http import HttpClient
from orchestrator.cloud.tokens import FixedToken
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, Code
from orchestrator.model import Function, Quota
from orchestrator.version.body import version_request
from tests.flow.httpserver import SERVICES, VERSION, Handler, Seen, answer, client_of, serving

Value = TypeVar("Value")


def ask(handler: Handler, call: Callable[[HttpClient], Awaitable[Value]]) -> tuple[Value, list[Seen]]:
    async def main() -> tuple[Value, list[Seen]]:
        async with serving(handler) as server, client_of(server.url) as client:
            return await call(client), server.seen

    return anyio.run(main)


def failed(handler: Handler, call: Callable[[HttpClient], Awaitable[Any]]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        ask(handler, call)
    return caught.value


def functions_in(folder_id: str = "b1g") -> Callable[[HttpClient], Awaitable[tuple[Function, ...]]]:
    return lambda client: HttpFunctions(client).list_functions(folder_id)


PAGES: dict[str, dict[str, Any]] = {
    "": {"functions": [{"id": "d1"}, {"id": "d2"}], "nextPageToken": "p/2"},
    "p/2": {"functions": [], "nextPageToken": "p3"},
    "p3": {"functions": [{"id": "d3"}]},
}


def paged(seen: Seen) -> web.Response:
    return answer(PAGES[seen.query.get("pageToken", "")])


def test_all_pages_are_read() -> None:
    found, seen = ask(paged, functions_in())
    assert [function.id for function in found] == ["d1", "d2", "d3"]
    assert [item.query for item in seen] == [
        {"folderId": "b1g", "pageSize": "1000"},
        {"folderId": "b1g", "pageSize": "1000", "pageToken": "p/2"},
        {"folderId": "b1g", "pageSize": "1000", "pageToken": "p3"},
    ]


def test_an_empty_folder_has_no_functions() -> None:
    assert ask(lambda _: answer({}), functions_in())[0] == ()


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"]])
def test_a_page_token_that_comes_back_is_an_error(tokens: list[str]) -> None:
    given = iter(tokens * 2)
    error = failed(lambda _: answer({"functions": [{"id": "d1"}], "nextPageToken": next(given)}), functions_in())
    assert "pages repeat" in error.message
    assert error.call == "list functions"


def test_an_error_on_the_second_page_is_the_listing_s() -> None:
    def handle(seen: Seen) -> web.Response:
        return answer({"code": 14, "message": "away"}, 503) if "pageToken" in seen.query else answer(PAGES[""])

    error = failed(handle, functions_in())
    assert (error.code, error.call) == (Code.UNAVAILABLE, "list functions")


@pytest.mark.parametrize(
    ("page", "part"),
    [
        ({"functions": "many"}, "functions is not a list"),
        ({"functions": [7]}, "it is not a JSON object"),
        ({"functions": [{"name": "x"}]}, "it has no id"),
        ({"functions": [], "nextPageToken": 7}, "its page token is not a text"),
        ({"code": 8, "message": "busy"}, "it has no functions, but code, message"),
        ({"error": "log in first"}, "it has no functions, but error"),
    ],
)
def test_a_page_that_makes_no_sense_is_an_error(page: dict[str, Any], part: str) -> None:
    error = failed(lambda _: answer(page, 200, {"x-request-id": "r-1"}), functions_in())
    assert part in error.message
    assert (error.http_status, error.request_id) == (200, "r-1")


def test_versions_come_whole() -> None:
    raw = {"id": "v1", "functionId": "d1", "status": "CREATING", "tags": ["$latest"], "aNewField": {"x": 1}}
    found, _ = ask(lambda _: answer({"versions": [raw]}), lambda c: HttpFunctions(c).list_versions("b1g"))
    assert (found[0].id, found[0].tags, found[0].raw) == ("v1", ("$latest",), raw)


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"done": True}])
def test_an_answer_that_is_no_operation_may_have_acted(body: dict[str, Any]) -> None:
    error = failed(lambda _: answer(body), lambda c: HttpFunctions(c).send(version_request({}), idempotency_key="k"))
    assert (error.sent, error.code, error.call) == (True, None, "createVersion")
    assert "cannot be used" in error.message


def test_an_operation_carries_its_ids_and_the_server_s_wish() -> None:
    headers = {"x-request-id": "r", "x-server-trace-id": "t", "x-operation-poll-interval": "2"}
    found, _ = ask(lambda _: answer({"id": "op1"}, 200, headers), lambda c: HttpOperations(c).get("op1"))
    assert (found.id, found.done) == ("op1", False)
    assert (found.request_id, found.server_trace_id, found.poll_after_s) == ("r", "t", 2.0)


def test_an_operation_that_failed_is_a_value() -> None:
    body = {"id": "op1", "done": True, "error": {"code": 9, "message": "build failed"}}
    found, _ = ask(lambda _: answer(body), lambda c: HttpOperations(c).get("op1"))
    assert found.error is not None
    assert (found.error.code, found.error.message) == (9, "build failed")


def test_runtimes_are_names() -> None:
    assert ask(lambda _: answer({"runtimes": ["a", "b"]}), lambda c: HttpFunctions(c).list_runtimes())[0] == ("a", "b")
    assert (
        "not a list of names"
        in failed(lambda _: answer({"runtimes": [1]}), lambda c: HttpFunctions(c).list_runtimes()).message
    )


@pytest.mark.parametrize(
    ("status", "body", "cloud_id"),
    [
        (200, {"id": "b1g", "cloudId": "b1gcloud"}, "b1gcloud"),
        (200, {"id": "b1g"}, None),
        (404, {"code": 5, "message": "no"}, None),
        (403, {"code": 7, "message": "no"}, None),
    ],
)
def test_the_cloud_of_a_folder_is_reported_or_not(status: int, body: dict[str, Any], cloud_id: str | None) -> None:
    assert ask(lambda _: answer(body, status), lambda c: HttpDirectory(c).cloud_of("b1g"))[0] == cloud_id


def test_a_resource_manager_that_is_away_is_an_error() -> None:
    assert (
        failed(lambda _: answer({"code": 14}, 503), lambda c: HttpDirectory(c).cloud_of("b1g")).code is Code.UNAVAILABLE
    )


def test_quotas_are_numbers_and_what_tells_none_is_left_out() -> None:
    limits = [
        {"quotaId": "a.count", "limit": 10, "usage": 3.0},
        {"quotaId": "b.count", "limit": "15"},
        {"quotaId": "c.count"},
        {"limit": 1},
    ]
    found, _ = ask(lambda _: answer({"quotaLimits": limits}), lambda c: HttpDirectory(c).quotas("b1gcloud"))
    assert found == (Quota("a.count", 10, 3), Quota("b.count", 15, 0))


SECRETS = {
    "secrets": [
        {"id": "e1", "name": "db"},
        {"id": "e2", "name": "dbx"},
        {"id": "e3"},
        {"id": "e4", "name": "twice"},
        {"id": "e5", "name": "twice"},
    ]
}


@pytest.mark.parametrize(("name", "secret_id"), [("db", "e1"), ("d", None), ("none", None)])
def test_a_secret_is_found_by_its_whole_name(name: str, secret_id: str | None) -> None:
    assert ask(lambda _: answer(SECRETS), lambda c: HttpDirectory(c).secret_by_name("b1g", name))[0] == secret_id


def test_a_name_that_two_secrets_have_is_an_error_with_their_ids() -> None:
    error = failed(lambda _: answer(SECRETS), lambda c: HttpDirectory(c).secret_by_name("b1g", "twice"))
    assert "more than one secret named 'twice'" in error.message
    assert "e4, e5" in error.advice


def test_the_current_version_of_a_secret_is_read() -> None:
    secret = {"id": "e1", "currentVersion": {"id": "v9", "status": "ACTIVE"}}
    assert ask(lambda _: answer(secret), lambda c: HttpDirectory(c).latest_secret_version("e1"))[0] == "v9"


def test_a_secret_without_a_version_is_an_error() -> None:
    error = failed(lambda _: answer({"id": "e1"}), lambda c: HttpDirectory(c).latest_secret_version("e1"))
    assert "the secret e1 has no current version" in error.message
    assert error.code is Code.FAILED_PRECONDITION


def test_a_service_account_is_found_by_name() -> None:
    found, _ = ask(
        lambda _: answer({"serviceAccounts": [{"id": "aje1", "name": "deployer"}]}),
        lambda c: HttpDirectory(c).service_account_by_name("b1g", "deployer"),
    )
    assert found == "aje1"


def without(service: str, call: Callable[[HttpDirectory], Awaitable[Value]]) -> Value:
    async def main() -> Value:
        async with open_transport({}, version=VERSION) as transport:
            offered = Endpoints("http://here", dict.fromkeys(set(SERVICES) - {service}, "http://127.0.0.1:1"))
            return await call(HttpDirectory(HttpClient(transport, offered, FixedToken("t1.x", "YC_IAM_TOKEN"))))

    return anyio.run(main)


def test_without_resource_manager_the_cloud_is_not_reported() -> None:
    assert without("resource-manager", lambda directory: directory.cloud_of("b1g")) is None


def test_without_quota_manager_nothing_is_known_of_quotas() -> None:
    assert without("quota-manager", lambda directory: directory.quotas("b1gcloud")) == ()
