"""Authorized key files, and the JWT made with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from orchestrator.cloud.keys import load_key
from orchestrator.errors import StartError

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"


def pem(key: Any = RSA, lock: KeySerializationEncryption | None = None) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())
    return text.decode()


def key_json(**changes: Any) -> str:
    fields = {"id": "ajek", "service_account_id": "ajes", "key_algorithm": "RSA_2048", "private_key": pem(), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def written(folder: Path, text: str) -> str:
    path = folder / "key.json"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_jwt_is_what_iam_asks_for(tmp_path: Path) -> None:
    signed = load_key(written(tmp_path, key_json())).sign(AUDIENCE, 1_800_000_000.9)
    claims = jwt.decode(
        signed,
        RSA.public_key(),
        algorithms=["PS256"],
        audience=AUDIENCE,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert jwt.get_unverified_header(signed) == {"typ": "JWT", "alg": "PS256", "kid": "ajek"}
    assert claims == {"iss": "ajes", "aud": AUDIENCE, "iat": 1_800_000_000, "exp": 1_800_003_600}


def test_a_byte_order_mark_before_it_does_no_harm(tmp_path: Path) -> None:
    assert load_key(written(tmp_path, "\ufeff" + key_json())).private_key.key_size == 2048


def test_a_line_before_the_pem_is_passed_over(tmp_path: Path) -> None:
    text = "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajek>\n" + pem()
    assert load_key(written(tmp_path, key_json(private_key=text))).private_key.key_size == 2048


def test_the_key_may_stand_in_the_variable_itself() -> None:
    assert load_key(f"  {key_json()}").service_account_id == "ajes"


def test_a_key_does_not_show_itself(tmp_path: Path) -> None:
    assert "private" not in repr(load_key(written(tmp_path, key_json()))).lower()


WRONG: list[tuple[str, Callable[[], str], str]] = [
    ("not json", lambda: "hello, secret-text", "is not a JSON object"),
    ("a list", lambda: "[1]", "is not a JSON object"),
    ("empty", lambda: "", "is not a JSON object"),
    ("no private key", lambda: key_json(private_key=None), "has no private_key"),
    ("no id", lambda: key_json(id=None), "has no id"),
    ("no account", lambda: key_json(service_account_id=7), "has no service_account_id"),
    ("no pem", lambda: key_json(private_key="secret-text"), "a private_key that is not in PEM format"),
    ("damaged", lambda: key_json(private_key=pem()[:200]), "cannot be read (damaged"),
    ("locked", lambda: key_json(private_key=pem(lock=BestAvailableEncryption(b"x"))), "protected with a password"),
    ("not rsa", lambda: key_json(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "that is not RSA"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "part"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_key_file_that_cannot_be_used_says_why(tmp_path: Path, text: Callable[[], str], part: str) -> None:
    path = written(tmp_path, text())
    with pytest.raises(StartError) as caught:
        load_key(path)
    assert caught.value.message.startswith(f"the key file {path} ")
    assert part in caught.value.message
    assert "secret-text" not in caught.value.message
    assert "yc iam key create" in caught.value.advice


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nowhere\.json cannot be read: No such file"):
        load_key(str(tmp_path / "nowhere.json"))


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be read: Is a directory"):
        load_key(str(tmp_path))


def test_a_key_file_without_rights_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StartError, match="cannot be read: Permission denied"):
        load_key(str(tmp_path / "key.json"))
