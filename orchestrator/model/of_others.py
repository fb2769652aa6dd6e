"""Live Functions that another environment declares. The chosen environment may not change them, as far as the files
say.
"""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.model.live import Function

ANY = ""  # in place of a folder or a name that the files leave open


def is_of_others(function: Function, of_others: Collection[tuple[str, ...]]) -> bool:
    """Return whether another environment declares a Function, see `Manifest.of_others`."""
    return ("id", function.id) in of_others or (function.folder_id, function.name) in of_others


def may_be_of_others(function: Function, of_others: Collection[tuple[str, ...]]) -> bool:
    """Return whether another environment may declare a Function, considering what the files leave open."""
    return any(one in of_others for one in ((ANY, ANY), (function.folder_id, ANY), (ANY, function.name)))
