"""Checks AWS Signature Version 4 in the Authorization header, as S3 defines it.

Written from the published algorithm: an SDK that checks what the same SDK signed would prove little.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
_CREDENTIAL = re.compile(
    rf"{ALGORITHM} Credential=(?P<key_id>[^/,]+)/(?P<scope>(?P<day>\d{{8}})/(?P<region>[^/,]+)/s3/aws4_request),"
    r"\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW_MAX_S = 15 * 60  # what S3 allows between the client's clock and its own


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers. `path` and `query` as sent, still percent-encoded; headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class SignatureError(Exception):
    """An invalid signature. `code`: the S3 error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def verify(request: SignedRequest, secret_of: Callable[[str], str | None], now_s: float) -> str:
    """Check the request's signature and return its access key ID. `now_s`: seconds since the epoch.

    Raises `SignatureError`: AuthorizationHeaderMalformed, InvalidAccessKeyId, RequestTimeTooSkewed,
    SignatureDoesNotMatch, AccessDenied (a required header is not signed).
    """
    match = _CREDENTIAL.fullmatch(request.headers.get("authorization", "").strip())
    if match is None:
        raise SignatureError("AuthorizationHeaderMalformed", "The authorization header is malformed.")
    secret = secret_of(match["key_id"])
    if secret is None:
        raise SignatureError("InvalidAccessKeyId", "The access key ID you provided does not exist in our records.")
    stamp = request.headers.get("x-amz-date", "")
    _check_time(stamp, match["day"], now_s)
    names = match["headers"].split(";")
    if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
        raise SignatureError("AccessDenied", "host, x-amz-date and x-amz-content-sha256 must be signed.")
    text = "\n".join((ALGORITHM, stamp, match["scope"], _sha256(_canonical(request, names))))
    key = _signing_key(secret, match["day"], match["region"])
    if not hmac.compare_digest(_mac(key, text).hex(), match["signature"]):
        raise SignatureError(
            "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
        )
    return match["key_id"]


def _check_time(stamp: str, day: str, now_s: float) -> None:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("AccessDenied", "x-amz-date is missing or is not an ISO 8601 basic time.") from None
    if not stamp.startswith(day):
        raise SignatureError("SignatureDoesNotMatch", "The credential's day is not that of x-amz-date.")
    if abs(signed_at.timestamp() - now_s) > _SKEW_MAX_S:
        raise SignatureError(
            "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."
        )


def _canonical(request: SignedRequest, names: Iterable[str]) -> str:
    lines = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names]
    return "\n".join(
        (
            request.method,
            quote(unquote(request.path), safe="/-_.~"),
            _canonical_query(request.query),
            "".join(lines),
            ";".join(names),
            request.headers.get("x-amz-content-sha256", ""),
        )
    )


def _canonical_query(query: str) -> str:
    # To S3, "+" is a plus sign, not a space.
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs))


def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
