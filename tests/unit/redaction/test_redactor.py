"""Every secret here is made up, in the form of a real one."""

from __future__ import annotations

import base64
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.journal.events import OperationDone, RunEnded, StepRetried, UnitEnded, UnitPlanned
from orchestrator.model import Blocked, Deployed, Failed, HttpCheck, Step, Unknown, Verify
from orchestrator.redaction.patterns import LEAST, MARK, is_secret_name
from orchestrator.redaction.redactor import _SEEN_MAX, Redactor
from tests.builders import spec
from tests.runs import failed, planned

IAM = "t1.9euelZqXlZKMkJuVmZCQnJnKjO3rnpWaipOSk5nLyc6Jz5KYlJbl8_dZPVNT." + "aB3_" * 21 + "xY"
JWT = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJQUzI1NiIsImtpZCI6ImFqZTEyMzQ1Njc4OTAxMjM0NTY3In0"
    ".eyJpc3MiOiJhamUxMjM0NTY3ODkwMTIzNDU2NyIsImlhdCI6MTc5NTAwMDAwMCwiZXhwIjoxNzk1MDAzNjAwfQ"
    ".Gq3nF0e7k1Yw2pZ4Xc6Vb8Nm_aSdFgHjKl-QwErTyUiOp"
)
OAUTH = "y0_AgAAAAAAq1w2AATuwQAAAADe3r4t5Y6u7I8o9P0aSdFgHjK"
OLD_OAUTH = "AQAAAAAAq1w2AATuwe3r4t5Y6u7I8o9P0aSdFgH"
STATIC = "YCPq1w2E3r4T5y6U7i8O9p0A1s2D3f4G5h6J7k8L"
BODY = base64.b64encode(bytes(range(190))).decode()
PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(BODY[at : at + 64] for at in range(0, 256, 64)) + (
    "\n-----END PRIVATE KEY-----\n"
)  # fmt: skip
RSA = PEM.replace("PRIVATE", "RSA PRIVATE")
LOCKBOX = "pg:Zx9!kLm#42"
SIGNATURE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

redact = Redactor().text  # by form and by name only
redact_value = Redactor().value

SECRETS = {
    "IAM": IAM, "JWT": JWT, "OAuth": OAUTH, "old OAuth": OLD_OAUTH, "static key": STATIC, "PEM": PEM, "RSA": RSA,
    "escaped PEM": dumps(PEM)[1:-1], "doubly escaped PEM": dumps(dumps(PEM))[1:-1], "cut-off PEM": PEM[:150],
    "cut-off IAM": IAM[:40], "IAM with a cut-off end": IAM[:80], "cut-off JWT": JWT[:120],
}  # fmt: skip
AROUND = [
    "{}", "token {} expired", "'{}'", '"{}"', "b'{}'", "({})", "x={};y", "line\n{}\nline", "repr: '\\n{}'",
    "https://host/path?a=1&t={}&b=2", "https://host/?next=%3D{}", "{}, then", "<{}>",
]  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(name: str, around: str) -> None:
    shown = redact(around.format(SECRETS[name]))
    assert MARK in shown
    secret = SECRETS[name].removeprefix("-----BEGIN").strip()
    assert not any(secret[at : at + 12] in shown for at in range(10, len(secret) - 12))


IN_TEXT = [
    (f"Authorization: Bearer {IAM}", f"Authorization: Bearer {MARK}"),
    ("authorization: bearer 0123abcd", f"authorization: bearer {MARK}"),
    ("Basic dXNlcjpwYXNzd29yZA==", f"Basic {MARK}"),
    (f"X-YaCloud-SubjectToken: {IAM}", f"X-YaCloud-SubjectToken: {MARK}"),
    ("https://user:p@ss:w0rd@proxy:3128/x", f"https://user:{MARK}@proxy:3128/x"),
    ("https://user:p#s?w@host/", f"https://user:{MARK}@host/"),
    ("proxy http://:hunter2@proxy", f"proxy http://:{MARK}@proxy"),
    (
        f"/b/k?X-Amz-Credential=YCAJx%2F2026&X-Amz-Date=20261125T030000Z&X-Amz-Signature={SIGNATURE}",
        f"/b/k?X-Amz-Credential={MARK}&X-Amz-Date=20261125T030000Z&X-Amz-Signature={MARK}",
    ),
    (f"X-Amz-Security-Token={quote(STATIC)}&a", f"X-Amz-Security-Token={MARK}&a"),
    (
        f"AWS4-HMAC-SHA256 SignedHeaders=host, Signature={SIGNATURE}",
        f"AWS4-HMAC-SHA256 SignedHeaders=host, Signature={MARK}",
    ),
    ("password=hunter2&user=me", f"password={MARK}&user=me"),
    ("DB_PASSWORD=hunter2 npm ci", f"DB_PASSWORD={MARK} npm ci"),
    ("export API_KEY=abc;", f"export API_KEY={MARK};"),
    ('{"password": "hunter2", "user": "me"}', f'{{"password": "{MARK}", "user": "me"}}'),
    (r'{"password": "hun\"ter2", "user": "me"}', f'{{"password": "{MARK}", "user": "me"}}'),
    (r"{\"password\": \"hunter2\", \"user\": \"me\"}", rf"{{\"password\": \"{MARK}\", \"user\": \"me\"}}"),
    ("{'private_key': 'MIIE'}", f"{{'private_key': '{MARK}'}}"),
    ('"textValue":"pg:Zx9"', f'"textValue":"{MARK}"'),
    ("client_secret: 4f5g6h7j8k", f"client_secret: {MARK}"),
    ("secret: correct-horse-battery-staple", f"secret: {MARK}"),
]


@pytest.mark.parametrize(("text", "shown"), IN_TEXT)
def test_a_secret_is_hidden_and_what_stands_around_it_stays(text: str, shown: str) -> None:
    assert redact(text) == shown


INNOCENT = [
    "d4e0123456789abcdefg", "b1gvmob95yysaplct532", "aje12345678901234567", "e6q9876543210abcdefg",
    "functions/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.zip",
    "1:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "6f1c2b1e-9a57-4f0a-8d5b-0c7d6a1e2f3b", "orchestrator 0.1.0, boto3 1.44.8, Python 3.11.7",
    "/home/me/projects/functions/auth/index.py:12", "C:\\keys\\index.js", "YCAJE0123456789abcdefghi",
    "https://functions.yandexcloud.net/d4e0123456789abcdefg?tag=stable", "http://127.0.0.1:8020/endpoints", "http://host:8020?mail=me@example.org",
    "https://host:8443/a?mail=me@example.org", "git@github.com:owner/name.git", "s3://bucket/key@2",
    "host1.example.org", "t1.micro", "port1.interface", "y0_axis", "AQAA", "eyJ", "2026-11-25T03:00:00.123Z",
    "the token expired", "invalid token: signature mismatch", "no access token was given",
    "Permission denied to secret: e6q9876543210abcdefg", "secret_id=e6q9876543210abcdefg",
    "secret_version_id: e6q9876543210abcdefg", '"secretId": "e6q9876543210abcdefg"', "token_type=Bearer",
    "access_key_id=YCAJE0123456789abcdefghi", "private_key_file=/keys/key.json", "tokens used 5 of 10",
    "Basic authentication is required", "bearer of bad news", "idempotency_key=6f1c2b1e-9a57-4f0a-8d5b-0c7d6a1e2f3b",
    "has a private_key that is not in PEM format", "-----BEGIN PRIVATE KEY----- is missing in the file",
    "message: memory must be a multiple of 134217728", "key: functions.auth.memory", "x-request-id: 0123456789",
]  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert redact(f"error: {text}") == f"error: {text}"


NAMES = {
    True: [
        "token", "YC_TOKEN", "iamToken", "access_token", "Authorization", "X-YaCloud-SubjectToken", "password",
        "db_passwd", "DATABASE_PASSWORD", "private_key", "privateKey", "api-key", "apiKey", "secret", "client_secret",
        "AWS_SECRET_ACCESS_KEY", "YC_STORAGE_SECRET_KEY", "textValue", "credentials", "yandexPassportOauthToken",
    ],
    False: [
        "secret_id", "secretId", "secret_version_id", "SECRET_NAME", "tokenType", "token_expires_at", "access_key_id",
        "AWS_ACCESS_KEY_ID", "YC_SERVICE_ACCOUNT_KEY_FILE", "private_key_file", "idempotency_key", "key", "function",
        "operation_id", "entrypoint", "author", "message", "",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "secret"), [(name, secret) for secret, names in NAMES.items() for name in names])
def test_a_name_tells_whether_its_value_is_secret(name: str, *, secret: bool) -> None:
    assert is_secret_name(name) is secret


NESTED: list[tuple[Any, Any]] = [
    ({"headers": {"Authorization": "Bearer x", "Accept": "a"}}, {"headers": {"Authorization": MARK, "Accept": "a"}}),
    ([("Authorization", "Bearer x"), ("Accept", "a")], [["Authorization", MARK], ["Accept", "a"]]),
    ({"entries": [{"key": "url", "textValue": LOCKBOX}]}, {"entries": [{"key": "url", "textValue": MARK}]}),
    ({"name": "DB_PASSWORD", "value": LOCKBOX}, {"name": "DB_PASSWORD", "value": MARK}),
    ({"name": "LEVEL", "value": "info"}, {"name": "LEVEL", "value": "info"}),
    ({"tokens": ["one", "two"], "n": 2}, {"tokens": [MARK, MARK], "n": 2}),
    ({"secret": {"id": "e6q", "version_id": "e6q"}}, {"secret": {"id": "e6q", "version_id": "e6q"}}),
    ({"secrets": [{"id": "e6q", "key": "token"}]}, {"secrets": [{"id": "e6q", "key": "token"}]}),
    ({"password": None, "token": "", "secret": False}, {"password": None, "token": "", "secret": False}),
    ({"api_key": 12345}, {"api_key": MARK}),
    ({"a": {"b": [{"c": f"see {IAM}"}]}}, {"a": {"b": [{"c": f"see {MARK}"}]}}),
    ({IAM: 1}, {MARK: 1}),
    (IAM.encode(), MARK),
    (ValueError(f"bad {IAM}"), f"ValueError: bad {MARK}"),
    ({"error": [ValueError(f"bad {JWT}")]}, {"error": [f"ValueError: bad {MARK}"]}),
    (Path("/tmp/index.py"), "/tmp/index.py"),
    ((1, 2.5, True, None), [1, 2.5, True, None]),
    (Step.BUILD, "build"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), NESTED)
def test_secrets_are_hidden_in_structures(value: Any, shown: Any) -> None:
    assert redact_value(value) == shown


def test_an_object_is_shown_by_its_redacted_repr() -> None:
    class Client:
        def __repr__(self) -> str:
            return f"Client(token={IAM!r})"

    assert redact_value({"client": Client()}) == {"client": f"Client(token='{MARK}')"}


def test_what_was_given_is_not_changed() -> None:
    given = {"token": "abc", "list": [IAM]}
    redact_value(given)
    assert given == {"token": "abc", "list": [IAM]}


# --- known values ----------------------------------------------------------------------------------------------------

KNOWN = 'plain "value"\nof two lines/ключ'


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.add(KNOWN)
    made.add(LOCKBOX)
    return made


@pytest.mark.parametrize(
    "text",
    [KNOWN, dumps(KNOWN), dumps(KNOWN, ensure_ascii=False), f"?q={quote(KNOWN, safe='')}", f"x{KNOWN}{LOCKBOX}y"],
)  # fmt: skip
def test_a_known_value_is_hidden_in_every_form(redactor: Redactor, text: str) -> None:
    shown = redactor.text(text)
    assert MARK in shown
    assert "plain" not in shown
    assert LOCKBOX not in shown


def test_a_known_value_is_hidden_in_structures_and_exceptions(redactor: Redactor) -> None:
    value = {"a": [ValueError(f"cannot connect with {LOCKBOX}")], "b": {"c": LOCKBOX}}
    assert redactor.value(value) == {"a": [f"ValueError: cannot connect with {MARK}"], "b": {"c": MARK}}


def test_of_two_known_values_the_longer_is_hidden_whole() -> None:
    redactor = Redactor()
    for value in ("production", "production-database"):
        redactor.add(value)
    assert redactor.text("production-database, production") == f"{MARK}, {MARK}"


@pytest.mark.parametrize("value", ["", "12345", "redacted"])
def test_values_too_short_to_tell_are_passed_over(value: str) -> None:
    redactor = Redactor()
    redactor.add(value)
    assert redactor.text("redacted 12345") == "redacted 12345"


def test_many_known_values_cost_no_more_than_few() -> None:
    redactor = Redactor()
    for number in range(20_000):
        redactor.add(f"value-{number:06}")
    assert redactor.text("x" * 100_000 + " value-019999 " + "y" * 100_000).count(MARK) == 1


# --- properties ------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from([
    *SECRETS.values(), *INNOCENT, *(text for text, _ in IN_TEXT), *(shown for _, shown in IN_TEXT), MARK,
    "token=", "password: ", '"secret": "', "Bearer ", "://", ":", "@", '"', "'", " ", "\n", "\\n", "=", "&",
    "X-Amz-Signature=", "t1.", "eyJ", "a1",
])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.lists(st.sampled_from(INNOCENT), max_size=4), st.sampled_from(sorted(SECRETS)), st.sampled_from(INNOCENT))
def test_a_secret_among_other_words_is_hidden(before: list[str], name: str, after: str) -> None:
    shown = redact(" ".join([*before, SECRETS[name], after]))
    assert SECRETS[name].strip() not in shown


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    ["a", "A1_", "a.b/", "eyJ", "eyJaaaaaa.", "t1.", "token", "token=", '"token": "', "password: ", "://", "://a:",
     "bearer ", "Bearer aaaaaa", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n" + BODY, "\\n", " "],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    """The time limit is the assertion: an expression that backtracks would need minutes for 200,000 characters."""
    redact(piece * (200_000 // len(piece)))


# --- events ----------------------------------------------------------------------------------------------------------


def test_the_sentences_of_events_are_redacted_and_their_ids_stay() -> None:
    redactor = Redactor()
    redactor.add("auth-function")
    event = redactor.event(UnitEnded(1.0, "auth-function", failed(f"no: {IAM}", detail=f"TOKEN={STATIC}")))
    assert isinstance(event.outcome, Failed)
    assert event.key == "auth-function"
    assert event.outcome.failure.message == f"no: {MARK}"
    assert event.outcome.failure.detail == f"TOKEN={MARK}"
    assert event.outcome.failure.request_id == "request-9"


def test_every_sentence_of_every_event_is_redacted() -> None:
    redactor = Redactor()
    redactor.add(LOCKBOX)
    events = [
        StepRetried(1.0, "f", Step.CREATE, 1, 0.5, LOCKBOX), RunEnded(1.0, 1, LOCKBOX),
        OperationDone(1.0, "f", "o", 1.0, LOCKBOX), UnitEnded(1.0, "f", Blocked(LOCKBOX)),
        UnitEnded(1.0, "f", Unknown(LOCKBOX, "operation-1")),
        UnitPlanned(1.0, "f", "f", "b", "d", "a", LOCKBOX, "", ""),
    ]  # fmt: skip
    assert all(LOCKBOX not in repr(redactor.event(event)) for event in events)


@pytest.mark.parametrize("event", [planned("f"), UnitEnded(1.0, "f", Deployed("v"))])
def test_an_event_without_secrets_stays_equal(event: UnitPlanned | UnitEnded) -> None:
    assert Redactor().event(event) == event


HIDDEN = "hunter2-hunter2"


@pytest.mark.parametrize(
    "verify",
    [
        Verify(payload={"a": [{"password": HIDDEN}]}),
        Verify(http=HttpCheck(headers={"X-Api-Key": HIDDEN})),
        Verify(http=HttpCheck(query={"token": HIDDEN})),
        Verify(http=HttpCheck("POST", body=f'{{"a": {{"client_secret": "{HIDDEN}"}}}}')),
    ],
    ids=["payload", "header", "query", "body"],
)
def test_what_a_verification_sends_under_the_name_of_a_secret_is_hidden(verify: Verify) -> None:
    redactor = Redactor()
    redactor.add_function(spec(verify=verify))
    assert redactor.text(f"it answered {HIDDEN}") == "it answered [redacted]"


def test_what_else_a_verification_sends_stays() -> None:
    redactor = Redactor()
    redactor.add_function(spec(verify=Verify(payload={"name": HIDDEN, "list": [HIDDEN]}), promote=("token-stable",)))
    redactor.add_function(spec(verify=Verify(http=HttpCheck("POST", {"Accept": HIDDEN}, body="{no JSON"))))
    assert redactor.text(f"{HIDDEN} token-stable") == f"{HIDDEN} token-stable"


def test_the_name_of_a_variable_is_no_secret_wherever_it_stands() -> None:
    redactor = Redactor()
    redactor.add_variables({"API_TOKEN": "${HOME}", "DB_PASSWORD": "$${DB_PASSWORD}", "SALT": "${X:-hunter2}"})
    assert redactor.text("description: ${HOME}, $${HOME}, ${DB_PASSWORD}") == (
        "description: ${HOME}, $${HOME}, ${DB_PASSWORD}"
    )
    assert redactor.text("x ${X:-hunter2}") == f"x {MARK}"


def test_what_is_learned_later_holds_for_texts_that_were_seen_before() -> None:
    redactor = Redactor()
    text = f"it says {LOCKBOX}"
    assert redactor.text(text) == text
    redactor.add(LOCKBOX)
    assert redactor.text(text) == f"it says {MARK}"
    redactor.protect([LOCKBOX])
    assert redactor.text(text) == text


def test_many_texts_and_long_ones_are_redacted_as_few_are() -> None:
    redactor = Redactor()
    redactor.add(LOCKBOX)
    for number in range(_SEEN_MAX + 10):
        redactor.text(f"{number}")
    for padding in ("", "x " * 100, "x " * 1000):
        assert redactor.text(f"{padding}{LOCKBOX}") == f"{padding}{MARK}"
        assert redactor.text(f"{padding}{LOCKBOX}") == f"{padding}{MARK}"


def test_learning_changes_nothing_that_another_thread_may_go_through() -> None:
    redactor = Redactor()
    redactor.add(LOCKBOX)
    same, seen = redactor._known[LOCKBOX[:LEAST]], redactor._seen
    before = {length: set(forms) for length, forms in same.items()}
    redactor.add(f"{LOCKBOX}#")
    redactor.add(f"{LOCKBOX[:-1]}_")
    assert same == before
    assert redactor._seen is not seen
