"""One HTTP attempt through one aiohttp session: an `Answer`, or one `CloudError` with all its facts.

aiohttp's exceptions become sentences by table, once, here.
"""

from __future__ import annotations

import os
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
from orchestrator.cloud.proxies import proxy_for
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.model.units import as_duration, as_size
from orchestrator.ports import Guard, unguarded

CONNECTIONS_PER_HOST = 100
DNS_CACHE_S = 300
CONNECT_LIMIT_S = 10.0
TOTAL_LIMIT_S = 60.0
_GZIP = 31  # of zlib: with the header and the end of gzip
_log = structlog.get_logger()


@dataclass(slots=True)
class _Attempt:
    """Travels with one request through aiohttp's hooks: just before the first byte leaves, `guard` is awaited, and then
    `sent` is set.
    """

    guard: Guard
    sent: bool = False


class Transport:
    """Sends requests. `now` is the service's clock as far as its `Date` headers tell, in seconds since the epoch."""

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
        """Send once and read the whole answer, a JSON object. `secret` is kept out of every sentence; the rest as
        `exchange` has it.

        Raises `CloudError`. Redirects are not followed: no service of the cloud sends them, captive portals do.
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
    ) -> answers.Raw:
        """Send once and read the whole answer, whatever it is. `direct` goes past any proxy. `guard` is the last await
        before the request leaves: after the connection is there; what it raises comes out.

        Raises `CloudError` where there is no whole answer. Redirects are not followed.
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
                found = await _bounded(response, answer_max_bytes or bounds.ANSWER_MAX_BYTES, name, client_request_id)
        except (aiohttp.ClientError, OSError) as error:
            sent = attempt.sent and not before_sending(error)
            message, advice = explain(error, target, proxy, total_limit_s, sent=sent)
            # aiohttp's own text may show the proxy's password, and a cause is shown wherever an error is logged.
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
    """Read an answer, unpacked piece by piece; what is too large is left unread, and its connection closed."""
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
                f"the answer to {name} is larger than {as_size(max_bytes)}: it was not read",
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
            f"the body of {name} cannot be written as JSON: there is text in it that is not valid Unicode",
            call=name,
            code=Code.INVALID_ARGUMENT,
            sent=False,
            advice="look for bytes that are not UTF-8 in the environment variables that the manifest takes up",
        ) from error


async def _about_to_send(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _sent: aiohttp.TraceRequestHeadersSentParams
) -> None:
    await context.trace_request_ctx.guard()
    context.trace_request_ctx.sent = True


def _trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The system's certificate authorities, or those of `SSL_CERT_FILE` / `SSL_CERT_DIR`."""
    file, folder = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:  # ssl.SSLError is one too
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise StartError(
            f"the certificate authorities of SSL_CERT_FILE={file or ''} cannot be read: {reason}",
            advice="let SSL_CERT_FILE name a PEM file, or unset it to use the system's own",
        ) from error


@asynccontextmanager
async def open_transport(
    environ: Mapping[str, str], *, version: str, clock: Callable[[], float] = time.time
) -> AsyncIterator[Transport]:
    """Open the one session of a run, and close it. Raises `StartError` where `SSL_CERT_FILE` is unusable."""
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


_CHECK_NETWORK = "check the network, the endpoint (--endpoint), and HTTPS_PROXY / NO_PROXY"
_CHECK_PROXY = "check HTTPS_PROXY / HTTP_PROXY, or list the host in NO_PROXY"
_CHECK_TRUST = (
    "set SSL_CERT_FILE to a file with the certificate authority that signed it (a company's proxy has its own)"
)
_CHECK_TLS = "check that the endpoint and the proxy speak TLS at this port"

# The first kind that fits; a subclass stands before its base. Each of these happens before a request can be sent.
_BEFORE_SENDING: tuple[tuple[type[Exception], str, str], ...] = (
    (aiohttp.ClientProxyConnectionError, "no connection to the proxy {proxy}: {reason}", _CHECK_PROXY),
    (aiohttp.ClientHttpProxyError, "the proxy {proxy} refused to connect to {host}: {reason}", _CHECK_PROXY),
    (aiohttp.ClientConnectorDNSError, "the name {peer} cannot be found: {reason}", _CHECK_NETWORK),
    (aiohttp.ClientConnectorCertificateError, "the certificate of {host} is not trusted: {reason}", _CHECK_TRUST),
    (aiohttp.ClientSSLError, "no TLS connection to {host}: {reason}", _CHECK_TLS),
    (aiohttp.ClientConnectorError, "no connection to {host}: {reason}", _CHECK_NETWORK),
    (aiohttp.InvalidURL, "{host} is no address that can be called", _CHECK_NETWORK),
)
# These happen at any moment: whether the request was sent is known from elsewhere.
_AT_ANY_TIME: tuple[tuple[type[Exception], str, str], ...] = (
    (TimeoutError, "{host} did not answer within {limit}", "try again; " + _CHECK_NETWORK),
    (aiohttp.ClientPayloadError, "the answer of {host} broke off before its end", "try again"),
    (aiohttp.ServerDisconnectedError, "{host} closed the connection without an answer", "try again"),
    (aiohttp.ClientResponseError, "what {host} answered is not HTTP", _CHECK_TLS),
    (OSError, "the connection to {host} broke: {reason}", "try again"),
    (aiohttp.ClientError, "the connection to {host} broke: {reason}", "try again"),
)


def before_sending(error: Exception) -> bool:
    """Tell from the kind of error alone that the service cannot have seen the request."""
    kinds: tuple[type[Exception], ...] = (aiohttp.ConnectionTimeoutError, *(kind for kind, _, _ in _BEFORE_SENDING))
    return isinstance(error, kinds)


def explain(error: Exception, url: URL, proxy: URL | None, limit_s: float, *, sent: bool) -> tuple[str, str]:
    """Say what happened and what to check. No part of it comes from a text that may hold a credential."""
    if isinstance(error, TimeoutError) and not sent:
        return f"no connection to {_place(url)} within the time limit", _CHECK_NETWORK
    for kind, sentence, advice in (*_BEFORE_SENDING, *_AT_ANY_TIME):
        if isinstance(error, kind):
            host = _place(url)
            via = _place(proxy) if proxy else host
            peer = str(getattr(error, "host", "") or url.host)
            said = sentence.format(host=host, proxy=via, peer=peer, reason=_reason(error), limit=as_duration(limit_s))
            return said, advice
    raise error


def _place(url: URL) -> str:
    return f"{url.host}:{url.port}"


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(getattr(error.certificate_error, "verify_message", "") or error.certificate_error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"HTTP {error.status} {error.message}".strip()
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or "TLS error").replace("_", " ").lower()
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:  # asyncio's own text is "Connect call failed"
        return os.strerror(cause.errno).lower()
    return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
