"""What a manifest names in its text: for another environment, in a table that is switched off, in a comment."""

from __future__ import annotations

import re

from orchestrator.errors import StartError
from orchestrator.model import Manifest


def named_in(manifest: Manifest, pattern: re.Pattern[str]) -> frozenset[str]:
    """Give whatever fits a pattern in the files of a manifest, which have been read before.

    Raises `StartError` where one cannot be read any more: what it names has to stay.
    """
    found = set[str]()
    for path in manifest.files:
        try:
            found.update(pattern.findall(path.read_text("utf-8", errors="replace")))
        except OSError as error:
            raise StartError(
                f"{path} cannot be read any more, so what it names is not known: {error.strerror or error}",
                advice="nothing was deleted; prune again once the file is there",
            ) from error
    return frozenset(found)
