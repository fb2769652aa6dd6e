"""Every refusal of Object Storage becomes one CloudError, with a code that implies the next step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.cloud import bounds
from orchestrator.cloud.keys import StaticKeys
from orchestrator.cloud.storage import S3ObjectStore, S3Records
from orchestrator.errors import CloudError, Code
from orchestrator.resilience.policy import ErrorClass, judge
from tests.contract.s3_servers import ACCESS_KEY, SECRET_KEY, answer, package, refusal, scripted

CLOSE = "Connection: close"
HTML = ("<html><body><h1>Blocked</h1> by the network</body>", "Content-Type: text/html", CLOSE)
WELL_FORMED = "<html><head><title>no</title></head><body><p>Blocked by the network</p></body></html>"
OTHER_SERVER = "the response is not from Object Storage"

# the response to a PUT, gRPC code, verdict, a part of the message, a part of the advice
ANSWERS = [
    (refusal("404 Not Found", "NoSuchBucket"), Code.NOT_FOUND, ErrorClass.PERMANENT, "bucket b does not", "create"),
    (refusal("403 Forbidden", "AccessDenied"), Code.PERMISSION_DENIED, ErrorClass.PERMANENT, "bucket b is denied",
     "storage.uploader on the bucket b"),
    (refusal("403 Forbidden", "InvalidAccessKeyId"), Code.PERMISSION_DENIED, ErrorClass.PERMANENT, "does not exist",
     "ACCESS"),
    (refusal("403 Forbidden", "SignatureDoesNotMatch"), Code.PERMISSION_DENIED, ErrorClass.PERMANENT, "match",
     "SECRET"),
    (refusal("403 Forbidden", "RequestTimeTooSkewed"), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT, "clock",
     "clock"),
    (refusal("400 Bad Request", "ExpiredToken"), Code.UNAUTHENTICATED, ErrorClass.TOKEN, "expired", "IAM token"),
    (answer("401 Unauthorized", "", CLOSE), Code.UNAUTHENTICATED, ErrorClass.TOKEN, "not valid", "IAM token"),
    (refusal("503 Slow Down", "SlowDown"), Code.UNAVAILABLE, ErrorClass.UNSURE, "slow down", "again"),
    (refusal("503 Unavailable", "ServiceUnavailable"), Code.UNAVAILABLE, ErrorClass.UNSURE, "unavailable", "again"),
    (refusal("500 Error", "InternalError"), Code.INTERNAL, ErrorClass.UNSURE, "internal error", "again"),
    (refusal("429 Too Many", "TooManyRequests"), Code.RESOURCE_EXHAUSTED, ErrorClass.REFUSED, "rate", "again"),
    (refusal("400 Bad Request", "BadDigest"), Code.ABORTED, ErrorClass.UNSURE, "damaged", "again"),
    (refusal("400 Bad Request", "RequestTimeout"), Code.DEADLINE_EXCEEDED, ErrorClass.UNSURE, "timed out", "again"),
    (refusal("409 Conflict", "OperationAborted"), Code.ABORTED, ErrorClass.UNSURE, "in progress", "again"),
    (refusal("409 Conflict", "ConditionalRequestConflict"), Code.ABORTED, ErrorClass.UNSURE, "in progress", "again"),
    (refusal("400 Bad Request", "CloudTotalAliveSizeQuotaExceed"), Code.RESOURCE_EXHAUSTED, ErrorClass.QUOTA, "quota",
     "storage.volume.size"),
    (refusal("400 Bad Request", "BucketMaxSizeExceeded"), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT,
     "bucket b has reached its maximum", "raise"),
    (refusal("400 Bad Request", "EntityTooLarge"), Code.OUT_OF_RANGE, ErrorClass.PERMANENT, "too large", ""),
    (refusal("301 Moved", "PermanentRedirect"), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT, "another address",
     "end"),
    (refusal("418 Teapot", "Teapot"), Code.INVALID_ARGUMENT, ErrorClass.PERMANENT, "HTTP 418 (Teapot: said so)", ""),
    (answer("502 Bad Gateway", HTML[0], *HTML[1:]), Code.UNAVAILABLE, ErrorClass.UNSURE, "HTTP 502 with an HTML page",
     OTHER_SERVER),
    (answer("403 Forbidden", HTML[0], *HTML[1:]), Code.PERMISSION_DENIED, ErrorClass.PERMANENT, "HTML page",
     OTHER_SERVER),
    (answer("403 Forbidden", WELL_FORMED, *HTML[1:]), Code.PERMISSION_DENIED, ErrorClass.PERMANENT, "HTML page",
     OTHER_SERVER),
    (answer("404 Not Found", WELL_FORMED, *HTML[1:]), Code.NOT_FOUND, ErrorClass.PERMANENT, "HTML page", OTHER_SERVER),
    (answer("413 Too Large", WELL_FORMED, *HTML[1:]), Code.OUT_OF_RANGE, ErrorClass.PERMANENT, "HTML page",
     OTHER_SERVER),
    (answer("404 Not Found", WELL_FORMED, CLOSE), Code.NOT_FOUND, ErrorClass.PERMANENT, "is not S3", OTHER_SERVER),
    (answer("403 Forbidden", "", CLOSE), Code.PERMISSION_DENIED, ErrorClass.PERMANENT, "is not S3", OTHER_SERVER),
    (answer("413 Too Large", "too large", CLOSE), Code.OUT_OF_RANGE, ErrorClass.PERMANENT, "is not S3", OTHER_SERVER),
    (answer("412 Precondition Failed", WELL_FORMED, *HTML[1:]), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT,
     "HTML page", OTHER_SERVER),
    (answer("200 OK", WELL_FORMED, 'ETag: "0"', *HTML[1:]), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT, "HTML page",
     OTHER_SERVER),
    (answer("200 OK", "<html></html>", *HTML[1:]), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT, "HTML page",
     OTHER_SERVER),
    # Botocore turns a 200 whose body is not XML into a 500.
    (answer("200 OK", HTML[0], *HTML[1:]), Code.INTERNAL, ErrorClass.UNSURE, "HTML page", OTHER_SERVER),
    (answer("200 OK", "", CLOSE), Code.FAILED_PRECONDITION, ErrorClass.PERMANENT, "is not S3", OTHER_SERVER),
    (answer("503 Unavailable", "", CLOSE), Code.UNAVAILABLE, ErrorClass.UNSURE, "unavailable", "again"),
    (answer("500 Error", "{'not': 'xml'", CLOSE), Code.INTERNAL, ErrorClass.UNSURE, "internal error", "again"),
    (b"nonsense\r\n\r\n", None, ErrorClass.UNSURE, "the connection to 127.0.0.1:", "again"),
]  # fmt: skip


def put(url: str, folder: Path) -> CloudError:
    async def main() -> CloudError:
        async with S3ObjectStore(url, credentials=StaticKeys(ACCESS_KEY, SECRET_KEY), environ={}) as store:
            with pytest.raises(CloudError) as caught:
                await store.put_once("b", "k.zip", package(folder))
            return caught.value

    return anyio.run(main)


@pytest.mark.parametrize(("said", "code", "verdict", "message", "advice"), ANSWERS)
def test_a_refusal_is_translated(
    said: bytes, code: Code | None, verdict: ErrorClass, message: str, advice: str, tmp_path: Path
) -> None:
    with scripted(said) as server:
        error = put(server.url, tmp_path)
    assert (error.code, error.call, error.sent) == (code, "put object", True)
    assert judge(error) is verdict
    assert message in error.message
    assert advice in error.advice
    assert "<" not in error.message


def test_the_request_id_and_the_server_s_wish_are_kept(tmp_path: Path) -> None:
    with scripted(refusal("503 Slow Down", "SlowDown", "x-amz-request-id: 4d4", "Retry-After: 7")) as server:
        error = put(server.url, tmp_path)
    assert (error.http_status, error.request_id, error.retry_after_s) == (503, "4d4", 7.0)


def check(*answers: bytes) -> CloudError | None:
    async def main(url: str) -> CloudError | None:
        async with S3ObjectStore(url, credentials=StaticKeys(ACCESS_KEY, SECRET_KEY), environ={}) as store:
            try:
                await store.check("b")
            except CloudError as error:
                return error
        return None

    with scripted(*answers) as server:
        return anyio.run(main, server.url)


def test_a_bucket_whose_head_is_refused_is_listed_to_learn_why() -> None:
    error = check(answer("403 Forbidden"), refusal("403 Forbidden", "AccessDenied"))
    assert error is not None
    assert (error.code, error.call) == (Code.PERMISSION_DENIED, "check bucket")
    assert "storage.uploader" in error.advice


def test_a_bucket_that_can_be_listed_passes() -> None:
    page = "<?xml version='1.0'?><ListBucketResult><Name>b</Name><KeyCount>0</KeyCount></ListBucketResult>"
    assert check(answer("403 Forbidden"), answer("200 OK", page, "Content-Type: application/xml")) is None


def test_a_list_that_is_no_list_is_an_error() -> None:
    error = check(answer("403 Forbidden"), answer("200 OK", HTML[0], *HTML[1:]))
    assert error is not None
    assert OTHER_SERVER in error.advice


def test_a_page_of_a_network_is_no_bucket() -> None:
    error = check(answer("200 OK", "", *HTML[1:]))
    assert error is not None
    assert error.code is Code.FAILED_PRECONDITION
    assert OTHER_SERVER in error.advice


def test_a_bucket_elsewhere_is_an_error() -> None:
    error = check(answer("301 Moved", "", CLOSE))
    assert error is not None
    assert (error.code, error.http_status) == (Code.FAILED_PRECONDITION, 301)


@pytest.mark.parametrize("name", ["SignatureDoesNotMatch", "InvalidAccessKeyId"])
def test_a_key_that_has_worked_is_tried_again(name: str, tmp_path: Path) -> None:
    stored = answer("200 OK", "", 'ETag: "1"')

    async def main(url: str) -> list[ErrorClass]:
        async with S3ObjectStore(url, credentials=StaticKeys(ACCESS_KEY, SECRET_KEY), environ={}) as store:
            verdicts = []
            for number in range(4):
                try:
                    await store.put_once("b", f"{number}.zip", package(tmp_path))
                except CloudError as error:
                    verdicts.append(judge(error))
        return verdicts

    refused = refusal("403 Forbidden", name)
    with scripted(refused, stored, refused, stored) as server:
        assert anyio.run(main, server.url) == [ErrorClass.PERMANENT, ErrorClass.UNSURE]


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "503 Slow Down"])
def test_an_answer_without_end_is_not_read(status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ANSWER_MAX_BYTES", 1024 * 1024)
    endless = f"HTTP/1.1 {status}\r\nContent-Length: 100000000000\r\n\r\n".encode() + b"x" * 2 * 1024 * 1024

    async def read(url: str) -> CloudError:
        async with S3ObjectStore(url, credentials=StaticKeys(ACCESS_KEY, SECRET_KEY), environ={}) as store:
            with pytest.raises(CloudError) as caught:
                await S3Records(store, "b").read("leases.json")
            return caught.value

    with scripted(endless) as server:
        put_failed, read_failed = put(server.url, tmp_path), anyio.run(read, server.url)
    assert (put_failed.call, read_failed.call) == ("put object", "get object")
    for error in (put_failed, read_failed):
        assert "a response larger than 1MB, which was not read" in error.message
        assert OTHER_SERVER in error.advice


async def read_record(store: S3ObjectStore) -> object:
    return await S3Records(store, "b").read("leases.json")


async def write_record(store: S3ObjectStore) -> object:
    return await S3Records(store, "b").create("leases.json", b"{}")


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "404 Not Found", "412 Precondition Failed", "503 Down"])
@pytest.mark.parametrize("call", [read_record, write_record], ids=lambda call: call.__name__)
@pytest.mark.parametrize(
    "head",
    [
        'Content-Length: 216\r\nETag: "1"\r\n\r\n<?xml v',
        'Content-Length: 0\r\nETag: "1"\r\n',
        'Content-Length: 0\r\nETag: "1"\r\nLast-Mod',
        'ETag: "1"\r\n',
        "",
    ],
    ids=["in its body", "before its headers end", "within a header", "before its length", "before its headers"],
)
def test_an_answer_that_is_cut_off_is_a_broken_connection(
    call: Callable[[S3ObjectStore], Awaitable[object]], status: str, head: str, caplog: pytest.LogCaptureFixture
) -> None:
    cut = f"HTTP/1.1 {status}\r\n{head}".encode()

    async def main(url: str) -> CloudError:
        async with S3ObjectStore(url, credentials=StaticKeys(ACCESS_KEY, SECRET_KEY), environ={}) as store:
            with pytest.raises(CloudError) as caught:
                await call(store)
            return caught.value

    with scripted(cut, closes=True) as server:
        error = anyio.run(main, server.url)
    assert "the connection to 127.0.0.1:" in error.message
    assert judge(error) is ErrorClass.UNSURE
    assert "Failed to parse headers" not in caplog.text
