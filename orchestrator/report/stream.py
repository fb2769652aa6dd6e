"""Where logs and displays are written: a stream that may break without breaking the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO


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


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a display may move the cursor there: a terminal, not a dumb one, and not a CI's log."""
    if environ.get("TERM", "") == "dumb" or environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    return Unbroken(stream).isatty()


def may_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether colours are welcome there (no-color.org: any value of NO_COLOR forbids them)."""
    return not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb" and Unbroken(stream).isatty()
