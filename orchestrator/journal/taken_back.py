"""What somebody has taken back of a chain of runs, by rollbacks that were typed: nothing goes on with that. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from orchestrator.errors import Exit
from orchestrator.journal.identity import Identity
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.unit_state import UnitState, names_of

_NO_NAMES = ("label:", "@", "!")  # how a pattern begins that is none of keys


@dataclass(frozen=True, slots=True)
class TakenBack:
    """`whole`: the rollback of all of a chain, None where there is none. `some`: of rollbacks of some functions only,
    by a Function's folder and its id or name, the rollback's id; `named`: their ids, with what was typed.
    """

    whole: RunSummary | None = None
    some: Mapping[tuple[str, str], str] = field(default_factory=dict)
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def by(self, unit: UnitState) -> str:
        """Give the id of the rollback that has ended what a chain was to do for a unit, "" where none has.

        | a rollback                                                     | has ended it for               |
        | ---                                                            | ---                            |
        | of all of it, however that has ended                           | all units                      |
        | of some functions, by names, globs or labels                   | those that it was about        |
        | of some functions, by names or globs; nothing was begun of one | that one, too, where they fit  |
        """
        if self.whole is not None:
            return self.whole.id
        for name in names_of(unit):
            if name in self.some:
                return self.some[name]
        return next((run_id for run_id, patterns in self.named if is_named(unit.key, patterns)), "")


NOTHING_TAKEN_BACK = TakenBack()


def is_named(key: str, patterns: Sequence[str]) -> bool:
    """Say whether patterns name a key. What labels or a file tell is known of what the rollback was about alone."""
    left_out = any(fnmatchcase(key, one[1:]) for one in patterns if one.startswith("!"))
    return not left_out and any(fnmatchcase(key, one) for one in patterns if not one.startswith(_NO_NAMES))


def firsts_of(runs: Sequence[RunSummary]) -> dict[str, str]:
    """Give for each run the id of its chain's first one. `runs`: the newest first."""
    first: dict[str, str] = {}
    for run in reversed(runs):
        first[run.id] = first.get(run.resumes, run.id)
    return first


def standing_rollbacks(runs: Sequence[RunSummary]) -> dict[str, list[RunSummary]]:
    """Give by a chain's first run the rollbacks that took it back, or some of it, but for those that were taken back
    themselves: of each the last run, the newest first. `runs`: the newest first.
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
    """Say what a run has come to by a rollback that has ended so (None: it has not); "" where that says nothing of it.

    | the rollback                         | the run that it takes back           |
    | ---                                  | ---                                  |
    | of some functions only               | ""                                   |
    | of all; exit 0                       | rolled back                          |
    | of all; not ended, or exit 3         | ""                                   |
    | of all; something was left alone     | failed                               |
    """
    if not identity.selection.is_whole or exit_code in (None, Exit.INTERRUPTED):
        return ""
    return "rolled back" if exit_code == Exit.DONE else "failed"
