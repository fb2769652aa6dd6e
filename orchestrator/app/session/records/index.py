"""The index of the run records in the bucket. It is changed by compare-and-set, since several machines write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from orchestrator.engine.world import World
from orchestrator.journal.record import encode_index, read_index
from orchestrator.ports import Records

IndexRow = Mapping[str, Any]
_TRIES = 8


async def change_index(
    records: Records, key: str, change: Callable[[list[IndexRow]], list[IndexRow]], world: World
) -> bool:
    """Change the rows of the index. `change` returns the new rows from the old ones, newest first; nothing is written
    without a difference. Return False where others keep changing it.

    Raises `CloudError`.
    """
    for _ in range(_TRIES):
        found = await world.read(partial(records.read, key))
        rows = read_index(found[0] if found else b"")
        changed = change(rows)
        if changed == rows:
            return True
        body = encode_index(changed)
        if found is None:
            made = await world.read(partial(records.create, key, body))
        else:
            made = await world.read(partial(records.replace, key, body, found[1]))
        if made is not None:
            return True
    return False
