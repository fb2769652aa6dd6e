"""The file of a saved plan: written whole or not at all, and refused where it cannot be what `plan --out` wrote."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from orchestrator import __version__
from orchestrator.app.session.options import RunOptions, storage_of
from orchestrator.errors import UsageError
from orchestrator.model import Manifest
from orchestrator.planning.saved.document import SCHEMA, SCHEMA_NUMBER, SavedPlan, read_document
from orchestrator.planning.saved.seal import SEAL, PlanKey
from orchestrator.redaction.safe import to_json

_PLAN_AGAIN = "plan again: `orchestrator plan --out FILE`"
_NAME_IT = f"name the file that was saved, or {_PLAN_AGAIN}"
_NUMBER = re.compile(r"\d+")


def check_saving(options: RunOptions, manifest: Manifest) -> None:
    """See, before anything is planned, that a plan can be saved as it is to be. Raises `UsageError`."""
    if options.out is None:
        return
    if options.upload and storage_of(manifest, options.bucket).bucket is None:
        raise UsageError(
            "--upload: there is no bucket to store packages in", advice="name one: [storage] bucket, or --bucket"
        )
    path = options.out
    if str(path) == "-":
        raise UsageError("--out -: a plan is saved in a file", advice="the plan as JSON on stdout: `plan -o json`")
    if path.is_dir():
        raise UsageError(f"--out {path}: this is a folder", advice="name a file in it")
    if path.exists() and not _is_saved_plan(path):
        raise UsageError(
            f"--out {path}: this is there already, and no saved plan", advice="name another file, or remove it"
        )
    if not _target(path).parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.parent}", advice="make it, or name another file")
    if not os.access(_target(path).parent, os.W_OK):
        raise UsageError(f"--out {path}: {_target(path).parent} cannot be written", advice="name another file")


def _target(path: Path) -> Path:
    """Follow links: what they lead to is written, and they stay."""
    return Path(os.path.realpath(path))


def _is_saved_plan(path: Path) -> bool:
    """Say whether a file may be written over: one that is empty, or a plan, however old."""
    try:
        body = path.read_bytes() if path.is_file() else None
        document = orjson.loads(body) if body else {}
    except (OSError, orjson.JSONDecodeError):
        return False
    return body == b"" or (isinstance(document, dict) and str(document.get("schema")).startswith(SCHEMA))


def write_plan(path: Path, document: Mapping[str, Any]) -> None:
    """Write it, in place of what is there; where that is a link, in place of what it leads to. Raises `UsageError`."""
    text = to_json(document, indent=True) + "\n"
    made = ""
    try:
        target = _target(path)
        descriptor, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(made).chmod(0o666 & ~mask)
        Path(made).replace(target)
    except OSError as error:
        if made:
            with suppress(OSError):
                Path(made).unlink()
        raise UsageError(f"--out {path} cannot be written: {error.strerror}", advice="name another file") from error


def plan_bytes(path: Path) -> bytes:
    """Read a file that may be a plan. Raises `UsageError`."""
    if str(path) == "-":
        raise UsageError(
            "a plan is read from a file, not from standard input", advice="name the file: `resume` reads it again"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the plan {path} cannot be read: {error.strerror}",
            advice=_NAME_IT,
        ) from error


def read_plan(path: Path, body: bytes) -> SavedPlan:
    """Read what a file has; whether it is as it was sealed is not known yet. Raises `UsageError`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path} is no saved plan, or a part of one: {error}", advice=_PLAN_AGAIN) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    number = schema.removeprefix(SCHEMA) if isinstance(schema, str) and schema.startswith(SCHEMA) else ""
    if not _NUMBER.fullmatch(number) or int(number) < SCHEMA_NUMBER or SEAL not in document:
        raise UsageError(f"{path} is no saved plan", advice=_PLAN_AGAIN)
    newer = ""
    if int(number) != SCHEMA_NUMBER:
        newer = f": its schema is {schema}, and this one ({__version__}) reads {SCHEMA}{SCHEMA_NUMBER}"
    elif _is_newer(document.get("program")):
        newer = f" ({document.get('program')}); this is {__version__}"
    if newer:
        raise UsageError(
            f"{path} was written by a newer orchestrator{newer}", advice="upgrade it, or plan again with this one"
        )
    try:
        return read_document(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise changed(path, f"it cannot be understood ({error!r})") from error


def is_expired(path: Path, plan: SavedPlan, now: datetime) -> bool:
    """Say whether a plan may not be applied any more. Raises `UsageError` for a file that does not tell."""
    try:
        return now >= datetime.fromisoformat(plan.expires_at)
    except (ValueError, TypeError) as error:
        raise changed(path, "it does not say when it expires") from error


def check_unexpired(path: Path, plan: SavedPlan, now: datetime) -> None:
    """See that a plan may still be applied. Raises `UsageError`."""
    if is_expired(path, plan, now):
        raise UsageError(
            f"plan {plan.id} has expired: at {plan.expires_at}, and it was made at {plan.made_at}",
            advice=f"{_PLAN_AGAIN}; --expires says for how long it holds",
        )


def check_sealed(path: Path, plan: SavedPlan, key: PlanKey) -> None:
    """See that a plan is just as it was made. Raises `UsageError`."""
    if not key.is_sealed(plan.document):
        raise changed(path, "its seal is of another content")


def changed(path: Path, why: str) -> UsageError:
    """Say that a file is not what was written."""
    return UsageError(
        f"{path} is not as it was made, so nothing of it is done: {why}",
        advice=f"take the file as `plan --out` wrote it, or {_PLAN_AGAIN}",
    )


def _is_newer(program: object) -> bool:
    """Say whether a plan was made by a newer program than this one."""
    then, here = (tuple(map(int, _NUMBER.findall(str(one))[:3])) for one in (program, __version__))
    return then > here
