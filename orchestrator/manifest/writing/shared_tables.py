"""Where changes are made: in each function's own table, or in a shared one whose users all change the same value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft, Layer
from orchestrator.manifest.writing.changes import KeyChange, named_list
from orchestrator.manifest.writing.compact import Slot
from orchestrator.manifest.writing.editing import REMOVED, Edit


def edits_by_file(changes: Sequence[KeyChange], drafts: Mapping[str, Draft]) -> dict[str, list[Edit]]:
    """Return the edits by file. If all functions, of all `drafts`, that have a value from a shared table change it in
    the same way, the shared table is changed. Without drafts each function's own table is.
    """
    alike: dict[tuple[str, KeyPath, Slot, str], list[KeyChange]] = {}
    for change in changes:
        if change.origin is not None and not change.own and _may_be_shared(change):
            where = change.origin.file.path, change.origin.path, change.slot, repr(change.value)
            alike.setdefault(where, []).append(change)
    shared: set[int] = set()
    edits: dict[str, list[Edit]] = {}
    for (file, path, slot, _), group in alike.items():
        if {change.function for change in group} == _users(drafts.values(), group[0].origin, slot):
            shared |= {id(change) for change in group}
            edits.setdefault(file, []).append(Edit((*path, *slot), group[0].value))
    for change in changes:
        if id(change) not in shared:
            edits.setdefault(change.file, []).extend(change.edits)
    return edits


def _may_be_shared(change: KeyChange) -> bool:
    """Return whether a change can be made in a shared table. Not if it is in an item of a list, or if it removes an
    entry that a table needs.
    """
    origin = change.origin
    if (
        change.edits[:1]
        and change.edits[0].path[0] == "environments"
        and (origin is None or origin.path[0] != "environments")
    ):
        return False  # other environments have it too
    if change.value is REMOVED:
        return len(change.slot) == 1 or change.slot[0] in ("environment", "labels", "named_service_accounts")
    return not named_list(change.slot[0])


def _users(drafts: Iterable[Draft], layer: Layer | None, slot: Slot) -> set[str]:
    """Return the functions that have a value from this table."""
    found = set()
    for draft in drafts:
        having = (one for one in reversed(draft.layers) if one.has(slot))
        if next(having, None) is layer:
            found.add(draft.key)
    return found
