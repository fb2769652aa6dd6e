"""The standard streams as they are found: closed, piped into `head`, on a full disk, a terminal or not.

Keep the imports light: every command needs this.
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import stat
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.redaction.outlet import Outlet
    from orchestrator.redaction.safe import Safe


_SPELLED = "orchestrator-spelled"  # the error handler of our streams
# Our own characters, as encodings without them get them.
_INSTEAD = {"…": "...", "→": "->", "×": "x", "·": "-", "≤": "<=", "≥": ">="}
_DUMB = ("", "dumb", "unknown")  # values of TERM without control of the cursor; "" also if it is not set
_DRAWN: list[TextIO] = []  # where the cursor is hidden


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Return what is written for characters that an encoding lacks: our own by their looks, others as JSON does."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(one) or _escape(one) for one in lost), error.end


def _escape(character: str) -> str:
    return "".join(f"\\u{pair:04x}" for pair in memoryview(character.encode("utf-16", "surrogatepass")[2:]).cast("H"))


codecs.register_error(_SPELLED, _spelled)


def as_encoded(text: str, stream: TextIO) -> str:
    """Return a text as it appears on a stream, with what its encoding lacks spelled otherwise."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text if text.isascii() else text.encode(encoding, _SPELLED).decode(encoding)


@contextmanager
def cursor_hidden(stream: TextIO) -> Iterator[None]:
    """Note that a display hides the cursor meanwhile, and shows it at its end."""
    _DRAWN.append(stream)
    try:
        yield
    finally:
        _DRAWN.remove(stream)


def show_cursor() -> None:
    """Show the cursor again where the program leaves without ending its displays."""
    for stream in _DRAWN:
        with suppress(OSError, ValueError):
            stream.write("\x1b[?25h\n")
            stream.flush()


def open_streams() -> None:
    """Open streams that are closed to nowhere, and spell characters that an encoding lacks.

    The number of a closed stream would otherwise go to the next file that is opened, for example the journal.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _send_nowhere(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a file descriptor that stays open until exit
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SPELLED)


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


def write_data(text: Safe, *, is_json: bool = False) -> None:
    """Write data to stdout. A reader that went away (`… | head -1`) is not an error, and no reason to stop. JSON reads
    back equal in every encoding.

    Raises `OrchestratorError` if stdout cannot be written, for example on a full disk.
    """
    shown = "".join(one if one.isascii() else _escape(one) for one in text) if is_json and _lacks(text) else text
    try:
        sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()
    except OSError as error:
        lose_output(error)


def lose_output(error: OSError) -> None:
    """Drop everything that is written to stdout from here on, also at exit.

    Raises `OrchestratorError` unless it was a pipe whose reader went away.
    """
    _send_nowhere(sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        raise OrchestratorError(f"cannot write to standard output: {error.strerror}") from error


def settle_streams() -> None:
    """Drop what broken streams still hold. The interpreter would try to write it again at its end, and replace the exit
    code by its own, 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # ValueError: closed
                _send_nowhere(stream.fileno())


def _send_nowhere(number: int) -> None:
    """Replace a file descriptor, which may be closed, by one that drops everything."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)


def _lacks(text: str) -> bool:
    """Return whether the encoding of stdout lacks a character of a text."""
    return not text.isascii() and as_encoded(text, sys.stdout) != text


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
    if environ.get("TERM", "") in _DUMB or environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    return Unbroken(stream).isatty()


def may_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether colours may be used there (no-color.org, force-color.org: any value counts, NO_COLOR first)."""
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or (environ.get("TERM", "") not in _DUMB and Unbroken(stream).isatty())
