"""The sandbox's credentials: made once, kept in its state folder for whoever may read it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path

import orjson

from orchestrator.errors import StartError
from orchestrator.sandbox.http.iam import new_key

Fields = dict[str, str]


def of(folder: Path | None, now: float) -> tuple[Fields, Fields]:
    """Give the authorized key (key.json) and the static key of Object Storage (static_key.json).

    `folder` None: they are kept nowhere. Raises `StartError` where the folder cannot be used.
    """
    if folder is None:
        return _passing_key(), _static_key()
    return (
        _kept(folder, "key.json", lambda: _authorized_key(now)),
        _kept(folder, "static_key.json", _static_key),
    )


def _authorized_key(now: float) -> Fields:
    return new_key("aje" + secrets.token_hex(8), "ajesandboxdeployer00", now)


@cache  # making RSA keys takes long, and this one ends with the process
def _passing_key() -> Fields:
    return _authorized_key(0.0)


def _static_key() -> Fields:
    return {"access_key": f"YCAJE{secrets.token_hex(10)}", "secret_key": f"YC{secrets.token_hex(19)}"}


def _kept(folder: Path, name: str, make: Callable[[], Fields]) -> Fields:
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            found: Fields = orjson.loads(path.read_bytes())
            return found
        fields = make()
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_bytes(orjson.dumps(fields, option=orjson.OPT_INDENT_2))
        part.replace(path)
    except (OSError, orjson.JSONDecodeError) as error:
        raise StartError(
            f"the sandbox's {path} cannot be used: {error}", advice="mend or remove it, or give another state folder"
        ) from error
    return fields
