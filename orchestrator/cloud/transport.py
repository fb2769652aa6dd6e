"""One HTTP attempt through one aiohttp session: an `Answer`, or one `CloudError` with all its facts."""

from __future__ import annotations

import ssl
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import aiohttp
import orjson
import structlog
from yarl import URL

from orchestrator.cloud import answers, bounds
from orchestrator.cloud.answers import Answer, http_date
from orchestrator.cloud.broken import before_sending, explain
from orchestrator.cloud.proxies import proxy_for
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.model.units import as_size
from orchestrator.ports import Guard, unguarded

CONNECTIONS_PER_HOST = 100
DNS_CACHE_S = 300
CONNECT_LIMIT_S = 10.0
TOTAL_LIMIT_S = 60.0
_GZIP = 31  # for zlib: with gzip's header and trailer
_log = structlog.get_logger()


@dataclass(slots=True)
class _Attempt:
    """Travels with one request through aiohttp's hooks. Just before the first byte is sent, `guard` is awaited, then
    `sent` is set.
    """

    guard: Guard
    sent: bool = False


class Transport:
    """Sends requests. `now` is the service's clock, as its `Date` headers show it, in seconds since the epoch."""

    def __init__(
        self, session: aiohttp.ClientSession, environ: Mapping[str, str], clock: Callable[[], float] = time.time
    ) -> None:
        self._session = session
        self._environ = environ
        self._clock = clock
        self._proxies: dict[URL, URL | None] = {}
        self._ahead_s: float | None = None  # the service's clock minus ours

    def now(self) -> float:
        return self._clock() + (self._ahead_s or 0.0)

    def knows_server_time(self) -> bool:
        return self._ahead_s is not None

    async def request(
        self,
        method: str,
        url: str,
        *,
        name: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        secret: str = "",
        connect_limit_s: float = CONNECT_LIMIT_S,
        total_limit_s: float = TOTAL_LIMIT_S,
        direct: bool = False,
        guard: Guard = unguarded,
        answer_max_bytes: int | None = None,
    ) -> Answer:
        """Send once and read the whole answer, a JSON object. `secret` is removed from every message. For the rest, see
        `exchange`.

        Raises `CloudError`. Redirects are not followed: no service of the cloud sends them, but captive portals do.
        """
        typed = {"Content-Type": "application/json"} if body is not None else {}
        raw = await self.exchange(
            method, url, name=name, query=query, content=None if body is None else _dump(body, name),
            extra_headers={**(extra_headers or {}), **typed}, secret=secret, connect_limit_s=connect_limit_s,
            total_limit_s=total_limit_s, direct=direct, guard=guard, answer_max_bytes=answer_max_bytes,
        )  # fmt: skip
        answer = answers.read(raw, self.now())
        self._set_clock(raw.headers)
        return answer

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        name: str,
        query: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        extra_headers: Mapping[str, str] | None = None,
        secret: str = "",
        connect_limit_s: float = CONNECT_LIMIT_S,
        total_limit_s: float = TOTAL_LIMIT_S,
        direct: bool = False,
        guard: Guard = unguarded,
        answer_max_bytes: int | None = None,
        unread: bool = False,
    ) -> answers.Raw:
        """Send once and read the whole answer, of any kind. `direct`: bypass any proxy. `guard`: the last await before
        the request is sent, after the connection is made; its errors pass through. `unread`: the status and headers are
        all that counts, so the content is not read.

        Raises `CloudError` if there is no whole answer. Redirects are not followed.
        """
        target = URL(url + ("?" + urlencode(query, quote_via=quote, safe="") if query else ""), encoded=True)
        proxy = None if direct else self._proxy(target)
        client_request_id = str(uuid.uuid4())
        attempt = _Attempt(guard)
        try:
            async with self._session.request(
                method,
                target,
                data=content,
                headers={answers.CLIENT_REQUEST_ID: client_request_id, **(extra_headers or {})},
                proxy=proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=total_limit_s, sock_connect=connect_limit_s),
                trace_request_ctx=attempt,
            ) as response:
                max_bytes, found = answer_max_bytes or bounds.ANSWER_MAX_BYTES, b""
                if unread:
                    response.close()
                else:
                    found = await _bounded(response, max_bytes, name, client_request_id)
        except (aiohttp.ClientError, OSError) as error:
            sent = attempt.sent and not before_sending(error)
            message, advice = explain(error, target, proxy, total_limit_s, sent=sent)
            # aiohttp's own text may contain the proxy's password, and a cause is shown wherever an error is logged.
            raise CloudError(message, call=name, sent=sent, client_request_id=client_request_id, advice=advice) from (
                None if proxy is not None and proxy.password else error
            )
        _log.debug(
            "http call", call=name, status=response.status, host=target.host, client_request_id=client_request_id,
            request_id=response.headers.get(answers.REQUEST_ID, ""),
            server_trace_id=response.headers.get(answers.SERVER_TRACE_ID, ""),
        )  # fmt: skip
        return answers.Raw(name, target, response.status, response.headers, found, client_request_id, secret)

    def _proxy(self, target: URL) -> URL | None:
        origin = target.origin()
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin, self._environ)
        return self._proxies[origin]

    def _set_clock(self, found: Mapping[str, str]) -> None:
        date = http_date(found.get("Date"))
        if date is not None:
            self._ahead_s = date.timestamp() - self._clock()


async def _bounded(response: aiohttp.ClientResponse, max_bytes: int, name: str, client_request_id: str) -> bytes:
    """Read an answer and decompress it in pieces. If it is too large, the rest is not read and the connection is
    closed.
    """
    content, packed = bytearray(), response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
    unpacker = zlib.decompressobj(_GZIP)
    async for piece in response.content.iter_any():
        try:
            content += unpacker.decompress(piece, max_bytes + 1 - len(content)) if packed else piece
        except zlib.error as error:
            raise aiohttp.ClientPayloadError from error
        if len(content) > max_bytes:
            response.close()
            raise CloudError(
                f"the response to {name} is larger than {as_size(max_bytes)}: it was not read",
                call=name,
                http_status=response.status,
                client_request_id=client_request_id,
                advice=answers.NOT_THE_CLOUD,
            )
    if packed and content and not unpacker.eof:
        raise aiohttp.ClientPayloadError
    return bytes(content)


def _dump(body: Mapping[str, object], name: str) -> bytes:
    try:
        return orjson.dumps(body, default=dict)
    except orjson.JSONEncodeError as error:  # its text may quote a value
        raise CloudError(
            f"the body of {name} cannot be written as JSON: it has text that is not valid Unicode",
            call=name,
            code=Code.INVALID_ARGUMENT,
            sent=False,
            advice="look for bytes that are not UTF-8 in the environment variables that the manifest uses",
        ) from error


async def _about_to_send(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _sent: aiohttp.TraceRequestHeadersSentParams
) -> None:
    await context.trace_request_ctx.guard()
    context.trace_request_ctx.sent = True


def _trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the system's certificate authorities, or those of `SSL_CERT_FILE` / `SSL_CERT_DIR`."""
    file, folder = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:  # ssl.SSLError is one too
        reason = "it has no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise StartError(
            f"the certificate authorities of SSL_CERT_FILE={file or ''} cannot be read: {reason}",
            advice="set SSL_CERT_FILE to a PEM file, or unset it to use the system's own",
        ) from error


@asynccontextmanager
async def open_transport(
    environ: Mapping[str, str], *, version: str, clock: Callable[[], float] = time.time
) -> AsyncIterator[Transport]:
    """Open the one session of a run, and close it. Raises `StartError` if `SSL_CERT_FILE` is unusable."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_about_to_send)
    connector = aiohttp.TCPConnector(
        limit=0, limit_per_host=CONNECTIONS_PER_HOST, ttl_dns_cache=DNS_CACHE_S, ssl=_trust(environ)
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"orchestrator/{version}", "Accept": "application/json", "Accept-Encoding": "gzip"},
        auto_decompress=False,  # see `_bounded`
        trust_env=False,  # see `proxies`
        trace_configs=[trace],
    ) as session:
        yield Transport(session, environ, clock)
