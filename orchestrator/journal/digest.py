"""A short form of a run's record: enough to decide how long it is needed, without building its events."""

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
_REMOVES = "deleteVersion"  # what this call removes cannot be restored
_DONE = ("deployed", "unchanged")


@dataclass(frozen=True, slots=True)
class RunDigest:
    """A run and its effect, by names of Functions as `folder/id` and `folder/name`.

    `touched`: those with an accepted Operation that makes or moves something. `left`: those that were to be changed and
    did not succeed. `done`: those that did. `written_at`: when the record was last written, in epoch seconds on the
    storage's clock.
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
    changed: set[str] = field(default_factory=set)  # keys of units that the run was to change
    touched: set[str] = field(default_factory=set)
    given_up: bool = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Apply one event. Most kinds have no effect."""
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
        """Return the names that Functions are known by."""
        return frozenset(name for key in keys for name in self.names.get(key, ()))


def read_digest(body: bytes, written_at: float, names: dict[Names, Names] | None = None) -> RunDigest:
    """Parse a record. `names`: from records that were read before; runs of a large fleet share equal sets.

    Raises `ValueError` if it is not a record, or if it is from a newer program.
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
            raise ValueError("it does not start with the run's first event")
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
        raise ValueError(f"it cannot be parsed ({error!r})") from error
    done = {key for key, outcome in reading.outcomes.items() if outcome in _DONE}
    known = {} if names is None else names
    touched, left, done_names = (
        known.setdefault(one, one) for one in map(reading.named, (reading.touched, reading.changed - done, done))
    )
    return RunDigest(run, written_at, touched, left, done_names)


@dataclass(slots=True)
class EndedRuns:
    """Digests of records that one command has read, of runs that have ended. These are not written again, so they need
    not be read twice. `names`: see `read_digest`. `found`: by the record's key, with its size in bytes.
    """

    names: dict[Names, Names] = field(default_factory=dict)
    found: dict[str, tuple[int, RunDigest]] = field(default_factory=dict)

    def take(self, key: str, body: bytes) -> None:
        """Keep a record that was read. One that cannot be parsed is left to the next reader."""
        with suppress(ValueError):
            digest = read_digest(body, 0.0, self.names)
            if digest.run.ended_at is not None:
                self.found[key] = len(body), digest

    def of(self, listed: ListedObject) -> RunDigest | None:
        """Return the digest of a record as it is listed now, None if it is not known."""
        size_bytes, digest = self.found.get(listed.key, (-1, None))
        same = digest is not None and size_bytes == listed.size_bytes
        return replace(digest, written_at=listed.modified_at) if digest is not None and same else None


def newest_first(digests: Iterable[RunDigest]) -> list[RunDigest]:
    """Return the runs in order, the newest first, each with the run that resumed it."""
    found = sorted(digests, key=lambda one: (one.written_at, one.run.id), reverse=True)
    later = {one.run.resumes: one.run.id for one in reversed(found) if one.run.resumes}
    return [replace(one, run=replace(one.run, taken_up_by=later.get(one.run.id, ""))) for one in found]


def chains(digests: Sequence[RunDigest]) -> Iterator[tuple[RunDigest, ...]]:
    """Yield each run that was not resumed, with all runs that it resumed, the last one first. `digests`: in that
    order.
    """
    by_id = {one.run.id: one for one in digests}
    for last in digests:
        if last.run.taken_up_by in by_id:
            continue
        found = [last]
        while (before := by_id.get(found[-1].run.resumes)) is not None and before not in found:
            found.append(before)
        yield tuple(found)


def last_of_functions(digests: Sequence[RunDigest], runs: int) -> frozenset[str]:
    """Return the IDs of the runs in the last `runs` chains that changed any Function. Runs that only delete Versions
    change none.
    """
    counted, found = Counter[str](), set[str]()
    for chain in chains(digests):
        touched = frozenset[str]().union(*(one.touched for one in chain))
        # An outdated record may not list all of them.
        perhaps = frozenset[str]().union(*(one.left for one in chain if one.run.ended_at is None))
        if any(counted[name] < runs for name in touched | perhaps):
            found.update(one.run.id for one in chain)
        counted.update(touched)
    return frozenset(found)
