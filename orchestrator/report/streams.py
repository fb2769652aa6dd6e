"""The standard streams as they are found: closed, piped into `head`, on a full disk, a terminal or none.

Light: every command needs it.
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
    """Open what was closed before we came, to nowhere; write what an encoding lacks as an escape.

    The number of a closed stream would else go to the next file that is opened, the journal, say.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a number, and for as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def write_message(text: Safe, *, end: str = "\n") -> None:
    """Write to standard error. Where that is closed or broken, nobody is told."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()


def tell_crashes(outlet: Outlet) -> None:
    """Let what Python itself writes to standard error, of errors that nobody caught, out as everything else."""

    def tell_crash(kind: Any, error: Any, trace: Any) -> None:
        write_message(outlet.lines("".join(traceback.format_exception(kind, error, trace)).rstrip()))

    sys.excepthook = tell_crash
    threading.excepthook = lambda args: tell_crash(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: tell_crash(args.exc_type, args.exc_value, args.exc_traceback)


def write_data(text: Safe) -> None:
    """Write data to stdout. A reader that went away (`… | head -1`) is no error, and no reason to stop.

    Raises `OrchestratorError` where it cannot be written: a full disk, say.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        # Whatever is written from here on, at exit too, goes nowhere without a word.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OrchestratorError(f"standard output cannot be written: {error.strerror}") from error


def terminal_width() -> int | None:
    """Give the columns of the terminal that standard output is (COLUMNS, or its own); None where it is none."""
    return (shutil.get_terminal_size((0, 0)).columns or None) if Unbroken(sys.stdout).isatty() else None


class Unbroken:
    """A text stream that swallows the failures of the one behind it: a reader that went away, a full disk.

    Standard error is looked up on each write, since a live display puts itself before it for as long as it is there.
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
    """Say whether a stream ends in a file, so that it stays once the program is over."""
    with suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    return False


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a display may move the cursor there: a terminal, not a dumb one, and not a CI's log."""
    if environ.get("TERM", "") == "dumb" or environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    return Unbroken(stream).isatty()


def may_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether colours are welcome there (no-color.org: any value of NO_COLOR forbids them)."""
    return not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb" and Unbroken(stream).isatty()
