"""Which Functions our own runs have made public, as far as the journal here and the bucket's records show."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.app.session.records.newest import newest_records
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.function.access import opens
from orchestrator.journal.events import Requested, UnitPlanned
from orchestrator.journal.state import fold
from orchestrator.journal.store import Store, has_journal, open_store
from orchestrator.model import Change, ChangeKind, Deployed, Function, FunctionSpec
from orchestrator.model.live_state import LiveState
from orchestrator.planning.meant import find


async def opened_by_runs(session: Session, specs: Iterable[FunctionSpec], live: LiveState) -> frozenset[str]:
    """Return the IDs of public Functions that must not be public any more, and were made public by the last run of ours
    that changed their access. Nothing is read where there are no such Functions.

    Raises `JournalError`.
    """
    found = [function for spec in specs if spec.public is False and isinstance(function := find(spec, live), Function)]
    asked = {function.id for function in found if function.public}
    if not asked:
        return frozenset()
    last = dict[str, bool]()  # whether our last change has made it public
    if has_journal(session.request.state_dir):
        with open_store(session.request.state_dir, read_only=True) as store:
            for function_id, (run_id, key) in store.access_asked(session.endpoint, asked).items():
                change = _last_change(store, run_id, key)
                if change is not None:
                    last[function_id] = opens(change)
    if asked - last.keys():
        last |= await _recorded(session, asked - last.keys())
    return frozenset(function_id for function_id, opened in last.items() if opened)


def _last_change(store: Store, run_id: str, key: str) -> Change | None:
    """Return the last change of access that a run requested for the unit with this key."""
    planned: tuple[Change, ...] = ()
    found = None
    for event in store.events_about(run_id, key):
        if isinstance(event, UnitPlanned) and event.key == key:
            planned = event.changes
        elif isinstance(event, Requested) and event.call == ChangeKind.ACCESS and event.change < len(planned):
            found = planned[event.change]
    return found


async def _recorded(session: Session, asked: set[str]) -> dict[str, bool]:
    """Search the rest in the records of the newest runs of other machines. Unreadable ones are reported and skipped."""
    found = dict[str, bool]()
    try:
        async for _run_id, events in newest_records(session):
            for unit in fold(events).units.values():
                changes = [one.change for one in unit.changes if one.change.kind is ChangeKind.ACCESS]
                if changes and unit.function_id in asked - found.keys() and isinstance(unit.outcome, Deployed):
                    found[unit.function_id] = opens(changes[-1])
            if asked <= found.keys():
                break
    except (CloudError, InterruptedRunError, ValueError) as error:
        session.messages.warn(
            f"which functions other machines have made public cannot be read from the bucket: {error}"
        )
    return found
