"""What lies around a source: the project that links may not leave, and what in it is ours."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orchestrator.package.entry import printable


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sources of a run have around them. `top`: the folder of the main manifest, from which ignore files
    count (None: the folder of the manifest that declares the source). `own`: device and inode of the manifest's files
    and of the state folder.
    """

    top: str | None = None
    own: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(cls, top: Path, own: Iterable[Path]) -> Surroundings:
        """Look at the files and folders that are ours; what is not there is nobody's."""
        places = set()
        for path in own:
            with suppress(OSError):
                status = path.stat()
                places.add((status.st_dev, status.st_ino))
        return cls(absolute_path(top), frozenset(places))


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
