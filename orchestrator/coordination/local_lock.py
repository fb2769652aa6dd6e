"""One run at a time per state folder: a lock of the operating system, so a dead holder's is free by itself."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson

from orchestrator.errors import JournalError, LockHeldError
from orchestrator.journal.folder import ADVICE, make_state_dir, open_private

FILE = "lock"
_RETRY_S = 0.2


@asynccontextmanager
async def lock(state_dir: Path, *, timeout_s: float = 0.0, command: str | None = None) -> AsyncIterator[None]:
    """Hold the lock of a state folder; wait up to `timeout_s` for another run to end.

    `command` is what others are told that runs (default: this process's own). Raises `LockHeldError` that names the
    holder, `JournalError` where the folder cannot be written.
    """
    make_state_dir(state_dir)
    path = state_dir / FILE
    try:
        # Never deleted: a waiter could otherwise lock a file that others do not see any more.
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise JournalError(f"the lock {path} cannot be made: {error.strerror}", advice=ADVICE) from error
    try:
        await _take(descriptor, path, timeout_s)
        _write(descriptor, _holder(command if command is not None else command_line()))
        try:
            yield
        finally:
            _write(descriptor, b"")
    finally:
        os.close(descriptor)  # gives the lock up


def owner_of(state_dir: Path) -> str:
    """Name a state folder, and no copy of it: whoever holds its lock knows that its earlier runs are dead."""
    found = (state_dir / FILE).stat()
    return f"{socket.gethostname()}:{found.st_dev}:{found.st_ino}"


def command_line() -> str:
    """Give this process's own command, for people who wait for it."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def lock_held(who: str, timeout_s: float) -> LockHeldError:
    """Make the error of one who has waited for `timeout_s` in vain. `who` holds what is wanted."""
    waited = f", after waiting for {timeout_s:g} s" if timeout_s else ""
    return LockHeldError(
        f"another run holds the lock{waited}: {who}", advice="wait for it (--lock-timeout 10m, say), or end it"
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
                advice="name a folder on a local disk: --state DIR, or ORCHESTRATOR_STATE",
            ) from error
        else:
            return


def _holder(command: str) -> bytes:
    return orjson.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "command": command})


def _write(descriptor: int, content: bytes) -> None:
    """Replace what the file says. It only informs, so a full disk is no reason to fail."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
    except OSError:
        return


def _who(descriptor: int) -> str:
    try:
        holder: dict[str, Any] = orjson.loads(os.pread(descriptor, 65536, 0))
        since = datetime.fromtimestamp(holder["since"], UTC)
        return (
            f"`{holder['command']}`, process {holder['pid']} on {holder['host']}, since {since:%Y-%m-%d %H:%M:%S} UTC"
        )
    except (ValueError, KeyError, TypeError, OSError):
        return "it has not said yet which"  # between taking the lock and writing its name, or on a full disk
