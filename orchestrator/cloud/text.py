"""Foreign text made fit for a sentence: short, on one line, without tags and without secrets."""

from __future__ import annotations

import html
import re

EXCERPT_CHARACTERS = 120
_LEAST = 6  # characters; a shorter "token" is somebody's try, and would be cut out of other words

_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_SECRETS = re.compile(
    r"(?i:\bbearer\s+)[^\s\"',;<>]+"
    r"|\bt1\.[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]*)?"  # IAM token
    r"|\by[0-3]_[A-Za-z0-9_-]{20,}"  # OAuth token
    r"|\beyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*"  # JWT
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def redacted(text: str, secret: str = "") -> str:
    """Take out what looks like a token or a key, and `secret` itself, unless it is too short to be one."""
    if len(secret) >= _LEAST:
        text = text.replace(secret, "[secret]")
    return _SECRETS.sub("[secret]", text)


def excerpt(body: bytes, secret: str = "") -> str:
    """Show the beginning of an answer that is not what was asked for, as far as it is readable."""
    # A secret must not be cut in two before it is recognised, so the cut comes last.
    text = redacted(body[:20_000].decode("utf-8", "replace"), secret)
    text = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = redacted(text, secret)
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"
