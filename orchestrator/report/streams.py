"""The standard streams as they are found: closed, piped into `head`, on a full disk, a terminal or not.

Keep the imports light: every command needs this.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.redaction.outlet import Outlet
    from orchestrator.redaction.safe import Safe


def open_streams() -> None:
    """Open streams that are closed to nowhere, and escape characters that an encoding lacks.

    The number of a closed stream would otherwise go to the next file that is opened, for example the journal.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a file descriptor that stays open until exit
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def write_message(text: Safe, *, end: str = "\n") -> None:
    """Write to standard error. If that is closed or broken, the message is lost."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()


def tell_crashes(outlet: Outlet) -> None:
    """Pass tracebacks of uncaught errors, which Python writes to standard error, through the outlet."""

    def tell_crash(kind: Any, error: Any, trace: Any) -> None:
        write_message(outlet.lines("".join(traceback.format_exception(kind, error, trace)).rstrip()))

    sys.excepthook = tell_crash
    threading.excepthook = lambda args: tell_crash(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: tell_crash(args.exc_type, args.exc_value, args.exc_traceback)


def write_data(text: Safe) -> None:
    """Write data to stdout. A reader that went away (`… | head -1`) is not an error, and no reason to stop.

    Raises `OrchestratorError` if stdout cannot be written, for example on a full disk.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        # Everything that is written from here on, also at exit, is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OrchestratorError(f"cannot write to standard output: {error.strerror}") from error


def terminal_width() -> int | None:
    """Return how many columns the terminal of standard output has (COLUMNS, or its own size); None if it is not one."""
    return (shutil.get_terminal_size((0, 0)).columns or None) if Unbroken(sys.stdout).isatty() else None


class Unbroken:
    """A text stream that swallows the failures of the one behind it: a reader that went away, a full disk.

    Standard error is looked up on each write, since a live display replaces it for a while.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = None if stream is sys.stderr else stream

    @property
    def stream(self) -> TextIO:
        """The stream behind."""
        return self._stream if self._stream is not None else sys.stderr

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: closed
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self.stream.isatty()
        return False


def is_file(stream: TextIO) -> bool:
    """Return whether a stream is written to a file, which remains when the program has ended."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    return False


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a display may move the cursor there: on a terminal that is neither dumb nor a CI's log."""
    if environ.get("TERM", "") == "dumb" or environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    return Unbroken(stream).isatty()


def may_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether colours may be used there (no-color.org: any value of NO_COLOR forbids them)."""
    return not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb" and Unbroken(stream).isatty()
