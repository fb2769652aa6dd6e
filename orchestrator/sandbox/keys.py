"""The sandbox's credentials: made once, kept in its state folder for whoever may read it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import orjson

from orchestrator.errors import StartError
from orchestrator.sandbox.iam import new_key

Fields = dict[str, str]


def of(folder: Path | None, now: float) -> tuple[Fields, Fields]:
    """Give the authorized key (key.json) and the static key of Object Storage (static_key.json).

    `folder` None: made afresh and kept nowhere. Raises `StartError` where the folder cannot be used.
    """
    return (
        _kept(folder, "key.json", lambda: new_key("aje" + secrets.token_hex(8), "ajesandboxdeployer00", now)),
        _kept(folder, "static_key.json", _static_key),
    )


def _static_key() -> Fields:
    return {"access_key": f"YCAJE{secrets.token_hex(10)}", "secret_key": f"YC{secrets.token_hex(19)}"}


def _kept(folder: Path | None, name: str, make: Callable[[], Fields]) -> Fields:
    if folder is None:
        return make()
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
