"""Which runs the journal need not keep any longer. Pure: it is told the runs, and answers with ids."""

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
    """Why a run is kept, the first that holds; `NOT`: it goes."""

    NOT = ""
    NEWEST = f"among the {KEPT_ALWAYS} newest"
    UNDONE = "has not ended, or has left something undone"
    TAKES_BACK = "a rollback of a run that is kept"
    TAKEN_BACK = "being taken back by a rollback that has not come to its end"
    LAST_OF_ITS_KIND = "the newest of its command, installation, manifest and folders"
    OF_A_FUNCTION = "among the last runs that have changed a function"
    YOUNG = f"younger than {KEPT_DAYS} days, and among the {KEPT_RUNS} newest"


def outdated(runs: Sequence[RunSummary], now: float) -> tuple[str, ...]:
    """Give the ids of the runs that may go. `runs`: all, the newest first; `now`: epoch seconds."""
    return tuple(run_id for run_id, why in retained(runs, now).items() if why is Kept.NOT)


def retained(runs: Sequence[RunSummary], now: float, last: Collection[str] = ()) -> dict[str, Kept]:
    """Say of each run why it is kept, by its id. `last`: ids of the last runs that have changed some function.

    | a run, with all that took it up                                   | goes  |
    | ---                                                               | ---   |
    | its last one is among the `KEPT_ALWAYS` newest                    | never |
    | has not ended, or has left something undone                       | never |
    | is taken back by a rollback of which the same holds               | never |
    | the newest of its verb, installation, manifest and folders        | never |
    | a rollback, of a run that stays                                   | never |
    | one of it is among `last`                                         | never |
    | other, older than `KEPT_DAYS`, or not among `KEPT_RUNS` runs      | yes   |

    `resume`, --failed, --undone and the board of a job read nothing else. What was learned is not of a run.
    """
    by_id = {run.id: run for run in runs}
    found, last_of, newest = dict[str, Kept](), dict[str, RunSummary](), set[tuple[object, ...]]()
    back = {run.rolls_back for run in runs if run.taken_up_by not in by_id and is_undone(run)} - {""}
    for number, run in enumerate(runs):
        if run.taken_up_by in by_id:  # stays and goes with the run that took it up
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
    for run in reversed(runs):  # one that took a rollback back is younger
        if not found.get(run.id) and found.get(run.rolls_back):
            found.update(dict.fromkeys(_chain(last_of.get(run.id, run), by_id), Kept.TAKES_BACK))
    return found


def is_undone(run: RunSummary) -> bool:
    """Say whether a run, the last of its chain, has not ended or has left something undone."""
    if run.ended_at is None or run.exit_code == Exit.INTERRUPTED:
        return True
    return run.exit_code != Exit.DONE and any(run.outcomes.get(name) for name in _UNDONE)


def _chain(run: RunSummary, by_id: dict[str, RunSummary]) -> list[str]:
    """Give a run and all that it took up."""
    found = [run.id]
    while (before := by_id.get(by_id[found[-1]].resumes)) is not None and before.id not in found:
        found.append(before.id)
    return found
