"""When to retry and how long to wait: small pure functions, each with its truth table here and in its test."""

from __future__ import annotations

import random
from enum import StrEnum

from orchestrator.errors import CloudError, Code

MAX_ATTEMPTS = 8  # about a minute and a half of waiting
SAID_WAIT_S = 10.0  # a longer wait is reported
MAX_REFUSALS = 45  # about twenty minutes: operations of others may fill the quota that long
_BASE_S = 0.5
_CAP_S = 30.0

_TRANSIENT = {Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.INTERNAL, Code.UNAVAILABLE, Code.CANCELLED}
_STATIC_QUOTAS = ("count", "tags", "size")  # serverless.functions.count …: waiting does not free them
_STATIC_TEXTS = ("functions.count", "number of functions", "tags per function", "number of tags")
_RATE_TEXTS = ("active operations", "concurrent", "rate")
_TOO_FAST = ("rate quota", "rate limit", "too many requests", "slow down", "requests per")


class ErrorClass(StrEnum):
    """What an error of a call means for that call.

    | error                                             | verdict   |
    | ---                                               | ---       |
    | UNAUTHENTICATED (the adapter refreshed once)      | TOKEN     |
    | RESOURCE_EXHAUSTED of a static quota              | QUOTA     |
    | RESOURCE_EXHAUSTED otherwise (operations, rate)   | REFUSED   |
    | UNKNOWN, DEADLINE, ABORTED, INTERNAL, UNAVAILABLE | UNSURE    |
    | no usable answer to what was sent                 | UNSURE    |
    | either of the two, but never sent                 | REFUSED   |
    | any other code                                    | PERMANENT |
    """

    REFUSED = "refused"  # nothing happened: safe to send again
    UNSURE = "unsure"  # it may have taken effect: send again only with the same Idempotency-Key
    TOKEN = "token"  # noqa: S105 - a verdict's name, not a password
    QUOTA = "quota"
    PERMANENT = "permanent"


def judge(error: CloudError) -> ErrorClass:
    """Judge by the gRPC code in the body first: several codes share an HTTP status (cloud-api#errors)."""
    if error.code is Code.UNAUTHENTICATED:
        return ErrorClass.TOKEN
    if error.code is Code.RESOURCE_EXHAUSTED:
        return ErrorClass.QUOTA if _is_static(error) else ErrorClass.REFUSED
    if error.code is None or error.code in _TRANSIENT:
        return ErrorClass.UNSURE if error.sent else ErrorClass.REFUSED
    return ErrorClass.PERMANENT


def is_silence(error: CloudError) -> bool:
    """Return whether an error is not an answer of the service: nothing usable came back, or a proxy in front of it said
    503.

    | error                           | silence |
    | ---                             | ---     |
    | no code, nothing was sent       | yes     |
    | no code, no HTTP status         | yes     |
    | no code, HTTP 502, 503, 504     | yes     |
    | UNAVAILABLE, DEADLINE_EXCEEDED  | yes     |
    | anything else                   | no      |
    """
    if error.code is None:
        return error.http_status is None or error.http_status in (502, 503, 504)
    return error.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


def _is_static(error: CloudError) -> bool:
    if error.quota:
        return error.quota.rsplit(".", 1)[-1] in _STATIC_QUOTAS
    text = error.message.lower()
    return any(part in text for part in _STATIC_TEXTS) and not any(part in text for part in _RATE_TEXTS)


def is_rate(error: CloudError) -> bool:
    """Return whether RESOURCE_EXHAUSTED means that calls come too fast, and not that too many Operations run.

    | it says                                       | rate |
    | ---                                           | ---  |
    | a QuotaFailure of …rate…, …requests…          | yes  |
    | "rate quota limit exceed: allowed 10 requests" | yes |
    | "Too many requests", "slow down"              | yes  |
    | anything else, nothing                        | no   |
    """
    if error.quota:
        return any(part in error.quota.lower() for part in ("rate", "request"))
    return any(part in error.message.lower() for part in _TOO_FAST)


def worth_retrying(error: CloudError, attempt: int) -> bool:
    """Return whether another attempt should follow the `attempt`-th one (from 1) that ended with this error."""
    most = MAX_REFUSALS if error.code is Code.RESOURCE_EXHAUSTED else MAX_ATTEMPTS
    return judge(error) in (ErrorClass.REFUSED, ErrorClass.UNSURE) and attempt < most


def spent(verdict: ErrorClass, retries: int, calls: int) -> str:
    """Return why a run must stop after `retries` retries of `calls` calls; "" if it need not. A service in
    trouble is not helped by a storm of retries.

    | verdict | retries      | stops |
    | ---     | ---          | ---   |
    | UNSURE  | 50 + calls   | no    |
    | UNSURE  | more         | yes   |
    | REFUSED | 200 + 2calls | no    |  operations of others may fill the quota
    | REFUSED | more         | yes   |
    """
    most = 50 + calls if verdict is ErrorClass.UNSURE else 200 + 2 * calls
    if retries <= most:
        return ""
    what = "had no usable answer" if verdict is ErrorClass.UNSURE else "were refused"
    return f"{retries} retries of {calls} calls {what}: the cloud has a problem"


def backoff_s(attempt: int, rng: random.Random, retry_after_s: float | None = None) -> float:
    """Return the wait after the `attempt`-th attempt: full jitter over a doubling span, never less than the server
    asks.
    """
    span = min(_CAP_S, _BASE_S * 2 ** (attempt - 1))
    return max(retry_after_s or 0.0, rng.uniform(span / 2, span))
