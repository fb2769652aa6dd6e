"""Posts to a user's address: signed, retried for a while, and never longer than there is time.

Certificates and proxies are those of the API. Redirects are not followed: they would send the content to someone else.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import anyio

from orchestrator.cloud.answers import retry_after_s
from orchestrator.cloud.transport import Transport
from orchestrator.errors import CloudError

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 8.0)
_CHECK_URL = "check its url"
_ADVICE = {
    400: "the receiver refused the body: check its format, and chat_id",
    401: f"{_CHECK_URL} and secret",
    403: f"{_CHECK_URL} and secret",
    404: _CHECK_URL,
    405: _CHECK_URL,
    410: _CHECK_URL,
}
_AGAIN = (408, 425, 429)  # and all from 500
SIGNATURE = "X-Orchestrator-Signature"
TIMESTAMP = "X-Orchestrator-Timestamp"


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted. `key`: the same for each attempt, so that the receiver recognizes repetitions. `secret`: "" for
    no signature.
    """

    url: str
    body: bytes
    kind: str
    key: str
    secret: str = ""
    timeout_s: float = 10.0


def signature(secret: str, at_s: int, body: bytes) -> str:
    """Sign a body: HMAC-SHA256, in hexadecimal digits, of "TIMESTAMP.BODY"."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256)
    return f"sha256={signed.hexdigest()}"


def _unheard(_why: str) -> None:
    """Ignore why an attempt failed."""


async def deliver(
    transport: Transport, post: Post, clock: Callable[[], float] = time.time, failed: Callable[[str], None] = _unheard
) -> str:
    """Post until it is accepted (2xx) or refused for good. Returns why it was not accepted, "" if it was. The caller
    limits the time. `failed` is called with the reason after each attempt that is repeated.
    """
    for wait_s in (*BACK_OFF_S, None):
        tried = await _once(transport, post, int(clock()))
        if not tried.why or not tried.again or wait_s is None:
            break
        failed(tried.why)
        await anyio.sleep(max(wait_s, tried.after_s))
    return tried.why


@dataclass(frozen=True, slots=True)
class _Try:
    """Why an attempt was not accepted, "" if it was; whether a later one may be, and after how many seconds."""

    why: str = ""
    again: bool = False
    after_s: float = 0.0


async def _once(transport: Transport, post: Post, at_s: int) -> _Try:
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": post.key,
        "X-Orchestrator-Kind": post.kind,
        TIMESTAMP: str(at_s),
    }
    if post.secret:
        headers[SIGNATURE] = signature(post.secret, at_s, post.body)
    try:
        raw = await transport.exchange(
            "POST", post.url, name="notification", content=post.body, extra_headers=headers,
            connect_limit_s=post.timeout_s, total_limit_s=post.timeout_s, unread=True,
        )  # fmt: skip
    except CloudError as error:
        if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
            return _Try(f"{error.message}: {error.advice}")
        return _Try(error.message, again=True)
    except ValueError:  # of a URL that the libraries cannot read; their texts quote it
        return _Try("its url is not a valid address")
    if 200 <= raw.status < 300:
        return _Try()
    if 300 <= raw.status < 400:
        return _Try(f"HTTP {raw.status}: the address has moved, and redirects are not followed")
    again = raw.status in _AGAIN or raw.status >= 500
    advice = f": {_ADVICE[raw.status]}" if raw.status in _ADVICE else ""
    return _Try(f"HTTP {raw.status}{advice}", again, retry_after_s(raw.headers, at_s) or 0.0)
