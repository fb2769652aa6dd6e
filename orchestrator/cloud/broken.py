"""What a broken request means: one table here turns aiohttp's exceptions into sentences."""

from __future__ import annotations

import os
import ssl

import aiohttp
from yarl import URL

from orchestrator.model.units import as_duration

_CHECK_NETWORK = "check the network, the endpoint (--endpoint), and HTTPS_PROXY / NO_PROXY"
_CHECK_PROXY = "check HTTPS_PROXY / HTTP_PROXY, or list the host in NO_PROXY"
_CHECK_TRUST = (
    "set SSL_CERT_FILE to a file with the certificate authority that signed it (a company's proxy has its own)"
)
_CHECK_TLS = "check that the endpoint and the proxy speak TLS at this port"

# The first kind that matches counts; a subclass comes before its base. Each of these happens before a request can be
# sent.
_BEFORE_SENDING: tuple[tuple[type[Exception], str, str], ...] = (
    (aiohttp.ClientProxyConnectionError, "no connection to the proxy {proxy}: {reason}", _CHECK_PROXY),
    (aiohttp.ClientHttpProxyError, "the proxy {proxy} refused to connect to {host}: {reason}", _CHECK_PROXY),
    (aiohttp.ClientConnectorDNSError, "the name {peer} cannot be found: {reason}", _CHECK_NETWORK),
    (aiohttp.ClientConnectorCertificateError, "the certificate of {host} is not trusted: {reason}", _CHECK_TRUST),
    (aiohttp.ClientSSLError, "no TLS connection to {host}: {reason}", _CHECK_TLS),
    (aiohttp.ClientConnectorError, "no connection to {host}: {reason}", _CHECK_NETWORK),
    (aiohttp.InvalidURL, "{host} is not a valid address", _CHECK_NETWORK),
)
# These happen at any moment; another source shows whether the request was sent.
_AT_ANY_TIME: tuple[tuple[type[Exception], str, str], ...] = (
    (TimeoutError, "{host} did not respond within {limit}", "try again; " + _CHECK_NETWORK),
    (aiohttp.ClientPayloadError, "the response of {host} was cut off", "try again"),
    (aiohttp.ServerDisconnectedError, "{host} closed the connection without a response", "try again"),
    (aiohttp.ClientResponseError, "the response of {host} is not HTTP", _CHECK_TLS),
    (OSError, "the connection to {host} broke: {reason}", "try again"),
    (aiohttp.ClientError, "the connection to {host} broke: {reason}", "try again"),
)


def before_sending(error: Exception) -> bool:
    """Return whether the kind of error alone shows that the service cannot have seen the request."""
    kinds: tuple[type[Exception], ...] = (aiohttp.ConnectionTimeoutError, *(kind for kind, _, _ in _BEFORE_SENDING))
    return isinstance(error, kinds)


def explain(error: Exception, url: URL, proxy: URL | None, limit_s: float, *, sent: bool) -> tuple[str, str]:
    """Return what happened and what to check. No part of it comes from text that may contain a credential."""
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
    return system_reason(error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error)


def system_reason(cause: BaseException) -> str:
    """Return why a connection failed as the operating system or the TLS library says it, without texts of others."""
    if isinstance(cause, ssl.SSLError):
        return (getattr(cause, "reason", "") or "TLS error").replace("_", " ").lower()
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:  # asyncio's own text is "Connect call failed"
        return os.strerror(cause.errno).lower()
    return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
