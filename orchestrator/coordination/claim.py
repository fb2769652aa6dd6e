"""Due times that are run once, however often cron calls and on however many machines: a claim on a shared record.

The record of a job says up to which due time all is done, and who is running one now: a payload of one heartbeat.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from orchestrator.coordination.heartbeat import Heartbeat, Life, Payload, Timings, Watch
from orchestrator.coordination.shared_record import Copy, Final, RecordPlace, Shared, Step, Wait, Write, ask
from orchestrator.errors import StartError
from orchestrator.manifest.schedule import COUNTED_MAX, Due, Schedule, due, next_due
from orchestrator.model.units import as_duration

CLAIM_TIMINGS = Timings(beat_s=10.0, give_up_s=40.0, dead_after_s=60.0, look_s=2.0)
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Running:
    """Who runs which due time. `beat` counts up while the claimant lives."""

    due_at: str
    run_id: str
    host: str
    beat: int = 0


@dataclass(frozen=True, slots=True)
class StoppedDue:
    """The due time whose run had too many failures, and why: it is not done, and no call takes it up by itself."""

    due_at: str
    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a job. Times in ISO 8601, UTC; `done_until`: due times up to this one need nothing more.

    `breach`: the newest due time after that, if a breach ended it; programs that do not know it pass it over.
    """

    done_until: str
    running: Running | None = None
    schema: int = _SCHEMA
    breach: StoppedDue | None = None

    @property
    def since(self) -> datetime:
        """After when a due time has to come for a call to begin it."""
        return datetime.fromisoformat(self.breach.due_at if self.breach is not None else self.done_until)

    def encode(self) -> bytes:
        """Write it as JSON; without a breach as it was before there were any in it."""
        values = asdict(self)
        if self.breach is None:
            del values["breach"]
        return json.dumps(values, sort_keys=True).encode()


NO_RECORD = Record("")  # before the first call for a job


@dataclass(frozen=True, slots=True)
class NotDue:
    """Nothing is to be run now, and why, in one sentence. `breach`: of the due time that is not done for it."""

    reason: str
    breach: StoppedDue | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due time that is to be run now. `said`: what there is to say of it (late, taken over), "" for nothing."""

    due_at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Died:
    """A claimant has died, and nobody knows yet how its run stood."""

    run_id: str


@dataclass(frozen=True, slots=True)
class DueJob:
    """Whose due times are claimed, and by whom."""

    name: str
    schedule: Schedule
    run_id: str
    host: str

    def running(self, record: Record) -> Running | None:
        """Give what this run has claimed, None where it has nothing any more."""
        return record.running if record.running is not None and record.running.run_id == self.run_id else None

    def in_the_way(self, record: Record) -> dict[str, int]:
        """Give the beat of another claimant by its run, if there is one."""
        other = record.running if self.running(record) is None else None
        return {} if other is None else {other.run_id: other.beat}

    def decide(
        self, record: Record, lives: Mapping[str, Life], now: datetime, stopped: Mapping[str, str]
    ) -> Step[Record, Claimed | NotDue | Died]:
        """Say what is to be done. `stopped`: why runs of dead claimants had been stopped for good, "" for none.

        | record         | another claimant | due | step                                         |
        | ---            | ---              | --- | ---                                          |
        | not there yet  |                  |     | write it: due times count from now; `NotDue` |
        | there          | UNKNOWN          |     | wait                                         |
        | there          | ALIVE            |     | `NotDue`                                     |
        | there          | DEAD             |     | `Died`, where `stopped` has nothing of it    |
        | there          | DEAD, none       | no  | `NotDue`                                     |
        | there          | DEAD, none       | yes | write that we run it; `Claimed`              |

        A due time that a breach ended is not due again, also where it is written down for a dead claimant only now;
        only one after it is.
        """
        if record == NO_RECORD:
            why = f'first call for job "{self.name}": its due times count from now on; {self._next(now)}'
            return Write(Record(written(now)), NotDue(why))
        other = record.running
        if other is not None and lives.get(other.run_id) is Life.UNKNOWN:
            look = f"looking whether it lives, for at most {as_duration(CLAIM_TIMINGS.dead_after_s)}"
            return Wait(f"{other.due_at} is claimed by {other.run_id} on {other.host}: {look}")
        if other is not None and lives.get(other.run_id) is Life.ALIVE:
            return Final(NotDue(f'job "{self.name}": {other.due_at} is being run by {other.run_id} on {other.host}'))
        dead = other if other is not None and lives.get(other.run_id) is Life.DEAD else None
        if dead is not None and dead.run_id not in stopped:
            return Final(Died(dead.run_id))
        before = record
        if dead is not None and stopped[dead.run_id]:
            before = Record(record.done_until, breach=StoppedDue(dead.due_at, dead.run_id, stopped[dead.run_id]))
        came = due(self.schedule, before.since, now)
        if came is None:
            answer = (
                self.stopped(before.breach, now)
                if before.breach is not None
                else NotDue(f'nothing is due for job "{self.name}"; {self._next(now)}')
            )
            return Final(answer) if before == record else Write(before, answer)
        died = f"{dead.run_id} on {dead.host} has died: taken over" if dead is not None and before == record else ""
        ours = replace(before, running=Running(written(came.at), self.run_id, self.host))
        return Write(ours, Claimed(came.at, _said(came, died, now)))

    def stopped(self, breach: StoppedDue, now: datetime) -> NotDue:
        """Say of a due time that it is not done, and stays so."""
        what = f'job "{self.name}": its due time {breach.due_at} is not done'
        return NotDue(f"{what}: run {breach.run_id} was stopped for good: {breach.why}; {self._next(now)}", breach)

    def _next(self, now: datetime) -> str:
        at = next_due(self.schedule, now)
        return f"next: {written(at)}" if at is not None else "it is never due"


class Claim:
    """A due time that is ours to run."""

    def __init__(self, shared: Shared[Record], job: DueJob, claimed: Claimed, copy: Copy[Record]) -> None:
        self._job = job
        self.due_at, self.said = claimed.due_at, claimed.said
        self._heartbeat = Heartbeat(shared, self._payload(), copy)

    @property
    def key(self) -> str:
        """What sets the forced versions of this due time apart, on whatever machine they are made."""
        return f"{self._job.name} {written(self.due_at)}"

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Write beats until cancelled. Calls `lost` with why, once, where the claim is not ours any more."""
        await self._heartbeat.keep(lost)

    def breach(self, run_id: str, why: str) -> StoppedDue:
        """Say that a run of this due time had too many failures, and why."""
        return StoppedDue(written(self.due_at), run_id, why)

    async def end(self, *, done: bool, breach: StoppedDue | None = None) -> None:
        """Give the claim up: the due time is done, or ended by a breach, or the next call takes it up.

        Raises `CloudError`, `JournalError`, `StartError`.
        """

        def ended(record: Record) -> Record | None:
            if self._job.running(record) is None:
                return None
            return Record(written(self.due_at)) if done else Record(record.done_until, breach=breach or record.breach)

        await self._heartbeat.end(ended)

    def _payload(self) -> Payload[Record]:
        due_at, give_up_s = written(self.due_at), CLAIM_TIMINGS.give_up_s

        def beaten(record: Record) -> Record | None:
            running = self._job.running(record)
            return None if running is None else replace(record, running=replace(running, beat=running.beat + 1))

        return Payload(
            timings=CLAIM_TIMINGS,
            beaten=beaten,
            taken=lambda _: f"another run has taken over {due_at}",
            unsure=f"the claim on {due_at} could not be renewed for {as_duration(give_up_s)}",
        )


async def claim(
    place: RecordPlace,
    job: DueJob,
    now: Callable[[], datetime],
    say: Callable[[str], None],
    why_stopped: Callable[[str], Awaitable[str]],
) -> Claim | NotDue:
    """Claim what is due. `why_stopped`: tells why a run was stopped for good, "" where it was not.

    The very first call for a job writes its record and runs nothing: what was due before nobody had asked for.
    Where another claimant is at work, this waits until it has shown that it lives, at most `dead_after_s`; one that
    does not is taken over, unless its run had been stopped for good: then its due time is written down as ended
    so, before anything else. Missed due times are run once, as the newest of them. Raises `CloudError`, `JournalError`,
    `StartError` for a record that cannot be read, and what `why_stopped` raises: then nothing is taken over.
    """
    stopped: dict[str, str] = {}
    shared, watch = Shared(place, decode_claim), Watch(CLAIM_TIMINGS, place.boottime_s)

    def decide(record: Record) -> Step[Record, Claimed | NotDue | Died]:
        return job.decide(record, watch.look(job.in_the_way(record)), now(), stopped)

    answer, copy = await ask(shared, decide, look_s=CLAIM_TIMINGS.look_s, say=say)
    while isinstance(answer, Died):
        stopped[answer.run_id] = await why_stopped(answer.run_id)
        answer, copy = await ask(shared, decide, look_s=CLAIM_TIMINGS.look_s, say=say)
    return answer if isinstance(answer, NotDue) else Claim(shared, job, answer, copy)


def decode_claim(body: bytes | None, key: str) -> Record:
    """Read it. Raises `StartError` where it cannot be understood, or a newer program has written it."""
    if body is None:
        return NO_RECORD
    try:
        values = json.loads(body)
        if values["schema"] > _SCHEMA:
            raise StartError(f"the record {key} was written by a newer orchestrator", advice="upgrade orchestrator")
        running = Running(**values["running"]) if values["running"] is not None else None
        breach = StoppedDue(**values["breach"]) if values.get("breach") is not None else None
        for at in (values["done_until"], *([breach.due_at] if breach is not None else [])):
            datetime.fromisoformat(at)
        return Record(values["done_until"], running, breach=breach)
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(
            f"the record of due times {key} cannot be understood", advice="delete it: the next call begins anew"
        ) from error


def _said(came: Due, died: str, now: datetime) -> str:
    parts = [died] if died else []
    late_s = (now - came.at).total_seconds()
    if came.missed:
        count = f"more than {COUNTED_MAX - 1}" if came.missed == COUNTED_MAX else str(came.missed)
        parts.append(
            f"{count} due time{'s' if came.missed != 1 else ''} before {written(came.at)} missed: run once, now"
        )
    if late_s >= 120:  # a crontab line that calls each minute, and a slow start
        parts.append(f"{late_s / 60:.0f} min late")
    return "; ".join(parts)


def written(at: datetime) -> str:
    """Write a due time as records and messages have it: ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
