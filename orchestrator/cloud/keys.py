"""Keys of service accounts: authorized ones, whose JWT IAM exchanges for a token (cloud-api#keys), and static ones for
Object Storage.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from orchestrator.errors import StartError

JWT_LIFE_S = 3600  # the maximum that IAM accepts
_ADVICE = "create a key with `yc iam key create --service-account-name NAME --output key.json` and use that file"
_BEGIN = "-----BEGIN"
# For static keys: the access key, the secret key, the session token.
_PAIRS = (
    ("YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY", ""),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """An authorized key, ready to sign. `origin` names the file in errors."""

    id: str
    service_account_id: str
    private_key: RSAPrivateKey = field(repr=False)
    origin: str

    def sign(self, audience: str, now: float) -> str:
        """Return the JWT for `audience`, issued at `now` (epoch seconds)."""
        issued_at = int(now)
        claims = {"iss": self.service_account_id, "aud": audience, "iat": issued_at, "exp": issued_at + JWT_LIFE_S}
        return jwt.encode(claims, self.private_key, algorithm="PS256", headers={"kid": self.id})


def load_key(value: str) -> AuthorizedKey:
    """Read an authorized key from the file that `value` names, or from `value` itself if it is JSON.

    Raises `StartError` that names the file and the problem, but never quotes its content.
    """
    if value.lstrip().startswith("{"):
        return _parse(value.encode(), "the key in YC_SERVICE_ACCOUNT_KEY_FILE")
    path = Path(value).expanduser()
    origin = f"the key file {path}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartError(
            f"{origin} cannot be read: {error.strerror}",
            advice="check YC_SERVICE_ACCOUNT_KEY_FILE and the file's permissions",
        ) from error
    return _parse(content, origin)


def _parse(content: bytes, origin: str) -> AuthorizedKey:
    try:
        fields = orjson.loads(content.removeprefix(BOM_UTF8))  # as editors on Windows write it
    except orjson.JSONDecodeError:  # its text may quote the file
        fields = None
    if not isinstance(fields, dict):
        raise _wrong(origin, "is not a JSON object")
    key_id, account, pem = (_text(fields, name, origin) for name in ("id", "service_account_id", "private_key"))
    begin = pem.find(_BEGIN)  # a line such as "PLEASE DO NOT REMOVE THIS LINE! …" may come before it
    if begin < 0:
        raise _wrong(origin, "has a private_key that is not in PEM format")
    try:
        private_key = load_pem_private_key(pem[begin:].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _wrong(origin, "has a private_key that cannot be read (damaged, or protected with a password)") from None
    if not isinstance(private_key, RSAPrivateKey):
        raise _wrong(origin, "has a private_key that is not RSA; IAM accepts RSA_2048 and RSA_4096")
    return AuthorizedKey(key_id, account, private_key, origin)


def _text(fields: dict[str, Any], name: str, origin: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(origin, f"has no {name}")
    return value


def _wrong(origin: str, what: str) -> StartError:
    return StartError(f"{origin} {what}", advice=_ADVICE)


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """A static access key of a service account, or a temporary one with its `session_token`."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def static_keys(environ: Mapping[str, str]) -> StaticKeys | None:
    """Read the static keys; None if there are none. Raises `StartError` for half a pair. No files, no metadata."""
    for access_name, secret_name, session_name in _PAIRS:
        access, secret = environ.get(access_name, "").strip(), environ.get(secret_name, "").strip()
        if access and secret:
            return StaticKeys(access, secret, environ.get(session_name, "").strip() or None)
        if access or secret:
            there, missing = (access_name, secret_name) if access else (secret_name, access_name)
            raise StartError(
                f"{there} is set, but {missing} is not",
                advice=f"set {missing} too, or unset {there} to use the IAM token",
            )
    return None
