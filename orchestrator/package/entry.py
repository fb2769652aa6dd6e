"""One file on its way into a package, the mistakes that keep files out of it, and how large a package may be."""

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
# Bounds of our own, so that a walk ends: far beyond any package that the cloud's limits above let through.
FILES_MAX = 100_000
LINKS_MAX = 5_000  # links to folders that are followed
MISTAKES_SHOWN = 10
MISTAKES_MAX = 1_000  # nobody reads on, and packages that link each other in circles make them without end
_ADVICE = "leave it out with `exclude` or .orchestratorignore, or lay real files in its place with `files`"

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")  # what most names are like, and can be

Check = Callable[[], None]  # called often while work goes on; raises where the work is no longer wanted


class OnDisk(NamedTuple):
    """A file of this machine. `status`: its stat, links followed; `digest`: the SHA-256 of its content, None where it
    has to be read for that.
    """

    path: str
    status: os.stat_result
    digest: bytes | None


class Entry(NamedTuple):
    """A file. `name`: its path in the package. `mode`: "-", "x" (executable), "l" (a link kept as such by a zip that
    is sent as it is). `origin`: gives where it comes from, for messages. `packed`: it goes into the package;
    `formerly`: it did, by the rules of before there were defaults. `file`: None of what lies in a zip.

    There are many: a tuple is made in half of the time of a dataclass.
    """

    name: str
    mode: str
    origin: Callable[[], str]
    open: Callable[[], IO[bytes]]
    packed: bool = True
    formerly: bool = True
    file: OnDisk | None = None

    def chunks(self, ended: Callable[[IO[bytes]], None] | None = None) -> Iterator[bytes]:
        """Read the content piece by piece. `ended`: is told once all is read, while the stream is open.

        Raises `PackageError` where it cannot be read.
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
            raise PackageError(message, advice="see that the file is whole and not being changed") from error


@dataclass(slots=True)
class Mistakes:
    """What is wrong with a tree: all of it is said at once. Keys are paths in the package."""

    found: dict[str, str] = field(default_factory=dict)
    advice: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, sentence: str, advice: str = _ADVICE) -> None:
        """Note a mistake. Raises them all once there are too many to go on."""
        self.found[name] = sentence
        self.advice[name] = advice
        if len(self.found) >= MISTAKES_MAX:
            self.raise_any()

    def forget_replaced(self, names: set[str]) -> None:
        """Forget mistakes at paths where other files are laid."""
        for path in list(self.found):
            if any(name == path or name.startswith(f"{path}/") for name in names):
                del self.found[path]

    def raise_any(self) -> None:
        """Raise `PackageError` with the first ten and the count, where there are any."""
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
    """Open a file of this machine for reading."""
    return open(path, "rb", buffering=0)  # noqa: PTH123 - thousands of them, and each is read in pieces


def printable(name: str) -> str:
    """Make a name fit for a terminal: what cannot be printed is escaped."""
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def name_mistake(name: str) -> str | None:
    """Say why a path cannot stand in a package; None where it can."""
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
        return "has an absolute path for a name"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return 'has an empty part, "." or ".." in its path'
    return None


def refuse_zipped(size_bytes: int, label: str) -> None:
    """Raise `PackageError` where a zip is over the limit."""
    if size_bytes > ZIPPED_MAX_BYTES:
        _refuse(label, ZIPPED_MAX_BYTES, "zipped")


def refuse_unpacked(size_bytes: int, label: str) -> None:
    """Raise `PackageError` where files are over the limit together."""
    if size_bytes > UNPACKED_MAX_BYTES:
        _refuse(label, UNPACKED_MAX_BYTES, "unpacked")


def _refuse(label: str, limit_bytes: int, state: str) -> None:
    message = f"the package of {label} is over the cloud's limit of {as_size(limit_bytes)} {state}"
    raise PackageError(message, advice="leave files out with `exclude` or .orchestratorignore, or mount a bucket")
