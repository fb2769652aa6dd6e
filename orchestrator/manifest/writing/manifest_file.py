"""Writes a file of a manifest: completely or not at all, at the target of a link, with its former permissions."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import StartError


def write_manifest(path: Path, text: str) -> None:
    """Write the file. Raises `StartError`; the former content is kept then."""
    target, made = Path(os.path.realpath(path)), ""
    try:
        mode = _mode(target)
        descriptor, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(made).chmod(mode)
        Path(made).replace(target)
    except OSError as error:
        with suppress(OSError):
            Path(made).unlink()
        raise StartError(
            f"cannot write {path}: {error.strerror}",
            advice="it was not changed; fix the cause, or choose another file",
        ) from error


def _mode(target: Path) -> int:
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
