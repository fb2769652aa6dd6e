"""Posts to a user's address: signed, retried for a while, and never longer than there is time.

Certificates and proxies are those of the API. Redirects are not followed: they would send the content to someone else.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from orchestrator.cloud.transport import Transport
from orchestrator.errors import CloudError

ANSWER_MAX_BYTES = 64 * 1024  # the content is ignored
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 8.0)
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


async def deliver(transport: Transport, post: Post, clock: Callable[[], float] = time.time) -> str:
    """Post until it is accepted (2xx) or refused for good. Returns why it was not accepted, "" if it was. The caller
    limits the time.
    """
    why = ""
    for wait_s in (*BACK_OFF_S, None):
        why, again = await _once(transport, post, int(clock()))
        if not why or not again or wait_s is None:
            return why
        await anyio.sleep(wait_s)
    return why


async def _once(transport: Transport, post: Post, at_s: int) -> tuple[str, bool]:
    """Try once. Returns why it was not accepted, and whether it may be accepted later."""
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
            connect_limit_s=post.timeout_s, total_limit_s=post.timeout_s, answer_max_bytes=ANSWER_MAX_BYTES,
        )  # fmt: skip
    except CloudError as error:
        if error.http_status is None:
            return error.message, True
        return ("", False) if _is_taken(error.http_status) else (f"HTTP {error.http_status}", False)
    if _is_taken(raw.status):
        return "", False
    if 300 <= raw.status < 400:
        return f"HTTP {raw.status}: the address has moved, and redirects are not followed", False
    return f"HTTP {raw.status}", raw.status in _AGAIN or raw.status >= 500


def _is_taken(status: int) -> bool:
    return 200 <= status < 300
