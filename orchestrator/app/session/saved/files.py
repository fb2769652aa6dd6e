"""The file of a saved plan: written completely or not at all, and rejected where it cannot be from `plan --out`."""

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
_NAME_IT = f"choose the saved file, or {_PLAN_AGAIN}"
_NUMBER = re.compile(r"\d+")


def check_saving(options: RunOptions, manifest: Manifest) -> None:
    """Check, before anything is planned, that the plan can be saved as requested. Raises `UsageError`."""
    if options.out is None:
        return
    if options.upload and storage_of(manifest, options.bucket).bucket is None:
        raise UsageError(
            "--upload: there is no bucket to store packages in", advice="set [storage] bucket, or use --bucket"
        )
    path = options.out
    if str(path) == "-":
        raise UsageError("--out -: a plan is saved in a file", advice="print the plan as JSON with `plan -o json`")
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder", advice="choose a file in it")
    if path.exists() and not _is_saved_plan(path):
        raise UsageError(
            f"--out {path}: the file exists already and is not a saved plan", advice="choose another file, or remove it"
        )
    if not _target(path).parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.parent}", advice="create it, or choose another file")
    if not os.access(_target(path).parent, os.W_OK):
        raise UsageError(f"--out {path}: {_target(path).parent} cannot be written", advice="choose another file")


def _target(path: Path) -> Path:
    """Return the target of a link: it is written, and the link stays."""
    return Path(os.path.realpath(path))


def _is_saved_plan(path: Path) -> bool:
    """Return whether a file may be overwritten: an empty file, or a plan of any version."""
    try:
        body = path.read_bytes() if path.is_file() else None
        document = orjson.loads(body) if body else {}
    except (OSError, orjson.JSONDecodeError):
        return False
    return body == b"" or (isinstance(document, dict) and str(document.get("schema")).startswith(SCHEMA))


def write_plan(path: Path, document: Mapping[str, Any]) -> None:
    """Write the plan in place of the file, or of the target of a link. Raises `UsageError`."""
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
        raise UsageError(f"--out {path} cannot be written: {error.strerror}", advice="choose another file") from error


def plan_bytes(path: Path) -> bytes:
    """Read a file that may be a plan. Raises `UsageError`."""
    if str(path) == "-":
        raise UsageError(
            "a plan cannot be read from standard input", advice="choose a file: `resume` needs to read it again"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the plan {path} cannot be read: {error.strerror}",
            advice=_NAME_IT,
        ) from error


def read_plan(path: Path, body: bytes) -> SavedPlan:
    """Parse a file. Its seal is not checked yet. Raises `UsageError`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path} is not a saved plan, or is incomplete: {error}", advice=_PLAN_AGAIN) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    number = schema.removeprefix(SCHEMA) if isinstance(schema, str) and schema.startswith(SCHEMA) else ""
    if not _NUMBER.fullmatch(number) or int(number) < SCHEMA_NUMBER or SEAL not in document:
        raise UsageError(f"{path} is not a saved plan", advice=_PLAN_AGAIN)
    newer = ""
    if int(number) != SCHEMA_NUMBER:
        newer = f": its schema is {schema}, and this one ({__version__}) reads {SCHEMA}{SCHEMA_NUMBER}"
    elif _is_newer(document.get("program")):
        newer = f" ({document.get('program')}); this is {__version__}"
    if newer:
        raise UsageError(
            f"{path} was written by a newer orchestrator{newer}",
            advice="upgrade orchestrator, or plan again with this version",
        )
    try:
        return read_document(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise changed(path, f"it cannot be understood ({error!r})") from error


def is_expired(path: Path, plan: SavedPlan, now: datetime) -> bool:
    """Return whether a plan has expired. Raises `UsageError` where the file has no time."""
    try:
        return now >= datetime.fromisoformat(plan.expires_at)
    except (ValueError, TypeError) as error:
        raise changed(path, "it does not say when it expires") from error


def check_unexpired(path: Path, plan: SavedPlan, now: datetime) -> None:
    """Check that a plan has not expired. Raises `UsageError`."""
    if is_expired(path, plan, now):
        raise UsageError(
            f"plan {plan.id} expired at {plan.expires_at}; it was made at {plan.made_at}",
            advice=f"{_PLAN_AGAIN}; --expires sets how long it is valid",
        )


def check_sealed(path: Path, plan: SavedPlan, key: PlanKey) -> None:
    """Check that a plan is unchanged. Raises `UsageError`."""
    if not key.is_sealed(plan.document):
        raise changed(path, "its seal does not match its content")


def changed(path: Path, why: str) -> UsageError:
    """Return the error of a file that was changed."""
    return UsageError(
        f"{path} was changed after it was saved, so it is not applied: {why}",
        advice=f"restore the file as `plan --out` wrote it, or {_PLAN_AGAIN}",
    )


def _is_newer(program: object) -> bool:
    """Return whether a plan was made by a newer program than this one."""
    then, here = (tuple(map(int, _NUMBER.findall(str(one))[:3])) for one in (program, __version__))
    return then > here
