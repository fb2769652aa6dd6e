"""The key that saved plans are marked and sealed with: one of a bucket, or where there is none of a state folder."""

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
    """Give the beginning of the keys of what is kept of saved plans in the bucket."""
    return f"{session.world.storage.prefix}plans/"


def place_of_key(session: Session) -> str:
    """Say where the key is kept."""
    bucket = session.world.storage.bucket
    if bucket_records(session.world) is not None:
        return f"{plans_folder(session)}key in the bucket {bucket}"
    return str(session.request.state_dir / _FILE)


async def make_key(session: Session) -> PlanKey:
    """Give the key, made if there is none yet. Raises `StartError`."""
    secret = secrets.token_bytes(KEY_BYTES)
    records = bucket_records(session.world)
    if records is None:
        return key_in(session.request.state_dir) or _written(session.request.state_dir, secret)
    try:
        found = await _in_bucket(session, records)
        if found is not None:
            return found
        make = partial(records.create, f"{plans_folder(session)}key", secret.hex().encode())
        await session.world.read(make)  # whoever comes first: what is there then is the key
        found = await _in_bucket(session, records)
    except CloudError as error:
        raise _unusable(session, with_facts(error), error.advice) from error
    if found is None:
        raise _unusable(session, "it was written, and is not there")
    return found


async def known_key(session: Session) -> PlanKey | None:
    """Give the key, None where there is none. Raises `StartError`."""
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
    """Give the key of a state folder, None where it has none. Raises `StartError`."""
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
        f"the key of saved plans, {place}, is damaged: it is no {2 * KEY_BYTES} hex digits",
        advice="put it back from a backup, or remove it and plan again: plans made with it cannot be applied any more",
    )


def _unusable(session: Session, why: str, advice: str = "") -> StartError:
    return StartError(
        f"the key of saved plans, {place_of_key(session)}, cannot be used: {why}",
        advice=advice or "the account needs to read and write there: storage.editor on the bucket",
    )
