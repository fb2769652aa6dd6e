"""Due times that are run once, however often cron calls and on however many machines: a claim on a shared record.

The record of a job says up to which due time all is done, and who is running one now. It changes by compare-and-set
alone. Clocks of two machines are never compared: a claimant counts as dead once its record has not changed for
`DEAD_AFTER_S` on the clock of the one who watches.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial

import anyio

from orchestrator.errors import OrchestratorError, StartError
from orchestrator.manifest.schedule import COUNTED_MAX, Due, Schedule, due, next_due
from orchestrator.ports import Records
from orchestrator.resilience.retry import retried

BEAT_S = 10.0
GIVE_UP_S = 40.0  # without a beat that was written: before anybody else may take over
DEAD_AFTER_S = 60.0
_LOOK_S = 2.0
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Running:
    """Who runs which due time. `beat` counts up while the claimant lives."""

    due_at: str
    run_id: str
    host: str
    beat: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a job. Times in ISO 8601, UTC; `done_until`: due times up to this one need nothing more."""

    done_until: str
    running: Running | None = None
    schema: int = _SCHEMA

    def encode(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class NotDue:
    """Nothing is to be run now, and why, in one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class DueJob:
    """Whose due times are claimed, where, and by whom."""

    name: str
    schedule: Schedule
    key: str
    run_id: str
    host: str


class Claim:
    """A due time that is ours to run. `said`: what there is to say of it (late, taken over), "" for nothing."""

    def __init__(
        self, records: Records, job: DueJob, record: Record, etag: str, *, due: Due, said: str, rng: random.Random
    ) -> None:
        self._records, self._job, self._record, self._etag, self._rng = records, job, record, etag, rng
        self._writing = anyio.Lock()
        self.due_at = due.at
        self.said = said

    @property
    def key(self) -> str:
        """What sets the forced versions of this due time apart, on whatever machine they are made."""
        return f"{self._job.name} {_iso(self.due_at)}"

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Write beats until cancelled. Calls `lost` with why, once, where the claim is not ours any more."""
        written_at = anyio.current_time()
        while True:
            await anyio.sleep(BEAT_S)
            running = self._record.running
            if running is None:
                return
            try:
                with anyio.fail_after(GIVE_UP_S):
                    ours = await self._write(replace(self._record, running=replace(running, beat=running.beat + 1)))
            except (OrchestratorError, TimeoutError):
                if anyio.current_time() < written_at + GIVE_UP_S:
                    continue
                lost(f"the claim on {_iso(self.due_at)} could not be renewed for {GIVE_UP_S:.0f} s")
                return
            if not ours:
                lost(f"another run has taken over {_iso(self.due_at)}")
                return
            written_at = anyio.current_time()

    async def end(self, *, done: bool) -> None:
        """Give the claim up: the due time is done, or the next call takes it up. Raises `CloudError`."""
        until = _iso(self.due_at) if done else self._record.done_until
        await retried(partial(self._write, Record(until)), rng=self._rng)

    async def _write(self, record: Record) -> bool:
        """Write over what we wrote last; False where somebody else has written since."""
        async with self._writing:
            etag = await self._records.replace(self._job.key, record.encode(), self._etag)
            if etag is None:  # or our own last write went through without an answer
                found = await self._records.read(self._job.key)
                held = _decode(found[0], self._job.key) if found is not None else None
                if found is None or held is None or held.running is None or held.running.run_id != self._job.run_id:
                    return held == record
                etag = await self._records.replace(self._job.key, record.encode(), found[1])
                if etag is None:
                    return False
            self._etag, self._record = etag, record
            return True


async def claim(
    records: Records, job: DueJob, now: Callable[[], datetime], rng: random.Random, say: Callable[[str], None]
) -> Claim | NotDue:
    """Claim what is due.

    The very first call for a job writes its record and runs nothing: what was due before nobody had asked for.
    Where another claimant is at work, this waits until it has shown that it lives, at most `DEAD_AFTER_S`; one that
    does not is taken over. Missed due times are run once, as the newest of them. Raises `CloudError`, and
    `StartError` for a record that cannot be read.
    """
    said = ""
    while True:
        found = await retried(partial(records.read, job.key), rng=rng)
        if found is None:
            first = Record(_iso(now())).encode()
            if await retried(partial(records.create, job.key, first), rng=rng) is None:
                continue
            return NotDue(f'first call for job "{job.name}": its due times count from now on; {_next(job, now())}')
        record, etag = _decode(found[0], job.key), found[1]
        if record.running is not None and record.running.run_id != job.run_id:
            dead = await _watch(records, job, etag, record.running, rng, say)
            if isinstance(dead, NotDue):
                return dead
            if dead is None:
                continue
            said = dead
        came = due(job.schedule, datetime.fromisoformat(record.done_until), now())
        if came is None:
            return NotDue(f'nothing is due for job "{job.name}"; {_next(job, now())}')
        ours = replace(record, running=Running(_iso(came.at), job.run_id, job.host))
        written = await retried(partial(records.replace, job.key, ours.encode(), etag), rng=rng)
        if written is None:  # somebody was quicker, or this very write went through without an answer
            again = await retried(partial(records.read, job.key), rng=rng)
            if again is None or again[0] != ours.encode():
                continue
            written = again[1]
        return Claim(records, job, ours, written, due=came, said=_told(came, said, now()), rng=rng)


async def _watch(
    records: Records, job: DueJob, etag: str, running: Running, rng: random.Random, say: Callable[[str], None]
) -> NotDue | str | None:
    """See whether a claimant lives. `NotDue` where it does, why it is taken over where not, None: it has ended."""
    who = f"{running.run_id} on {running.host}"
    say(f"{running.due_at} is claimed by {who}: looking whether it lives, for at most {DEAD_AFTER_S:.0f} s")
    watched_from = anyio.current_time()
    while anyio.current_time() < watched_from + DEAD_AFTER_S:
        await anyio.sleep(_LOOK_S)
        found = await retried(partial(records.read, job.key), rng=rng)
        if found is None:
            return None
        if found[1] == etag:
            continue
        now_running = _decode(found[0], job.key).running
        if now_running is None:
            return None
        return NotDue(
            f'job "{job.name}": {now_running.due_at} is being run by {now_running.run_id} on {now_running.host}'
        )
    return f"{who} has died: taken over"


def _decode(body: bytes, key: str) -> Record:
    try:
        values = json.loads(body)
        if values["schema"] > _SCHEMA:
            raise StartError(f"the record {key} was written by a newer orchestrator", advice="upgrade orchestrator")
        running = Running(**values["running"]) if values["running"] is not None else None
        datetime.fromisoformat(values["done_until"])
        return Record(values["done_until"], running)
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(
            f"the record of due times {key} cannot be understood", advice="delete it: the next call begins anew"
        ) from error


def _told(came: Due, said: str, now: datetime) -> str:
    parts = [said] if said else []
    late_s = (now - came.at).total_seconds()
    if came.missed:
        count = f"more than {COUNTED_MAX - 1}" if came.missed == COUNTED_MAX else str(came.missed)
        parts.append(f"{count} due time{'s' if came.missed != 1 else ''} before {_iso(came.at)} missed: run once, now")
    if late_s >= 120:  # a crontab line that calls each minute, and a slow start
        parts.append(f"{late_s / 60:.0f} min late")
    return "; ".join(parts)


def _next(job: DueJob, now: datetime) -> str:
    at = next_due(job.schedule, now)
    return f"next: {_iso(at)}" if at is not None else "it is never due"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
