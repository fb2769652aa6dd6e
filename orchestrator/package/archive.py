"""Turns a SourceCode into its tree hash and its zip.

The zip is reproducible: sorted names, fixed time and modes, no extra fields. Equal trees make equal bytes with the same
version of zlib. The tree hash does not depend on zlib.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from orchestrator.errors import PackageError
from orchestrator.model import Package, SourceCode, Tree
from orchestrator.model.packed import DIGEST_CHARS
from orchestrator.package.digests import NOTHING_KNOWN, Digests
from orchestrator.package.entry import Check, Entry, open_binary, refuse_unpacked, refuse_zipped
from orchestrator.package.project import ALONE, Surroundings
from orchestrator.package.source import in_order, is_untouched_zip, label_of, opened, unzipped

_TREE_VERSION = b"orchestrator tree 1\n"  # part of the hash: raising it redeploys everything
_MODES = {"-": stat.S_IFREG | 0o644, "x": stat.S_IFREG | 0o755}
# Bounds for files that are read beside a package only to recognize it by the rules before defaults: caches, editor
# files.
FORMER_FILES_MAX = 1_000
FORMER_MAX_BYTES = 16 * 1024 * 1024
_UNIX = 3  # `create_system`: modes are read only if this says Unix


class _Hash:
    """The hash of a tree. Two different trees never give the same bytes: each name is preceded by its length, and the
    rest has a fixed length.
    """

    def __init__(self) -> None:
        self._tree = hashlib.sha256(_TREE_VERSION)

    def add(self, entry: Entry, content: bytes) -> None:
        name = entry.name.encode()
        self._tree.update(len(name).to_bytes(4, "big") + name + entry.mode.encode() + content)

    def hex(self) -> str:
        return self._tree.hexdigest()


class _Reader:
    """Reads entries to their ends, in order, and adds up what it really read."""

    def __init__(
        self,
        label: str,
        check: Check,
        digests: Digests = NOTHING_KNOWN,
        refuse: Callable[[int, str], None] = refuse_unpacked,
    ) -> None:
        self.size_bytes = 0
        self._digests = digests
        self._refuse = refuse
        self.contents: dict[str, bytes] = {}  # digests, by name
        self._label = label
        self._check = check
        self._tree = _Hash()

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content. Raises `PackageError` as soon as all content together exceeds the limit."""
        content, began_ns, after = hashlib.sha256(), self._digests.now_ns(), list[os.stat_result]()
        file = entry.file
        for chunk in entry.chunks((lambda stream: after.append(os.fstat(stream.fileno()))) if file else None):
            self._check()
            self._count(len(chunk))
            content.update(chunk)
            yield chunk
        digest = content.digest()
        if file is not None:
            self._digests.note(file.path, file.status, after[0], digest, began_ns)
        self.add(entry, digest)

    def take(self, entry: Entry) -> None:
        """Use the content's known digest, or read the content. Raises the same `PackageError`."""
        if entry.file is not None and entry.file.digest is not None:
            self._count(entry.file.status.st_size)
            self.add(entry, entry.file.digest)
            return
        for _ in self.chunks(entry):
            pass

    def add(self, entry: Entry, digest: bytes) -> None:
        """Add a file by the digest of its content."""
        self.contents[entry.name] = digest
        self._tree.add(entry, digest)

    def _count(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        self._refuse(self.size_bytes, self._label)

    def tree_hash(self) -> str:
        return self._tree.hex()


def scan(code: SourceCode, check: Check, surroundings: Surroundings = ALONE) -> Tree:
    """Read the tree. Raises `PackageError`."""
    with opened(code, check, surroundings) as contents:
        reader = _Reader(label_of(code), check, surroundings.digests)
        tree = _scan(contents.entries, reader)
        now, then = {entry.name for entry in contents.entries}, {entry.name for entry in contents.former}
        return replace(
            tree,
            left_out=contents.left_out,
            former_hash=_former_hash(contents.former, reader.contents, check, surroundings.digests),
            since_then=tuple(sorted(now ^ then)) if then else (),
            warnings=contents.warnings,
        )


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of a package. `mode`: "-", "x" (executable), "l" (a link in a zip). `sha256`: of its content."""

    name: str
    size_bytes: int
    mode: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PackageListing:
    """What a package would contain, sorted by name. `left_out`: paths, each with the rule that excludes it."""

    files: tuple[PackedFile, ...]
    tree: Tree
    left_out: Mapping[str, str]


def listing(code: SourceCode, check: Check, surroundings: Surroundings = ALONE) -> PackageListing:
    """Read the tree and return every file. Raises `PackageError`."""
    label = label_of(code)
    with opened(code, check, surroundings) as contents:
        reader, sizes = _Reader(label, check), dict[str, int]()
        for entry in contents.entries:
            sizes[entry.name] = sum(map(len, reader.chunks(entry)))
        files = tuple(
            PackedFile(entry.name, sizes[entry.name], entry.mode, reader.contents[entry.name].hex())
            for entry in contents.entries
        )
        return PackageListing(files, _tree_of(contents.entries, reader), dict(sorted(contents.rules.items())))


def _scan(entries: list[Entry], reader: _Reader) -> Tree:
    for entry in entries:
        reader.take(entry)
    return _tree_of(entries, reader)


def _tree_of(entries: list[Entry], reader: _Reader) -> Tree:
    digests = "".join(_known_by(entry, reader.contents[entry.name]) for entry in entries)
    return Tree(reader.tree_hash(), reader.size_bytes, tuple(entry.name for entry in entries), digests=digests)


def _known_by(entry: Entry, content: bytes) -> str:
    """Return the digest that distinguishes a file from others of its name: the parts of it that the tree hash uses."""
    return hashlib.sha256(entry.mode.encode() + content).hexdigest()[:DIGEST_CHARS]


def _former_hash(entries: list[Entry], known: Mapping[str, bytes], check: Check, digests: Digests) -> str:
    """Return the hash of the files that were packed by the earlier rules; "" if it is not needed, or if there are too
    many.
    """
    if not entries or sum(not entry.packed for entry in entries) > FORMER_FILES_MAX:
        return ""
    reader = _Reader("", check, digests, _refuse_former)
    try:
        for entry in entries:
            digest = known.get(entry.name) if entry.packed else None
            if digest is None:
                reader.take(entry)
            else:
                reader.add(entry, digest)
    except PackageError:  # packing it was allowed earlier, and leaving it out is allowed now
        return ""
    return reader.tree_hash()


def _refuse_former(size_bytes: int, _label: str) -> None:
    if size_bytes > FORMER_MAX_BYTES:
        raise PackageError("too large to compare")


def pack(code: SourceCode, folder: Path, check: Check, surroundings: Surroundings = ALONE) -> Package:
    """Write the zip into `folder`, named by its SHA-256. Raises `PackageError`; no partial file remains."""
    try:
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "w+b") as raw:
                untouched = is_untouched_zip(code)
                tree_hash = _copy(code, raw, part, check) if untouched else _write(code, raw, check, surroundings)
                raw.seek(0)
                sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
                size_bytes = raw.seek(0, os.SEEK_END)
            path = folder / f"{sha256}.zip"
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:  # only errors of writing: `Entry.chunks` reports errors of reading
        message = f"the package of {label_of(code)} cannot be written in {folder}: {error.strerror}"
        raise PackageError(message, advice="check that the disk is writable and has free space") from error
    return Package(path, sha256, size_bytes, tree_hash)


def _write(code: SourceCode, raw: IO[bytes], check: Check, surroundings: Surroundings) -> str:
    label = label_of(code)
    with opened(code, check, surroundings) as contents, zipfile.ZipFile(raw, "w") as archive:
        reader = _Reader(label, check)
        for entry in contents.entries:
            with archive.open(_info(entry), "w") as out:
                for chunk in reader.chunks(entry):
                    out.write(chunk)
                    refuse_zipped(raw.tell(), label)
    refuse_zipped(raw.tell(), label)
    return reader.tree_hash()


def _info(entry: Entry) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(entry.name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED  # at zlib's default level (6)
    info.create_system = _UNIX
    info.external_attr = _MODES[entry.mode] << 16
    return info


def _copy(code: SourceCode, raw: IO[bytes], part: Path, check: Check) -> str:
    """Copy a zip unchanged. The tree hash is computed from the copy: the original may change meanwhile."""
    label = label_of(code)
    for chunk in Entry(code.source.name, "-", lambda: label, partial(open_binary, code.source)).chunks():
        check()
        raw.write(chunk)
        refuse_zipped(raw.tell(), label)
    raw.flush()
    with unzipped(part, label, links=True) as entries:
        return _scan(in_order(entries, label), _Reader(label, check)).hash
