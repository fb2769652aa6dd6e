"""The sandbox's Object Storage: path-style S3 beside the API, on the same port.

It refuses what the real one refuses: bad signatures, keys and tokens, bodies without a Content-Length, bodies that do
not match their digests, puts whose If-None-Match or If-Match fails. Errors are XML, as everywhere in S3.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes
from xml.sax.saxutils import escape

from aiohttp import web

from orchestrator.sandbox.http import sigv4
from orchestrator.sandbox.memory.objects import BINARY, Condition, Incoming, Objects, RefusedError, Stored

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

_STATUS = {
    "AccessDenied": 403, "AuthorizationHeaderMalformed": 400, "BadDigest": 400, "BucketAlreadyOwnedByYou": 409,
    "ExpiredToken": 401, "IncompleteBody": 400, "InvalidAccessKeyId": 403, "InvalidArgument": 400,
    "InvalidBucketName": 400, "InvalidDigest": 400, "InvalidURI": 400, "KeyTooLongError": 400, "MethodNotAllowed": 405,
    "MissingContentLength": 411, "NoSuchBucket": 404, "NoSuchKey": 404, "NotImplemented": 501,
    "PreconditionFailed": 412, "RequestTimeTooSkewed": 403, "SignatureDoesNotMatch": 403,
    "XAmzContentSHA256Mismatch": 400,
}  # fmt: skip
_CHUNK_BYTES = 1 << 18
_UNSIGNED = "UNSIGNED-PAYLOAD"
_XML = "application/xml"


def add_routes(
    app: web.Application,
    objects: Objects,
    *,
    secret_of: Callable[[str], str | None],
    bearer_ok: Callable[[str], bool],
    fault: Fault | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Serve `objects` at /BUCKET and /BUCKET/KEY. Call it after the API's own routes were added: these take precedence.

    `secret_of` returns the secret of a static access key ID (None: no such key). `bearer_ok` returns whether an IAM
    token is valid. `fault` gets each request first: what it returns is sent as the answer, and what it awaits is a
    delay.
    """
    storage = _Storage(objects, secret_of, bearer_ok, fault, clock)
    for path in ("/{bucket}", "/{bucket}/{key:.*}"):
        app.router.add_route("*", path, storage.handle, expect_handler=storage.expect)


@dataclass(frozen=True, slots=True)
class _Target:
    bucket: str
    key: str  # empty: the bucket itself


class _Storage:
    def __init__(
        self,
        objects: Objects,
        secret_of: Callable[[str], str | None],
        bearer_ok: Callable[[str], bool],
        fault: Fault | None,
        clock: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._secret_of = secret_of
        self._bearer_ok = bearer_ok
        self._fault = fault
        self._clock = clock

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """Answer `Expect: 100-continue`: a put that will be refused is refused before its body is sent."""
        try:
            target = _target(request)
            self._authorize(request)
            self._check_put(request, target)
        except RefusedError as error:
            return _error(request, error)
        if request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer = await self._answered(request)
        if not answer.prepared:
            answer.headers["Date"] = self._date()
        return answer

    def _date(self) -> str:
        return _http_date(self._clock())

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        if self._fault is not None and (answer := await self._fault(request)) is not None:
            return answer
        try:
            target = _target(request)
            self._authorize(request)
            if target.key:
                return await self._object(request, target)
            return self._bucket(request, target.bucket)
        except RefusedError as error:
            return _error(request, error)

    def _authorize(self, request: web.Request) -> None:
        header = request.headers.get("Authorization", "")
        token = request.headers.get("X-YaCloud-SubjectToken", "")
        if header.startswith("Bearer "):
            token = header.removeprefix("Bearer ")
        if token:
            if not self._bearer_ok(token):
                raise RefusedError("ExpiredToken", "The provided token is invalid or has expired.")
            return
        if not header:
            raise RefusedError("AccessDenied", "Access Denied")
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            sigv4.verify(
                sigv4.SignedRequest(request.method, path, query, headers), self._secret_of, now_s=self._clock()
            )
        except sigv4.SignatureError as error:
            raise RefusedError(error.code, str(error)) from None

    def _bucket(self, request: web.Request, bucket: str) -> web.Response:
        if request.method == "PUT":
            if not self._objects.create_bucket(bucket):
                raise RefusedError("BucketAlreadyOwnedByYou", "The bucket exists already.")
            return _answer(Location=f"/{bucket}")
        if request.method == "HEAD":
            self._objects.list(bucket, limit=1)
            return _answer()
        if request.method == "GET":
            return self._list(request, bucket)
        raise RefusedError("MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _list(self, request: web.Request, bucket: str) -> web.Response:
        query = request.query
        if query.get("list-type") != "2" or query.get("delimiter"):
            raise RefusedError("NotImplemented", "The sandbox lists by ListObjectsV2, without a delimiter.")
        try:
            limit = min(int(query.get("max-keys", "1000")), 1000)
        except ValueError:
            raise RefusedError("InvalidArgument", "max-keys is not a number.") from None
        after = query.get("continuation-token") or query.get("start-after", "")
        page = self._objects.list(bucket, query.get("prefix", ""), after, max(limit, 0))
        name = quote if query.get("encoding-type") == "url" else escape
        contents = "".join(_contents(stored, name(stored.key)) for stored in page.objects)
        token = f"<NextContinuationToken>{escape(page.token)}</NextContinuationToken>" if page.token else ""
        kind = "<EncodingType>url</EncodingType>" if name is quote else ""
        return _answer(
            body=f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
            f"<Prefix>{name(query.get('prefix', ''))}</Prefix><MaxKeys>{limit}</MaxKeys>{kind}"
            f"<KeyCount>{len(page.objects)}</KeyCount><IsTruncated>{str(bool(page.token)).lower()}</IsTruncated>"
            f"{token}{contents}</ListBucketResult>"
        )

    async def _object(self, request: web.Request, target: _Target) -> web.StreamResponse:
        if request.method == "PUT":
            return await self._put(request, target)
        if request.method == "DELETE":
            self._objects.delete(target.bucket, target.key)
            return _answer(status=204)
        if request.method not in ("GET", "HEAD"):
            raise RefusedError("MethodNotAllowed", "The specified method is not allowed against this resource.")
        stored = self._objects.head(target.bucket, target.key)
        body = self._objects.get(target.bucket, target.key)
        if stored is None or body is None:
            raise RefusedError("NoSuchKey", "The specified key does not exist.")
        return await _send(request, stored, body, self._date())

    def _check_put(self, request: web.Request, target: _Target) -> None:
        if request.method != "PUT" or not target.key:
            return
        encoding = request.headers.get("Content-Encoding", "")
        streaming = request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
        if request.content_length is None or "aws-chunked" in encoding or streaming:
            raise RefusedError("MissingContentLength", "You must provide the Content-Length HTTP header.")
        self._objects.check(target.bucket, target.key, _condition(request))

    async def _put(self, request: web.Request, target: _Target) -> web.Response:
        self._check_put(request, target)
        with self._objects.incoming(target.bucket) as incoming:
            try:
                async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                    incoming.write(chunk)
            except (web.RequestPayloadError, ConnectionError):
                raise RefusedError("IncompleteBody", "The body ended before its Content-Length.") from None
            _check_digests(request, incoming)
            stored = self._objects.commit(
                target.bucket,
                target.key,
                incoming,
                modified_at=self._clock(),
                content_type=request.headers.get("Content-Type", BINARY),
                condition=_condition(request),
            )
        return _answer(ETag=f'"{stored.etag}"')


def _target(request: web.Request) -> _Target:
    # From the path as sent: a router may fold "//" and "..", which are ordinary characters of a key.
    path = request.raw_path.partition("?")[0].removeprefix("/")
    bucket, _, key = path.partition("/")
    try:
        return _Target(unquote_to_bytes(bucket).decode(), unquote_to_bytes(key).decode())
    except UnicodeDecodeError:
        raise RefusedError("InvalidURI", "The path is not UTF-8.") from None


def _condition(request: web.Request) -> Condition:
    none_match = request.headers.get("If-None-Match")
    if none_match not in (None, "*"):
        raise RefusedError("NotImplemented", "If-None-Match allows only * in a put.")
    match = request.headers.get("If-Match")
    return Condition(none_match == "*", match.strip('"') if match else None)


def _check_digests(request: web.Request, incoming: Incoming) -> None:
    if incoming.size_bytes != request.content_length:
        raise RefusedError("IncompleteBody", "The body ended before its Content-Length.")
    md5 = request.headers.get("Content-MD5")
    if md5 is not None and md5 != base64.b64encode(incoming.md5.digest()).decode():
        raise RefusedError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    sha256 = request.headers.get("x-amz-content-sha256", _UNSIGNED)
    if sha256 not in (_UNSIGNED, incoming.sha256.hexdigest()):
        raise RefusedError(
            "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 header does not match what was computed."
        )


async def _send(request: web.Request, stored: Stored, body: bytes | Path, date: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={
        "ETag": f'"{stored.etag}"', "Content-Type": stored.content_type, "x-amz-request-id": uuid.uuid4().hex[:16],
        "Last-Modified": _http_date(stored.modified_at), "Date": date,
    })  # fmt: skip
    response.content_length = stored.size_bytes
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    if isinstance(body, bytes):
        await response.prepare(request)
        await response.write(body)
        return response
    with body.open("rb") as file:
        await response.prepare(request)
        while chunk := file.read(_CHUNK_BYTES):
            await response.write(chunk)
    return response


def _http_date(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)


def _contents(stored: Stored, name: str) -> str:
    modified = datetime.fromtimestamp(stored.modified_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{name}</Key><LastModified>{modified}</LastModified><ETag>&quot;{stored.etag}&quot;</ETag>"
        f"<Size>{stored.size_bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _answer(status: int = 200, body: str = "", **headers: str) -> web.Response:
    headers["x-amz-request-id"] = uuid.uuid4().hex[:16]
    if not body:
        return web.Response(status=status, headers=headers)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return web.Response(status=status, text=text, content_type=_XML, headers=headers)


def _error(request: web.Request, error: RefusedError) -> web.Response:
    request_id = uuid.uuid4().hex[:16]
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{error.code}</Code><Message>{escape(str(error))}'
        f"</Message><Resource>{escape(request.path)}</Resource><RequestId>{request_id}</RequestId></Error>"
    )
    response = web.Response(
        status=_STATUS[error.code], text=text, content_type=_XML, headers={"x-amz-request-id": request_id}
    )
    if request.can_read_body:
        response.force_close()  # its body was not read: it would be taken for the next request of this connection
    return response
