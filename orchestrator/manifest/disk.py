"""What is on the disk at the paths in a manifest."""

from __future__ import annotations

import os
import shutil
import stat

from orchestrator.manifest.toml_files import shown


class Disk:
    """Looks up each path once. `has_sources`: sources must exist."""

    def __init__(self, *, has_sources: bool = True) -> None:
        self.has_sources = has_sources
        self._kinds: dict[str, str] = {}

    def kind(self, path: str) -> str:
        """Return "file", "folder", "other", or "" where nothing exists (or may be seen)."""
        kind = self._kinds.get(path)
        if kind is None:
            kind = self._kinds[path] = self._look(path)
        return kind

    @staticmethod
    def _look(path: str) -> str:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - there are thousands; strings are cheaper than Paths
        except OSError:
            return ""
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"

    def no_program(self, name: str, folder: str, *, made_later: bool = False) -> str:
        """Return why a command that runs in `folder` cannot start this program, "" where it can. `made_later`: a
        missing program may be created by a build.

        | program     | where                                | returns                            |
        | ---         | ---                                  | ---                                |
        | ./smoke.sh  | an executable file                   |                                    |
        | ./smoke.sh  | nothing there                        | does not exist                     |
        | ./smoke.sh  | a folder                             | is not a program                   |
        | ./smoke.sh  | a file that is not executable        | is not executable: chmod +x        |
        | curl        | in PATH                              |                                    |
        | smoke.sh    | not in PATH, but in the folder       | is not in PATH; did you mean ./…   |
        """
        path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118 - as elsewhere
        kind = self.kind(path)
        if "/" not in name:
            if shutil.which(name):
                return ""
            return f'"{name}" is not in PATH' + (f'; did you mean "./{name}"?' if kind == "file" else "")
        if not kind:
            return "" if made_later else f'"{shown(path)}" does not exist'
        if kind != "file":
            return f'"{shown(path)}" is not a program'
        return "" if os.access(path, os.X_OK) else f'"{shown(path)}" is not executable: `chmod +x {shown(path)}`'
