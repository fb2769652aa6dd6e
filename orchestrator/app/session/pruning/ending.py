"""The end of a prune, before its run ends: objects of the bucket are deleted, and the quotas are read again.

A prune that is killed in between has not ended, so `resume` continues it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace

from orchestrator.app.session.leftovers.removing import remove_leftovers
from orchestrator.app.session.leftovers.stored import bucket_of, count_stored
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.pruning.planning import used
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, Exit, InterruptedRunError
from orchestrator.journal.state import RunState
from orchestrator.model import ChangeKind
from orchestrator.planning.prune.leftovers import PACKAGES, Removed, Total
from orchestrator.planning.prune.plan import UsageAfter
from orchestrator.report.views import CommandResult, ResultView, StorageView
from orchestrator.resilience.stop import StoppedError


@dataclass(slots=True)
class PruneEnd:
    """The last part of a prune's run `state`. Call it with the exit code of its Versions to get the one of all."""

    session: Session
    planned: Planned
    state: RunState
    removed: tuple[Removed, ...] | None = None
    left: dict[str, Total] | None = None  # in the bucket, by kind, listed again; None if that failed
    usage: list[UsageAfter] = field(default_factory=list)

    async def __call__(self, code: Exit) -> Exit:
        """Delete the objects. Versions that could not be deleted do not stop this; a stop from outside does."""
        access, found = bucket_of(self.session), self.planned.stored
        outside = self.session.stop.called_off or self.session.stop.lost
        stop = self.session.stop if outside else self.session.stop.successor()
        if found is not None and access is not None:
            self.removed = await remove_leftovers(access, found, stop, self.session.messages)
            code = _worse(code, _exit(self.removed, stopped=bool(stop.reason)))
        with suppress(StoppedError), stop.interruptible():
            if found is not None and access is not None and any(one.gone.number for one in self.removed or ()):
                with suppress(CloudError, InterruptedRunError):
                    self.left = await count_stored(access, packages=any(kind.kind == PACKAGES for kind in found.kinds))
            await self._ask_again()
        return code

    async def _ask_again(self) -> None:
        """Read the quotas again of which something was freed."""
        prune, live = self.planned.prune, self.planned.live
        if prune is None or not prune.usage:
            return
        deleted = {one.cloud_id: self._deleted(one.cloud_id) for one in prune.usage}
        if not any(deleted.values()):
            return
        now = {(one.cloud_id, one.quota): one.usage for one in await used(self.session, live, prune)}
        for one in prune.usage:
            read = now.get((one.cloud_id, one.quota))
            after = max(0.0, one.usage - deleted[one.cloud_id]) if read is None else read
            self.usage.append(UsageAfter(one, after, read=read is not None))

    def _deleted(self, cloud_id: str) -> int:
        """Count the Versions of a cloud that this run has deleted."""
        folders = {folder for folder, cloud in self.planned.live.clouds.items() if cloud == cloud_id}
        return sum(
            change.change.kind is ChangeKind.DELETE and change.outcome == "done"
            for unit in self.state.units.values()
            if unit.folder_id in folders
            for change in unit.changes
        )

    def shown(self, result: CommandResult) -> CommandResult:
        """Return the result of the run with the result of this part."""
        if not isinstance(result.view, ResultView):
            return result
        found = self.planned.stored
        storage = StorageView(found, self.removed, left=self.left) if found is not None else None
        return replace(result, view=replace(result.view, storage=storage, usage=tuple(self.usage)))


def _exit(removed: Collection[Removed], *, stopped: bool) -> Exit:
    if stopped and any(one.left for one in removed):
        return Exit.INTERRUPTED
    return Exit.FAILED if any(one.failed or one.left for one in removed) else Exit.DONE


def _worse(one: Exit, other: Exit) -> Exit:
    return Exit.INTERRUPTED if Exit.INTERRUPTED in (one, other) else one or other
