"""The members of a run's waves: their places, and what the gate is given about them besides outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.engine.attempts import Made
from orchestrator.engine.spreading.gate_facts import Member
from orchestrator.engine.verdicts import Before
from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import Event, OperationAccepted
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import Blocked, Cancelled, Deployed, Failed, Inconclusive, Outcome, Unit, Unknown


@dataclass(slots=True)
class Members:
    """The units that the run changes. `before`: the runs that this one resumes. `touched`: the units for which an
    Operation was accepted. `turns`: the places, from 1, of this run's units among those of all waves.
    """

    before: Before
    touched: set[str] = field(default_factory=set)
    turns: dict[str, int] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    # By key: function ID and verdict.
    facts: dict[str, tuple[str, VersionVerified | None]] = field(default_factory=dict)

    def place(self, units: Sequence[Unit]) -> None:
        """Record which units the run changes, in order."""
        before = self.before
        for number, unit in enumerate(units, start=1):
            self.turns[unit.key] = (before.turns.get(unit.key) or before.in_waves) if before.in_waves else number
            self.units[unit.key] = unit
            verified = before.verified.get(unit.key)
            if verified is not None and verified.version_id == unit.base_version_id:
                self.facts[unit.key] = "", verified

    def hear(self, event: Event) -> None:
        """Remember what the gate will be given."""
        if isinstance(event, VersionVerified):
            self.facts[event.key] = self.facts.get(event.key, ("", None))[0], event
        elif isinstance(event, OperationAccepted) and event.function_id:
            self.touched.add(event.key)
            self.facts[event.key] = event.function_id, self.facts.get(event.key, ("", None))[1]

    def gate_members(self, ended: Mapping[str, Outcome | Made]) -> Iterator[tuple[str, tuple[int, Member]]]:
        """Yield what has ended by now, or reached its second stage, in this run and the earlier ones: by key, its turn
        and what the gate is given. `ended`: of this run.
        """
        for turn, member in self.before.members:
            yield member.function, (turn, member)
        for key, unit in self.units.items():
            found = ended.get(key)
            if found is not None:
                yield key, (self.turns[key], self._member(unit, found))

    def _member(self, unit: Unit, outcome: Outcome | Made) -> Member:
        function_id, verified = self.facts.get(unit.key, ("", None))
        version_id = outcome.version_id if isinstance(outcome, Deployed | Unknown | Inconclusive | Made) else ""
        verdict, reason = (str(verified.verdict), verified.reason) if verified is not None else ("", "")
        if isinstance(outcome, Failed):
            reason = outcome.failure.message
        elif isinstance(outcome, Blocked | Cancelled | Unknown | Inconclusive):
            reason = outcome.reason
        return Member(
            unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id or function_id,
            version_id or (verified.version_id if verified is not None else ""), unit.base_version_id or "",
            outcome_name(outcome) if not isinstance(outcome, Made) else "", verdict, reason,
        )  # fmt: skip
