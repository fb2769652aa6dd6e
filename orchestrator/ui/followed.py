"""A chain of runs that pages follow: read from the journal as it grows, and sent as changes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from orchestrator.coordination.local_lock import alive_since
from orchestrator.errors import UsageError
from orchestrator.journal.condition_events import LimitChanged, LongWait, SlotRefused
from orchestrator.journal.events import Event, UnitPlanned
from orchestrator.journal.folder import FILE
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.redaction.outlet import Outlet
from orchestrator.report.account.accounting import Accounting
from orchestrator.report.account.accounts import account_of
from orchestrator.report.account.values import Account, FunctionAccount
from orchestrator.report.account.view import ReportView
from orchestrator.report.html.page_data import Texts, page_data
from orchestrator.report.views import words

_BUSY_SHARE = 10  # reading a large run may take a tenth of the time at most

Seen = tuple[int, int, int]


class NextOf(Protocol):
    """Returns the command lines that continue from a chain, see `app.session.chains.next_lines`."""

    def __call__(self, run: RunState, back: RunState | None, *, alive: bool) -> tuple[str, ...]: ...


@dataclass(slots=True)
class _Known:
    """What was read of a chain, and what was sent to pages. `epoch` differs once the chain was pruned or the program
    was restarted; `version` grows with each change.

    `parts`, `rows`: each with the version in which it last changed; `texts_at`: the number of texts at each version.
    """

    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    version: int = 0
    found: Accounting = field(default_factory=Accounting)
    read: dict[str, int] = field(default_factory=dict)  # run ID → the last of its records that was read
    texts: Texts = field(default_factory=Texts)
    texts_at: list[int] = field(default_factory=lambda: [0])
    parts: dict[str, tuple[int, Any]] = field(default_factory=dict)
    rows: list[tuple[int, list[Any]]] = field(default_factory=list)
    functions: dict[int, FunctionAccount] = field(default_factory=dict)  # by the id of the unit's state
    shown: dict[int, tuple[FunctionAccount, FunctionAccount]] = field(default_factory=dict)  # each with a redacted copy

    def handle(self, event: Event) -> None:
        """Handle an event. The account of the function that it is about is dropped. An event that concerns all
        functions drops all accounts.
        """
        self.found(event)
        key = getattr(event, "key", None)
        if key is not None and not isinstance(event, UnitPlanned):  # a resumed run may use other names for functions
            unit = id(self.found.state.unit(key))
            self.functions.pop(unit, None)
            self.shown.pop(unit, None)
        elif not isinstance(event, LimitChanged | SlotRefused | LongWait):
            self.functions.clear()
            self.shown.clear()

    def redacted(self, account: Account, outlet: Outlet) -> Account:
        """Copy an account to be shown. Functions that have not changed are not redacted again."""
        units = self.found.state.units.values()
        for unit, one in zip(units, account.functions, strict=True):
            if id(unit) not in self.shown or self.shown[id(unit)][0] is not one:
                self.shown[id(unit)] = (one, outlet.value(one))
        rest = outlet.value(replace(account, functions=()))
        return replace(rest, functions=tuple(self.shown[id(unit)][1] for unit in units))


@dataclass(frozen=True, slots=True)
class Telling:
    """What a page is sent: the ID of this state, and the changed data of the page, as one line of JSON."""

    id: str
    data: str


class FollowedChain:
    """The chain that a run belongs to. Several pages share one; threads use it in turn."""

    def __init__(self, run_id: str, state_dir: Path, outlet: Outlet, next_of: NextOf) -> None:
        """`next_of`: returns the command lines that continue from a chain."""
        self._run_id, self._state_dir, self._outlet, self._next_of = run_id, state_dir, outlet, next_of
        self._lock = threading.Lock()
        self._known = _Known()
        self._seen: tuple[Seen, ...] = ()
        self._next_at = 0.0

    def changes_since(self, known_id: str, now: float, interval_s: float) -> Telling | None:
        """Return what has changed since `known_id`, None where nothing has. A page with no state, or an outdated one,
        gets everything. The journal is read at most once per `interval_s`, and for at most a tenth of a processor's
        time, except when it is read for the first time.

        Raises `JournalError`, and `UsageError` where the run is no longer in the journal.
        """
        with self._lock:
            if now >= self._next_at:
                began_s, is_first = time.thread_time(), not self._known.version
                self._look(now)
                took_s = 0.0 if is_first else time.thread_time() - began_s  # only the first look reads the whole run
                self._next_at = now + max(interval_s, _BUSY_SHARE * took_s)
            return self._since(known_id)

    def _look(self, now: float) -> None:
        seen = tuple(_stat(self._state_dir / f"{FILE}{end}") for end in ("", "-wal"))
        alive = self._is_alive()
        if seen == self._seen and not alive and self._known.version:
            return
        with open_store(self._state_dir, read_only=True) as store:
            if not any(run.id == self._run_id for run in store.runs()):
                raise UsageError(
                    f"run {self._run_id} is no longer in the journal",
                    advice="it was pruned, or the state folder was replaced; `orchestrator runs` lists the runs",
                )
            self._read(store)
            back = store.taken_back_by(self._known.found.state)
        self._seen = seen
        self._take(now, back, alive=self._is_alive())

    def _is_alive(self) -> bool:
        started_at = self._known.found.state.started_at
        return started_at is None or started_at >= alive_since(self._state_dir)

    def _read(self, store: Store) -> None:
        chain = store.chain(self._run_id)
        if tuple(self._known.read) != chain[: len(self._known.read)]:
            self._known = _Known()
        for run_id in chain:
            self._known.read.setdefault(run_id, 0)
            for number, event in store.events_after(run_id, self._known.read[run_id]):
                self._known.handle(event)
                self._known.read[run_id] = number

    def _take(self, now: float, back: RunState | None, *, alive: bool) -> None:
        known = self._known
        lines = self._next_of(known.found.state, back, alive=alive)
        account = account_of(known.found, now, alive=alive, back=back, known=known.functions, next_lines=lines)
        self._outlet.redactor.protect(words(ReportView(account)))
        data = page_data(known.redacted(account, self._outlet), self._outlet.redactor.value, known.texts)
        rows = data.pop("functions")
        del data["texts"]
        data["environment"] = account.environment
        data["over"] = account.ended_at is not None or not alive
        version = known.version + 1
        changed = len(known.texts.known) > known.texts_at[-1]
        for name, part in data.items():
            if name not in known.parts or known.parts[name][1] != part:
                known.parts[name], changed = (version, part), True
        for number, row in enumerate(rows):
            if number == len(known.rows):
                known.rows.append((version, row))
                changed = True
            elif known.rows[number][1] != row:
                known.rows[number], changed = (version, row), True
        if changed:
            known.version = version
            known.texts_at.append(len(known.texts.known))

    def _since(self, known_id: str) -> Telling | None:
        known = self._known
        epoch, _, number = known_id.partition(".")
        since = int(number) if epoch == known.epoch and number.isdecimal() else 0
        since = since if since <= known.version else 0
        if since == known.version:
            return None
        update: dict[str, Any] = {name: part for name, (version, part) in known.parts.items() if version > since}
        update["rows"] = list(self._rows_since(since))
        update["texts"] = list(known.texts.known)[known.texts_at[since] :]
        update["since"] = since
        return Telling(f"{known.epoch}.{known.version}", self._outlet.script_data(update))

    def _rows_since(self, since: int) -> Iterator[list[Any]]:
        for number, (version, row) in enumerate(self._known.rows):
            if version > since:
                yield [number, row]


def _stat(path: Path) -> Seen:
    """Return a mark of a file's state, which changes when something is written."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
