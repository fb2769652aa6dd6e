"""What secrets look like, and the names that they stand under."""

from __future__ import annotations

import re

MARK = "[redacted]"
_NOT_MARK = rf"(?!{re.escape(MARK)})"  # so that redacting twice changes nothing

# A token may begin after anything but a letter or digit, and after an escape (\n in a repr, %3D in a URL).
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_PEM = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"

# What is longer or surer comes first.
BY_LOOK: tuple[tuple[re.Pattern[str], str], ...] = (
    # PEM, whole, also with its line ends escaped; then one that was cut off.
    (re.compile(rf"{_PEM}(?:(?!-----BEGIN).)*?-----END [A-Z0-9 ]*PRIVATE KEY-----", re.DOTALL), MARK),
    (re.compile(rf"{_PEM}(?:\s|\\+[nr])*[A-Za-z0-9+/=]{{16,}}(?:[A-Za-z0-9+/=\s]|\\+[nr])*"), MARK),
    # IAM tokens (cloud-api §4.1), whole and cut off.
    (re.compile(r"t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{60,}={0,2}"), MARK),
    (re.compile(rf"{_START}t1\.[A-Za-z0-9_-]{{8,}}={{0,2}}(?:\.[A-Za-z0-9_-]*={{0,2}})?"), MARK),
    (re.compile(rf"{_START}t1\.[79]eu[A-Za-z0-9_-]*"), MARK),
    # OAuth tokens of Yandex, new and old.
    (re.compile(rf"{_START}(?:y[0-9]_[A-Za-z0-9_-]{{16,}}|AQAA[A-Za-z0-9_-]{{28,}})"), MARK),
    # JWT: its header always begins with {" in base64url.
    (re.compile(rf"{_START}eyJ[A-Za-z0-9_-]{{5,}}\.[A-Za-z0-9_-]{{5,}}(?:\.[A-Za-z0-9_-]*)?"), MARK),
    # Static keys of Object Storage: the secret half. Their ids (YCAJ…) are no secret.
    (re.compile(rf"{_START}YC[MNOP][A-Za-z0-9_-]{{30,}}"), MARK),
    # An Authorization header; not "basic authentication" in a sentence.
    (
        re.compile(
            r"\b((?i:bearer|basic)(?:\s+|%20))(?=[^\s\[]*(?:[0-9=_]|[a-z][A-Z])|[^\s\[]{20})[A-Za-z0-9._~+/-]{6,}={0,2}"
        ),
        rf"\1{MARK}",
    ),
    # Presigned URLs, and the Authorization header of S3.
    (
        re.compile(rf"(?i)(X-Amz-(?:Signature|Credential|Security-Token)(?:=|%3D)){_NOT_MARK}[^&\s\"'<>]+"),
        rf"\1{MARK}",
    ),
    (re.compile(r"\b((?i:signature)=)[0-9a-f]{64}"), rf"\1{MARK}"),
    # user:password@ in URLs; begins at :// so that long text without one costs nothing.
    (re.compile(r"(?<=://)([^/\s:@\"'<>]*:)(?!\d{1,5}[?#])[^/\s\"'<>]+@"), rf"\1{MARK}@"),
)

_WORDS = (
    r"token|secret|passw(?:or)?d|passphrase|private[_-]?key|api[_-]?key|access[_-]?key|authorization|credential"
    r"|text_?value|binary_?value"  # entries of a Lockbox payload
)
# Names that speak of a secret without being one end so: secret_id, tokenType, access_key_id, private_key_file.
_HARMLESS = re.compile(
    r"(?:[_-]|(?<=[a-z])(?=[A-Z]))"
    r"(?i:ids?|names?|types?|versions?|files?|paths?|urls?|arns?|counts?|modes?|ttl|s|seconds|at|in|source|origin)$"
)
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
_CLOUD_ID = re.compile(r"[a-z][a-z0-9]{19}")

_NAME = rf"(?P<name>(?i:{_WORDS})[\w-]{{0,40}})"
_UNQUOTED = rf"(?P<value>{_NOT_MARK}[^\s,;&\"'(){{}}\[\]<>\\]"
_BY_NAME = (
    # "name": "value", name = 'value', and \"name\": \"value\" where JSON stands inside a text
    re.compile(
        rf"{_NAME}(?P<between>\\?[\"']?\s{{0,3}}[=:]\s{{0,3}})"
        r"(?P<value>\\\"(?:(?!\\\")[^\n])+\\\"|\"(?:[^\"\\\n]|\\.)+\"|'(?:[^'\\\n]|\\.)+')"
    ),
    # name=value, as in environments, queries and forms
    re.compile(rf"{_NAME}(?P<between>=){_UNQUOTED}+)"),
    # name: value, as in headers and YAML, unless the value looks like the next word of a sentence
    re.compile(rf"{_NAME}(?P<between>:\s{{0,3}})(?=[^\s\[]*\d|[^\s\[]{{20}}){_UNQUOTED}{{6,}})"),
)


def is_secret_name(name: str) -> bool:
    """Say whether a value under this name is to be hidden: `YC_TOKEN`, `privateKey`, but not `secret_id`."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS.search(name)


def hide_by_look(text: str) -> str:
    """Replace what looks like a secret."""
    for pattern, replacement in BY_LOOK:
        text = pattern.sub(replacement, text)
    return text


def hide_by_name(text: str) -> str:
    """Replace the values that stand under the name of a secret."""
    for pattern in _BY_NAME:
        text = pattern.sub(_hidden, text)
    return text


def _hidden(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    if _HARMLESS.search(name) or (name.lower() == "secret" and _CLOUD_ID.fullmatch(value)):
        return match[0]
    quote = next((quote for quote in ('\\"', '"', "'") if value.startswith(quote)), "")
    return f"{name}{match['between']}{quote}{MARK}{quote}"
