"""The state folder: made on first use, private to its owner, and out of version control by itself."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import JournalError

ADVICE = "name a folder that can be written: --state DIR, or ORCHESTRATOR_STATE"


def make_state_dir(state_dir: Path) -> None:
    """Make the folder (mode 0700) with a `.gitignore` in it. Raises `JournalError` where that cannot be done."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = state_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError) as error:
        raise JournalError(
            f"the state folder {state_dir} cannot be made: a file is in its place", advice=ADVICE
        ) from error
    except OSError as error:
        raise JournalError(
            f"the state folder {state_dir} cannot be written: {error.strerror}", advice=ADVICE
        ) from error
