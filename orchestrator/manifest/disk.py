"""What is on the disk where a manifest says so."""

from __future__ import annotations

import os
import shutil
import stat

from orchestrator.manifest.toml_files import shown


class Disk:
    """What is at a path: asked once per path. `has_sources`: sources must be there."""

    def __init__(self, *, has_sources: bool = True) -> None:
        self.has_sources = has_sources
        self._kinds: dict[str, str] = {}

    def kind(self, path: str) -> str:
        """What it is: "file", "folder", "other", or "" where nothing is (or may be seen)."""
        kind = self._kinds.get(path)
        if kind is None:
            kind = self._kinds[path] = self._look(path)
        return kind

    @staticmethod
    def _look(path: str) -> str:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - thousands of them; strings are cheaper than Paths
        except OSError:
            return ""
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"

    def no_program(self, name: str, folder: str, *, made_later: bool = False) -> str:
        """Say why a command that runs in `folder` cannot begin with this program, "" where it can. `made_later`: one
        that is not there may be what a build makes.

        | program     | where                                | says                               |
        | ---         | ---                                  | ---                                |
        | ./smoke.sh  | a file that may be run               |                                    |
        | ./smoke.sh  | nothing there                        | does not exist                     |
        | ./smoke.sh  | a folder                             | is not a program                   |
        | ./smoke.sh  | a file without the right to run it   | may not be run: chmod +x           |
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
        return "" if os.access(path, os.X_OK) else f'"{shown(path)}" may not be run: `chmod +x {shown(path)}`'
