"""Runs each due time once, however often cron calls and on however many machines: by a claim in a shared record.

The record of a job says up to which due time all is done, and who is running one now: the payload of a heartbeat.
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
    """Who runs which due time. `beat` is incremented while the claimant is alive."""

    due_at: str
    run_id: str
    host: str
    beat: int = 0


@dataclass(frozen=True, slots=True)
class StoppedDue:
    """A due time whose run had too many failures, and the breach: it is not done, and is not retried automatically."""

    due_at: str
    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a job. Times in ISO 8601, UTC. `done_until`: due times up to this one are finished.

    `breach`: the newest later due time, if a breach ended it. Programs that do not know this field ignore it.
    """

    done_until: str
    running: Running | None = None
    schema: int = _SCHEMA
    breach: StoppedDue | None = None

    @property
    def since(self) -> datetime:
        """The earliest time of a due time to run is after this one."""
        return datetime.fromisoformat(self.breach.due_at if self.breach is not None else self.done_until)

    def encode(self) -> bytes:
        """Return it as JSON; without a breach in the form from before there were breaches."""
        values = asdict(self)
        if self.breach is None:
            del values["breach"]
        return json.dumps(values, sort_keys=True).encode()


NO_RECORD = Record("")  # before the first call for a job


@dataclass(frozen=True, slots=True)
class NotDue:
    """Nothing is to be run now, with the reason in one sentence. `breach`: of the due time that is
    therefore not done.
    """

    reason: str
    breach: StoppedDue | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due time to run now. `said`: a note for users (late, taken over), "" for none."""

    due_at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Died:
    """A claimant is dead, and the result of its run is not known yet."""

    run_id: str


@dataclass(frozen=True, slots=True)
class DueJob:
    """The job whose due times are claimed, and the claimant."""

    name: str
    schedule: Schedule
    run_id: str
    host: str

    def running(self, record: Record) -> Running | None:
        """Return what this run has claimed, None if it holds no claim."""
        return record.running if record.running is not None and record.running.run_id == self.run_id else None

    def in_the_way(self, record: Record) -> dict[str, int]:
        """Return the beat of another claimant by its run, if there is one."""
        other = record.running if self.running(record) is None else None
        return {} if other is None else {other.run_id: other.beat}

    def decide(
        self, record: Record, lives: Mapping[str, Life], now: datetime, stopped: Mapping[str, str]
    ) -> Step[Record, Claimed | NotDue | Died]:
        """Return the next step. `stopped`: why runs of dead claimants had been stopped for good, "" for none.

        | record         | another claimant | due | step                                         |
        | ---            | ---              | --- | ---                                          |
        | does not exist |                  |     | write it: due times count from now; `NotDue` |
        | exists         | UNKNOWN          |     | wait                                         |
        | exists         | ALIVE            |     | `NotDue`                                     |
        | exists         | DEAD             |     | `Died`, if `stopped` has no entry for it     |
        | exists         | DEAD, none       | no  | `NotDue`                                     |
        | exists         | DEAD, none       | yes | write that we run it; `Claimed`              |

        A due time that a breach ended is not due again, even if that is recorded only now for a dead claimant. Later
        due times are.
        """
        if record == NO_RECORD:
            why = f'first call for job "{self.name}": its due times count from now on; {self._next(now)}'
            return Write(Record(written(now)), NotDue(why))
        other = record.running
        if other is not None and lives.get(other.run_id) is Life.UNKNOWN:
            look = f"checking whether it is alive, for at most {as_duration(CLAIM_TIMINGS.dead_after_s)}"
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
        died = f"{dead.run_id} on {dead.host} is dead: taken over" if dead is not None and before == record else ""
        ours = replace(before, running=Running(written(came.at), self.run_id, self.host))
        return Write(ours, Claimed(came.at, _said(came, died, now)))

    def stopped(self, breach: StoppedDue, now: datetime) -> NotDue:
        """Return the answer for a due time that is not done, and will not be."""
        what = f'job "{self.name}": its due time {breach.due_at} is not done'
        return NotDue(f"{what}: run {breach.run_id} was stopped for good: {breach.why}; {self._next(now)}", breach)

    def _next(self, now: datetime) -> str:
        at = next_due(self.schedule, now)
        return f"next: {written(at)}" if at is not None else "it is never due"


class Claim:
    """A due time that this run has claimed."""

    def __init__(self, shared: Shared[Record], job: DueJob, claimed: Claimed, copy: Copy[Record]) -> None:
        self._job = job
        self.due_at, self.said = claimed.due_at, claimed.said
        self._heartbeat = Heartbeat(shared, self._payload(), copy)

    @property
    def key(self) -> str:
        """What sets the forced Versions of this due time apart, on every machine."""
        return f"{self._job.name} {written(self.due_at)}"

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Write heartbeats until cancelled. Calls `lost` with the reason, once, if the claim is lost."""
        await self._heartbeat.keep(lost)

    def breach(self, run_id: str, why: str) -> StoppedDue:
        """Return the due time as ended by a breach of a run."""
        return StoppedDue(written(self.due_at), run_id, why)

    async def end(self, *, done: bool, breach: StoppedDue | None = None) -> None:
        """Release the claim: the due time is done, ended by a breach, or left for the next call.

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
    """Claim what is due. `why_stopped`: returns why a run was stopped for good, "" if it was not.

    The first call for a job only writes its record: earlier due times were not requested. If there is another claimant,
    this waits until it is known to be alive, at most `dead_after_s`. A dead one is replaced. But if its run had been
    stopped for good, its due time is first recorded as ended by that breach. Missed due times are run once, as the
    newest of them.

    Raises `CloudError`, `JournalError`, `StartError` for an invalid record, and what `why_stopped` raises: then nothing
    is taken over.
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
    """Decode a record. Raises `StartError` if it is invalid, or if a newer program has written it."""
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
            f"the record of due times {key} cannot be understood", advice="delete it: the next call makes a new one"
        ) from error


def _said(came: Due, died: str, now: datetime) -> str:
    parts = [died] if died else []
    late_s = (now - came.at).total_seconds()
    if came.missed:
        count = f"more than {COUNTED_MAX - 1}" if came.missed == COUNTED_MAX else str(came.missed)
        parts.append(
            f"missed {count} due time{'s' if came.missed != 1 else ''} before {written(came.at)}: running it once"
        )
    if late_s >= 120:  # a crontab line that calls each minute, and a slow start
        parts.append(f"{late_s / 60:.0f} min late")
    return "; ".join(parts)


def written(at: datetime) -> str:
    """Return a due time as text for records and messages: ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
