"""What is known of the runs of some Functions before a prune, from the journal here and the bucket's records.

| the bucket            | its records                                           | cover K runs                         |
| ---                   | ---                                                   | ---                                 |
| there is none         | none                                                  | no                                  |
| has no index of runs  | none                                                  | no                                  |
| has one               | all of which can be read                              | where K of them touched the function |
| has one               | one that it names is not there                        | where K newer ones touched it       |
| any                   | cannot be read, or are of a newer program             | nothing is pruned: exit 6           |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.records.recording import recorded_events, recorded_runs, records_folder
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, StartError
from orchestrator.journal.events import Event, RunStarted
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.planning.prune.finding import PrunedFunctions
from orchestrator.planning.prune.past import Past
from orchestrator.planning.prune.rule import UNRECORDED_DAYS, KnownNeeds, PrunePolicy
from orchestrator.ports import Records
from orchestrator.report.messages import with_facts
from orchestrator.resilience.groups import each

_AT_ONCE = 4  # records read at once: each may have many functions


@dataclass(frozen=True, slots=True)
class Runs:
    """What was found. `known`: by Function ID; `notes`: sentences about what is unknown."""

    known: Mapping[str, KnownNeeds]
    notes: tuple[str, ...] = ()


async def read_runs_of(session: Session, found: PrunedFunctions, policy: PrunePolicy) -> Runs:
    """Read the runs. Raises `JournalError`, `StartError`: versions of unknown runs would be deleted."""
    ids = frozenset(found.versions)
    names, versions = found.names, found.version_ids
    here, there = (Past(policy.runs, names, versions, journal=journal) for journal in (True, False))
    for chain in _journaled(session):
        here.take(chain)
        if all(map(here.is_known, ids)):
            break
    notes = await _recorded(session, there, ids)
    return Runs({function_id: _known(function_id, here, there, policy) for function_id in ids}, notes)


def _known(function_id: str, here: Past, there: Past, policy: PrunePolicy) -> KnownNeeds:
    """Combine both sources. The last run is the later of the two."""
    sources = [one for past in (here, there) if (one := past.by_function.get(function_id)) is not None]
    last = max((one for one in sources if one.at is not None), key=lambda one: one.at or 0.0, default=None)
    recorded = there.by_function.get(function_id)
    return KnownNeeds(
        frozenset[str]().union(*(one.needed for one in sources)),
        recorded is not None and recorded.runs >= policy.runs,
        last.left_alone if last is not None else "",
        spans=frozenset[tuple[str, str]]().union(*(one.spans for one in sources)),
    )


def _journaled(session: Session) -> Iterator[RunState]:
    """Yield the chains of this installation in the journal, newest first."""
    with open_store(session.request.state_dir, read_only=True) as store:
        for run in store.runs():
            if run.endpoint == session.endpoint and not run.taken_up_by:
                yield store.chain_state(run.id)


async def _recorded(session: Session, past: Past, ids: frozenset[str]) -> tuple[str, ...]:
    """Add the records, newest first. Return sentences about what they do not cover."""
    records, days = bucket_records(session.world), f"only what is older than {UNRECORDED_DAYS} days is deleted"
    if records is None:
        return (f"without a bucket it is not known what runs of other machines need: {days}",)
    try:
        rows = await recorded_runs(session, records)
        if rows is None:
            return (f"the bucket has no run records yet: {days}",)
        chains = _Chains(session, records, past)
        for first in range(0, len(rows), _AT_ONCE):
            await chains.read(rows[first : first + _AT_ONCE])
            if not chains.waiting and all(map(past.is_known, ids)):
                break
        chains.end()
    except CloudError as error:
        raise StartError(
            f"the run records in the bucket cannot be read: {with_facts(error)}",
            advice=error.advice or "nothing was deleted: the records show what is still needed",
        ) from error
    if not chains.missing:
        return ()
    named = ", ".join(chains.missing[:3]) + (f" and {len(chains.missing) - 3} more" if len(chains.missing) > 3 else "")
    return (f"the bucket has no record of run {named}: for functions without {past.runs} newer runs, {days}",)


@dataclass(slots=True)
class _Chains:
    """Joins runs of the records into chains. A run that resumed another one comes before it."""

    session: Session
    records: Records
    past: Past
    missing: list[str] = field(default_factory=list)
    waiting: dict[str, list[list[Event]]] = field(default_factory=dict)  # by the ID of the run that they resumed

    async def read(self, run_ids: Sequence[str]) -> None:
        """Read some runs, newest first. Raises `CloudError`, `StartError`."""
        found = dict[str, list[Event]]()

        async def one(run_id: str) -> None:
            try:
                found[run_id] = await recorded_events(self.session, self.records, run_id, keep=True)
            except ValueError as error:
                key = f"{records_folder(self.session)}{run_id}.json"
                raise StartError(
                    f"the record of run {run_id} in the bucket cannot be read: {error}",
                    advice=f"upgrade orchestrator, or delete {key} there: the record then counts as missing",
                ) from error

        await each(run_ids, one, at_once=_AT_ONCE)
        for run_id in run_ids:
            if events := found.pop(run_id):
                self._take(events)
            else:
                self.missing.append(run_id)
                self.past.gap = True

    def _take(self, events: list[Event]) -> None:
        started = events[0]
        if not isinstance(started, RunStarted):
            return
        for later in reversed(self.waiting.pop(started.run_id, [])):
            events += later
        if started.resumes:
            self.waiting.setdefault(started.resumes, []).append(events)
        else:
            self.past.take(fold(events))

    def end(self) -> None:
        """Add the runs that resumed runs without a record."""
        for chains in self.waiting.values():
            for events in chains:
                self.past.take(fold(events))
        self.waiting.clear()
