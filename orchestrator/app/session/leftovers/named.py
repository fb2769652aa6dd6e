"""What a manifest mentions in its text: for another environment, in a disabled table, in a comment."""

from __future__ import annotations

import re

from orchestrator.errors import StartError
from orchestrator.model import Manifest


def named_in(manifest: Manifest, pattern: re.Pattern[str]) -> frozenset[str]:
    """Return everything that matches a pattern in the files of a manifest, which were read before.

    Raises `StartError` where one cannot be read any more: what it mentions must be kept.
    """
    found = set[str]()
    for path in manifest.files:
        try:
            found.update(pattern.findall(path.read_text("utf-8", errors="replace")))
        except OSError as error:
            raise StartError(
                f"{path} cannot be read any more, so its references are unknown: {error.strerror or error}",
                advice="nothing was deleted; restore the file, then prune again",
            ) from error
    return frozenset(found)
