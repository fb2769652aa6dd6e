"""One run at a time per state folder, by a lock of the operating system, which releases it when a process dies."""

from __future__ import annotations

import fcntl
import getpass
import math
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson

from orchestrator.errors import JournalError, LockHeldError
from orchestrator.journal.folder import ADVICE, make_state_dir, open_private
from orchestrator.model.units import as_duration

FILE = "lock"
OWNER = "owner"  # the file with the state folder's own name
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # if there is none, the host's name is used
_OWNER_LENGTH = 16
_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class LocalLock:
    """A lock that is held on the file at `path`, as long as that is the file of `descriptor`."""

    path: Path
    descriptor: int

    def check(self) -> None:
        """Check that other runs still see this lock. Raises `JournalError` if the folder was removed, or replaced."""
        try:
            same = os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except OSError:
            same = False
        if not same:
            raise JournalError(
                f"the state folder {self.path.parent} was removed during this run, with its lock: another run may be"
                " in progress"
            )


@asynccontextmanager
async def lock(state_dir: Path, *, timeout_s: float = 0.0, verb: str = "") -> AsyncIterator[LocalLock]:
    """Hold the lock of a state folder. Waits up to `timeout_s` for another run to end.

    `verb`: "deploy" or "run NAME", shown to other runs. Raises `LockHeldError` that names the holder, `JournalError` if
    the folder cannot be written.
    """
    make_state_dir(state_dir)
    path = state_dir / FILE
    try:
        # Never deleted: otherwise a waiting run could lock a file that others no longer see.
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise JournalError(f"the lock {path} cannot be created: {error.strerror}", advice=ADVICE) from error
    try:
        await _take(descriptor, path, timeout_s)
        _write(descriptor, _holder(verb))
        try:
            yield LocalLock(path, descriptor)
        finally:
            _write(descriptor, b"")
    finally:
        os.close(descriptor)  # releases the lock


def owner_of(state_dir: Path) -> str:
    """Return a name for a state folder, which copies of it do not have. A run that holds its lock knows that earlier
    runs of this name are dead.

    | part of the name        | distinguishes                                               |
    | ---                     | ---                                                         |
    | host, device, inode     | copies of a folder, containers                              |
    | a stored random value   | machines whose host, device and inode happen to be the same |
    | the boot of the machine | machines from one image, which includes the random value    |

    Raises `JournalError`.
    """
    try:
        found = (state_dir / FILE).stat()
        kept = _kept(state_dir / OWNER)
    except OSError as error:
        raise JournalError(f"{state_dir / OWNER} cannot be used: {error.strerror}", advice=ADVICE) from error
    return f"{socket.gethostname()}:{found.st_dev}:{found.st_ino}:{kept}:{_boot_id()}"


def _kept(path: Path) -> str:
    """Return the random value of a state folder, after making it if there is none."""
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        kept = os.pread(descriptor, 100, 0).decode("ascii", "replace").strip()
        if len(kept) != _OWNER_LENGTH or not kept.isalnum():
            kept = secrets.token_hex(_OWNER_LENGTH // 2)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, kept.encode(), 0)
        return kept
    finally:
        os.close(descriptor)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def described(verb: str) -> str:
    """Return what runs, who runs it and where, for those who wait for it. The arguments may hold secrets, so they are
    left out.
    """
    return _described(_command(verb), _user(), os.getpid(), socket.gethostname())


def _command(verb: str) -> str:
    return f"orchestrator {verb}".strip()


def _described(command: str, user: str, pid: int, host: str) -> str:
    return f"`{command}`{f' of {user}' if user else ''}, process {pid} on {host}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container that has only numeric users
        return str(os.getuid())


def alive_since(state_dir: Path) -> float:
    """Return since when, on this machine's clock, a living process of it holds the lock; infinity for none.

    This relies on what the holder wrote: trying the lock would block a run that needs it.
    """
    try:
        pid, since = holder_here(state_dir)
        if pid:
            os.kill(pid, 0)
            return since
    except PermissionError:  # it is alive, and another user's
        return 0.0
    except OSError:
        pass
    return math.inf


def holder_here(state_dir: Path) -> tuple[int, float]:
    """Return the process of this machine that is in the lock, and since when; (0, 0.0) for none. Raises
    `PermissionError` if the lock is another user's.
    """
    try:
        holder: dict[str, Any] = orjson.loads((state_dir / FILE).read_bytes())
        if holder["host"] == socket.gethostname():
            return int(holder["pid"]), float(holder["since"])
    except PermissionError:
        raise
    except (ValueError, KeyError, TypeError, OSError):
        pass
    return 0, 0.0


def lock_held(who: str, timeout_s: float) -> LockHeldError:
    """Return the error after waiting for `timeout_s` without effect. `who`: holds the lock or lease."""
    waited = f", after waiting for {as_duration(timeout_s)}" if timeout_s else ""
    return LockHeldError(
        f"another run holds the lock{waited}: {who}", advice="wait for it (for example --lock-timeout 10m), or stop it"
    )


async def _take(descriptor: int, path: Path, timeout_s: float) -> None:
    deadline_at = anyio.current_time() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left_s = deadline_at - anyio.current_time()
            if left_s <= 0:
                raise lock_held(_who(descriptor), timeout_s) from None
            await anyio.sleep(min(_RETRY_S, left_s))
        except OSError as error:
            raise JournalError(
                f"the lock {path} cannot be taken: {error.strerror}",
                advice="use a folder on a local disk: --state DIR, or ORCHESTRATOR_STATE",
            ) from error
        else:
            return


def _holder(verb: str) -> bytes:
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "user": _user()}
    return orjson.dumps(facts | {"command": _command(verb)})


def _write(descriptor: int, content: bytes) -> None:
    """Replace the content of the file. It only informs, so a full disk is not an error."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
    except OSError:
        return


def _who(descriptor: int) -> str:
    try:
        holder: dict[str, Any] = orjson.loads(os.pread(descriptor, 65536, 0))
        since = datetime.fromtimestamp(holder["since"], UTC)
        what = _described(holder["command"], holder.get("user", ""), holder["pid"], holder["host"])  # once: no user
    except (ValueError, KeyError, TypeError, OSError):
        return "it has not written its name yet"  # between taking the lock and writing its name, or on a full disk
    return f"{what}, since {since:%Y-%m-%d %H:%M:%S} UTC"
