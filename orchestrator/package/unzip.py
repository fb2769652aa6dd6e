"""Reads a zip that somebody else made, trusting nothing in it. Nothing is ever unpacked to disk or held whole."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from orchestrator.errors import PackageError
from orchestrator.package.entry import Entry, Mistakes, name_mistake, printable, refuse_unpacked, refuse_zipped

# Others are not read everywhere, and zipfile would unpack what they hide into memory at once.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ADVICE = "make the zip anew, or name the folder that it was made of as `source`"


@contextmanager
def unzipped(path: Path, label: str, *, links: bool) -> Iterator[list[Entry]]:
    """Give the files of a zip; they can be read until the context ends. `links`: whether it may hold symbolic links.
    Raises `PackageError` where it is no zip, or one that nobody should unpack.
    """
    refuse_zipped(path.stat().st_size, label)
    try:
        archive = zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackageError(f"{label} holds names that are not UTF-8", advice=_ADVICE) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise PackageError(f"{label} is not a valid zip: {error}", advice=_ADVICE) from error
    except OSError as error:
        raise PackageError(f"{label} cannot be read: {error.strerror or error}", advice=_ADVICE) from error
    with archive:
        yield _entries(archive, label, links=links)


def _entries(archive: zipfile.ZipFile, label: str, *, links: bool) -> list[Entry]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    refuse_unpacked(sum(info.file_size for info in infos), label)
    mistakes = Mistakes()
    entries: dict[str, Entry] = {}
    for info in infos:
        reason = _mistake(info, links=links)
        if reason is None and info.filename in entries:
            reason = "is there twice"
        if reason is not None:
            mistakes.add(info.filename, f"{printable(info.orig_filename)} in {label} {reason}")
            continue
        mode = info.external_attr >> 16  # Unix mode, where the zip was made on a system that has it
        kind = "l" if stat.S_ISLNK(mode) else "x" if mode & stat.S_IXUSR else "-"
        opener = partial(archive.open, info)
        entries[info.filename] = Entry(info.filename, kind, f"{info.filename} in {label}", opener)
    mistakes.raise_any()
    return list(entries.values())


def _mistake(info: zipfile.ZipInfo, *, links: bool) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is compressed by method {info.compress_type}, not by deflate"
    if kind == stat.S_IFLNK and not links:
        return "is a link, which cannot be followed in a zip"
    if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
        return "is no regular file"
    return name_mistake(info.orig_filename)
