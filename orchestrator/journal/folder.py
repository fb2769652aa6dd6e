"""The state folder: created on first use, private to its owner, and excluded from version control.

All files in it are created here. Folders are 0700 and files 0600; older ones with wider permissions are tightened.
Links in it are never followed: a repository could contain one that leads to a user's file.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from orchestrator.errors import JournalError

FILE = "journal.sqlite3"
ADVICE = "set a writable folder with --state DIR or ORCHESTRATOR_STATE"
_IGNORE = "*\n"  # content of `.gitignore`, which identifies a folder of ours
_OTHERS = 0o077  # permissions of everyone except the owner
_BESIDE = ("", "-wal", "-shm", "-journal")  # the files of an SQLite database


def make_state_dir(state_dir: Path) -> None:
    """Create the folder (mode 0700) with a `.gitignore` in it. Raises `JournalError` if that fails.

    An existing folder is tightened only if it is ours: --state may name a folder with other content. It may be a link
    only if that leads to a state folder or to an empty folder.
    """
    try:
        _make_or_settle(state_dir)
        ignore = state_dir / ".gitignore"
        if not os.path.lexists(ignore):
            with open(ignore, "x", encoding="utf-8", opener=open_private) as file:
                file.write(_IGNORE)
    except (FileExistsError, NotADirectoryError) as error:
        raise JournalError(
            f"the state folder {state_dir} cannot be created: a file is in its place", advice=ADVICE
        ) from error
    except OSError as error:
        raise JournalError(
            f"the state folder {state_dir} cannot be written: {error.strerror}", advice=ADVICE
        ) from error


def _make_or_settle(state_dir: Path) -> None:
    try:
        state_dir.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        ours = state_dir.is_dir() and _is_ours(state_dir)
        if state_dir.is_symlink() and not ours:
            raise OSError(
                errno.ELOOP, f"it is a link to {state_dir.readlink()}, which is not a state folder; remove the link"
            ) from None
        if not state_dir.is_dir():
            raise
        if ours:
            _tighten(state_dir, state_dir.stat(), 0o700)


def _is_ours(folder: Path) -> bool:
    """Return whether a folder is a state folder, or may become one because it is empty."""
    ignore = folder / ".gitignore"
    if ignore.is_file() and not ignore.is_symlink():
        return ignore.read_text(encoding="utf-8", errors="replace") == _IGNORE
    return next(folder.iterdir(), None) is None


def make_private_folder(folder: Path) -> None:
    """Create a folder in the state folder (mode 0700), with its missing parents. Raises `OSError`, also if it is a
    link.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        status = folder.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise _linked(folder) from None
        if not stat.S_ISDIR(status.st_mode):
            raise
        _tighten(folder, status, 0o700)


def open_private(path: str | Path, flags: int) -> int:
    """Open a file of the state folder (mode 0600): an `opener` for `open`. Raises `OSError`, also if it is a link."""
    try:
        # Truncated only after it is known to be a file of ours. O_NONBLOCK: a pipe in its place would block.
        descriptor = os.open(path, flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise _linked(Path(path)) if error.errno == errno.ELOOP else error from None
    try:
        _settle(descriptor, empty=bool(flags & os.O_TRUNC))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _settle(descriptor: int, *, empty: bool) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    _tighten(descriptor, status, 0o600)
    if empty:
        os.ftruncate(descriptor, 0)


def make_private_database(path: Path) -> None:
    """Create the file of an SQLite database, so that the files which SQLite creates beside it are private too.

    Raises `OSError`. An existing file is not opened: closing it would release this process's locks on it.
    """
    refuse_links(path)
    try:
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        for end in _BESIDE:
            beside = Path(f"{path}{end}")
            if beside.is_file():
                _tighten(beside, beside.stat(), 0o600)


def refuse_links(path: Path) -> None:
    """Raise `OSError` if an SQLite database, or one of the files beside it, is a link."""
    for end in _BESIDE:
        if (beside := Path(f"{path}{end}")).is_symlink():
            raise _linked(beside)


def _linked(path: Path) -> OSError:
    return OSError(errno.ELOOP, f"{path.name} is a link, and links are not followed in the state folder; remove it")


def _tighten(what: Path | int, status: os.stat_result, mode: int) -> None:
    if status.st_mode & _OTHERS and status.st_uid == os.geteuid():
        os.chmod(what, mode)  # noqa: PTH101 - a descriptor has no method for it
