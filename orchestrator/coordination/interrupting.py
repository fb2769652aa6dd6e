"""Stops a run of another process, like Ctrl-C: nothing new starts, what is in flight ends, `resume` continues."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from orchestrator.coordination.local_lock import FILE, holder_here
from orchestrator.errors import UsageError

_PROCESSES = Path("/proc")
_ADVICE = "press Ctrl-C where it runs"


def interrupt_run(state_dir: Path, started_at: float) -> int:
    """Interrupt the run that began at `started_at` and holds the lock of a state folder. Returns the process ID.

    | the process in the lock                         | action                                           |
    | ---                                             | ---                                              |
    | is on another machine, has ended, took the lock | `UsageError`: no such run is known               |
    | after the run had begun, or its ID was reused   |                                                  |
    | belongs to another user                         | `UsageError`                                     |
    | ignores SIGINT, as in a shell's background      | SIGTERM: it ends within five seconds             |
    | any other                                       | SIGINT: it ends once what is in flight has ended |
    """
    pid, since = 0, 0.0
    with suppress(PermissionError):  # then nothing is known of it
        pid, since = holder_here(state_dir)
    if not pid or since > started_at:
        raise UsageError("this run is not in progress on this machine", advice="check its state again")
    try:
        if not _holds(pid, state_dir / FILE):
            raise UsageError(
                "this run is not in progress any more: its process has ended", advice="`resume` continues it"
            )
        number = signal.SIGTERM if _ignores_interrupts(pid) else signal.SIGINT
        os.kill(pid, number)
    except PermissionError as error:
        raise UsageError(f"process {pid}, which executes the run, belongs to another user", advice=_ADVICE) from error
    except OSError as error:
        raise UsageError(f"process {pid} cannot be inspected: {error.strerror}", advice=_ADVICE) from error
    return pid


def _holds(pid: int, lock: Path) -> bool:
    """Return whether a process has the lock's file open: its ID may have been reused."""
    desired = lock.stat()
    for descriptor in (_PROCESSES / str(pid) / "fd").iterdir():
        try:
            if os.path.samestat(descriptor.stat(), desired):
                return True
        except FileNotFoundError:  # closed meanwhile
            continue
    return False


def _ignores_interrupts(pid: int) -> bool:
    for line in (_PROCESSES / str(pid) / "status").read_text("ascii", "replace").splitlines():
        name, _, mask = line.partition(":")
        if name == "SigIgn":
            return bool(int(mask.strip(), 16) >> (signal.SIGINT - 1) & 1)
    return False
