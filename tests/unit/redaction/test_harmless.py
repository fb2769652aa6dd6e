"""What is hidden, and what never is: the two sides of docs/redaction.md."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import is_secret_variable
from orchestrator.redaction.redactor import Redactor
from tests.builders import settings, spec

PASSWORD = "Tr0ub4dor&3"
WORDS = "correct-horse"  # only letters: hidden as a separate word

ENVIRONMENT = {
    "APP_ENV": "production", "LEVEL": "info", "REGION": "ru-central1", "TIMEOUT": "5m", "MEMORY": "1GB", "COUNT":
    "12345678",
    "DATABASE": f"postgres://app:{PASSWORD}@db/app", "DB_PASSWORD": "hunter2", "TOKEN": "production", "API_KEY":
    "default",
    "SESSION_SECRET": "thumbnails", "SIGNING_KEY": "12345678", "TOKEN_URL": "https://example.org/oauth", "KEY_ID":
    "ajeabc",
}  # fmt: skip
NAMES = (
    "api-production", "production", "thumbnails", "thumbnails-small", "token-refresher", "secret-rotator",
    "password-reset",
    "api-key-check", "auth", "db-credentials-sync",
)  # fmt: skip


SETTINGS = replace(settings(), environment=ENVIRONMENT, entrypoint="t1.handler_main")


@pytest.fixture(scope="module")
def reported() -> Outlet:
    made = Outlet(Redactor())
    for name in NAMES:
        made.redactor.add_function(spec(name, name=f"prod-{name}", settings=SETTINGS))
    return made


HARMLESS = [
    *NAMES, *(f"prod-{name}" for name in NAMES), *ENVIRONMENT, "t1.handler_main", "production", "info",
    "ru-central1", "5m",
    "1GB", "12345678", "default", "create", "new version", "createVersion", "observe", "deployed", "blocked",
    "unchanged",
    "d4e0123456789abcdefg", "6f1c2b1e-9a57-4f0a-8d5b-0c7d6a1e2f3b", "https://example.org/oauth", "ajeabc",
]  # fmt: skip
AROUND = [
    "{}", "function={}", "{}: operation d4e0123456789abcdefg", "{}: HTTP 403, request id 0123456789abcdefghij",
    "function {}: d4e0123456789abcdefg is gone", '"{}"', "({})", "{}.", "{}, then", "x/{}/y", "variable {} is set",
]  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("word", HARMLESS)
def test_no_harmless_word_is_ever_hidden(reported: Outlet, word: str, around: str) -> None:
    text = around.format(word)
    assert reported.line(text) == text
    assert orjson.loads(reported.json({"function": text, "reason": text})) == {"function": text, "reason": text}


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        ("password hunter2 is wrong", "password [redacted] is wrong"),
        ("xhunter2y", "x[redacted]y"),
        (f"cannot connect with {PASSWORD}", "cannot connect with [redacted]"),
        ("AQVNabcdefghijklmnopqrstuvwxyz0123456789", "[redacted]"),
        ("Authorization: Api-Key abcdef123456", "Authorization: Api-Key [redacted]"),
        ("DB_PWD=x1 SENTRY_DSN=abc", "DB_PWD=[redacted] SENTRY_DSN=[redacted]"),
        ("PWD=/home/me and the wordsn=5", "PWD=/home/me and the wordsn=5"),
    ],
)
def test_what_is_secret_is_hidden(reported: Outlet, text: str, shown_as: str) -> None:
    assert reported.line(text) == shown_as


def knowing() -> Outlet:
    redactor = Redactor()
    redactor.add_variables({"PHRASE_SECRET": WORDS})
    return Outlet(redactor)


def test_a_plain_word_is_hidden_where_it_stands_alone() -> None:
    line = knowing().line
    assert line(f"the phrase {WORDS} is wrong: ({WORDS}).") == "the phrase [redacted] is wrong: ([redacted])."
    assert line(f"function {WORDS}-battery, x{WORDS}, {WORDS}.js") == f"function {WORDS}-battery, x{WORDS}, {WORDS}.js"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("DB_PASSWORD", True), ("dbPwd", True), ("SENTRY_DSN", True), ("SIGNING_KEY", True), ("privateKey", True),
        ("GITHUB_TOKENS", True), ("passphrase", True), ("CREDENTIALS", True), ("KEY_ID", False), ("SECRET_NAME", False),
    ("PUBLIC_KEY", False), ("PWD", False), ("OLDPWD", False), ("KEYBOARD", False), ("MONKEYS", False), ("APP_ENV",
    False),
        ("TOKEN_URL", False), ("SSH_KEY_FILE", False), ("PASSENGERS", False), ("BYPASS_CACHE", False),
    ],
)  # fmt: skip
def test_a_variables_name_says_whether_it_is_secret(name: str, *, secret: bool) -> None:
    assert is_secret_variable(name) is secret
