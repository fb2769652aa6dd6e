"""Static access keys for Object Storage, from the environment and from nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import StartError

_PAIRS = (
    ("YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY", ""),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """A static access key of a service account, or a temporary one with its `session_token`."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def static_keys(environ: Mapping[str, str]) -> StaticKeys | None:
    """Read the static keys; None where there are none. Raises `StartError` for half a pair. No files, no metadata."""
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
