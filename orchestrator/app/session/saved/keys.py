"""The key that marks and seals saved plans: one for a bucket, or without a bucket one for a state folder."""

from __future__ import annotations

import re
import secrets
from functools import partial
from pathlib import Path

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, StartError
from orchestrator.journal.folder import open_private
from orchestrator.planning.saved.seal import KEY_BYTES, PlanKey
from orchestrator.ports import Records
from orchestrator.report.messages import with_facts

_FILE = "plan.key"
_HEX = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")


def plans_folder(session: Session) -> str:
    """Return the key prefix of saved-plan objects in the bucket."""
    return f"{session.world.storage.prefix}plans/"


def place_of_key(session: Session) -> str:
    """Return where the key is stored."""
    bucket = session.world.storage.bucket
    if bucket_records(session.world) is not None:
        return f"{plans_folder(session)}key in the bucket {bucket}"
    return str(session.request.state_dir / _FILE)


async def make_key(session: Session) -> PlanKey:
    """Return the key, and create it if there is none. Raises `StartError`."""
    secret = secrets.token_bytes(KEY_BYTES)
    records = bucket_records(session.world)
    if records is None:
        return key_in(session.request.state_dir) or _written(session.request.state_dir, secret)
    try:
        found = await _in_bucket(session, records)
        if found is not None:
            return found
        make = partial(records.create, f"{plans_folder(session)}key", secret.hex().encode())
        await session.world.read(make)  # another command may be first: the stored key counts
        found = await _in_bucket(session, records)
    except CloudError as error:
        raise _unusable(session, with_facts(error), error.advice) from error
    if found is None:
        raise _unusable(session, "it was written, but does not exist")
    return found


async def known_key(session: Session) -> PlanKey | None:
    """Return the key, None where there is none. Raises `StartError`."""
    records = bucket_records(session.world)
    if records is None:
        return key_in(session.request.state_dir)
    try:
        return await _in_bucket(session, records)
    except CloudError as error:
        raise _unusable(session, with_facts(error), error.advice) from error


async def _in_bucket(session: Session, records: Records) -> PlanKey | None:
    found = await session.world.read(partial(records.read, f"{plans_folder(session)}key"))
    return _read(found[0], place_of_key(session)) if found is not None else None


def key_in(state_dir: Path) -> PlanKey | None:
    """Return the key of a state folder, None where it has none. Raises `StartError`."""
    try:
        body = (state_dir / _FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"{state_dir / _FILE} cannot be read: {error.strerror}") from error
    return _read(body, str(state_dir / _FILE))


def _written(state_dir: Path, secret: bytes) -> PlanKey:
    try:
        with open(state_dir / _FILE, "xb", opener=open_private) as file:
            file.write(secret.hex().encode())
    except FileExistsError:  # another command was first
        found = key_in(state_dir)
        if found is not None:
            return found
        raise
    except OSError as error:
        raise StartError(f"{state_dir / _FILE} cannot be written: {error.strerror}") from error
    return PlanKey(secret)


def _read(body: bytes, place: str) -> PlanKey:
    text = body.decode(errors="replace").strip()
    if _HEX.fullmatch(text):
        return PlanKey(bytes.fromhex(text))
    raise StartError(
        f"the key of saved plans, {place}, is damaged: it does not have {2 * KEY_BYTES} hex digits",
        advice="restore it from a backup, or remove it and plan again: existing plans cannot be applied without it",
    )


def _unusable(session: Session, why: str, advice: str = "") -> StartError:
    return StartError(
        f"the key of saved plans, {place_of_key(session)}, cannot be used: {why}",
        advice=advice or "give the account read and write access: storage.editor on the bucket",
    )
