"""The manifest that is used if none is named: that of this folder, otherwise the nearest one upwards, as in git."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "deploy.toml"


def nearest_manifest() -> Path:
    """Return the manifest of this folder, or of the nearest folder above that has one, as it would be typed. If there
    is none, return that of this folder.
    """
    try:
        here = Path.cwd()
    except OSError:  # the current folder was deleted
        return Path(NAME)
    for above in (here, *here.parents):
        if (above / NAME).is_file():
            return Path(os.path.relpath(above / NAME, here))
    return Path(NAME)
