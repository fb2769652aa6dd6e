"""Reads a folder: the files that its rules allow. Links are followed if they stay inside the project."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from orchestrator.errors import PackageError
from orchestrator.package.entry import (
    FILES_MAX,
    LINKS_MAX,
    Check,
    Entry,
    Mistakes,
    OnDisk,
    name_mistake,
    open_binary,
)
from orchestrator.package.ignore_rules import IGNORE_FILE, Rules, Ruling, by_default, may_hold_secrets
from orchestrator.package.project import Project, absolute_path, isolated, looping, target_of, unreachable

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(slots=True)
class WalkNotes:
    """What the walks for one package find, besides files."""

    mistakes: Mistakes = field(default_factory=Mistakes)
    left_out: dict[str, str] = field(default_factory=dict)  # with the rule that excludes each
    files: int = 0
    followed: Counter[str] = field(default_factory=Counter)  # real paths of folders that links lead to
    isolated: str = ""  # a sentence about the first link into a package store


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    real: str  # the same without links: a path with many links takes longer to resolve
    name: str  # relative to where the walk began: "" or "a/b"
    rules: Rules
    above: tuple[tuple[int, int], ...]  # device and inode of each folder on the path, including this one
    packed: bool = True  # by the current rules
    formerly: bool = True  # by the rules before defaults


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through a folder. `prefix`: where the folder is in the package ("" or "common/")."""

    project: Project
    seen: WalkNotes
    check: Check
    granted: str  # the real path of the folder, as the manifest names it
    prefix: str = ""

    def files(self, path: Path, rules: Rules) -> Iterator[Entry]:
        """Find the files that are packed, in no order, and those that were packed by earlier rules. What cannot be
        packed is added to the mistakes. Raises `PackageError` if there are too many.
        """
        status = path.stat()
        pending = [
            _Folder(str(path), self.granted, "", self._with_rules_above(path, rules), ((status.st_dev, status.st_ino),))
        ]
        while pending:
            self.check()
            folder = pending.pop()
            for item, here in self._items(folder):
                own_name = _as_utf8(item.name)
                name = f"{folder.name}/{own_name}" if folder.name else own_name
                found = self._look(item, name, folder, here)
                if isinstance(found, Entry):
                    yield found
                elif found is not None:
                    pending.append(found)

    def _with_rules_above(self, path: Path, rules: Rules) -> Rules:
        place = absolute_path(path)
        for folder in self.project.way_to(place):
            file = os.path.join(folder, IGNORE_FILE)  # noqa: PTH118 - strings are cheaper than Paths
            try:
                lines = _ignore_lines(file)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise PackageError(f"{self.project.show(file)} cannot be read: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise PackageError(f"{self.project.show(file)} is not UTF-8", advice="save it as UTF-8") from error
            above = place[len(folder.rstrip("/")) + 1 :] + "/"
            rules = rules.below(above, lines, folder, self.project.show(file))
        return rules

    def _items(self, folder: _Folder) -> Iterator[tuple[os.DirEntry[str], Rules]]:
        try:
            with os.scandir(folder.path) as listing:
                items = list(listing)
            rules = folder.rules
            if any(item.name == IGNORE_FILE for item in items):
                file = f"{folder.path}/{IGNORE_FILE}"
                rules = rules.within(folder.name, _ignore_lines(file), folder.path, self.project.show(file))
        except OSError as error:
            if folder.packed:
                self._refuse(folder.path, folder.name, f"cannot be read ({error.strerror})")
        except UnicodeDecodeError:
            self._refuse(folder.path, folder.name, f"has an {IGNORE_FILE} that is not UTF-8")
        else:
            yield from ((item, rules) for item in items)

    def _look(self, item: os.DirEntry[str], name: str, folder: _Folder, rules: Rules) -> Entry | _Folder | None:
        try:
            status = item.stat()
        except OSError as error:
            # Its kind is not known, so a rule for either kind excludes it.
            kinds = (False, True)
            left_out = any(rules.excludes(name, is_folder=kind) for kind in kinds)
            if folder.packed and not left_out and any(rules.includes(name, is_folder=kind) for kind in kinds):
                self._refuse(item.path, name, unreachable(item, error))
            return None
        is_folder = stat.S_ISDIR(status.st_mode)
        place = (status.st_dev, status.st_ino)
        packed, formerly = self._judge(name, folder, rules, is_folder=is_folder, own=place in self.project.around.own)
        if not (packed or formerly):
            return None
        real = f"{folder.real.rstrip('/')}/{item.name}"
        real = os.path.realpath(real) if item.is_symlink() else real
        reason = name_mistake(name.rpartition("/")[2]) or self._border_mistake(item, real)
        if reason is None and is_folder:
            if place not in folder.above:
                if item.is_symlink():
                    self._follow(item, folder, real, packed=packed)
                return _Folder(item.path, real, name, rules, (*folder.above, place), packed, formerly)
            reason = looping(item)
        on_disk = OnDisk(item.path, status, self.project.around.digests.known(item.path, status))
        reason = reason or file_mistake(on_disk)
        if reason is not None:
            if packed:  # else only earlier rules packed it, and they would have failed too
                self._refuse(item.path, name, reason)
            return None
        self._count()
        entry = file_entry(on_disk, self.prefix + name, self.project)
        return entry if packed and formerly else entry._replace(packed=packed, formerly=formerly)

    def _judge(self, name: str, folder: _Folder, rules: Rules, *, is_folder: bool, own: bool) -> tuple[bool, bool]:
        """Return whether a path is packed, and whether it was packed earlier."""
        reached = rules.includes(name, is_folder=is_folder)
        verdict = rules.judge(name, is_folder=is_folder, own=own)
        packed = folder.packed and reached and verdict is not Ruling.OUT
        if folder.packed and not packed:
            out = f"{self.prefix}{name}{'/' if is_folder else ''}"
            self.seen.left_out[out] = rules.why_out(name, is_folder=is_folder)
        if packed and verdict is Ruling.IN and may_hold_secrets(name) and not rules.asks_for(name):
            self._ask(name, folder)
            return False, False
        formerly = folder.formerly and reached and verdict is not Ruling.OUT
        if folder.formerly and reached and (own or rules.is_new or by_default(name)):
            # A state folder with another name was never the same in two runs.
            formerly = not (own and is_folder) and not rules.formerly_excludes(name, is_folder=is_folder)
        return packed, formerly

    def _ask(self, name: str, folder: _Folder) -> None:
        """Let the user decide about a file that may hold secrets."""
        path = self.project.show(f"{folder.path}/{name.rpartition('/')[2]}")
        line = f"/{name}" if not self.prefix else f"/{name.rpartition('/')[2]}"
        if self.prefix:
            place = f"{self.project.show(folder.path)}/{IGNORE_FILE}"
            advice = f"add a line to {place}: `{line}` excludes it, `!{line}` packs it"
        else:
            advice = f'write exclude = ["{line}"] to exclude it, or exclude = ["!{line}"] to pack it'
        sentence = f"{path} may hold secrets, and no rule says whether it belongs in the package"
        self.seen.mistakes.add(f"{self.prefix}{name}", sentence, advice)

    def _count(self) -> None:
        self.seen.files += 1
        if self.seen.files > FILES_MAX:
            message = f"the package of {self.project.show(self.granted)} would have more than {FILES_MAX:,} files"
            raise PackageError(message + self._most_followed(), advice="exclude files with `exclude`, or bundle them")

    def _follow(self, item: os.DirEntry[str], folder: _Folder, real: str, *, packed: bool) -> None:
        """Record a link to a folder. Raises `PackageError` if there are so many that they must be circular."""
        self.seen.followed[self.project.show(real)] += 1
        if packed and not self.seen.isolated:
            self.seen.isolated = isolated(f"{folder.real}/{item.name}", real, self.project)
        if self.seen.followed.total() > LINKS_MAX:
            place = self.project.show(self.granted)
            message = f"more than {LINKS_MAX:,} links to folders would be followed below {place}"
            advice = "packages that link each other are packed in each other again: bundle them, or exclude the links"
            raise PackageError(message + self._most_followed(), advice=advice)

    def _most_followed(self) -> str:
        most = ", ".join(f"{name} ({count:,} times)" for name, count in self.seen.followed.most_common(3))
        return f"; links lead most often to {most}" if most else ""

    def _border_mistake(self, item: os.DirEntry[str], real: str) -> str | None:
        if not item.is_symlink() or self.project.holds(real, self.granted):
            return None
        target = target_of(item.path)
        return f"is a link that leaves the project (to {target}; the project is {self.project.border})"

    def _refuse(self, path: str, name: str, reason: str) -> None:
        self.seen.mistakes.add(f"{self.prefix}{name}", f"{self.project.show(path)} {reason}")


def file_mistake(file: OnDisk) -> str | None:
    """Return why something that is not a folder cannot be packed; None if it can."""
    if file.digest is not None:  # it was a readable file, and nothing in its stat has changed
        return None
    mode = file.status.st_mode
    if not stat.S_ISREG(mode):
        return f"is {_KINDS.get(stat.S_IFMT(mode), 'not a file')}, which a package cannot contain"
    if not os.access(file.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return "cannot be read (permission denied)"
    return None


def file_entry(file: OnDisk, name: str, project: Project) -> Entry:
    """Return the entry of a regular file. The owner's executable bit counts."""
    mode = "x" if file.status.st_mode & stat.S_IXUSR else "-"
    return Entry(name, mode, partial(project.show, file.path), partial(open_binary, file.path), file=file)


def _ignore_lines(file: str) -> list[str]:
    """Read an ignore file with any line endings, with or without a byte order mark."""
    with open_binary(file) as stream:
        text = stream.read().decode("utf-8-sig")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _as_utf8(name: str) -> str:
    # The bytes on the disk count, whatever encoding Python's locale used to decode them.
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")
