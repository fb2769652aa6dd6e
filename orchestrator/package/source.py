"""The content of a SourceCode: a folder, a single file or a zip, with `files` placed over it, as entries in order.

A zip is read entry by entry and not trusted: it is never unpacked to disk or held in memory as a whole.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from orchestrator.errors import PackageError
from orchestrator.model import Build, SourceCode
from orchestrator.package.entry import (
    Check,
    Entry,
    Mistakes,
    OnDisk,
    name_mistake,
    printable,
    refuse_unpacked,
    refuse_zipped,
)
from orchestrator.package.ignore_rules import FORMERLY_LEFT_OUT, Rules, parse, takes_nothing
from orchestrator.package.project import ALONE, Project, Surroundings, absolute_path
from orchestrator.package.walk import Walk, WalkNotes, file_entry, file_mistake


def is_untouched_zip(code: SourceCode) -> bool:
    """Return whether the source is a zip that is sent unchanged."""
    is_zip = code.source.suffix.lower() == ".zip" and code.source.is_file()
    return is_zip and not (code.include or code.exclude or code.files or code.into)


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a source, sorted by name; readable until its context ends. `former`: those by the rules before
    defaults, if they differ. `left_out`, `warnings`: see `Tree`. `rules`: for each excluded path, the rule.
    """

    entries: list[Entry]
    former: list[Entry]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def opened(code: SourceCode, check: Check, surroundings: Surroundings = ALONE) -> Iterator[Contents]:
    """Find the files of a source. Raises `PackageError` with everything that is wrong with the tree."""
    project = Project.of(code.root, surroundings)
    label = project.show(str(code.source))
    seen = WalkNotes()
    with ExitStack() as stack:
        rules = parse(code.include, code.exclude, _folder_of(code.source))
        entries = list(_source(code, rules, project, seen, check, stack))
        mistake, warning = takes_nothing(
            rules, [entry.name for entry in entries if entry.packed], tuple(seen.left_out), label
        )
        placed = _all_placed(code, project, seen, check)
        prefix = f"{code.into}/" if code.into else ""
        seen.mistakes.forget_replaced(
            {entry.name.removeprefix(prefix) for entry in placed if entry.name.startswith(prefix)}
        )
        if mistake:
            seen.mistakes.add("", mistake, "paths in `include` count from the source")
        seen.mistakes.raise_any()
        entries = [*_moved(entries, prefix, label), *placed]
        packed = {entry.name: entry for entry in entries if entry.packed}
        former = {entry.name: entry for entry in entries if entry.formerly}
        yield Contents(
            in_order(packed.values(), label),
            sorted(former.values(), key=_by_bytes) if packed != former else [],
            tuple(sorted(seen.left_out)),
            tuple(sentence for sentence in (warning, seen.isolated) if sentence),
            seen.left_out,
        )


def _moved(entries: list[Entry], prefix: str, label: str) -> list[Entry]:
    """Move a source into a folder of the package. Raises `PackageError` if the folder's name is not valid."""
    reason = name_mistake(f"{prefix}x")
    if reason is not None:
        raise PackageError(f'the `into` of {label}, "{printable(prefix)}", {reason}', advice="give it another name")
    return [entry._replace(name=f"{prefix}{entry.name}") for entry in entries] if prefix else entries


def label_of(code: SourceCode) -> str:
    """Return the name of a source in messages."""
    return Project.of(code.root).show(str(code.source))


def in_order(entries: Collection[Entry], label: str) -> list[Entry]:
    """Sort by the bytes of the names. Raises `PackageError` if the files cannot be in one package."""
    _refuse_conflicts({entry.name: entry for entry in entries})
    if not entries:
        advice = "check `source`, `include`, `exclude` and .orchestratorignore"
        raise PackageError(f"the package of {label} would be empty", advice=advice)
    return sorted(entries, key=_by_bytes)


def _by_bytes(entry: Entry) -> bytes:
    return entry.name.encode()


def _folder_of(source: Path) -> str:
    return absolute_path(source) if source.is_dir() else ""


def _source(
    code: SourceCode, rules: Rules, project: Project, seen: WalkNotes, check: Check, stack: ExitStack
) -> Iterator[Entry]:
    label = project.show(str(code.source))
    status, real = _named(code.source, label, project, code.build)
    if stat.S_ISDIR(status.st_mode):
        yield from Walk(project, seen, check, real).files(code.source, rules)
    elif stat.S_ISREG(status.st_mode) and code.source.suffix.lower() == ".zip":
        # A zip was made on purpose: only the manifest's rules apply, not the default exclusions.
        rules = replace(rules, defaults=False)
        untouched = is_untouched_zip(code)
        for entry in stack.enter_context(unzipped(code.source, label, links=untouched)):
            if untouched or (rules.takes(entry.name) and not _was_ours(entry.name)):
                yield entry
            else:
                ours = _was_ours(entry.name)
                seen.left_out[entry.name] = "by default" if ours else rules.why_out(entry.name, is_folder=False)
    else:
        yield from _single(code.source, code.source.name, status, rules, project)


def _was_ours(name: str) -> bool:
    return any(part in FORMERLY_LEFT_OUT for part in name.split("/"))


def _all_placed(code: SourceCode, project: Project, seen: WalkNotes, check: Check) -> list[Entry]:
    """Read all lines of `files`, in order: later ones replace earlier ones."""
    lines: dict[str, str] = {}
    placed: dict[tuple[str, bool], Entry] = {}
    for name, local in code.files:
        target = _target(name)
        is_folder = local.is_dir()
        into = target if is_folder or (target and not name.endswith("/")) else f"{target}/{local.name}".lstrip("/")
        if into in lines:
            both = f'"{printable(lines[into])}" and "{printable(name)}"'
            message = f'files: {both} place files at the same path, "{into or "."}"'
            raise PackageError(message, advice="remove one of them")
        lines[into] = name
        for entry in _overlay(into, local, project, seen, check):
            placed[entry.name, entry.packed] = entry
        if not is_folder and into != (formerly := target or local.name):
            # Earlier, a slash at the end was dropped, and the file got the folder's name.
            old = next(iter(_overlay(formerly, local, project, seen, check)), None)
            placed[into, True] = placed[into, True]._replace(formerly=False)
            if old is not None:
                placed[formerly, False] = old._replace(packed=False)
    return list(placed.values())


def _target(name: str) -> str:
    """Return the path in the package that a line of `files` names, "" for its top."""
    target = name.rstrip("/")
    while target.startswith("./"):
        target = target.removeprefix("./").lstrip("/")
    if target == "." or (not target and name.startswith("./")):
        return ""
    reason = "is empty" if not name else name_mistake(target or name)
    if reason is not None:
        advice = "write a path inside the package, such as `common/util.py`, or `.` for its top"
        raise PackageError(f'files: "{printable(name)}" {reason}', advice=advice)
    return target


def _overlay(into: str, local: Path, project: Project, seen: WalkNotes, check: Check) -> Iterator[Entry]:
    """Read what one line of `files` places at a path. `include` and `exclude` apply only to the source; a folder placed
    over it has its own .orchestratorignore.
    """
    status, real = _named(local, project.show(str(local)), project)
    rules = parse((), ())
    if stat.S_ISDIR(status.st_mode):
        prefix = f"{into}/" if into else ""
        yield from Walk(project, seen, check, real, prefix).files(local, rules)
    else:
        yield from _single(local, into, status, rules, project)


def _named(path: Path, label: str, project: Project, build: Build | None = None) -> tuple[os.stat_result, str]:
    """Look up what the manifest names. Returns its status and its real path."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        reason = "is a broken link" if path.is_symlink() else "does not exist"
        advice = "check the spelling; paths are relative to the manifest's file"
        if build is not None:
            ran = f"`{printable(build.command)}` in {project.show(str(build.folder))}"
            advice = f"{ran} did not create it: check where it puts its output, and in which `folder` it runs"
        raise PackageError(f"{label} {reason}", advice=advice) from error
    except OSError as error:
        raise PackageError(f"{label} cannot be read: {error.strerror}", advice="check where its links lead") from error
    real = project.named(path)
    if not real:
        message = f"{label} is, or is behind, a link that leaves the project ({project.border})"
        raise PackageError(message, advice="name the real path in the manifest")
    return status, real


def _single(path: Path, name: str, status: os.stat_result, rules: Rules, project: Project) -> Iterator[Entry]:
    label = project.show(str(path))
    if not rules.takes(name):
        return
    file = OnDisk(str(path), status, project.around.digests.known(str(path), status))
    reason = name_mistake(name) or file_mistake(file)
    if reason is not None:
        raise PackageError(f"{label} {reason}", advice="name a regular file or a folder that can be read")
    yield file_entry(file, name, project)


def _refuse_conflicts(entries: dict[str, Entry]) -> None:
    """Raise if a path is both a file and a folder, naming both."""
    folders: dict[str, Entry] = {}
    for name, entry in entries.items():
        if "/" in name:
            folders.setdefault(name.rpartition("/")[0], entry)
    for folder, entry in folders.items():
        for cut in (*(at for at, char in enumerate(folder) if char == "/"), len(folder)):
            if (other := entries.get(folder[:cut])) is not None:
                message = (
                    f'"{printable(folder[:cut])}" would be a file ({other.origin()}) and a folder'
                    f" (of {entry.origin()}) in one package"
                )
                advice = "give one of them another path in `files` (`folder/` puts a file into a folder), or exclude it"
                raise PackageError(message, advice=advice)


# Other methods are not supported everywhere, and zipfile would unpack hidden content into memory at once.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ADVICE = "create the zip again, or use the folder that it was made from as `source`"


@contextmanager
def unzipped(path: Path, label: str, *, links: bool) -> Iterator[list[Entry]]:
    """Yield the files of a zip; they can be read until the context ends. `links`: whether it may have symbolic links.
    Raises `PackageError` if it is not a zip, or not a safe one.
    """
    refuse_zipped(path.stat().st_size, label)
    try:
        archive = zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PackageError(f"{label} has names that are not UTF-8", advice=_ADVICE) from error
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
            reason = "is included twice"
        if reason is not None:
            mistakes.add(info.filename, f"{printable(info.orig_filename)} in {label} {reason}")
            continue
        mode = info.external_attr >> 16  # Unix mode, if the zip was made on a system with modes
        kind = "l" if stat.S_ISLNK(mode) else "x" if mode & stat.S_IXUSR else "-"
        opener = partial(archive.open, info)
        entries[info.filename] = Entry(info.filename, kind, partial(_within, info.filename, label), opener)
    mistakes.raise_any()
    return list(entries.values())


def _within(name: str, label: str) -> str:
    return f"{name} in {label}"


def _mistake(info: zipfile.ZipInfo, *, links: bool) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is compressed by method {info.compress_type}, not by deflate"
    if kind == stat.S_IFLNK and not links:
        return "is a link, which cannot be followed in a zip"
    if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
        return "is not a regular file"
    return name_mistake(info.orig_filename)
