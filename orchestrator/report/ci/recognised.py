"""Which CI this runs in, by the variables that each documents, and what it has been asked to write there.

Light: every command looks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class CiKind(StrEnum):
    """The CIs that have something of their own to write to."""

    NONE = "none"
    GITHUB = "github"
    GITLAB = "gitlab"


AUTO = "auto"
KINDS = (AUTO, *CiKind)
# The variable that is "true" in every job, and the one that names the root of the repository.
_KNOWN_BY = {
    CiKind.GITHUB: ("GITHUB_ACTIONS", "GITHUB_WORKSPACE"),
    CiKind.GITLAB: ("GITLAB_CI", "CI_PROJECT_DIR"),
}


@dataclass(frozen=True, slots=True)
class CiFiles:
    """What is written for a CI. `root`: the repository's folder, which paths are told from. `summary`: the file that
    GitHub shows as the job's summary. `junit`, `code_quality`: files that were asked for.
    """

    kind: CiKind = CiKind.NONE
    root: Path | None = None
    summary: Path | None = None
    junit: Path | None = None
    code_quality: Path | None = None

    def path_of(self, file: str) -> str:
        """Give the path of a file from the repository's root, with slashes; as it is where it lies elsewhere."""
        path = Path(os.path.abspath(file))  # noqa: PTH100 - links stay as they were named
        if self.root is not None and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return file


NO_CI = CiFiles()


def recognised(
    asked: str, environ: Mapping[str, str], *, junit: Path | None = None, code_quality: Path | None = None
) -> CiFiles:
    """Say which CI this is. `asked`: one of `KINDS`; "auto": what the environment says."""
    kind = CiKind(asked) if asked != AUTO else _found(environ)
    root = environ.get(_KNOWN_BY[kind][1], "") if kind in _KNOWN_BY else ""
    summary = environ.get("GITHUB_STEP_SUMMARY", "") if kind is CiKind.GITHUB else ""
    return CiFiles(
        kind, Path(root or os.getcwd()), Path(summary) if summary else None, junit, code_quality  # noqa: PTH109 - as it is named
    )  # fmt: skip


def _found(environ: Mapping[str, str]) -> CiKind:
    return next((kind for kind, (name, _) in _KNOWN_BY.items() if environ.get(name) == "true"), CiKind.NONE)
