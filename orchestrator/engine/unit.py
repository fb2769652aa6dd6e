"""The life of one unit: its changes, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.engine.changes import Changes, Made
from orchestrator.engine.code import CodeOf
from orchestrator.engine.steps import At
from orchestrator.model import ChangeKind, Deployed, Unit


@dataclass(frozen=True, slots=True)
class Deployer:
    """Carries out units, one coroutine each."""

    changes: Changes
    code: CodeOf

    async def deploy(self, unit: Unit) -> Deployed:
        """Make the code of its Version ready where it makes one, then every change in its order.

        Raises what `Calls.run` raises; what was asked for by then is in flight there.
        """
        made = Made(unit.function_id or "", unit.base_version_id or "", {})
        for number, change in enumerate(unit.changes):
            if change.kind is ChangeKind.VERSION:
                # Before anything is asked of the cloud: a Function whose first package cannot be made is not created.
                with self.changes.calls.stop.interruptible():
                    made = replace(made, code=await self.code.of(unit, At(unit.key, number)))
        for number in range(len(unit.changes)):
            made = await self.changes.make(unit, At(unit.key, number), made)
        return Deployed(made.version_id)
