"""What a run's record tells in short: enough to judge how long it is needed, without making its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Any

import orjson

from orchestrator.journal.events import (
    OperationAccepted,
    RunEnded,
    RunStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.journal.identity import identity_from_dict
from orchestrator.journal.record import RECORD_SCHEMA
from orchestrator.journal.rollout_events import GivenUp
from orchestrator.journal.runs import RunSummary
from orchestrator.model import Action, ListedObject

Names = frozenset[str]  # of Functions
_REMOVES = "deleteVersion"  # of what it takes away nothing can be given back
_DONE = ("deployed", "unchanged")


@dataclass(frozen=True, slots=True)
class RunDigest:
    """A run, and what it has done, by names of Functions as `folder/id` and `folder/name`.

    `touched`: those of which an Operation was accepted that makes or moves something; `left`: those that were to be
    changed and have not come to a good end; `done`: those that have. `written_at`: epoch seconds on the storage's
    clock, when its record was written last.
    """

    run: RunSummary
    written_at: float
    touched: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Reading:
    started: Mapping[str, Any] = field(default_factory=dict)
    ended: Mapping[str, Any] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of the Functions, by key
    outcomes: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)  # keys for which something was to be done
    touched: set[str] = field(default_factory=set)
    given_up: bool = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event in; most kinds say nothing of it."""
        match event["kind"]:
            case RunStarted.kind:
                self.started = event
            case UnitPlanned.kind:
                known = (event["function_id"], event["name"])
                self.names[event["key"]] = tuple(intern(f"{event['folder_id']}/{name}") for name in known if name)
                if event["action"] != Action.UNCHANGED:
                    self.changed.add(event["key"])
            case OperationAccepted.kind if event["call"] != _REMOVES:
                self.touched.add(event["key"])
            case UnitEnded.kind:
                self.outcomes[event["key"]] = event["outcome"]["outcome"]
            case GivenUp.kind:
                self.given_up = True
            case RunEnded.kind:
                self.ended = event

    def named(self, keys: Iterable[str]) -> frozenset[str]:
        """Give what Functions are known by."""
        return frozenset(name for key in keys for name in self.names.get(key, ()))


def read_digest(body: bytes, written_at: float, names: dict[Names, Names] | None = None) -> RunDigest:
    """Read a record. `names`: of those that were read before; runs of a large fleet share them, where they are equal.

    Raises `ValueError` for what is no record, or of a newer program.
    """
    reading = _Reading()
    try:
        document: Mapping[str, Any] = orjson.loads(body)
        if document["schema"] > RECORD_SCHEMA:
            raise ValueError("it was written by a newer orchestrator")
        for event in document["events"]:
            reading.take(event)
        started, ended = reading.started, reading.ended
        if not started:
            raise ValueError("it does not begin with the run")
        run = RunSummary(
            id=started["run_id"],
            verb=started["verb"],
            endpoint=started["endpoint"],
            started_at=started["at"],
            ended_at=ended.get("at"),
            exit_code=ended.get("exit_code"),
            units=started["units"],
            program=started["program"],
            outcomes=Counter(reading.outcomes.values()),
            manifest=started["manifest"],
            resumes=started.get("resumes", ""),
            identity=identity_from_dict(started.get("identity", {})),
            given_up=reading.given_up,
            rolls_back=started.get("rolls_back", ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it cannot be understood ({error!r})") from error
    done = {key for key, outcome in reading.outcomes.items() if outcome in _DONE}
    known = {} if names is None else names
    touched, left, done_names = (
        known.setdefault(one, one) for one in map(reading.named, (reading.touched, reading.changed - done, done))
    )
    return RunDigest(run, written_at, touched, left, done_names)


@dataclass(slots=True)
class EndedRuns:
    """Digests of records that one command has read, of runs that have ended: nobody writes these again, so that they
    need not be read twice. `names`: see `read_digest`; `found`: by the record's key, with its size in bytes.
    """

    names: dict[Names, Names] = field(default_factory=dict)
    found: dict[str, tuple[int, RunDigest]] = field(default_factory=dict)

    def take(self, key: str, body: bytes) -> None:
        """Take in a record that was read. What cannot be understood is left to whoever reads it next."""
        with suppress(ValueError):
            digest = read_digest(body, 0.0, self.names)
            if digest.run.ended_at is not None:
                self.found[key] = len(body), digest

    def of(self, listed: ListedObject) -> RunDigest | None:
        """Give what is known of a record as it is listed now."""
        size_bytes, digest = self.found.get(listed.key, (-1, None))
        same = digest is not None and size_bytes == listed.size_bytes
        return replace(digest, written_at=listed.modified_at) if digest is not None and same else None


def newest_first(digests: Iterable[RunDigest]) -> list[RunDigest]:
    """Put runs in order, the newest first, and say of each which one took it up."""
    found = sorted(digests, key=lambda one: (one.written_at, one.run.id), reverse=True)
    later = {one.run.resumes: one.run.id for one in reversed(found) if one.run.resumes}
    return [replace(one, run=replace(one.run, taken_up_by=later.get(one.run.id, ""))) for one in found]


def chains(digests: Sequence[RunDigest]) -> Iterator[tuple[RunDigest, ...]]:
    """Give each run that nobody took up with all that it took up, the last one first. `digests`: in their order."""
    by_id = {one.run.id: one for one in digests}
    for last in digests:
        if last.run.taken_up_by in by_id:
            continue
        found = [last]
        while (before := by_id.get(found[-1].run.resumes)) is not None and before not in found:
            found.append(before)
        yield tuple(found)


def last_of_functions(digests: Sequence[RunDigest], runs: int) -> frozenset[str]:
    """Give the ids of the runs that are among the last `runs` chains which have changed some Function. Runs that only
    remove Versions change none.
    """
    counted, found = Counter[str](), set[str]()
    for chain in chains(digests):
        touched = frozenset[str]().union(*(one.touched for one in chain))
        # A record that is behind may not tell all of them.
        perhaps = frozenset[str]().union(*(one.left for one in chain if one.run.ended_at is None))
        if any(counted[name] < runs for name in touched | perhaps):
            found.update(one.run.id for one in chain)
        counted.update(touched)
    return frozenset(found)
