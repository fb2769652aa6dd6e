"""Functions that were deleted and created again under the same name, as far as this tool's runs show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.app.session.records.newest import newest_records
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError, JournalError
from orchestrator.journal.events import OperationAccepted
from orchestrator.journal.kept.deployed import DeployedByRun, DeployedFunction, StampedFunction
from orchestrator.journal.store import open_store
from orchestrator.model import Function, FunctionSpec
from orchestrator.model.live_state import LiveState, Replaced
from orchestrator.planning.meant import find
from orchestrator.version.stamp import read_stamp


async def with_replaced(session: Session, specs: Iterable[FunctionSpec], live: LiveState) -> LiveState:
    """Add to the live state which Functions of a plan are not those that were deployed under their names.

    The journal here knows these. The records in the bucket are read only where it reports one, since another machine
    may have created it. Unreadable records are ignored. Raises `JournalError`.
    """
    stamped = [one for one in (_stamped(spec, live) for spec in specs) if one is not None]
    if not stamped:
        return live
    with open_store(session.request.state_dir, read_only=True) as store:
        found = store.replaced(session.endpoint, stamped)
    if found:
        found = await _made_by_nobody(session, found, [one for one in stamped if one.function_id in found])
    return replace(live, replaced=found) if found else live


def _stamped(spec: FunctionSpec, live: LiveState) -> StampedFunction | None:
    function = find(spec, live)
    latest = live.latest(function.id) if isinstance(function, Function) else None
    if latest is None or read_stamp(latest.description) is None:
        return None
    return StampedFunction(spec.folder_id, spec.name, latest.function_id, latest.id)


async def _made_by_nobody(
    session: Session, found: dict[str, Replaced], doubtful: list[StampedFunction]
) -> dict[str, Replaced]:
    """Remove those that a run of another machine deployed, and store that here unless this is a dry run."""
    versions, ours = {one.version_id: one for one in doubtful}, dict[str, list[DeployedFunction]]()
    try:
        async for run_id, events in newest_records(session):
            deployed = DeployedByRun()
            for event in events:
                one = deployed(event)
                if one is not None and one.function_id in found:
                    ours.setdefault(run_id, []).append(one)
                if isinstance(event, OperationAccepted) and event.version_id in versions:
                    live = versions[event.version_id]
                    made = DeployedFunction(live.folder_id, live.name, live.function_id, event.at)
                    ours.setdefault(run_id, []).append(made)
    except (CloudError, InterruptedRunError, ValueError) as error:
        session.messages.warn(f"which functions other machines have made cannot be read from the bucket: {error}")
    if ours and not session.request.options.dry_run:
        try:
            with open_store(session.request.state_dir) as store:
                for run_id, those in ours.items():
                    store.learn_deployed(session.endpoint, run_id, those)
        except JournalError as error:
            session.messages.warn(f"could not store here what the bucket's records say of functions: {error.message}")
    known = {one.function_id for those in ours.values() for one in those}
    return {function_id: former for function_id, former in found.items() if function_id not in known}
