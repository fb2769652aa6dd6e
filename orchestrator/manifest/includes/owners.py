"""The functions that a mistake concerns: those whose tables contain it, or none in particular."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orchestrator.errors import Mistake
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.tables import FunctionTable

# Keys that identify the Function, and decide whether a selection includes it.
_TELLING = ("name", "id", "folder_id", "labels")


class TablePlace(NamedTuple):
    """The table that a path leads into. `kind`: "defaults", "templates", "functions", "each", or "" for none of them;
    `name`: the table's, "" where the path ends before it; `rest`: the path inside the table.
    """

    kind: str
    name: str
    rest: KeyPath


def place_in(path: KeyPath) -> TablePlace:
    """Return which table of the file, or of an environment, a path leads into."""
    if path[:1] == ("environments",) and len(path) > 2:
        path = path[2:]
    if path[:1] == ("defaults",):
        return TablePlace("defaults", "", path[1:])
    if path[:1] == ("each",):
        rest = path[4:] if path[2:3] == ("rows",) else path[2:]
        return TablePlace("each", str(path[1]) if len(path) > 1 else "", rest)
    if path and path[0] in ("templates", "functions"):
        return TablePlace(str(path[0]), str(path[1]) if len(path) > 1 else "", path[2:])
    return TablePlace("", "", path)


class Owners:
    """Finds the functions that a mistake concerns. `elsewhere`: those that do not exist in this environment."""

    def __init__(self, drafts: Mapping[str, Draft], elsewhere: Mapping[str, Draft]) -> None:
        self._drafts = drafts
        self._elsewhere = elsewhere

    def are(self, path: KeyPath, mistake: Mistake) -> bool:
        """Return whether a mistake stops only runs of certain functions: of none, if the template is unused, or the
        function does not exist in this environment.
        """
        place = place_in(path)
        if mistake.function or place.kind in ("defaults", "templates"):
            return True
        return place.kind == "functions" and (place.name in self._drafts or place.name in self._elsewhere)

    def of(self, path: KeyPath, mistake: Mistake) -> Iterable[str]:
        """Return the functions that a mistake concerns."""
        if mistake.function:
            return (mistake.function,)
        place = place_in(path)
        if place.kind == "functions":
            return (place.name,) if place.name in self._drafts else ()
        if place.kind not in ("defaults", "templates"):
            return ()
        within = {key: draft for key, draft in self._drafts.items() if mistake.file in draft.files}
        if place.kind == "defaults" or not place.name:
            return within
        return [key for key, draft in within.items() if place.name in draft.use]


def lost_by(path: KeyPath) -> tuple[str, ...]:
    """Return which parts of a function are not known if there is a mistake at this path."""
    rest = place_in(path).rest
    key = (rest[1:] if rest[:1] == ("cloud",) else rest)[:1]
    if not key or key[0] not in FunctionTable.model_fields:  # any of them may be meant
        return _TELLING
    return (str(key[0]),) if key[0] in _TELLING else ()
