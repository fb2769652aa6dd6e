"""One unit and its changes, as its events show them: part of what `state` folds a run into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.journal.event_json import CHANGE_KINDS
from orchestrator.journal.events import OperationAccepted, OperationDone, PackageStored, Requested, UnitPlanned
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import Change, ChangeKind, Deployed, Outcome, Step, Unchanged, Unknown, Verdict

_BY_VERDICT = {Verdict.PASSED: "done", Verdict.FAILED: "failed", Verdict.INCONCLUSIVE: "asked for"}


@dataclass(slots=True)
class ChangeState:
    """One change of a unit, as its events show it."""

    change: Change
    requests: list[Requested] = field(default_factory=list)
    operations: dict[str, OperationAccepted] = field(default_factory=dict)  # by Operation ID, in order
    done: dict[str, OperationDone] = field(default_factory=dict)  # by Operation ID
    verdict: Verdict | None = None  # the last one, if the change verifies

    @property
    def outcome(self) -> str:
        """The result of the change.

        | its last Operation              | its verdict   | it is       |
        | ---                             | ---           | ---         |
        | was seen done, without an error | passed        | "done"      |
        | was seen done, with an error    | failed        | "failed"    |
        | was requested, no end was seen  | inconclusive  | "asked for" |
        | there is none                   | there is none | "not begun" |
        """
        if self.verdict is not None:
            return _BY_VERDICT[self.verdict]
        last = next(reversed(self.operations), None)
        if last is not None and last in self.done:
            return "failed" if self.done[last].error else "done"
        return "asked for" if self.requests or self.operations else "not begun"


@dataclass(slots=True)
class UnitState:
    """One unit, as its events show it. Times in seconds since the epoch."""

    key: str
    name: str = ""
    folder_id: str = ""
    function_id: str = ""
    action: str = ""
    reason: str = ""
    base_version_id: str = ""
    fingerprint: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)  # the settings that were live, without values
    step: Step | None = None  # the current one; None between steps, before the first and after the end
    step_since: float = 0.0
    call: str = ""  # the current or last one: a `ChangeKind`, by its value
    started_at: float | None = None  # its first step or request
    ended_at: float | None = None
    seconds: dict[Step, float] = field(default_factory=dict)  # per finished step; repetitions add up
    retries: int = 0
    retry_reason: str = ""  # of the last retry
    sent_bytes: int = 0
    size_bytes: int = 0
    changes: list[ChangeState] = field(default_factory=list)  # of all runs of the chain
    planned: list[ChangeState] = field(default_factory=list)  # those of the last plan, which events refer to by index
    package: PackageStored | None = None
    outcome: Outcome | None = None
    warnings: tuple[str, ...] = ()
    verdicts: dict[str, VersionVerified] = field(default_factory=dict)  # the last one of each Version, by its ID
    way_back: str = ""  # a `WayBackKind`, by its value
    overwritten: set[str] = field(default_factory=set)  # IDs of other users' Versions that ours replaced unseen
    excused: bool = False  # it failed before someone let a breached run continue, and does not count any more
    back_from: int = 0  # index in `changes` of the first one that rolls it back; 0: there is none
    turn: int = 0  # its place, from 1, among the units that the chain's first run changes; 0: in no wave

    @property
    def requests(self) -> list[Requested]:
        """The requests of all its changes."""
        return [request for change in self.changes for request in change.requests]

    @property
    def operations(self) -> dict[str, OperationAccepted]:
        """The Operations of all its changes, by ID."""
        return {one: accepted for change in self.changes for one, accepted in change.operations.items()}

    @property
    def done(self) -> dict[str, OperationDone]:
        """The Operations that were seen done, by ID."""
        return {one: done for change in self.changes for one, done in change.done.items()}

    def change(self, index: int, call: str) -> ChangeState | None:
        """Return the change that an event is about. Events of earlier programs have no index, so the call decides.

        None for a call that only a newer program makes.
        """
        if index < len(self.planned) and self.planned[index].change.kind == call:
            return self.planned[index]
        for found in self.changes:
            if found.change.kind == call:
                return found
        if call not in CHANGE_KINDS:
            return None
        made = ChangeState(Change(ChangeKind(call)))
        self.changes.append(made)
        return made

    def verified(self, event: VersionVerified) -> None:
        """Record the verdict on a Version, and its effect on the change."""
        self.verdicts[event.version_id] = event
        for planned in self.planned[event.change : event.change + 1]:
            if planned.change.kind is ChangeKind.VERIFY:
                planned.verdict = event.verdict

    @property
    def version_id(self) -> str:
        """The Version that was made or found, "" if none is known. A Version that a tag was moved to, or that was
        deleted, does not count.
        """
        if isinstance(self.outcome, Deployed | Unchanged | Unknown) and self.outcome.version_id:
            return self.outcome.version_id
        named = (o for o in reversed(self.operations.values()) if o.version_id and o.call == ChangeKind.VERSION)
        return next((o.version_id for o in named), "")

    @property
    def work_s(self) -> float:
        """Seconds in all finished steps except the queue, which is other units' work."""
        return sum(seconds for step, seconds in self.seconds.items() if step is not Step.QUEUE)


def plan_again(unit: UnitState, event: UnitPlanned) -> None:
    """Merge a unit's new plan: known changes of the same kind (and the same tag, if they have one) take their new plan,
    and new changes are added. Changes that roll it back are kept apart.
    """
    forth, back = unit.changes[: unit.back_from or None], unit.changes[unit.back_from :] if unit.back_from else []
    known = [{_name(state.change): state for state in reversed(states)} for states in (forth, back)]
    unit.planned, new = [], 0
    for number, change in enumerate(event.changes):
        goes_back = 0 < event.back_from <= number
        state = known[goes_back].get(_name(change))
        if state is None:
            state = ChangeState(change)
            unit.changes.insert(unit.back_from + new if unit.back_from and not goes_back else len(unit.changes), state)
            new += not goes_back
        else:
            state.change = _since_first(state, change)
        unit.planned.append(state)
    if unit.back_from:
        unit.back_from += new
    elif event.back_from:
        unit.back_from = len(forth) + new


def _since_first(state: ChangeState, again: Change) -> Change:
    """Plan a change again, but keep the state before its own first effect.

    | the state before it, as planned now         | the kept state              |
    | ---                                         | ---                         |
    | a Version that this change made             | the state before that one   |
    | a setting as this change left it, or unset  | the state before the change |
    | anything else: nothing was done, or someone | as planned now              |
    | else has changed it since                   |                             |
    """
    known = state.change
    if state.outcome not in ("done", "asked for"):
        return again
    if known.kind.is_own:
        return _update_since(known, again)
    made = {accepted.version_id for accepted in state.operations.values()} - {""}
    before = {name: known.before.get(name, "") if held in made else held for name, held in again.before.items()}
    return replace(again, before=before)


def _update_since(known: Change, again: Change) -> Change:
    before, after = dict(again.before), dict(again.after)
    for name, left_as in known.after.items():
        was = known.before.get(name)
        if isinstance(left_as, Mapping) and isinstance(was, Mapping):
            then, now = dict(before.get(name) or {}), dict(after.get(name) or {})
            for key, value in left_as.items():
                if then.get(key, value) == value:
                    then[key], now[key] = was.get(key), now.get(key, value)
            before[name], after[name] = then, now
        elif before.get(name, left_as) == left_as:
            before[name], after[name] = was, after.get(name, left_as)
    return replace(again, before=before, after=after)


def _name(change: Change) -> tuple[str, ...]:
    if change.kind is ChangeKind.SCALING:
        return change.kind, *change.after.get("scaling", ())
    return (change.kind, *(sorted(change.after) if change.kind in (ChangeKind.TAG, ChangeKind.DELETE) else ()))


def names_of(unit: UnitState | UnitPlanned) -> list[tuple[str, str]]:
    """Return what a Function is known by: its folder, with its ID or its name."""
    return [(unit.folder_id, name) for name in (unit.function_id, unit.name) if name]
