"""One file to be packed, the mistakes that prevent packing, and limits on the size of a package."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from orchestrator.errors import PackageError
from orchestrator.model.units import as_size

# Limits of the cloud that cannot be raised (its page "Quotas and limits").
ZIPPED_MAX_BYTES = 134_217_728  # 128 MB, binary: a zip in a bucket
UNPACKED_MAX_BYTES = 713_031_680  # 680 MB, binary
CHUNK_BYTES = 256 * 1024
# Our own bounds, so that a walk ends: far more than any package within the limits above can have.
FILES_MAX = 100_000
LINKS_MAX = 5_000  # links to folders that are followed
MISTAKES_SHOWN = 10
MISTAKES_MAX = 1_000  # nobody reads more, and packages that link to each other in circles cause them without end
_ADVICE = "exclude it with `exclude` or .orchestratorignore, or put real files in its place with `files`"

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")  # matches most names, all of which are valid

Check = Callable[[], None]  # called often during work; raises if the work is no longer needed


class OnDisk(NamedTuple):
    """A file on this machine. `status`: its stat, links followed. `digest`: the SHA-256 of its content, None if the
    file must be read for it.
    """

    path: str
    status: os.stat_result
    digest: bytes | None


class Entry(NamedTuple):
    """A file. `name`: its path in the package. `mode`: "-", "x" (executable), "l" (a link in a zip that is sent
    unchanged). `origin`: returns where it comes from, for messages. `packed`: it is packed. `formerly`: it was packed
    by the rules before defaults. `file`: None if it is in a zip.

    There are many of them, and a tuple is created twice as fast as a dataclass.
    """

    name: str
    mode: str
    origin: Callable[[], str]
    open: Callable[[], IO[bytes]]
    packed: bool = True
    formerly: bool = True
    file: OnDisk | None = None

    def chunks(self, ended: Callable[[IO[bytes]], None] | None = None) -> Iterator[bytes]:
        """Yield the content in chunks. `ended`: called when all is read, while the stream is open.

        Raises `PackageError` if it cannot be read.
        """
        try:
            with self.open() as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk
                if ended is not None:
                    ended(stream)
        except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            message = f"{printable(self.origin())} cannot be read: {reason}"
            raise PackageError(message, advice="check that the file is complete and is not being changed") from error


@dataclass(slots=True)
class Mistakes:
    """What is wrong with a tree, collected to be reported at once. Keys are paths in the package."""

    found: dict[str, str] = field(default_factory=dict)
    advice: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, sentence: str, advice: str = _ADVICE) -> None:
        """Record a mistake. Raises all of them when there are too many to continue."""
        self.found[name] = sentence
        self.advice[name] = advice
        if len(self.found) >= MISTAKES_MAX:
            self.raise_any()

    def forget_replaced(self, names: set[str]) -> None:
        """Drop mistakes at paths that other files replace."""
        for path in list(self.found):
            if any(name == path or name.startswith(f"{path}/") for name in names):
                del self.found[path]

    def raise_any(self) -> None:
        """Raise `PackageError` with the first ten and the count, if there are any."""
        if not self.found:
            return
        sentences = [self.found[name] for name in sorted(self.found)]
        advice = "; ".join(sorted({self.advice[name] for name in self.found}))
        if len(sentences) == 1:
            raise PackageError(sentences[0], advice=advice)
        more = len(sentences) - MISTAKES_SHOWN
        ending = f"; and {more} more" if more > 0 else ""
        message = f"{len(sentences)} files cannot be packed: {'; '.join(sentences[:MISTAKES_SHOWN])}{ending}"
        raise PackageError(message, advice=advice)


def open_binary(path: str | Path) -> IO[bytes]:
    """Open a file on this machine for reading."""
    return open(path, "rb", buffering=0)  # noqa: PTH123 - thousands of them, and each is read in pieces


def printable(name: str) -> str:
    """Return a name that is safe for a terminal: unprintable characters are escaped."""
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def name_mistake(name: str) -> str | None:
    """Return why a path cannot be in a package; None if it can."""
    if _PLAIN.fullmatch(name):
        return None
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in name):
        return "has a control character in its name"
    if "\\" in name:
        return "has a backslash in its name"
    if name.startswith("/") or name[1:3] == ":/":
        return "has an absolute path as its name"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return 'has an empty part, "." or ".." in its path'
    return None


def refuse_zipped(size_bytes: int, label: str) -> None:
    """Raise `PackageError` if a zip exceeds the limit."""
    if size_bytes > ZIPPED_MAX_BYTES:
        _refuse(label, ZIPPED_MAX_BYTES, "zipped")


def refuse_unpacked(size_bytes: int, label: str) -> None:
    """Raise `PackageError` if all files together exceed the limit."""
    if size_bytes > UNPACKED_MAX_BYTES:
        _refuse(label, UNPACKED_MAX_BYTES, "unpacked")


def _refuse(label: str, limit_bytes: int, state: str) -> None:
    message = f"the package of {label} exceeds the cloud's limit of {as_size(limit_bytes)} {state}"
    raise PackageError(message, advice="exclude files with `exclude` or .orchestratorignore, or mount a bucket")
