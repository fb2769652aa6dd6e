"""What is known of the runs of some Functions before a prune: of the journal here, and of the bucket's records.

| the bucket            | its records                                           | tell of K runs                      |
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
from functools import partial

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, StartError
from orchestrator.journal.events import Event, RunStarted
from orchestrator.journal.record import read_index, read_record
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.planning.prune.past import Past
from orchestrator.planning.prune.rule import UNRECORDED_DAYS, KnownNeeds, Policy
from orchestrator.ports import Records
from orchestrator.report.messages import with_facts
from orchestrator.resilience.groups import each

_AT_ONCE = 4  # records that are read: each may be of many functions


@dataclass(frozen=True, slots=True)
class Runs:
    """What was found. `known`: by Function id; `notes`: sentences about what nobody can tell."""

    known: Mapping[str, KnownNeeds]
    notes: tuple[str, ...] = ()


async def read_runs_of(
    session: Session, functions: Mapping[tuple[str, str], str], versions: Mapping[str, str], policy: Policy
) -> Runs:
    """Read them. `functions`, `versions`: see `Past`. Raises `JournalError`, `StartError`: what is not known would be
    deleted.
    """
    ids = frozenset(functions.values())
    here, there = (Past(policy.runs, functions, versions) for _ in range(2))
    for chain in _journaled(session):
        here.take(chain)
        if all(map(here.is_known, ids)):
            break
    notes = await _recorded(session, there, ids)
    return Runs({function_id: _known(function_id, here, there, policy) for function_id in ids}, notes)


def _known(function_id: str, here: Past, there: Past, policy: Policy) -> KnownNeeds:
    """Put together what both tell; of the last run, whichever knows of a later one."""
    told = [one for past in (here, there) if (one := past.told.get(function_id)) is not None]
    last = max((one for one in told if one.at is not None), key=lambda one: one.at or 0.0, default=None)
    recorded = there.told.get(function_id)
    return KnownNeeds(
        frozenset[str]().union(*(one.needed for one in told)),
        recorded is not None and recorded.runs >= policy.runs,
        last.left_alone if last is not None else "",
    )


def _journaled(session: Session) -> Iterator[RunState]:
    """Give the chains of this installation that stand in the journal, the newest first."""
    with open_store(session.request.state_dir, read_only=True) as store:
        for run in store.runs():
            if run.endpoint == session.endpoint and not run.taken_up_by:
                yield store.chain_state(run.id)


async def _recorded(session: Session, past: Past, ids: frozenset[str]) -> tuple[str, ...]:
    """Take in the records, the newest first. Gives sentences about what they do not tell."""
    records, days = bucket_records(session.world), f"only what is older than {UNRECORDED_DAYS} days goes"
    if records is None:
        return (f"without a bucket nobody can tell what runs of other machines need: {days}",)
    try:
        index = await session.world.read(partial(records.read, f"{_folder(session)}index.json"))
        if index is None:
            return (f"the bucket has no records of runs yet: {days}",)
        rows = [row["run_id"] for row in read_index(index[0]) if row["endpoint"] == session.endpoint]
        chains = _Chains(session, records, past)
        for first in range(0, len(rows), _AT_ONCE):
            await chains.read(rows[first : first + _AT_ONCE])
            if not chains.waiting and all(map(past.is_known, ids)):
                break
        chains.end()
    except CloudError as error:
        raise StartError(
            f"the records of runs in the bucket cannot be read: {with_facts(error)}",
            advice=error.advice or "nothing was deleted: what they need cannot be told without them",
        ) from error
    if not chains.missing:
        return ()
    named = ", ".join(chains.missing[:3]) + (f" and {len(chains.missing) - 3} more" if len(chains.missing) > 3 else "")
    return (f"the bucket has no record of run {named}: of functions without {past.runs} newer runs {days}",)


@dataclass(slots=True)
class _Chains:
    """Puts the runs of the records together to chains: one that took another up comes before it."""

    session: Session
    records: Records
    past: Past
    missing: list[str] = field(default_factory=list)
    waiting: dict[str, list[Event]] = field(default_factory=dict)  # by the id of the run that they took up

    async def read(self, run_ids: Sequence[str]) -> None:
        """Read some runs, the newest first. Raises `CloudError`, `StartError`."""
        bodies = dict[str, bytes]()

        async def one(run_id: str) -> None:
            found = await self.session.world.read(partial(self.records.read, self._key(run_id)))
            if found is not None:
                bodies[run_id] = found[0]

        await each(run_ids, one, at_once=_AT_ONCE)
        for run_id in run_ids:
            if run_id in bodies:
                self._take(run_id, bodies.pop(run_id))
            else:
                self.missing.append(run_id)
                self.past.gap = True

    def _key(self, run_id: str) -> str:
        return f"{_folder(self.session)}{run_id}.json"

    def _take(self, run_id: str, body: bytes) -> None:
        try:
            events = read_record(body)
        except ValueError as error:
            raise StartError(
                f"the record of run {run_id} in the bucket cannot be read: {error}",
                advice=f"upgrade orchestrator; or delete {self._key(run_id)} there: it counts as missing then",
            ) from error
        events += self.waiting.pop(run_id, [])
        started = events[0]
        if isinstance(started, RunStarted) and started.resumes:
            self.waiting[started.resumes] = events
        else:
            self.past.take(fold(events))

    def end(self) -> None:
        """Take in what took up runs of which there is no record."""
        for events in self.waiting.values():
            self.past.take(fold(events))
        self.waiting.clear()


def _folder(session: Session) -> str:
    return f"{session.world.storage.prefix}runs/"
