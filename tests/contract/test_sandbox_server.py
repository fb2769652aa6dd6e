"""The sandbox over HTTP: headers, errors, faults of connections, and what survives a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from orchestrator.errors import StartError
from orchestrator.sandbox.http.server import Options, open_sandbox
from orchestrator.sandbox.memory.faults import Trouble
from tests import protobuf
from tests.clouds import body, zipped
from tests.contract.calling import FUNCTIONS, VERSIONS, Caller, serve


def test_discovery_gives_this_address_for_every_service() -> None:
    async def main(caller: Caller) -> None:
        answer = await caller.ask("GET", "/endpoints", headers={"Authorization": ""})
        addresses = {entry["id"]: entry["address"] for entry in answer.json["endpoints"]}
        assert {
            "serverless-functions",
            "operation",
            "iam",
            "storage",
            "quota-manager",
            "resource-manager",
            "lockbox",
        } <= (addresses.keys())
        assert set(addresses.values()) == {caller.sandbox.url.removeprefix("http://")}
        assert (await caller.ask("GET", "/endpoints/operation")).json == {
            "id": "operation",
            "address": addresses["operation"],
        }
        assert (await caller.ask("GET", "/endpoints/teleport")).status == 404

    serve(main)


def test_every_answer_has_its_ids_and_a_date() -> None:
    async def main(caller: Caller) -> None:
        good = await caller.ask("GET", "/functions/v1/runtimes")
        bad = await caller.ask("GET", f"{FUNCTIONS}/d4enone")
        for answer in (good, bad):
            assert answer.headers["x-request-id"]
            assert answer.headers["x-server-trace-id"]
            assert answer.headers["Date"]
        assert bad.json == {
            "code": 5,
            "message": "Function d4enone not found",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.RequestInfo",
                    "requestId": bad.headers["x-request-id"],
                }
            ],
        }

    serve(main)


@pytest.mark.parametrize(("method", "path"), [("GET", "/functions/v1/nothing"), ("PUT", "/functions/v1/versions")])
def test_a_method_that_is_not_there_is_reported_as_the_api_tells(method: str, path: str) -> None:
    async def main(caller: Caller) -> None:
        answer = await caller.ask(method, path)
        assert (answer.status, answer.json["code"]) == (501, 12)

    serve(main)


def test_a_body_that_is_no_json_is_refused() -> None:
    async def main(caller: Caller) -> None:
        headers = {"Authorization": f"Bearer {caller.token}"}
        async with caller.session.post(caller.sandbox.url + VERSIONS, data=b"{", headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (400, 3)

    serve(main)


def test_the_whole_api_is_there() -> None:
    async def main(caller: Caller) -> None:
        function_id = await caller.function()
        made = []
        for tags in (["stable"], []):
            sent = body(function_id, tag=tags)
            protobuf.parse_create_version(sent)
            operation = (await caller.ask("POST", VERSIONS, sent)).json
            made.append((await caller.finished(operation))["response"]["id"])
        steps: list[tuple[str, str, dict[str, str] | None]] = [
            ("POST", f"{VERSIONS}/{made[1]}:setTag", {"tag": "canary"}),
            ("POST", f"{VERSIONS}/{made[1]}:removeTag", {"tag": "canary"}),
            ("PATCH", f"{FUNCTIONS}/{function_id}", {"updateMask": "description", "description": "new"}),
            ("DELETE", f"{VERSIONS}/{made[0]}?force=true", None),
        ]
        for method, path, fields in steps:
            done = await caller.finished((await caller.ask(method, path, fields)).json)
            assert "error" not in done, (path, done)
        tagged = await caller.ask("GET", f"{VERSIONS}:byTag?functionId={function_id}&tag=%24latest")
        assert tagged.json["id"] == made[1]
        history = await caller.ask("GET", f"{FUNCTIONS}/{function_id}:tagHistory?tag=canary")
        assert len(history.json["functionTagHistoryRecord"]) == 1
        operations = await caller.ask("GET", f"{FUNCTIONS}/{function_id}/operations?pageSize=2&filter=done%3Dtrue")
        assert (len(operations.json["operations"]), "nextPageToken" in operations.json) == (2, True)
        for method in ("GET", "POST"):
            cancelled = await caller.ask(method, f"/operations/{operations.json['operations'][0]['id']}:cancel")
            assert cancelled.json["code"] == 9
        await caller.finished((await caller.ask("DELETE", f"{FUNCTIONS}/{function_id}")).json)
        assert (await caller.ask("GET", f"{FUNCTIONS}/{function_id}")).status == 404

    serve(main)


def test_a_lost_answer_cuts_the_connection_after_acting() -> None:
    async def main(caller: Caller) -> None:
        function_id = await caller.function()
        caller.sandbox.cloud.faults.fail_next("createVersion", Trouble(lost=True))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await caller.ask("POST", VERSIONS, body(function_id))
        found = await caller.ask("GET", f"{FUNCTIONS}/{function_id}/operations")
        assert len(found.json["operations"]) == 2

    serve(main)


def test_a_client_that_hangs_up_in_its_request_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def main(caller: Caller) -> None:
        host, port = caller.sandbox.url.removeprefix("http://").split(":")
        for asked in (f"POST {FUNCTIONS}", "POST /_invoke/d4enone", "PUT /bucket/key"):
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(f"{asked} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n{{".encode())
        assert (await caller.ask("GET", "/endpoints")).status == 200

    serve(main)
    assert caplog.text == ""


def test_storage_meets_with_trouble_too() -> None:
    async def main(caller: Caller) -> None:
        caller.sandbox.cloud.faults.fail_next("put object")
        answer = await caller.ask("PUT", "/packages/key", {"x": 1})
        assert (answer.status, "SlowDown" in answer.json) == (503, True)
        caller.sandbox.cloud.faults.fail_next("put object", *[Trouble(lost=True)] * 2)  # aiohttp sends a PUT again
        with pytest.raises(aiohttp.ClientConnectionError):
            await caller.ask("PUT", "/packages/key", {"x": 1})
        assert caller.sandbox.objects.head("packages", "key") is None
        assert (await caller.ask("PUT", "/packages/key", {"x": 1})).status == 200

    serve(main, buckets=("packages",))


def test_a_package_put_into_storage_becomes_a_version(tmp_path: Path) -> None:
    async def main(caller: Caller) -> None:
        function_id = await caller.function()
        headers = {"Authorization": f"Bearer {caller.token}"}
        url = f"{caller.sandbox.url}/packages/functions/key.zip"
        async with caller.session.put(url, data=zipped("index.py"), headers=headers) as response:
            assert response.status == 200
        package = {"bucketName": "packages", "objectName": "functions/key.zip"}
        operation = (await caller.ask("POST", VERSIONS, body(function_id, package=package))).json
        assert "error" not in await caller.finished(operation)

    serve(main, buckets=("packages",), state_dir=tmp_path)


def test_a_sandbox_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}

    async def before(caller: Caller) -> None:
        function_id = await caller.function()
        answer = await caller.ask("POST", VERSIONS, body(function_id), {"Idempotency-Key": "key"})
        kept.update(function_id=function_id, operation=answer.json, key=caller.sandbox.key, token=caller.token)

    async def after(caller: Caller) -> None:
        assert caller.sandbox.key == kept["key"]
        assert caller.sandbox.tokens.subject(kept["token"]) == "ajetest"
        sent = body(kept["function_id"])
        again = (await caller.ask("POST", VERSIONS, sent, {"Idempotency-Key": "key"})).json
        assert again["id"] == kept["operation"]["id"]
        await caller.finished(again)
        versions = await caller.ask("GET", f"{VERSIONS}?functionId={kept['function_id']}")
        assert [version["tags"] for version in versions.json["versions"]] == [["$latest"]]

    serve(before, state_dir=tmp_path)
    serve(after, state_dir=tmp_path)


def test_a_port_that_is_taken_is_reported() -> None:
    async def main(caller: Caller) -> None:
        port = int(caller.sandbox.url.rpartition(":")[2])
        with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with open_sandbox(Options(port=port)):
                pass

    serve(main)


def test_a_state_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{", encoding="utf-8")

    async def main() -> None:
        async with open_sandbox(Options(state_dir=tmp_path)):
            pass

    with pytest.raises(StartError, match=r"key\.json cannot be used"):
        anyio.run(main)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    async def main(caller: Caller) -> None:
        assert caller.sandbox.key["id"]
        for name in ("key.json", "static_key.json"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0

    serve(main, state_dir=tmp_path)
