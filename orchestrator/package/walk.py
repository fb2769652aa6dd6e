"""Reads a folder: the files that its rules leave, links followed as long as they stay inside the project."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from orchestrator.package.entry import Check, Entry, Mistakes, name_mistake, open_binary, printable
from orchestrator.package.ignore_rules import IGNORE_FILE, Rules

_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True, slots=True)
class Project:
    """What links may lead to: the git work tree that the manifest lies in, else the manifest's folder."""

    root: Path  # the manifest's folder: messages name paths relative to it
    border: str  # a real path

    @classmethod
    def around(cls, root: Path) -> Project:
        return cls(root, _border(_absolute(root)))

    def holds(self, path: str, *also: str) -> bool:
        """Tell whether a real path lies in the project, or in one of the folders that the manifest itself names."""
        return any(path == place or path.startswith(place.rstrip("/") + "/") for place in (self.border, *also))

    def show(self, path: str) -> str:
        """Name a path as the manifest would, where it is below the manifest."""
        root = _absolute(self.root)
        name = _absolute(path)
        return printable(os.path.relpath(name, root) if name.startswith(root.rstrip("/") + "/") else name)

    def named(self, path: Path) -> str:
        """Give the real path of what the manifest names. One outside the project is granted; "" where a link leads
        there from inside: the manifest does not show that.
        """
        real = os.path.realpath(path)
        inside = self.holds(_absolute(path), _absolute(self.root))
        return "" if inside and not self.holds(real) else real


@lru_cache(maxsize=16)  # asked for with each of many packages, and the same for as long as a process lives
def _border(root: str) -> str:
    real = Path(os.path.realpath(root))
    return str(next((folder for folder in (real, *real.parents) if os.path.lexists(folder / ".git")), real))


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    name: str  # relative to where the walk began: "" or "a/b"
    rules: Rules
    above: tuple[tuple[int, int], ...]  # device and inode of each folder on the way, this one included


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through a folder. `prefix`: where the folder lies in the package ("" or "common/")."""

    project: Project
    mistakes: Mistakes
    check: Check
    granted: str  # the real path of the folder, as the manifest names it
    prefix: str = ""

    def files(self, path: Path, rules: Rules) -> Iterator[Entry]:
        """Find the files that go into the package, in no order. What cannot is added to the mistakes."""
        status = path.stat()
        pending = [_Folder(str(path), "", rules, ((status.st_dev, status.st_ino),))]
        while pending:
            self.check()
            folder = pending.pop()
            for item, here in self._items(folder):
                name = f"{folder.name}/{item.name}" if folder.name else item.name
                found = self._look(item, name, folder, here)
                if isinstance(found, Entry):
                    yield found
                elif found is not None:
                    pending.append(found)

    def _items(self, folder: _Folder) -> Iterator[tuple[os.DirEntry[str], Rules]]:
        try:
            with os.scandir(folder.path) as listing:
                items = list(listing)
            rules = folder.rules
            if any(item.name == IGNORE_FILE for item in items):
                text = Path(folder.path, IGNORE_FILE).read_text(encoding="utf-8-sig")
                rules = rules.within(folder.name, text.split("\n"))
        except OSError as error:
            self._refuse(folder.path, folder.name, f"cannot be read ({error.strerror})")
        except UnicodeDecodeError:
            self._refuse(folder.path, folder.name, f"has an {IGNORE_FILE} that is not UTF-8")
        else:
            yield from ((item, rules) for item in items)

    def _look(self, item: os.DirEntry[str], name: str, folder: _Folder, rules: Rules) -> Entry | _Folder | None:
        try:
            status = item.stat()
        except OSError as error:
            # What it would be is not known, so a rule for either kind leaves it out.
            kinds = (False, True)
            left_out = any(rules.excludes(name, is_folder=kind) for kind in kinds)
            if not left_out and any(rules.includes(name, is_folder=kind) for kind in kinds):
                self._refuse(item.path, name, _unreachable(item, error))
            return None
        is_folder = stat.S_ISDIR(status.st_mode)
        if rules.excludes(name, is_folder=is_folder) or not rules.includes(name, is_folder=is_folder):
            return None
        reason = name_mistake(_as_utf8(item.name)) or self._border_mistake(item)
        if reason is None and is_folder:
            place = (status.st_dev, status.st_ino)
            if place not in folder.above:
                return _Folder(item.path, name, rules, (*folder.above, place))
            reason = _loop(item)
        reason = reason or file_mistake(item.path, status)
        if reason is not None:
            self._refuse(item.path, name, reason)
            return None
        return file_entry(item.path, self.prefix + _as_utf8(name), status, self.project)

    def _border_mistake(self, item: os.DirEntry[str]) -> str | None:
        if not item.is_symlink() or self.project.holds(os.path.realpath(item.path), self.granted):
            return None
        target = _target(item.path)
        return f"is a link that leaves the project (to {target}; the project is {self.project.border})"

    def _refuse(self, path: str, name: str, reason: str) -> None:
        self.mistakes.add(f"{self.prefix}{name}", f"{self.project.show(path)} {reason}")


def file_mistake(path: str, status: os.stat_result) -> str | None:
    """Say why something that is no folder cannot be packed; None where it can."""
    if not stat.S_ISREG(status.st_mode):
        return f"is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no file')}, which a package cannot hold"
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return "cannot be read (permission denied)"
    return None


def file_entry(path: str, name: str, status: os.stat_result, project: Project) -> Entry:
    """Make the entry of a regular file; the owner's executable bit counts."""
    mode = "x" if status.st_mode & stat.S_IXUSR else "-"
    return Entry(name, mode, project.show(path), partial(open_binary, path))


def _loop(item: os.DirEntry[str]) -> str:
    if item.is_symlink():
        return f"is a link that loops (to {_target(item.path)})"
    return "is reached again, without end, through a link above it that loops"


def _unreachable(item: os.DirEntry[str], error: OSError) -> str:
    if not item.is_symlink():
        return f"cannot be read ({error.strerror})"
    target = _target(item.path)
    if error.errno == errno.ELOOP:
        return f"is a link that loops (to {target})"
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"is a link that leads nowhere (to {target})"
    return f"is a link that cannot be followed (to {target}: {error.strerror})"


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # `resolve` would follow links: here the path counts as it is written


def _target(path: str) -> str:
    return printable(str(Path(path).readlink()))


def _as_utf8(name: str) -> str:
    # The bytes on the disk count, whatever encoding the locale made Python read them with.
    return os.fsencode(name).decode("utf-8", "surrogateescape")
