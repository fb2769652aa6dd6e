"""What this machine's journal, and the bucket's records of others, know of one function. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.app.session.identity import promote_line
from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.options import SANDBOX
from orchestrator.app.session.records.recording import recorded_events, recorded_runs
from orchestrator.app.session.session import Session
from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import JournalError, StartError
from orchestrator.journal.events import Event
from orchestrator.journal.functions.function_runs import FunctionNames, names_in, of_unit
from orchestrator.journal.identity import Selection
from orchestrator.journal.kept.verdicts import KnownVerdict
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.summaries import linked, summary_of
from orchestrator.model import FunctionSpec, SourceCode
from orchestrator.planning.resume import to_resume
from orchestrator.planning.selection import fitting, selectable_of
from orchestrator.planning.why.facts import Maker, PastRun, WaitingFor, WaitsFor
from orchestrator.planning.why.past_runs import continued, maker_of, past_run, utc
from orchestrator.planning.why.waiting import LiveRun, live_run, what_it_waits_for
from orchestrator.report.history import state_word

RUNS = 10  # to report
_LASTING = (
    WaitsFor.OPERATION,
    WaitsFor.END,
    WaitsFor.NOTHING,
    WaitsFor.ROLLBACK,
)  # states that a record reports reliably
_RECORDS = 10  # of other machines to read, newest first


@dataclass(slots=True)
class JournalSide:
    """The journal of a state folder, limited to one installation. A context manager: it is opened at the first use, and
    the list of its runs is read once, since a running run keeps writing.
    """

    state_dir: Path
    endpoint: str
    _opened: Store | None = None
    _runs: list[RunSummary] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _store(self) -> Store:
        """Return the journal. Raises `JournalError`, as does everything that reads it."""
        if self._opened is None:
            self._opened = open_store(self.state_dir, read_only=True)
        return self._opened

    def _all_runs(self) -> list[RunSummary]:
        if self._runs is None:
            self._runs = self._store().runs()
        return self._runs

    def summaries(self) -> list[RunSummary]:
        """Return the runs of the installation, newest first."""
        since = alive_since(self.state_dir)
        found = (run for run in self._all_runs() if run.endpoint == self.endpoint)
        return [replace(run, alive=run.started_at >= since) for run in found]

    def ids(self) -> set[str]:
        """Return the IDs of all runs."""
        return {run.id for run in self._all_runs()}

    def taken_up(self) -> set[str]:
        """Return the IDs of the runs that a run here has resumed or rolled back."""
        return {one for run in self._all_runs() for one in (run.resumes, run.rolls_back) if one}

    def find(self, is_meant: Callable[[FunctionNames], bool], needle: str) -> FunctionNames | None:
        """Return the names of a function from the newest run that included it."""
        store = self._store()
        for run in self.summaries():
            for found in store.functions_like(run.id, needle):
                if is_meant(found):
                    return found
        return None

    def known(self) -> Iterator[str]:
        """Yield the names of the functions of the newest runs, as suggestions."""
        store = self._store()
        for run in self.summaries()[:RUNS]:
            for one in store.functions_like(run.id, ""):
                yield from (one.key, one.name)

    def past(self, names: FunctionNames, lost: Callable[[JournalError], None]) -> list[PastRun]:
        """Return the newest runs that included the function. `lost` receives those that cannot be read."""
        made: list[PastRun] = []
        store = self._store()
        for run in self.summaries():
            try:
                found = _past_in(store, run, names)
            except JournalError as error:
                lost(error)
                continue
            if found is not None:
                by = run.rolled_back_by
                by = by if by and store.function_in(by, names) is not None else ""
                made.append(continued(found, taken_up_by=run.taken_up_by, rolled_back_by=by))
            if len(made) == RUNS:
                break
        return made

    def maker(self, version_id: str, created_at: str) -> Maker | None:
        """Return the run that made a Version, by searching all runs."""
        store = self._store()

        def read(runs: Iterable[tuple[str, str]]) -> list[PastRun]:
            found = list[PastRun | None]()
            for run_id, key in dict.fromkeys(runs):
                with suppress(JournalError):  # reported with the last runs; it must not hide others
                    found.append(past_run(store.events_about(run_id, key), key, state=""))
            return [one for one in found if one is not None]

        knowing = store.runs_that_made(self.endpoint, version_id)
        keys = {one.idempotency_key for run in read(knowing) for one in run.operations if one.version_id == version_id}
        sending = [run for key in keys - {""} for run in store.runs_that_sent(self.endpoint, key)]
        return maker_of(read([*knowing, *sending]), version_id, created_at)

    def verdict(self, version_id: str) -> KnownVerdict | None:
        """Return the last verdict on a Version's verification."""
        return self._store().verdicts(self.endpoint, [version_id]).get(version_id)

    def waiting(self, names: FunctionNames, spec: FunctionSpec | None) -> Iterator[WaitingFor]:
        """Yield what the function waits for in running or paused runs of this machine. `spec`: the manifest's, if
        any.
        """
        packs = spec is not None and isinstance(spec.code, SourceCode)
        since = alive_since(self.state_dir)
        store = self._store()
        for one in store.begun():
            about_it = spec is not None and _may_be_about(one.identity.selection, spec)
            if one.endpoint == self.endpoint and one.at >= since and not one.why and about_it:
                words = f"`{one.line}` has started and is still reading the live state, building and planning"
                yield WaitingFor("", WaitsFor.PLAN, words, since=utc(one.at))
        for run in self.summaries():
            under_way = run.alive and run.ended_at is None and not run.taken_up_by
            if not (under_way or run.paused):
                continue
            then = store.function_in(run.id, names)
            if then is None:
                continue
            live = _live_in(store, run, names)
            found = _paused(live, then.key) if run.paused else _waits(live, then.key, packs=packs)
            if found is not None:
                yield found


def _live_in(store: Store, run: RunSummary, names: FunctionNames) -> LiveRun:
    """Read a running chain with one function in full: the other records are only counted. The runs of a chain may have
    used other keys for it.
    """
    live = LiveRun()
    for run_id in store.chain(run.id):
        then = store.function_in(run_id, names)
        for event in store.events_about(run_id, then.key if then is not None else ""):
            live.hear(event)
        live.standings.begin_run()
        for mark in () if run.paused else store.unit_marks(run_id):
            live.standings.apply(mark)
    return live


def _past_in(store: Store, run: RunSummary, names: FunctionNames) -> PastRun | None:
    then = store.function_in(run.id, names)
    return past_run(store.events_about(run.id, then.key), then.key, state=state_word(run)) if then else None


def _may_be_about(selection: Selection, spec: FunctionSpec) -> bool:
    """Return whether a command without a plan yet may include a function: what a job or a file selects is unknown."""
    if selection.job or selection.plan or any("@" in pattern for pattern in selection.patterns):
        return True
    things = {spec.key: selectable_of(spec)}
    labelled = all(fitting(things, [f"label:{label}"]) for label in selection.labels)
    return labelled and (not selection.patterns or bool(fitting(things, selection.patterns)))


def _waits(live: LiveRun, key: str, *, packs: bool, who: str = "") -> WaitingFor | None:
    return what_it_waits_for(live, key, packs=packs, now_s=time.time(), who=who)


def _paused(live: LiveRun, key: str, *, who: str = "") -> WaitingFor | None:
    """Return that a unit waits for a user to continue its run, also where the pause cancelled it; None where it does
    not.
    """
    why = live.run.rollout.paused
    if why is None or key not in to_resume(live.run):
        return None
    words = f"run {live.run.run_id} is paused: {why.reason}"
    advice = f"continue with `{promote_line(live.run.run_id)}`"
    return WaitingFor(live.run.run_id, WaitsFor.APPROVAL, words, utc(why.at), utc(why.until), advice, who=who)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run of another machine, from its record: the part about the function, and all of it."""

    names: FunctionNames
    events: Sequence[Event]

    @property
    def run(self) -> RunState:
        """The run, limited to the function."""
        return fold(of_unit(self.events, self.names.key))

    @property
    def run_id(self) -> str:
        """The ID of the run."""
        return self.run.run_id

    def waiting(self, *, who: str) -> WaitingFor | None:
        """Return what the function waits for in this run, which is running if `who` holds its lease, else paused. A
        record is written only at waves, so it says nothing about calls that are sent in between.
        """
        live, key = live_run(self.events), self.names.key
        if not who:
            return _paused(live, key)
        found = _waits(live, key, packs=False, who=who)
        return found if found is not None and found.kind in _LASTING else None

    def past(self, run: RunSummary) -> PastRun | None:
        """Return the outcome of the function. `run`: this one among the reported ones."""
        events = of_unit(self.events, self.names.key)
        found = past_run(events, self.names.key, state=state_word(run), elsewhere=True)
        if found is None:
            return None
        return continued(found, taken_up_by=run.taken_up_by, rolled_back_by=run.rolled_back_by)

    def verdict(self, version_id: str) -> KnownVerdict | None:
        """Return its verdict on a Version's verification."""
        unit = self.run.units.get(self.names.key)
        said = unit.verdicts.get(version_id) if unit is not None else None
        return KnownVerdict(said.verdict, said.reason, self.run_id) if said is not None else None


def past_elsewhere(records: Iterable[Recorded], held: Container[str]) -> list[PastRun]:
    """Return the outcomes of the function in runs of other machines, and which of these resumed or rolled back which.
    `held`: the IDs of running runs.
    """
    by_id = {one.run_id: one for one in records}
    runs = linked(replace(summary_of(one.run), alive=run_id in held) for run_id, one in by_id.items())
    return [found for run in runs if (found := by_id[run.id].past(run)) is not None]


async def runs_elsewhere(
    session: Session, is_meant: Callable[[FunctionNames], bool], here: set[str], lost: Callable[[StartError], None]
) -> list[Recorded]:
    """Read the newest records of runs that are not here, and return those that included the function. `lost` receives
    unreadable ones. Raises `CloudError`.
    """
    records = bucket_records(session.world) if session.endpoint != SANDBOX else None
    if records is None:
        return []
    found = []
    for run_id in [one for one in await recorded_runs(session, records) or [] if one not in here][:_RECORDS]:
        try:
            events = await recorded_events(session, records, run_id)
        except ValueError as error:
            lost(StartError(f"run {run_id}: {error}", advice="upgrade orchestrator"))
            continue
        then = next((one for event in events for one in names_in(event) if is_meant(one)), None)
        if then is not None:
            found.append(Recorded(then, events))
    return found
