"""Files above a handler that belong in its package: the package.json or the requirements.txt of its project.

| a handler in a folder without one, below                  | source         | entry point         | files            |
| ---                                                       | ---            | ---                 | ---              |
| a package.json with `dependencies` or a `type`            | that folder    | src/a/index.handler | -                |
| any package.json: the src of it, or code that names `../` | that folder    | src/a/index.handler | -                |
| another package.json; one with `workspaces`               | its own folder | index.handler       | -                |
| a requirements.txt                                        | its own folder | index.handler       | requirements.txt |
| a requirements.txt, where its code imports `src` or `.`   | that folder    | src.index.handler   | -                |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.package.detect.languages import NODE_ENDINGS, CandidateFolder, FoundHandler, read_package_json
from orchestrator.version.runtimes import language

_PACKAGE, _REQUIREMENTS = "package.json", "requirements.txt"
_NAMES_ABOVE = re.compile(r"""(?:\brequire[ \t]*\(|\bfrom\b|\bimport\b[ \t]*\(?)[ \t]*["'`]\.\./""")


@dataclass(frozen=True, slots=True)
class Placed:
    """A handler, the folder that is packed for it, and the files that are added: the path in the package → a file."""

    handler: FoundHandler
    source: Path
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Above:
    """The nearest folders above that have a package.json or a requirements.txt. `is_needed`: whether code cannot run
    without that package.json.
    """

    package: Path | None = None
    is_needed: bool = False
    requirements: Path | None = None

    def with_folder(self, folder: CandidateFolder) -> Above:
        """Return what is above the folders in this one."""
        found = self
        if _PACKAGE in folder.names:
            content = read_package_json(folder)
            is_needed = bool(content.get("dependencies") or content.get("type"))
            found = replace(found, package=None if _patterns(content) else folder.path, is_needed=is_needed)
        return replace(found, requirements=folder.path) if _REQUIREMENTS in folder.names else found

    def place(self, folder: CandidateFolder, handler: FoundHandler) -> Placed:
        """Return what is packed for a handler that was found in a folder."""
        known = language(handler.runtime)
        if known == "nodejs" and self.package is not None and _PACKAGE not in folder.names:
            is_its_src = folder.path == self.package / "src"
            if self.is_needed or is_its_src or _NAMES_ABOVE.search(_text(folder, handler, NODE_ENDINGS)):
                inside = folder.path.relative_to(self.package).as_posix()
                return Placed(replace(handler, entrypoint=f"{inside}/{handler.entrypoint}"), self.package, {})
        elif known == "python" and self.requirements is not None and _REQUIREMENTS not in folder.names:
            parts = folder.path.relative_to(self.requirements).parts
            if _imports(_text(folder, handler, (".py",)), parts):
                dotted = ".".join((*parts, handler.entrypoint))
                return Placed(replace(handler, entrypoint=dotted), self.requirements, {})
            return Placed(handler, folder.path, {_REQUIREMENTS: self.requirements / _REQUIREMENTS})
        return Placed(handler, folder.path, {})


def workspace_tops(folder: CandidateFolder) -> frozenset[str]:
    """Return the top folders of a package.json's `workspaces`: `packages/*` is in packages."""
    if _PACKAGE not in folder.names:
        return frozenset()
    patterns = _patterns(read_package_json(folder))
    return frozenset(pattern.removeprefix("./").partition("/")[0] for pattern in patterns)


def _patterns(package: Mapping[str, Any]) -> list[str]:
    found = package.get("workspaces")
    found = found.get("packages") if isinstance(found, dict) else found
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _text(folder: CandidateFolder, handler: FoundHandler, endings: tuple[str, ...]) -> str:
    """Return the text of an entry point's file."""
    stem = handler.entrypoint.rpartition(".")[0]
    return next((text for ending in endings if (text := folder.text(f"{stem}{ending}"))), "")


def _imports(text: str, parts: tuple[str, ...]) -> bool:
    """Return whether Python code imports from its own package, or by the path from the project's folder."""
    if not all(part.isidentifier() for part in parts):
        return False
    names = rf"\.|{re.escape(parts[0])}\b"
    return re.search(rf"^(?:from[ \t]+(?:{names})|import[ \t]+{re.escape(parts[0])}\b)", text, re.MULTILINE) is not None
