"""What can only be tested with the sandbox's S3: expired tokens, wrong digests, bodies without a length."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest

from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError, Code
from orchestrator.sandbox.http.sigv4 import SignatureError, SignedRequest, verify
from tests.contract.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, TOKEN, Service, package, sandbox

TOKEN_HEADER = {"X-YaCloud-SubjectToken": TOKEN}
PATH = f"/{BUCKET}/k.zip"


@pytest.fixture
def service() -> Iterator[Service]:
    with sandbox() as running:
        yield running


def ask(
    service: Service, method: str, path: str, body: Any = None, headers: Mapping[str, str] = TOKEN_HEADER, **more: Any
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    try:
        connection.request(method, path, body, {**TOKEN_HEADER, **headers} if headers else {}, **more)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


def code_of(text: str) -> str:
    found = re.search("<Code>(.*)</Code>", text)
    assert found
    return found[1]


def test_an_expired_token_is_reported(tmp_path: Path) -> None:
    async def expired() -> str:
        return "t1.expired"

    async def main(url: str) -> CloudError:
        async with S3ObjectStore(url, credentials=None, token=expired, environ={}) as store:
            with pytest.raises(CloudError) as checked:
                await store.check(BUCKET)
            with pytest.raises(CloudError) as caught:
                await store.put_once(BUCKET, "k", package(tmp_path))
            assert checked.value.code is caught.value.code
            return caught.value

    with sandbox() as service:
        error = anyio.run(main, service.url)
        assert service.keys("") == []
    assert (error.code, error.http_status) == (Code.UNAUTHENTICATED, 401)
    assert "IAM token" in error.advice


def test_a_token_is_taken_in_either_header(service: Service) -> None:
    for headers in (TOKEN_HEADER, {"Authorization": f"Bearer {TOKEN}", "X-YaCloud-SubjectToken": ""}):
        assert ask(service, "PUT", PATH, b"abc", headers)[0] == 200


def test_without_credentials_access_is_denied(service: Service) -> None:
    status, text, headers = ask(service, "GET", PATH, headers={})
    assert (status, code_of(text)) == (403, "AccessDenied")
    assert headers["x-amz-request-id"]
    assert f"<RequestId>{headers['x-amz-request-id']}</RequestId>" in text


def test_an_object_is_put_headed_got_listed_and_deleted(service: Service) -> None:
    etag = f'"{hashlib.md5(b"abc").hexdigest()}"'
    assert ask(service, "PUT", PATH, b"abc")[2]["ETag"] == etag
    status, text, headers = ask(service, "HEAD", PATH)
    assert (status, text, headers["ETag"], headers["Content-Length"]) == (200, "", etag, "3")
    assert ask(service, "GET", PATH)[:2] == (200, "abc")
    assert "<Key>k.zip</Key>" in ask(service, "GET", f"/{BUCKET}?list-type=2")[1]
    assert ask(service, "DELETE", PATH)[0] == 204
    status, text, _ = ask(service, "GET", PATH)
    assert (status, code_of(text)) == (404, "NoSuchKey")


def test_buckets_are_made_and_headed(service: Service) -> None:
    assert ask(service, "HEAD", "/new-bucket")[0] == 404
    assert ask(service, "PUT", "/new-bucket")[0] == 200
    assert ask(service, "HEAD", "/new-bucket")[0] == 200
    status, text, _ = ask(service, "PUT", "/new-bucket")
    assert (status, code_of(text)) == (409, "BucketAlreadyOwnedByYou")


MD5 = base64.b64encode(hashlib.md5(b"abc").digest()).decode()
PUTS = [
    ({"If-None-Match": "*"}, 412, "PreconditionFailed"),
    ({"If-Match": f'"{"0" * 32}"'}, 412, "PreconditionFailed"),
    ({"If-None-Match": '"x"'}, 501, "NotImplemented"),
    ({"Content-MD5": MD5}, 400, "BadDigest"),
    ({"x-amz-content-sha256": "0" * 64}, 400, "XAmzContentSHA256Mismatch"),
    ({"Content-Encoding": "aws-chunked"}, 411, "MissingContentLength"),
    ({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 411, "MissingContentLength"),
]


@pytest.mark.parametrize(("headers", "status", "code"), PUTS)
def test_a_put_is_refused_and_changes_nothing(
    service: Service, headers: dict[str, str], status: int, code: str
) -> None:
    ask(service, "PUT", PATH, b"there")
    got, text, _ = ask(service, "PUT", PATH, b"other", headers)
    assert (got, code_of(text)) == (status, code)
    assert ask(service, "GET", PATH)[1] == "there"


def test_if_match_replaces_what_it_names(service: Service) -> None:
    etag = ask(service, "PUT", PATH, b"there")[2]["ETag"]
    assert ask(service, "PUT", PATH, b"other", {"If-Match": etag})[0] == 200
    assert ask(service, "GET", PATH)[1] == "other"


def test_digests_that_fit_are_accepted(service: Service) -> None:
    headers = {"Content-MD5": MD5, "x-amz-content-sha256": hashlib.sha256(b"abc").hexdigest()}
    assert ask(service, "PUT", PATH, b"abc", headers)[0] == 200


def test_a_body_without_a_length_is_refused(service: Service) -> None:
    status, text, _ = ask(service, "PUT", PATH, iter([b"abc"]), encode_chunked=True)
    assert (status, code_of(text)) == (411, "MissingContentLength")


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_body_cut_short_leaves_no_object(on_disk: bool, tmp_path: Path) -> None:
    with sandbox(tmp_path if on_disk else None) as service:
        parts = urlsplit(service.url)
        with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
            head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-YaCloud-SubjectToken: {TOKEN}\r\nContent-Length: 1000\r\n\r\n"
            connection.sendall(head.encode() + b"half")
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)  # until the server closes
        assert service.keys("") == []
    if on_disk:
        assert list((tmp_path / BUCKET).iterdir()) == []


def test_what_would_be_refused_is_refused_before_its_body_is_sent(service: Service) -> None:
    ask(service, "PUT", PATH, b"there")
    parts = urlsplit(service.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=60) as connection:
        head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-YaCloud-SubjectToken: {TOKEN}\r\nContent-Length: 1000\r\n"
        connection.sendall(f"{head}If-None-Match: *\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 412 ")


def test_listing_is_paged(service: Service) -> None:
    for name in ("a&1", "a&2", "a&3", "b"):
        ask(service, "PUT", f"/{BUCKET}/{name.replace('&', '%26')}", b"")
    text = ask(service, "GET", f"/{BUCKET}?list-type=2&prefix=a%26&max-keys=2")[1]
    assert re.findall("<Key>(.*?)</Key>", text) == ["a&amp;1", "a&amp;2"]
    assert "<IsTruncated>true</IsTruncated>" in text
    assert "<NextContinuationToken>a&amp;2</NextContinuationToken>" in text
    text = ask(service, "GET", f"/{BUCKET}?list-type=2&prefix=a%26&continuation-token=a%262")[1]
    assert re.findall("<Key>(.*?)</Key>", text) == ["a&amp;3"]
    assert "<IsTruncated>false</IsTruncated>" in text


@pytest.mark.parametrize("path", [f"/{BUCKET}/..//./x", f"/{BUCKET}/%2e%2e/%2e%2e/etc/passwd"])
def test_paths_that_climb_are_ordinary_keys(service: Service, path: str) -> None:
    assert ask(service, "PUT", path, b"abc")[0] == 200
    assert ask(service, "GET", path)[:2] == (200, "abc")
    assert ask(service, "GET", "/etc/passwd")[0] == 404


def signed(path: str = "/b/k", query: str = "", secret: str = SECRET_KEY) -> SignedRequest:
    """Return a request as the official SDK signs it, at its own time."""
    request = AWSRequest("GET", f"https://storage.test{path}{'?' if query else ''}{query}", {"x-amz-acl": " a  b "})
    credentials = botocore.credentials.Credentials(ACCESS_KEY, secret)
    botocore.auth.S3SigV4Auth(credentials, "s3", "ru-central1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest("GET", path, query, {"host": "storage.test", **headers})


def at(request: SignedRequest) -> float:
    from datetime import UTC, datetime

    return datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("path", ["/b/k", "/b/a%20b%2Bc/%D0%B4", "/b/..//./x", "/"])
@pytest.mark.parametrize("query", ["", "list-type=2&prefix=a%2Fb&max-keys=1", "b=&a=%2B"])
def test_the_official_sdk_s_signature_holds(path: str, query: str) -> None:
    request = signed(path, query)
    assert verify(request, {ACCESS_KEY: SECRET_KEY}.get, at(request)) == ACCESS_KEY


def test_signatures_that_do_not_hold_say_why() -> None:
    good = signed()
    secrets = {ACCESS_KEY: SECRET_KEY}
    changed = SignedRequest("GET", "/b/other", "", good.headers)
    unsigned = SignedRequest("GET", "/b/k", "", {**good.headers, "authorization": "AWS4-HMAC-SHA256 nonsense"})
    cases = [
        (changed, secrets, 0.0, "SignatureDoesNotMatch"),
        (signed(secret="wrong"), secrets, 0.0, "SignatureDoesNotMatch"),
        (good, {}, 0.0, "InvalidAccessKeyId"),
        (good, secrets, 901.0, "RequestTimeTooSkewed"),
        (good, secrets, -901.0, "RequestTimeTooSkewed"),
        (unsigned, secrets, 0.0, "AuthorizationHeaderMalformed"),
    ]
    for request, known, late_s, code in cases:
        with pytest.raises(SignatureError) as caught:
            verify(request, known.get, at(good) + late_s)
        assert caught.value.code == code
