"""Which CI this runs in, by the variables that each documents, and what it was asked to write there.

Keep the imports light: every command uses this.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class CiKind(StrEnum):
    """The CIs that we write special output for."""

    NONE = "none"
    GITHUB = "github"
    GITLAB = "gitlab"


AUTO = "auto"
KINDS = (AUTO, *(kind.value for kind in CiKind))  # plain texts: of an Enum, click would want the names
# The variable that is "true" in every job, and the one that names the root of the repository.
_KNOWN_BY = {
    CiKind.GITHUB: ("GITHUB_ACTIONS", "GITHUB_WORKSPACE"),
    CiKind.GITLAB: ("GITLAB_CI", "CI_PROJECT_DIR"),
}


@dataclass(frozen=True, slots=True)
class CiFiles:
    """What is written for a CI. `root`: the repository's folder, which paths are relative to. `summary`: the file that
    GitHub shows as the job's summary. `junit`, `code_quality`: the files that were asked for.
    """

    kind: CiKind = CiKind.NONE
    root: Path | None = None
    summary: Path | None = None
    junit: Path | None = None
    code_quality: Path | None = None

    def path_of(self, file: str) -> str:
        """Return a file's path relative to the repository's root, with slashes. A path outside it is unchanged."""
        path = Path(os.path.abspath(file))  # noqa: PTH100 - keeps the names of symbolic links
        if self.root is None:
            return file
        # The root may be named by a link, and the working folder, to which the path is relative, never is.
        for root in (self.root, self.root.resolve()):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return file


NO_CI = CiFiles()


def recognised(
    asked: str, environ: Mapping[str, str], *, junit: Path | None = None, code_quality: Path | None = None
) -> CiFiles:
    """Return which CI this is. `asked`: one of `KINDS`; "auto": decided by the environment."""
    kind = CiKind(asked) if asked != AUTO else _found(environ)
    root = environ.get(_KNOWN_BY[kind][1], "") if kind in _KNOWN_BY else ""
    summary = environ.get("GITHUB_STEP_SUMMARY", "") if kind is CiKind.GITHUB else ""
    return CiFiles(
        kind, Path(root or os.getcwd()), Path(summary) if summary else None, junit, code_quality  # noqa: PTH109 - keeps the names of symbolic links
    )  # fmt: skip


def _found(environ: Mapping[str, str]) -> CiKind:
    return next((kind for kind, (name, _) in _KNOWN_BY.items() if environ.get(name) == "true"), CiKind.NONE)
