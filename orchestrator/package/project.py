"""What lies around a source: the project that links may not leave, what in it is ours, and what is said of links."""

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
    """What all sources of a run have around them. `top`: the folder of the main manifest, from which ignore files
    count (None: the folder of the manifest that declares the source). `own`: device and inode of the manifest's files
    and of the state folder. `digests`: what is known of the contents of files.
    """

    top: str | None = None
    own: frozenset[tuple[int, int]] = frozenset()
    digests: Digests = NOTHING_KNOWN

    @classmethod
    def of(cls, top: Path, own: Iterable[Path], digests: Digests = NOTHING_KNOWN) -> Surroundings:
        """Look at the files and folders that are ours; what is not there is nobody's."""
        places = set()
        for path in own:
            with suppress(OSError):
                status = path.stat()
                places.add((status.st_dev, status.st_ino))
        return cls(absolute_path(top), frozenset(places), digests)


ALONE = Surroundings()


@dataclass(frozen=True, slots=True)
class Project:
    """What links may lead to: the git work tree that the manifest lies in, else the manifest's folder."""

    root: Path  # the manifest's folder: messages name paths relative to it
    border: str  # a real path
    around: Surroundings = ALONE

    @classmethod
    def of(cls, root: Path, surroundings: Surroundings = ALONE) -> Project:
        return cls(root, _border(absolute_path(root)), surroundings)

    def way_to(self, path: str) -> tuple[str, ...]:
        """Give the folders from the manifest's down to the one that a path lies in; none where it lies elsewhere."""
        for top in (self.around.top, absolute_path(self.root)):
            if top is not None and path.startswith(top.rstrip("/") + "/"):
                parts = path[len(top.rstrip("/")) + 1 :].split("/")[:-1]
                return tuple("/".join((top.rstrip("/"), *parts[:count])) or "/" for count in range(len(parts) + 1))
        return ()

    def holds(self, path: str, *also: str) -> bool:
        """Tell whether a real path lies in the project, or in one of the folders that the manifest itself names."""
        return any(path == place or path.startswith(place.rstrip("/") + "/") for place in (self.border, *also))

    def show(self, path: str) -> str:
        """Name a path as the manifest would, where it is below the manifest."""
        root = absolute_path(self.root)
        name = absolute_path(path)
        return printable(os.path.relpath(name, root) if name.startswith(root.rstrip("/") + "/") else name)

    def named(self, path: Path) -> str:
        """Give the real path of what the manifest names. One outside the project is granted; "" where a link leads
        there from inside: the manifest does not show that.
        """
        real = os.path.realpath(path)
        inside = self.holds(absolute_path(path), absolute_path(self.root))
        return "" if inside and not self.holds(real) else real


@lru_cache(maxsize=16)  # asked for with each of many packages, and the same for as long as a process lives
def _border(root: str) -> str:
    real = Path(os.path.realpath(root))
    return str(next((folder for folder in (real, *real.parents) if os.path.lexists(folder / ".git")), real))


def absolute_path(path: str | Path) -> str:
    """Make a path absolute as it is written."""
    return os.path.abspath(path)  # noqa: PTH100  # `resolve` would follow links: here the path counts as it is written


def isolated(link: str, real: str, project: Project) -> str:
    """Say what a package lacks whose dependencies lie beside what a link leads to, not beside the link; "" for
    nothing. pnpm, and others that it has taught, lay their stores out so: node_modules/.pnpm/a@1/node_modules/{a,b}.
    """
    store, found, name = real.rpartition("/node_modules/")
    if not found or "/node_modules/" not in link:
        return ""
    beside = f"{store}/node_modules"
    needed = _dependencies(real) if Path(real, "package.json").exists() else _others(beside, name.split("/")[0])
    missing = [one for one in needed if Path(beside, one).exists() and not _lies_above(link, one)]
    if not missing:
        return ""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f"{project.show(link)} is a link into a store of packages ({project.show(real)}, as pnpm lays it out): in the"
        f" package, {printable(missing[0])}{more}, which it may need, is not beside it; install with"
        " node-linker=hoisted (in .npmrc), or bundle the function"
    )


def _dependencies(folder: str) -> list[str]:
    try:
        found = orjson.loads(Path(folder, "package.json").read_bytes())["dependencies"]
        return sorted(str(name) for name in found)
    except (OSError, ValueError, KeyError, TypeError):  # it has none, or nothing that anybody could read
        return []


def _others(folder: str, name: str) -> list[str]:
    try:
        return sorted(other for other in os.listdir(folder) if other != name and not other.startswith("."))  # noqa: PTH208 - names are wanted
    except OSError:
        return []


def _lies_above(link: str, name: str) -> bool:
    """Tell whether a package is found from where the link is: beside it, or in a node_modules further up."""
    folder = link
    while "/node_modules/" in folder:
        folder = folder.rpartition("/node_modules/")[0]
        if os.path.lexists(f"{folder}/node_modules/{name}"):
            return True
    return False


def looping(item: os.DirEntry[str]) -> str:
    """Say why a folder that is one of those above it cannot be packed."""
    if item.is_symlink():
        return f"is a link that loops (to {target_of(item.path)})"
    return "is reached again, without end, through a link above it that loops"


def unreachable(item: os.DirEntry[str], error: OSError) -> str:
    """Say why something cannot be looked at."""
    if not item.is_symlink():
        return f"cannot be read ({error.strerror})"
    target = target_of(item.path)
    if error.errno == errno.ELOOP:
        return f"is a link that loops (to {target})"
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"is a link that leads nowhere (to {target})"
    return f"is a link that cannot be followed (to {target}: {error.strerror})"


def target_of(path: str) -> str:
    """Give what a link says, fit for a message."""
    return printable(str(Path(path).readlink()))
