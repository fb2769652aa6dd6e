"""The surroundings of a source: the project that links may not leave, the files that are ours, and messages about
links.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson

from orchestrator.package.digests import NOTHING_KNOWN, Digests
from orchestrator.package.entry import printable


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sources of a run share. `top`: the folder of the main manifest, from which ignore files count (None: the
    folder of the manifest that declares the source). `own`: device and inode of the manifest's files and of the state
    folder. `digests`: known contents of files.
    """

    top: str | None = None
    own: frozenset[tuple[int, int]] = frozenset()
    digests: Digests = NOTHING_KNOWN

    @classmethod
    def of(cls, top: Path, own: Iterable[Path], digests: Digests = NOTHING_KNOWN) -> Surroundings:
        """Look up the files and folders that are ours. Missing ones are ignored."""
        places = set()
        for path in own:
            with suppress(OSError):
                status = path.stat()
                places.add((status.st_dev, status.st_ino))
        return cls(absolute_path(top), frozenset(places), digests)


ALONE = Surroundings()


@dataclass(frozen=True, slots=True)
class Project:
    """Where links may lead: the git work tree of the manifest, else the manifest's folder."""

    root: Path  # the manifest's folder: paths in messages are relative to it
    border: str  # a real path
    around: Surroundings = ALONE

    @classmethod
    def of(cls, root: Path, surroundings: Surroundings = ALONE) -> Project:
        return cls(root, _border(absolute_path(root)), surroundings)

    def way_to(self, path: str) -> tuple[str, ...]:
        """Return the folders from the manifest's down to the one of a path; none if the path is elsewhere."""
        for top in (self.around.top, absolute_path(self.root)):
            if top is not None and path.startswith(top.rstrip("/") + "/"):
                parts = path[len(top.rstrip("/")) + 1 :].split("/")[:-1]
                return tuple("/".join((top.rstrip("/"), *parts[:count])) or "/" for count in range(len(parts) + 1))
        return ()

    def holds(self, path: str, *also: str) -> bool:
        """Return whether a real path is in the project, or in one of the folders that the manifest itself names."""
        return any(path == place or path.startswith(place.rstrip("/") + "/") for place in (self.border, *also))

    def show(self, path: str) -> str:
        """Return a path as the manifest would write it, if it is below the manifest."""
        root = absolute_path(self.root)
        name = absolute_path(path)
        return printable(os.path.relpath(name, root) if name.startswith(root.rstrip("/") + "/") else name)

    def named(self, path: Path) -> str:
        """Return the real path of what the manifest names. A path outside the project is allowed. "" if a link inside
        the project leads out of it: the manifest does not show that.
        """
        real = os.path.realpath(path)
        inside = self.holds(absolute_path(path), absolute_path(self.root))
        return "" if inside and not self.holds(real) else real


@lru_cache(maxsize=16)  # called for each of many packages, with one answer per process
def _border(root: str) -> str:
    real = Path(os.path.realpath(root))
    return str(next((folder for folder in (real, *real.parents) if os.path.lexists(folder / ".git")), real))


def absolute_path(path: str | Path) -> str:
    """Return the absolute path as written."""
    return os.path.abspath(path)  # noqa: PTH100  # `resolve` would follow links: here the path must stay as written


def isolated(link: str, real: str, project: Project) -> str:
    """Return what a package lacks if its dependencies are beside the target of a link and not beside the link; "" if
    nothing. pnpm and similar tools have such stores: node_modules/.pnpm/a@1/node_modules/{a,b}.
    """
    store, found, name = real.rpartition("/node_modules/")
    if not found or "/node_modules/" not in link:
        return ""
    beside = f"{store}/node_modules"
    needed = _dependencies(real) if Path(real, "package.json").exists() else _others(beside, name.split("/")[0])
    missing = [one for one in needed if Path(beside, one).exists() and not _is_found(link, one)]
    if not missing:
        return ""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f"{project.show(link)} is a link into a package store ({project.show(real)}, as pnpm creates it): in the"
        f" package, {printable(missing[0])}{more}, which it may need, is not beside it; install with"
        " node-linker=hoisted (in .npmrc), or bundle the function"
    )


def _dependencies(folder: str) -> list[str]:
    try:
        found = orjson.loads(Path(folder, "package.json").read_bytes())["dependencies"]
        return sorted(str(name) for name in found)
    except (OSError, ValueError, KeyError, TypeError):  # it has none, or none that can be read
        return []


def _others(folder: str, name: str) -> list[str]:
    try:
        return sorted(other for other in os.listdir(folder) if other != name and not other.startswith("."))  # noqa: PTH208 - only names are needed
    except OSError:
        return []


def _is_found(link: str, name: str) -> bool:
    """Return whether a package is found from the place of the link: beside it, or in a node_modules further up."""
    folder = link
    while "/node_modules/" in folder:
        folder = folder.rpartition("/node_modules/")[0]
        if os.path.lexists(f"{folder}/node_modules/{name}"):
            return True
    return False


def looping(item: os.DirEntry[str]) -> str:
    """Return why a folder that is also one of its own parents cannot be packed."""
    if item.is_symlink():
        return f"is a link that loops (to {target_of(item.path)})"
    return "is reached again and again through a link above it that loops"


def unreachable(item: os.DirEntry[str], error: OSError) -> str:
    """Return why something cannot be read."""
    if not item.is_symlink():
        return f"cannot be read ({error.strerror})"
    target = target_of(item.path)
    if error.errno == errno.ELOOP:
        return f"is a link that loops (to {target})"
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"is a broken link (to {target})"
    return f"is a link that cannot be followed (to {target}: {error.strerror})"


def target_of(path: str) -> str:
    """Return the target of a link, safe for a message."""
    return printable(str(Path(path).readlink()))
