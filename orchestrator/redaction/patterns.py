"""What secrets look like, and the names that they have: the table of docs/redaction.md.

A text that only looks like a secret is kept if `kept` says that it is a word of the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

MARK = "[redacted]"
_NOT_MARK = rf"(?!{re.escape(MARK)})"  # so that redacting twice changes nothing

# A token may begin after anything except a letter or digit, and after an escape (\n in a repr, %3D in a URL).
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_PEM = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"

# Longer or more certain patterns come first.
BY_LOOK: tuple[tuple[re.Pattern[str], str], ...] = (
    # PEM, complete, also with escaped line ends; then PEM that was cut off.
    (re.compile(rf"{_PEM}(?:(?!-----BEGIN).)*?-----END [A-Z0-9 ]*PRIVATE KEY-----", re.DOTALL), MARK),
    (re.compile(rf"{_PEM}(?:\s|\\+[nr])*[A-Za-z0-9+/=]{{16,}}(?:[A-Za-z0-9+/=\s]|\\+[nr])*"), MARK),
    # IAM tokens (cloud-api#tokens), complete and cut off.
    (re.compile(r"t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{60,}={0,2}"), MARK),
    (re.compile(rf"{_START}t1\.[A-Za-z0-9_-]{{8,}}={{0,2}}(?:\.[A-Za-z0-9_-]*={{0,2}})?"), MARK),
    (re.compile(rf"{_START}t1\.[79]eu[A-Za-z0-9_-]*"), MARK),
    # OAuth tokens of Yandex, new and old.
    (re.compile(rf"{_START}(?:y[0-9]_[A-Za-z0-9_-]{{16,}}|AQAA[A-Za-z0-9_-]{{28,}})"), MARK),
    # API keys of the cloud.
    (re.compile(rf"{_START}AQVN[A-Za-z0-9_-]{{30,}}"), MARK),
    # JWT: its header always begins with {" in base64url.
    (re.compile(r"eyJ[A-Za-z0-9_-]{16,600}+\.eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*)?"), MARK),
    (re.compile(rf"{_START}eyJ[A-Za-z0-9_-]{{5,}}\.[A-Za-z0-9_-]{{5,}}(?:\.[A-Za-z0-9_-]*)?"), MARK),
    # Static keys of Object Storage: the secret half. Their IDs (YCAJ…) are not secret.
    (re.compile(rf"{_START}YC[MNOP][A-Za-z0-9_-]{{30,}}"), MARK),
    # An Authorization header; not "basic authentication" in a sentence, nor "bearer of bad news".
    (
        re.compile(
            r"\b((?i:bearer|basic|api-key)(?:\s+|%20))"
            r"(?=[^\s\[]*(?:[0-9=_]|[a-z][A-Z])|[^\s\[]{20}|(?<=(?i:bearer).)[^\s\[]*-)[A-Za-z0-9._~+/-]{6,}={0,2}"
        ),
        rf"\1{MARK}",
    ),
    # Presigned URLs, and the Authorization header of S3.
    (
        re.compile(rf"(?i)(X-Amz-(?:Signature|Credential|Security-Token)(?:=|%3D)){_NOT_MARK}[^&\s\"'<>]+"),
        rf"\1{MARK}",
    ),
    (re.compile(r"\b((?i:signature)=)[0-9a-f]{64}"), rf"\1{MARK}"),
    # user:password@ in URLs; the pattern begins at :// so that long text without one costs nothing.
    (re.compile(r"(?<=://)([^/\s:@\"'<>]*:)(?!\d{1,5}[?#])[^/\s\"'<>]+@"), rf"\1{MARK}@"),
)

_WORDS = (
    r"token|secret|passw(?:or)?d|passphrase|private[_-]?key|api[_-]?key|access[_-]?key|authorization|credential"
    r"|text_?value|binary_?value"  # entries of a Lockbox payload
    r"|(?<![a-z])(?:pwd|dsn)(?![a-z])"
)
# Endings of names that concern a secret but do not contain one: secret_id, tokenType, access_key_id, private_key_file.
_HARMLESS = re.compile(
    r"(?:[_-]|(?<=[a-z])(?=[A-Z]))"
    r"(?i:ids?|names?|types?|versions?|files?|paths?|urls?|arns?|counts?|modes?|ttl|s|seconds|at|in|source|origin)$"
)
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# For variables, whose names consist of words: each of these words indicates a secret.
_VARIABLE_WORDS = frozenset({
    "token", "tokens", "key", "keys", "apikey", "secret", "secrets", "password", "passwords", "passwd", "passphrase",
    "pass", "pwd", "dsn", "credential", "credentials", "private", "authorization", "cookie", "salt",
})  # fmt: skip
_VARIABLE_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WORKING_FOLDERS = ("PWD", "OLDPWD")
# Common values: they are never secret, and hiding them would hide other words.
_COMMON = frozenset({
    "enabled", "disabled", "default", "required", "optional", "unknown", "localhost", "undefined", "public", "private",
    "internal", "external", "production", "development", "staging", "testing", "preprod", "sandbox", "release",
    "stable", "latest", "master", "password", "passwd", "secret", "changeme", "example", "string", "number", "boolean",
})  # fmt: skip
# Numbers, and ${NAME} that was not substituted.
_NO_SECRET = re.compile(r"[+-]?\d[\d.,:_-]*[a-zA-Z%]{0,3}|\$?\$\{[A-Za-z_]\w*\}")
_PLAIN_WORD = re.compile(r"[A-Za-z]+(?:[._-][A-Za-z]+)*")
_PLAIN_WORD_MAX = 16  # characters; a longer value is hidden inside other words too
LEAST = 6  # minimum length of a value that is hidden by value; shorter ones would hide too much else
# Every secret contains one of these. Most texts contain none and need no further check.
_PERHAPS = re.compile(
    r"(?i:t1\.|y\d_|AQ[AV]|eyJ|YC[MNOP]|PRIVATE|bearer|basic|api|X-Amz|signature|://|token|secret|pass|access|author"
    r"|credential|value|pwd|dsn)"
)
_CLOUD_ID = re.compile(r"[a-z][a-z0-9]{19}")

_NAME = rf"(?P<name>(?i:{_WORDS})[\w-]{{0,40}})"
_UNQUOTED = rf"(?P<value>{_NOT_MARK}[^\s,;&\"'(){{}}\[\]<>\\]"
_BY_NAME = (
    # "name": "value", name = 'value', and \"name\": \"value\" for JSON inside a text
    re.compile(
        rf"{_NAME}(?P<between>\\?[\"']?\s{{0,3}}[=:]\s{{0,3}})"
        r"(?P<value>\\\"(?:(?!\\\")[^\n])+\\\"|\"(?:[^\"\\\n]|\\.)+\"|'(?:[^'\\\n]|\\.)+')"
    ),
    # name=value, as in environments, queries and forms
    re.compile(rf"{_NAME}(?P<between>=){_UNQUOTED}+)"),
    # name: value, as in headers and YAML, unless the value looks like the next word of a sentence
    re.compile(rf"{_NAME}(?P<between>:\s{{0,3}})(?=[^\s\[]*\d|[^\s\[]{{20}}){_UNQUOTED}{{6,}})"),
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether a value with this name is to be hidden: `YC_TOKEN`, `privateKey`, but not `secret_id`."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS.search(name)


def is_secret_variable(name: str) -> bool:
    """Return whether a variable of this name has a secret: `DB_PWD`, `SIGNING_KEY`, but not `KEY_ID`, `PUBLIC_KEY`."""
    words = {word.lower() for word in _VARIABLE_PARTS.findall(name)}
    named = bool(words & _VARIABLE_WORDS) or bool(_SECRET_NAME.search(name))
    return named and not _HARMLESS.search(name) and "public" not in words and name not in _WORKING_FOLDERS


def is_worth_hiding(value: str) -> bool:
    """Return whether a secret variable's value can be distinguished from other words: not a short one, a number,
    "production", or the name of a variable.
    """
    return len(value) >= LEAST and value.lower() not in _COMMON and not _NO_SECRET.fullmatch(value)


def is_plain_word(value: str) -> bool:
    """Return whether a value is hidden only as a separate word: "correct-horse", which other words may contain."""
    return len(value) <= _PLAIN_WORD_MAX and bool(_PLAIN_WORD.fullmatch(value))


Kept = Callable[[str, int, int], bool]  # whether this range of a text is to be kept


def hide(text: str, kept: Kept) -> str:
    """Replace what looks like a secret, and values with the name of a secret."""
    if not _PERHAPS.search(text):
        return text

    text = hide_by_look(text, kept)
    for pattern in _BY_NAME:
        text = pattern.sub(lambda match: _hidden(match, kept), text)
    return text


def hide_by_look(text: str, kept: Kept = lambda _text, _start, _end: False) -> str:
    """Replace what looks like a secret, whatever comes before it."""
    for pattern, replacement in BY_LOOK:
        text = pattern.sub(partial(_expanded, replacement, kept), text)
    return text


def _expanded(replacement: str, kept: Kept, match: re.Match[str]) -> str:
    return match[0] if kept(match.string, *match.span()) else match.expand(replacement)


def _hidden(match: re.Match[str], kept: Kept) -> str:
    name, value = match["name"], match["value"]
    if _HARMLESS.search(name) or (name.lower() == "secret" and _CLOUD_ID.fullmatch(value)):
        return match[0]
    if kept(match.string, *match.span("name")) or kept(match.string, *match.span("value")):
        return match[0]
    if name in _WORKING_FOLDERS and value.startswith("/"):
        return match[0]
    quote = next((quote for quote in ('\\"', '"', "'") if value.startswith(quote)), "")
    return f"{name}{match['between']}{quote}{MARK}{quote}"
