"""Reads back deletions: the deleted Versions must not be listed any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import anyio

from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.model import Failed, Failure, Outcome, Pruned, Step, Unit, Unknown
from orchestrator.resilience.groups import each

_AT_ONCE = 8
_WAITS_S = (0.5, 1.0, 2.0, 3.0, 3.5)  # between looks: listings may lag behind Operations


async def seen_gone(world: World, units: Iterable[Unit], outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the outcomes that reading back changes: of units that were pruned, or whose end was not seen.

    | was       | still listed         | is                               |
    | ---       | ---                  | ---                              |
    | pruned    | nothing              | pruned, read back                |
    | pruned    | some                 | failed, and names one            |
    | pruned    | cannot be read       | unknown: `resume` reads it back  |
    | unknown   | nothing              | pruned, read back                |
    | unknown   | some, or not known   | unknown                          |
    """
    left = [unit for unit in units if isinstance(outcomes[unit.key], Pruned | Unknown)]
    found: dict[str, Outcome] = {}
    still: dict[str, str] = {}

    async def look(unit: Unit) -> None:
        try:
            versions = await world.read(
                partial(world.functions.list_versions, unit.spec.folder_id, function_id=unit.function_id or "")
            )
        except CloudError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            versions = ()
        to_go = {version_id for change in unit.changes for version_id in change.before}
        if listed := [one.id for one in versions if one.id in to_go]:
            still[unit.key] = listed[0]
        else:
            found[unit.key] = Pruned(len(to_go), read_back=True)

    for wait_s in (*_WAITS_S, 0.0):
        still.clear()
        try:
            await each(left, look, at_once=_AT_ONCE)
        except (CloudError, InterruptedRunError) as error:
            reason = f"the remaining versions could not be read back: {error.message}"
            unseen = (unit.key for unit in left if unit.key not in found and isinstance(outcomes[unit.key], Pruned))
            return found | dict.fromkeys(unseen, Unknown(reason))
        left = [unit for unit in left if unit.key in still and isinstance(outcomes[unit.key], Pruned)]
        if not left:
            break
        await anyio.sleep(wait_s)
    for unit in left:
        failure = Failure(f"version {still[unit.key]} still exists", kind="not what was wanted", advice="prune again")
        found[unit.key] = Failed(Step.READ_BACK, failure)
    return found
