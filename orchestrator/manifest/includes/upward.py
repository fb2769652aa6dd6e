"""Which manifest is meant where none is named: that of this folder, else the nearest one upwards, as git does it."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "deploy.toml"


def nearest_manifest() -> Path:
    """Give the manifest of this folder, or of the nearest folder above it that has one, as it would be typed. Where no
    folder has one that of this folder is meant.
    """
    try:
        here = Path.cwd()
    except OSError:  # the current folder is gone
        return Path(NAME)
    for above in (here, *here.parents):
        if (above / NAME).is_file():
            return Path(os.path.relpath(above / NAME, here))
    return Path(NAME)
