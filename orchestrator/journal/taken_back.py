"""What typed rollbacks have rolled back of a chain of runs. Nothing continues with that. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from orchestrator.errors import Exit
from orchestrator.journal.identity import Identity
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.unit_state import UnitState, names_of

_NO_NAMES = ("label:", "@", "!")  # prefixes of patterns that are not keys


@dataclass(frozen=True, slots=True)
class TakenBack:
    """`whole`: the rollback of all of a chain, None if there is none. `some`: for rollbacks of some functions, the
    rollback's ID by a Function's folder and its ID or name. `named`: their IDs, with what was typed.
    """

    whole: RunSummary | None = None
    some: Mapping[tuple[str, str], str] = field(default_factory=dict)
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def by(self, unit: UnitState) -> str:
        """Return the ID of the rollback that ended a unit's part of the chain, "" if none did.

        | a rollback                                                      | ends it for              |
        | ---                                                             | ---                      |
        | of all of it, however it ended                                  | all units                |
        | of some functions, by names, globs or labels                    | those functions          |
        | of some functions, by names or globs, where nothing was started | those too, if they match |
        """
        if self.whole is not None:
            return self.whole.id
        for name in names_of(unit):
            if name in self.some:
                return self.some[name]
        return next((run_id for run_id, patterns in self.named if is_named(unit.key, patterns)), "")


NOTHING_TAKEN_BACK = TakenBack()


def is_named(key: str, patterns: Sequence[str]) -> bool:
    """Return whether patterns name a key. What labels or a file select is only known from the rollback's own units."""
    left_out = any(fnmatchcase(key, one[1:]) for one in patterns if one.startswith("!"))
    return not left_out and any(fnmatchcase(key, one) for one in patterns if not one.startswith(_NO_NAMES))


def firsts_of(runs: Sequence[RunSummary]) -> dict[str, str]:
    """Return the ID of the first run of each run's chain. `runs`: the newest first."""
    first: dict[str, str] = {}
    for run in reversed(runs):
        first[run.id] = first.get(run.resumes, run.id)
    return first


def standing_rollbacks(runs: Sequence[RunSummary]) -> dict[str, list[RunSummary]]:
    """Return the rollbacks of a chain or of a part of it, by the chain's first run, without those that were rolled back
    themselves. Of each, the last run; the newest first. `runs`: the newest first.
    """
    first, back, seen = firsts_of(runs), dict[str, list[RunSummary]](), set[str]()
    for run in runs:
        root = first[run.id]
        again = any(one.identity.selection.is_whole for one in back.get(root, ()))
        if run.rolls_back and root not in seen and not again:
            seen.add(root)
            back.setdefault(first.get(run.rolls_back, run.rolls_back), []).append(run)
    return back


def state_after(exit_code: int | None, identity: Identity) -> str:
    """Return the state of a run after a rollback with this exit code (None: not ended); "" if it is unaffected.

    | the rollback                         | the run that it rolls back           |
    | ---                                  | ---                                  |
    | of some functions only               | ""                                   |
    | of all; exit 0                       | rolled back                          |
    | of all; not ended, or exit 3         | ""                                   |
    | of all; something was left alone     | failed                               |
    """
    if not identity.selection.is_whole or exit_code in (None, Exit.INTERRUPTED):
        return ""
    return "rolled back" if exit_code == Exit.DONE else "failed"
