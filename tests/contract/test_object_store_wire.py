"""What an upload sends, and how it ends if the other side misbehaves."""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

from orchestrator.cloud.keys import StaticKeys
from orchestrator.cloud.s3 import client as s3_client
from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError, PackageError, StartError
from orchestrator.model import Package, StoredObject
from orchestrator.resilience import policy
from tests.contract.s3_servers import ACCESS_KEY, SECRET_KEY, TOKEN, answer, package, scripted

STORED = answer("200 OK", "", 'ETag: "0"', "x-amz-request-id: r1")
KEYS = StaticKeys(ACCESS_KEY, SECRET_KEY)


async def token() -> str:
    return TOKEN


def put(store: S3ObjectStore, what: Package, seen: list[int] | None = None) -> StoredObject:
    async def main() -> StoredObject:
        async with store:
            return await store.put_once("b", "k.zip", what, None if seen is None else seen.append)

    return anyio.run(main)


def test_a_signed_put_has_a_length_and_a_digest_and_is_not_chunked(tmp_path: Path) -> None:
    what, seen = package(tmp_path, 700_000), list[int]()
    with scripted(STORED) as server:
        put(S3ObjectStore(server.url, credentials=KEYS, environ={}), what, seen)
    sent = server.headers()
    assert server.heads[0].startswith("PUT /b/k.zip HTTP/1.1\r\n")
    assert sent["content-length"] == "700000"
    assert sent["x-amz-content-sha256"] == what.sha256
    assert sent["if-none-match"] == "*"
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=" + ACCESS_KEY)
    assert "/ru-central1/s3/aws4_request" in sent["authorization"]
    assert not {"transfer-encoding", "content-encoding", "x-amz-trailer"} & set(sent)
    assert hashlib.sha256(server.bodies[0]).hexdigest() == what.sha256
    assert len(server.heads) == 1
    assert seen == sorted(set(seen)), "the pass that only takes the digest is no progress"
    assert seen[-1] == 700_000


def test_with_a_token_nothing_is_signed(tmp_path: Path) -> None:
    with scripted(STORED) as server:
        put(S3ObjectStore(server.url, credentials=None, token=token, environ={}), package(tmp_path))
    sent = server.headers()
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert sent["content-length"] == "3000"
    assert not {"x-amz-date", "x-amz-security-token", "transfer-encoding", "content-encoding"} & set(sent)


def test_the_token_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(answer("403 Forbidden")) as server, pytest.raises(CloudError) as caught:
        put(S3ObjectStore(server.url, credentials=None, token=token, environ={}), package(tmp_path))
    assert caplog.records
    assert TOKEN not in caplog.text
    assert TOKEN not in str(vars(caught.value))


def test_a_refused_token_is_renewed_once(tmp_path: Path) -> None:
    async def renew(refused: str) -> str:
        assert refused == TOKEN
        return "t1.new"

    with scripted(answer("401 Unauthorized", "", "Connection: close"), STORED) as server:
        put(S3ObjectStore(server.url, credentials=None, token=token, renew=renew, environ={}), package(tmp_path))
    assert [server.headers(number)["authorization"] for number in (0, 1)] == [f"Bearer {TOKEN}", "Bearer t1.new"]


def test_files_and_variables_of_other_tools_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\naws_access_key_id = other\naws_secret_access_key = other\nregion = eu-west-1\n")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(config))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "auto")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    with scripted(STORED) as server:
        put(S3ObjectStore(server.url, credentials=None, token=token, environ={}), package(tmp_path))
    assert server.headers()["authorization"] == f"Bearer {TOKEN}"
    assert "content-encoding" not in server.headers()


@pytest.mark.parametrize(("size_bytes", "expects"), [(20_000, False), (2_000_000, True)])
def test_only_a_large_package_waits_for_leave_to_be_sent(tmp_path: Path, size_bytes: int, *, expects: bool) -> None:
    with scripted(STORED) as server:
        put(S3ObjectStore(server.url, credentials=KEYS, environ={}), package(tmp_path, size_bytes))
    assert ("expect" in server.headers()) is expects
    assert len(server.bodies[0]) == size_bytes


def test_what_is_there_is_not_sent_where_the_server_says_so_first(tmp_path: Path) -> None:
    seen: list[int] = []
    there = answer("412 Precondition Failed", "", "Connection: close")
    with scripted(there, continues=False) as server:
        assert put(S3ObjectStore(server.url, credentials=KEYS, environ={}), package(tmp_path, 2_000_000), seen).existed
    assert server.bodies == [b"", b""]
    assert [head.split()[0] for head in server.heads] == ["PUT", "HEAD"]  # the second checks the content
    assert seen == []


@pytest.mark.parametrize("swallow", [True, False], ids=["while it is silent", "while it reads nothing"])
def test_cancelling_does_not_wait_for_a_server_that_hangs(
    swallow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_S", 1000)  # longer than this test may take
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 1000)
    what = package(tmp_path, 40_000_000)

    async def main(url: str, hanging: threading.Event) -> None:
        async with S3ObjectStore(url, credentials=KEYS, environ={}) as store:
            async with anyio.create_task_group() as group:
                group.start_soon(store.put_once, "b", "k", what)
                await to_thread.run_sync(hanging.wait, 30)
                group.cancel_scope.cancel()
            assert store._limiter.borrowed_tokens == 0

    with scripted(hang=threading.Event(), swallow=swallow) as server:
        anyio.run(main, server.url, server.hanging)


def test_a_check_of_a_server_that_hangs_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 1000)

    async def main(url: str, hanging: threading.Event) -> None:
        async with S3ObjectStore(url, credentials=KEYS, environ={}) as store, anyio.create_task_group() as group:
            group.start_soon(store.check, "b")
            await to_thread.run_sync(hanging.wait, 30)
            group.cancel_scope.cancel()

    with scripted(hang=threading.Event()) as server:
        anyio.run(main, server.url, server.hanging)


def test_a_server_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 0.1)
    with scripted(hang=threading.Event()) as server, pytest.raises(CloudError) as caught:
        put(S3ObjectStore(server.url, credentials=KEYS, environ={}), package(tmp_path, 2_000_000))
    assert (caught.value.code, caught.value.http_status, caught.value.sent) == (None, None, True)
    assert "did not respond within the time limit" in caught.value.message


def test_a_server_that_hangs_up_midway_is_an_error_after_sending(tmp_path: Path) -> None:
    with scripted(read_bytes=100_000) as server, pytest.raises(CloudError) as caught:
        put(S3ObjectStore(server.url, credentials=KEYS, environ={}), package(tmp_path, 20_000_000))
    assert (caught.value.code, caught.value.http_status, caught.value.sent) == (None, None, True)
    assert "the connection to 127.0.0.1:" in caught.value.message


def test_a_server_that_hangs_up_in_the_middle_of_a_continue_does_not_spin_for_ever(tmp_path: Path) -> None:
    with scripted(STORED, cut=True) as server, pytest.raises(CloudError) as caught:
        put(S3ObjectStore(server.url, credentials=KEYS, environ={}), package(tmp_path, 2_000_000))
    assert (caught.value.code, caught.value.http_status) == (None, None)
    assert policy.worth_retrying(caught.value, 1)
    assert server.bodies == []


def test_no_server_is_an_error_before_sending(tmp_path: Path) -> None:
    with scripted(STORED) as server:
        url = server.url
    with pytest.raises(CloudError) as caught:
        put(S3ObjectStore(url, credentials=KEYS, environ={}), package(tmp_path))
    assert not caught.value.sent
    assert caught.value.message.endswith(": Connection refused")


def test_an_unknown_host_is_an_error_before_sending(tmp_path: Path) -> None:
    with pytest.raises(CloudError) as caught:
        put(S3ObjectStore("https://storage.invalid", credentials=KEYS, environ={}), package(tmp_path))
    assert not caught.value.sent
    assert "no connection to storage.invalid" in caught.value.message


def test_a_proxy_is_used_and_no_proxy_is_heeded(tmp_path: Path) -> None:
    what = package(tmp_path)
    with scripted(STORED) as proxy:
        environ = {"HTTP_PROXY": proxy.url}
        put(S3ObjectStore("http://storage.invalid", credentials=KEYS, environ=environ), what)
        assert proxy.heads[0].startswith("PUT http://storage.invalid/b/k.zip HTTP/1.1\r\n")
        environ["NO_PROXY"] = ".invalid"
        with pytest.raises(CloudError, match=r"no connection to storage\.invalid"):
            put(S3ObjectStore("http://storage.invalid", credentials=KEYS, environ=environ), what)


def test_a_package_that_is_gone_or_has_changed_is_a_package_error(tmp_path: Path) -> None:
    what = package(tmp_path)
    with scripted(STORED) as server:
        what.path.write_bytes(b"something else")
        with pytest.raises(PackageError, match="has changed"):
            put(S3ObjectStore(server.url, credentials=KEYS, environ={}), what)
        what.path.unlink()
        with pytest.raises(PackageError, match="cannot be read: No such file"):
            put(S3ObjectStore(server.url, credentials=KEYS, environ={}), what)
    assert server.heads == []


def test_a_failed_upload_is_reported_to_all_who_wait_and_can_be_tried_again(tmp_path: Path) -> None:
    what, failures = package(tmp_path), list[CloudError]()
    unavailable = answer("503 Slow Down", "", "Connection: close")

    async def main(url: str) -> StoredObject:
        async with S3ObjectStore(url, credentials=KEYS, environ={}) as store:

            async def one() -> None:
                with pytest.raises(CloudError) as caught:
                    await store.put_once("b", "k", what)
                failures.append(caught.value)

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(one)
            return await store.put_once("b", "k", what)

    with scripted(unavailable, STORED) as server:
        assert not anyio.run(main, server.url).existed
    assert len(failures) == 5
    assert len(server.heads) == 2


def test_a_token_that_cannot_be_had_is_asked_for_once(tmp_path: Path) -> None:
    what, asked = package(tmp_path), list[str]()

    async def no_token() -> str:
        asked.append("token")
        await checkpoint()
        raise CloudError("no token", call="create token", sent=False)

    async def main() -> None:
        store = S3ObjectStore("http://127.0.0.1:9", credentials=None, token=no_token, environ={})

        async def one() -> None:
            with pytest.raises(CloudError, match="no token"):
                await store.put_once("b", "k", what)

        async with store, anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)

    anyio.run(main)
    assert asked == ["token"]


def test_no_more_uploads_at_once_than_threads(tmp_path: Path) -> None:
    packages = [package(tmp_path, fill=b"%d" % number) for number in range(12)]
    running: list[int] = []

    async def main(url: str) -> None:
        store = S3ObjectStore(url, credentials=KEYS, threads=3, environ={})

        def progress(_: int) -> None:
            running.append(int(store._limiter.borrowed_tokens))

        async with store, anyio.create_task_group() as group:
            for each in packages:
                group.start_soon(store.put_once, "b", each.sha256, each, progress)

    with scripted(STORED) as server:
        anyio.run(main, server.url)
    assert len(server.heads) == 12
    assert max(running) <= 3


def test_an_endpoint_that_is_no_address_is_a_start_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="not an address of Object Storage"):
        put(S3ObjectStore("storage", credentials=KEYS, environ={}), package(tmp_path))
