"""Sentences about links: those that cannot be followed, and those that a package breaks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import orjson

from orchestrator.package.entry import printable
from orchestrator.package.project import Project


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
