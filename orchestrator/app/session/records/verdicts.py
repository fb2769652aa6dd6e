"""Known verifications before a plan: from this machine's journal, or else from the bucket's records."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from orchestrator.app.session.records.newest import newest_records
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError, JournalError
from orchestrator.journal.kept.verdicts import KnownVerdict
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.store import open_store
from orchestrator.model import Function, FunctionSpec, Rollout, Verdict
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.withdrawn import stands_for
from orchestrator.planning.meant import find
from orchestrator.planning.verifying import Verifying
from orchestrator.version.stamp import read_stamp


async def verifying_of(session: Session, specs: Iterable[FunctionSpec], live: LiveState, rollout: Rollout) -> Verifying:
    """Return which live Versions of a plan have passed their verification.

    Raises `JournalError`. Unreadable records are ignored: the Versions are verified again.
    """
    options = session.request.options
    rings = rollout.pin or rollout.two_phase
    latest = [live.latest(found.id) for found in _meant(specs, live)]
    stamped = (one for one in latest if one is not None and read_stamp(one.description) is not None)
    ours = [version_id for one in stamped for version_id in stands_for(one, live)]
    if not ours:
        return Verifying(skipped=options.no_verify, rings=rings)
    with open_store(session.request.state_dir, read_only=True) as store:
        known = store.verdicts(session.endpoint, ours)
    if missing := set(ours) - known.keys():
        known |= await _recorded(session, missing)
    passed = frozenset(one for one, verdict in known.items() if verdict.verdict is Verdict.PASSED)
    others = {one: _verdict_words(verdict) for one, verdict in known.items() if one not in passed}
    return Verifying(passed, others, skipped=options.no_verify, rings=rings)


def _meant(specs: Iterable[FunctionSpec], live: LiveState) -> list[Function]:
    found = [find(spec, live) for spec in specs if spec.verify is not None]
    return [function for function in found if isinstance(function, Function)]


def _verdict_words(known: KnownVerdict) -> str:
    why = f" ({known.reason})" if known.reason else ""
    if known.verdict is Verdict.FAILED:
        return f"failed its verification in run {known.run_id}{why}"
    return f"could not be verified in run {known.run_id}{why}"


async def _recorded(session: Session, desired: Collection[str]) -> dict[str, KnownVerdict]:
    """Read the verdicts of other machines' runs, and store them here unless this is a dry run."""
    found: dict[str, list[VersionVerified]] = {}
    try:
        async for run_id, events in newest_records(session):
            verified = [one for one in events if isinstance(one, VersionVerified) and one.version_id in desired]
            found |= {run_id: verified} if verified else {}
    except (CloudError, InterruptedRunError, ValueError) as error:
        session.messages.warn(f"the bucket's records of verified versions cannot be read: {error}")
    if found and not session.request.options.dry_run:
        try:
            with open_store(session.request.state_dir) as store:
                for run_id, verified in found.items():
                    store.learn_verdicts(session.endpoint, run_id, verified)
        except JournalError as error:
            session.messages.warn(f"could not store here the verifications from the bucket's records: {error.message}")
    dated = [(one.at, run_id, one) for run_id, those in found.items() for one in those]
    dated.sort(key=lambda row: row[:2])  # at the same moment, the one written last counts
    return {one.version_id: KnownVerdict(one.verdict, one.reason, run_id) for _, run_id, one in dated}
