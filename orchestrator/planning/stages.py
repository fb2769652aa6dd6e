"""In which stage of a run each change of a unit is made: a stage begins after all of the one before. Pure."""

from __future__ import annotations

from enum import Enum, auto
from itertools import takewhile

from orchestrator.model import ChangeKind, Rollout, Unit

_LAST = (ChangeKind.TAG, ChangeKind.SCALING, ChangeKind.ACCESS)  # kinds that come after a verification


class Staging(Enum):
    """The stages of a run."""

    WHOLE = auto()  # one stage: each unit is carried out to its end
    TWO_PHASE = auto()  # new Versions, verified; then tags move
    BACK = auto()  # tags and own settings are restored; then `$latest`


def staging_of(rollout: Rollout, *, back: bool) -> Staging:
    """Return which stages a run has. `back`: it rolls another one back."""
    if back:
        return Staging.BACK
    return Staging.TWO_PHASE if rollout.two_phase else Staging.WHOLE


def second_stage(unit: Unit, staging: Staging) -> int:
    """Return the index of the first change of a unit that is made in the second stage.

    | changes of a unit             | whole | two phases | back    |
    | ---                           | ---   | ---        | ---     |
    | create, version, verify, tag  | none  | the tag    |         |
    | tag, tag                      | none  | the first  | none    |
    | version, verify, tag, scaling | none  | the tag    |         |
    | tag, update, version          |       |            | version |
    """
    kinds = [change.kind for change in unit.changes]
    if staging is Staging.TWO_PHASE:
        return len(kinds) - sum(1 for _ in takewhile(_LAST.__contains__, reversed(kinds)))
    if staging is Staging.BACK and ChangeKind.VERSION in kinds:
        return kinds.index(ChangeKind.VERSION)
    return len(kinds)
