"""What an error of the cloud says to people: advice if the cloud gives none, and external text made safe for a sentence
(short, on one line, without tags or secrets). Also the facts that support asks for (cloud-api#roles, #errors).
"""

from __future__ import annotations

import html
import re

from orchestrator.errors import CloudError, Code
from orchestrator.redaction.patterns import LEAST, MARK, hide_by_look

EXCERPT_CHARACTERS = 120

_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")

# Parts of the server's message, all of which must be present; the first matching row counts.
_BY_TEXT: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("service account", "not available"),
        "give the deploying account the role iam.serviceAccounts.user on that service account",
    ),
    (("vpc network", "not found"), "check network_id, and give the deploying account the role vpc.user"),
    (
        ("secret", "not found"),
        "check the secret's ID, version and key, and that the deploying account has lockbox.viewer",
    ),
    (("active operations",), "operations of others use the quota too; see [limits] reserve"),
)
_BY_CODE: dict[Code, str] = {
    Code.UNAUTHENTICATED: "get another token, or use an authorized key (YC_SERVICE_ACCOUNT_KEY_FILE), and start again",
    Code.PERMISSION_DENIED: "check the account's roles on the folder: functions.editor to deploy, functions.admin"
    " to change `public`; also its rights on "
    "what a version refers to (iam.serviceAccounts.user, vpc.user, lockbox.viewer, storage.viewer)",
    Code.RESOURCE_EXHAUSTED: "a quota is used up: wait, delete what is not needed, or ask for a higher quota",
    Code.INVALID_ARGUMENT: "correct what the message names",
    Code.NOT_FOUND: "check that what the message names still exists, and that this account may see it",
    Code.ALREADY_EXISTS: "someone else may have created it: plan again",
}


def advise(code: Code | None, message: str) -> str:
    """Return the advice for a refusal; empty if the message is enough."""
    text = message.lower()
    for parts, advice in _BY_TEXT:
        if all(part in text for part in parts):
            return advice
    return _BY_CODE.get(code, "") if code is not None else ""


def redacted(text: str, secret: str = "") -> str:
    """Remove what looks like a token or a key, and `secret` itself, unless it is too short to be one."""
    if len(secret) >= LEAST:
        text = text.replace(secret, MARK)
    return hide_by_look(text)


def excerpt(body: bytes, secret: str = "") -> str:
    """Return the beginning of an unexpected answer, as far as it is readable."""
    # A secret must be recognized before the text is cut, so the cut comes last.
    text = redacted(body[:20_000].decode("utf-8", "replace"), secret)
    text = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = redacted(text, secret)
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"


def restated(
    error: CloudError,
    *,
    message: str | None = None,
    advice: str | None = None,
    sent: bool | None = None,
    code: Code | None = None,
) -> CloudError:
    """Return a copy of an error with all its facts, except those that are given."""
    return CloudError(
        error.message if message is None else message,
        call=error.call,
        code=error.code if code is None else code,
        http_status=error.http_status,
        sent=error.sent if sent is None else sent,
        retry_after_s=error.retry_after_s,
        request_id=error.request_id,
        server_trace_id=error.server_trace_id,
        client_request_id=error.client_request_id,
        quota=error.quota,
        advice=error.advice if advice is None else advice,
    )


def facts(error: CloudError) -> str:
    """Return the facts that support asks for, in brackets, to append to a sentence; empty if nothing is known."""
    known = [
        f"{name} {value}"
        for name, value in (
            ("HTTP", error.http_status),
            ("code", error.code.name if error.code is not None else ""),
            ("x-request-id", error.request_id),
            ("x-server-trace-id", error.server_trace_id),
            ("x-client-request-id", error.client_request_id if error.sent else ""),
        )
        if value
    ]
    return f" ({', '.join(known)})" if known else ""
