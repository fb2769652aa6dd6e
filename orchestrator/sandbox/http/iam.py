"""IAM of the sandbox: its own keys, created once and kept in its state folder, the JWT exchange, and tokens that expire
(cloud-api#authentication).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.errors import Code, StartError
from orchestrator.journal.folder import make_private_folder, open_private
from orchestrator.sandbox.memory.cloud_state import rfc3339
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.validators import message, string

Fields = dict[str, str]

JWT_LIFETIME_MAX_S = 3600
TOKEN_LIFETIME_S = 12 * 3600.0
_SKEW_S = 60  # how far a client's clock may be ahead (the real tolerance: unverified)
_BODY = message(
    {"jwt": string(high=8000), "yandexPassportOauthToken": string(high=4000)},
    exactly_one=("jwt", "yandexPassportOauthToken"),
)


def new_key(id: str, service_account_id: str, at_s: float) -> Fields:
    """Return a new authorized key, as its JSON file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "id": id,
        "service_account_id": service_account_id,
        "created_at": rfc3339(at_s),
        "key_algorithm": "RSA_2048",
        "public_key": public.decode(),
        "private_key": private.decode(),
    }


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What IAM stores of a key."""

    id: str
    service_account_id: str
    public_key: str


class Tokens:
    """Issues tokens and recognizes them, also after a restart: a token contains its expiry and a keyed hash of it.
    `given`: tokens that never expire → their subject.
    """

    def __init__(
        self,
        *,
        secret: bytes,
        clock: Callable[[], float],
        keys: Iterable[KnownKey] = (),
        oauth_tokens: Iterable[str] = (),
        given: Mapping[str, str] = MappingProxyType({}),
        lifetime_s: float = TOKEN_LIFETIME_S,
    ) -> None:
        self.lifetime_s = lifetime_s
        self.oauth_tokens = set(oauth_tokens)
        self.revoked: set[str] = set()
        self._secret = secret
        self._clock = clock
        self._given = dict(given)
        self._keys = {key.id: key for key in keys}

    def issue(self, subject: str, lifetime_s: float | None = None) -> tuple[str, float]:
        """Return a new token, and the time (epoch seconds) at which it expires."""
        expires_at = self._clock() + (self.lifetime_s if lifetime_s is None else lifetime_s)
        payload = _base64(orjson.dumps({"subject": subject, "expiresAt": expires_at}))
        return f"t1.{payload}.{self._signature(payload)}", expires_at

    def subject(self, token: str) -> str | None:
        """Return the token's subject; None if it is not ours, has expired or was revoked."""
        if token in self._given and token not in self.revoked:
            return self._given[token]
        prefix, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        if prefix != "t1" or token in self.revoked or not token.isascii():
            return None
        if not hmac.compare_digest(signature, self._signature(payload)):
            return None
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["subject"]) if self._clock() < claims["expiresAt"] else None

    def exchange(self, body: object, audience: str) -> dict[str, str]:
        """Answer POST /iam/v1/tokens. `audience`: the URL that was called."""
        fields = _BODY("", body)
        if "jwt" in fields:
            subject = self._verify(fields["jwt"], audience)
        elif fields["yandexPassportOauthToken"] in self.oauth_tokens:
            subject = "ajesandboxperson0000"
        else:
            raise Fault(Code.UNAUTHENTICATED, "OAuth token is invalid or expired")
        token, expires_at = self.issue(subject)
        return {"iamToken": token, "expiresAt": rfc3339(expires_at)}

    def metadata(self, subject: str) -> dict[str, Any]:
        """Answer like the metadata service. `expires_in`: what is left, in seconds."""
        token, expires_at = self.issue(subject)
        return {"access_token": token, "expires_in": int(expires_at - self._clock()), "token_type": "Bearer"}

    def _signature(self, payload: str) -> str:
        return _base64(hmac.new(self._secret, payload.encode(), hashlib.sha512).digest())

    def _verify(self, signed: str, audience: str) -> str:
        try:
            header = jwt.get_unverified_header(signed)
            key = self._keys.get(str(header.get("kid")))
            if key is None:
                raise Fault(Code.UNAUTHENTICATED, f"Public key {header.get('kid')} not found")
            claims = jwt.decode(
                signed, key.public_key, algorithms=["PS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "require": ["iat", "exp"]},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise Fault(Code.UNAUTHENTICATED, f"JWT is invalid: {error}") from None
        self._check_claims(claims, key, audience)
        return key.service_account_id

    def _check_claims(self, claims: Mapping[str, Any], key: KnownKey, audience: str) -> None:
        now, issued_at, expires_at = self._clock(), claims["iat"], claims["exp"]
        audiences = claims.get("aud")
        for wrong, why in (
            (audience not in (audiences if isinstance(audiences, list) else [audiences]), f"aud must be {audience}"),
            (claims.get("iss") != key.service_account_id, "iss is not the key's service account"),
            (expires_at - issued_at > JWT_LIFETIME_MAX_S, f"exp - iat exceeds {JWT_LIFETIME_MAX_S} s"),
            (issued_at > now + _SKEW_S, "iat is in the future"),
            (expires_at <= now, "it has expired"),
        ):
            if wrong:
                raise Fault(Code.UNAUTHENTICATED, f"JWT is invalid: {why}")


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def credentials_of(folder: Path | None, now: float) -> tuple[Fields, Fields]:
    """Return the authorized key (key.json) and the static key of Object Storage (static_key.json).

    `folder` None: they are not stored. Raises `StartError` if the folder cannot be used.
    """
    if folder is None:
        return _passing_key(), _static_key()
    return (
        _kept(folder, "key.json", lambda: _authorized_key(now)),
        _kept(folder, "static_key.json", _static_key),
    )


def _authorized_key(now: float) -> Fields:
    return new_key("aje" + secrets.token_hex(8), "ajesandboxdeployer00", now)


@cache  # creating RSA keys takes long, and this one ends with the process
def _passing_key() -> Fields:
    return _authorized_key(0.0)


def _static_key() -> Fields:
    return {"access_key": f"YCAJE{secrets.token_hex(10)}", "secret_key": f"YC{secrets.token_hex(19)}"}


def _kept(folder: Path, name: str, make: Callable[[], Fields]) -> Fields:
    path = folder / name
    try:
        make_private_folder(folder)
        if path.exists():
            found: Fields = orjson.loads(path.read_bytes())
            return found
        fields = make()
        part = path.with_suffix(".part")
        with open(part, "wb", opener=open_private) as file:
            file.write(orjson.dumps(fields, option=orjson.OPT_INDENT_2))
        part.replace(path)
    except (OSError, orjson.JSONDecodeError) as error:
        raise StartError(
            f"the sandbox's {path} cannot be used: {error}", advice="fix or remove it, or use another state folder"
        ) from error
    return fields
