"""What this machine knows of due times that a breach ended, for `jobs`, which asks no bucket."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from orchestrator.coordination.claim import StoppedDue
from orchestrator.errors import JournalError
from orchestrator.journal.folder import ADVICE, make_private_folder, make_state_dir, open_private

FOLDER = "due"


def remember(state_dir: Path, job: str, breach: StoppedDue | None) -> None:
    """Keep what the last call of a job found: None, so that nothing is kept. Raises `JournalError`."""
    path = _path(state_dir, job)
    try:
        if breach is None:
            path.unlink(missing_ok=True)
            return
        make_state_dir(state_dir)
        make_private_folder(path.parent)
        made = path.with_suffix(".new")
        with open(made, "w", encoding="utf-8", opener=open_private) as file:
            json.dump(asdict(breach), file)
        made.replace(path)
    except OSError as error:
        raise JournalError(f"{path} cannot be written: {error.strerror}", advice=ADVICE) from error


def known_stop(state_dir: Path, job: str) -> StoppedDue | None:
    """Give the due time of a job that a breach ended, as far as this machine knows; None where there is none."""
    try:
        return StoppedDue(**json.loads(_path(state_dir, job).read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # it only repeats what the next call says
        return None


def _path(state_dir: Path, job: str) -> Path:
    return state_dir / FOLDER / f"{quote(job, safe='')}.json"
