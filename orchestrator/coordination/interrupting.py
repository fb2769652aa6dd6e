"""Stopping a run of another process as Ctrl-C would: nothing new starts, what runs settles, `resume` goes on."""

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
    """Interrupt the run that has begun at `started_at` and holds the lock of a state folder. Gives the process's id.

    | the process that the lock names                      | what is done                                         |
    | ---                                                  | ---                                                  |
    | is on another machine, or is dead, or is another one | `UsageError`: nothing is known to be running         |
    | by now, or took the lock after the run had begun     |                                                      |
    | is another user's                                    | `UsageError`                                         |
    | ignores SIGINT, as in a shell's background           | SIGTERM: it settles for five seconds                 |
    | any other                                            | SIGINT: it settles                                   |
    """
    pid, since = 0, 0.0
    with suppress(PermissionError):  # of whom nothing is known then
        pid, since = holder_here(state_dir)
    if not pid or since > started_at:
        raise UsageError("this run is not under way on this machine", advice="look at its state again")
    try:
        if not _holds(pid, state_dir / FILE):
            raise UsageError("this run is not under way any more: its process has ended", advice="`resume` goes on")
        number = signal.SIGTERM if _ignores_interrupts(pid) else signal.SIGINT
        os.kill(pid, number)
    except PermissionError as error:
        raise UsageError(f"process {pid}, which carries the run out, is another user's", advice=_ADVICE) from error
    except OSError as error:
        raise UsageError(f"process {pid} cannot be looked at: {error.strerror}", advice=_ADVICE) from error
    return pid


def _holds(pid: int, lock: Path) -> bool:
    """Say whether a process has the lock's file open: its number may be another process's by now."""
    wanted = lock.stat()
    for descriptor in (_PROCESSES / str(pid) / "fd").iterdir():
        try:
            if os.path.samestat(descriptor.stat(), wanted):
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
