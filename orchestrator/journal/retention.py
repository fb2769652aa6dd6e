"""Decides which runs the journal no longer needs. Pure: it gets the runs and returns IDs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from orchestrator.errors import Exit
from orchestrator.journal.runs import RunSummary

KEPT_DAYS = 90
KEPT_RUNS = 200  # of those younger than that
KEPT_ALWAYS = 20  # the newest, however old
DAY_S = 86_400.0
_UNDONE = ("cancelled", "unknown")


class Kept(StrEnum):
    """Why a run is kept, the first reason that applies. `NOT`: it is deleted."""

    NOT = ""
    NEWEST = f"among the {KEPT_ALWAYS} newest"
    UNDONE = "has not ended, or left something undone"
    TAKES_BACK = "the rollback of a run that is kept"
    TAKEN_BACK = "being rolled back by a rollback that has not ended"
    LAST_OF_ITS_KIND = "the newest of its command, installation, manifest and folders"
    OF_A_FUNCTION = "among the last runs that have changed a function"
    YOUNG = f"younger than {KEPT_DAYS} days, and among the {KEPT_RUNS} newest"


def outdated(runs: Sequence[RunSummary], now: float) -> tuple[str, ...]:
    """Return the IDs of the runs that may be deleted. `runs`: all, the newest first. `now`: epoch seconds."""
    return tuple(run_id for run_id, why in retained(runs, now).items() if why is Kept.NOT)


def retained(runs: Sequence[RunSummary], now: float, last: Collection[str] = ()) -> dict[str, Kept]:
    """Return why each run is kept, by ID. `last`: IDs of the last runs that changed any function.

    | a run, with all that resumed it                              | deleted |
    | ---                                                          | ---     |
    | its last one is among the `KEPT_ALWAYS` newest               | never   |
    | has not ended, or left something undone                      | never   |
    | is rolled back by a rollback for which the same is true      | never   |
    | the newest of its verb, installation, manifest and folders   | never   |
    | the rollback of a run that is kept                           | never   |
    | one of them is in `last`                                     | never   |
    | other, older than `KEPT_DAYS`, or not among `KEPT_RUNS` runs | yes     |

    Only these are read by `resume`, --failed, --undone and a job's board. Learned knowledge does not belong to a run.
    """
    by_id = {run.id: run for run in runs}
    found, last_of, newest = dict[str, Kept](), dict[str, RunSummary](), set[tuple[object, ...]]()
    back = {run.rolls_back for run in runs if run.taken_up_by not in by_id and is_undone(run)} - {""}
    for number, run in enumerate(runs):
        if run.taken_up_by in by_id:  # kept and deleted together with the run that resumed it
            continue
        identity = run.identity
        about = run.verb, run.endpoint, identity.manifest or run.manifest, identity.environment, identity.folders
        is_newest = about not in newest
        newest.add(about)
        chain = _chain(run, by_id)
        reasons = (
            (number < KEPT_ALWAYS, Kept.NEWEST),
            (is_undone(run), Kept.UNDONE),
            (not back.isdisjoint(chain), Kept.TAKEN_BACK),
            (is_newest, Kept.LAST_OF_ITS_KIND),
            (any(one in last for one in chain), Kept.OF_A_FUNCTION),
            (number < KEPT_RUNS and now - run.started_at <= KEPT_DAYS * DAY_S, Kept.YOUNG),
        )
        why = next((why for holds, why in reasons if holds), Kept.NOT)
        for one in chain:
            found[one], last_of[one] = found.get(one) or why, run
    for run in reversed(runs):  # a rollback is younger than the run that it rolled back
        if not found.get(run.id) and found.get(run.rolls_back):
            found.update(dict.fromkeys(_chain(last_of.get(run.id, run), by_id), Kept.TAKES_BACK))
    return found


def is_undone(run: RunSummary) -> bool:
    """Return whether a run, the last of its chain, has not ended or left something undone."""
    if run.ended_at is None or run.exit_code == Exit.INTERRUPTED:
        return True
    return run.exit_code != Exit.DONE and any(run.outcomes.get(name) for name in _UNDONE)


def _chain(run: RunSummary, by_id: dict[str, RunSummary]) -> list[str]:
    """Return a run and all that it resumed."""
    found = [run.id]
    while (before := by_id.get(by_id[found[-1]].resumes)) is not None and before.id not in found:
        found.append(before.id)
    return found
