"""What a run's outcomes mean for the run: its exit code, its waves, when it stops. Each with its truth table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

from orchestrator.errors import Exit
from orchestrator.model import Cancelled, Deployed, Outcome, Unchanged, Unknown


def exit_code(outcomes: Iterable[Outcome], *, interrupted: bool) -> Exit:
    """Say what a run ends with, by what became of its units.

    | outcomes                                                                | exit |
    | ---                                                                     | ---  |
    | any Unknown                                                             | 3    |
    | interrupted, and any Cancelled, or Deployed that was not read back      | 3    |
    | any Failed, Blocked or Cancelled                                        | 1    |
    | only Deployed and Unchanged: an interruption that came too late is none | 0    |
    """
    outcomes = tuple(outcomes)
    found = {type(outcome) for outcome in outcomes}
    unread = any(isinstance(outcome, Deployed) and not outcome.observed for outcome in outcomes)
    if Unknown in found or (interrupted and (Cancelled in found or unread)):
        return Exit.INTERRUPTED
    return Exit.FAILED if found - {Deployed, Unchanged} else Exit.DONE


def wave_ends(units: int, waves: Sequence[int | str]) -> tuple[int, ...]:
    """Say after how many units each wave ends; the last one ends with the last unit, whatever was declared.

    | units | waves              | ends        |
    | ---   | ---                | ---         |
    | 100   | 1, "10%", "100%"   | 1, 10, 100  |
    | 5     | 1, "10%", "100%"   | 1, 5        |  a share is rounded up; a wave without units is none
    | 10    | 3                  | 3, 10       |
    | 0     | any                |             |
    """
    ends: list[int] = []
    for wave in (*waves, "100%"):
        end = min(units, _count(wave, units))
        if end > (ends[-1] if ends else 0):
            ends.append(end)
    return tuple(ends)


def breach(failed: int, units: int, max_failures: int | str | None) -> str:
    """Say why a run of `units` must stop after `failed` failures, "" where it need not: only *more* than allowed stops.

    | failed | units | max_failures | stops |
    | ---    | ---   | ---          | ---   |
    | any    | any   | none         | no    |
    | 0      | any   | any          | no    |
    | 1      | 100   | 0            | yes   |
    | 2      | 100   | "2%"         | no    |
    | 3      | 100   | "2%"         | yes   |
    | 1      | 10    | "2%"         | yes   |  2 % of 10 is less than one
    """
    if max_failures is None or not failed:
        return ""
    allowed = max_failures if isinstance(max_failures, int) else units * float(max_failures.rstrip("%")) / 100
    return f"{failed} of {units} failed, more than max_failures = {max_failures}" if failed > allowed else ""


BREAKER = 5  # functions in a row that are refused alike


def refused_alike(failures: Sequence[tuple[str, str]]) -> str:
    """Say why a run must stop that nothing but refusals of one kind came out of lately, "" where it need not.

    `failures`: (kind, message) of the last ends, oldest first; of an end that was no refusal ("", "").

    | the last five ends                             | stops |
    | ---                                            | ---   |
    | PERMISSION_DENIED of the same words, each      | yes   |
    | the same, but one was deployed or failed later | no    |
    | refusals of different kinds or words           | no    |
    | fewer than five                                | no    |
    """
    last = failures[-BREAKER:]
    if len(last) < BREAKER or len(set(last)) > 1 or not last[0][0]:
        return ""
    return f"{BREAKER} functions in a row were refused alike: {last[0][0]}: {last[0][1]}"


def _count(share: int | str, units: int) -> int:
    return share if isinstance(share, int) else ceil(units * float(share.rstrip("%")) / 100)
