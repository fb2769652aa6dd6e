"""Which runs the journal need not keep any longer. Pure: it is told the runs, and answers with ids."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import Exit
from orchestrator.journal.runs import RunSummary

KEPT_DAYS = 90
KEPT_RUNS = 200  # of those younger than that
KEPT_ALWAYS = 20  # the newest, however old
_DAY_S = 86_400.0
_UNDONE = ("cancelled", "unknown")


def outdated(runs: Sequence[RunSummary], now: float) -> tuple[str, ...]:
    """Give the ids of the runs that may go. `runs`: all, the newest first.

    | a run, with all that took it up                              | goes  |
    | ---                                                          | ---   |
    | its last one is among the `KEPT_ALWAYS` newest               | never |
    | has not ended, or has left something undone                  | never |
    | the newest of its verb, installation, manifest and folders   | never |
    | a rollback, of a run that stays                              | never |
    | other, older than `KEPT_DAYS`, or not among `KEPT_RUNS` runs | yes   |

    `resume`, --failed, --undone and the board of a job read nothing else. What was learned is not of a run.
    """
    by_id = {run.id: run for run in runs}
    found, newest = list[str](), set[tuple[object, ...]]()
    for number, run in enumerate(runs):
        if run.taken_up_by in by_id:  # stays and goes with the run that took it up
            continue
        identity = run.identity
        about = run.verb, run.endpoint, identity.manifest or run.manifest, identity.environment, identity.folders
        is_newest = about not in newest
        newest.add(about)
        old = number >= KEPT_RUNS or now - run.started_at > KEPT_DAYS * _DAY_S
        if old and number >= KEPT_ALWAYS and not is_newest and not _is_undone(run):
            found += _chain(run, by_id)
    gone = set(found)
    for run in reversed(runs):  # one that took a rollback back is younger
        if run.rolls_back in by_id and run.rolls_back not in gone:
            gone.difference_update(_chain(run, by_id))
    return tuple(one for one in found if one in gone)


def _is_undone(run: RunSummary) -> bool:
    if run.ended_at is None or run.exit_code == Exit.INTERRUPTED:
        return True
    return run.exit_code != Exit.DONE and any(run.outcomes.get(name) for name in _UNDONE)


def _chain(run: RunSummary, by_id: dict[str, RunSummary]) -> list[str]:
    """Give a run and all that it took up."""
    found = [run.id]
    while (before := by_id.get(by_id[found[-1]].resumes)) is not None and before.id not in found:
        found.append(before.id)
    return found
