"""The standard streams as they are found: closed, piped into `head`, on a full disk. Light: every command needs it."""

from __future__ import annotations

import io
import os
import sys

from orchestrator.errors import OrchestratorError


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


def counted(number: int, noun: str) -> str:
    """Write "1 function", "12 functions"."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def data(text: str) -> None:
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
            raise OrchestratorError(
                f"standard output cannot be written: {error.strerror}", advice="`orchestrator show` tells it again"
            ) from error
