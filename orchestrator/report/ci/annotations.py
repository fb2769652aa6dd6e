"""Findings with their lines in the manifest: for annotations and code quality reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import Mistake
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Place, Unit
from orchestrator.report.failures import NAMED_MAX, Cause, causes, failure_of
from orchestrator.report.plain_text import counted, named

ANNOTATIONS_MAX = 10  # per step; GitHub shows the others in the log only


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `line` 0: the file as a whole; `file` "": not known. `check`: its kind, the same for all findings of
    one kind; `about`: the function, or (not `is_function`) the key of the manifest.
    """

    file: str
    line: int
    check: str
    about: str
    text: str
    is_function: bool = True

    @property
    def title(self) -> str:
        """A short title: what the finding is about."""
        return f"{self.about}: {self.check}" if self.about else self.check


def findings_of_mistakes(mistakes: Iterable[Mistake]) -> list[Finding]:
    """Return the mistakes of a manifest."""
    what = "mistake in the manifest"
    return [Finding(one.file, one.line, what, one.key, one.rule, is_function=False) for one in mistakes]


def findings_of_plan(units: Iterable[Unit]) -> list[Finding]:
    """Return the functions of a plan that are blocked, or whose package cannot be made."""
    found = []
    for unit in units:
        if unit.action is Action.BLOCKED or unit.failure is not None:
            check = f"failed in step {unit.failed_step}" if unit.failed_step is not None else "blocked"
            advice = unit.failure.advice if unit.failure is not None else ""
            found.append(
                Finding(*_at(unit.spec.place), check, unit.key, "\n".join(filter(None, (unit.reason, advice))))
            )
    return found


def findings_of_run(units: Iterable[UnitState], places: Mapping[str, Place]) -> list[Finding]:
    """Return what failed, is unknown or blocked in a run, function by function, grouped by cause. `places`: where
    functions are declared, by their keys.
    """
    return _of_each(causes(units), places)


def shown_findings(units: Sequence[UnitState], places: Mapping[str, Place]) -> list[Finding]:
    """Return the same for GitHub, which shows ten annotations: above ten, one for each cause."""
    found = causes(units)
    if sum(len(cause.units) for cause in found) <= ANNOTATIONS_MAX:
        return _of_each(found, places)
    shown = [_of_cause(cause, places) for cause in found[: ANNOTATIONS_MAX - (len(found) > ANNOTATIONS_MAX)]]
    if more := found[len(shown) :]:
        count = counted(sum(len(cause.units) for cause in more), "more function")
        shown.append(Finding("", 0, f"{len(more)} more causes", "", f"{count}: see the job's log and summary"))
    return shown


def at_most_ten(found: Sequence[Finding]) -> list[Finding]:
    """Return findings for GitHub: above ten, equal ones once, and the rest as a number."""
    if len(found) <= ANNOTATIONS_MAX:
        return list(found)
    same = dict[tuple[str, str], list[Finding]]()
    for one in found:
        same.setdefault((one.check, one.text), []).append(one)
    groups = list(same.values())
    most = ANNOTATIONS_MAX - (len(groups) > ANNOTATIONS_MAX)
    shown = [group[0] if len(group) == 1 else _of_several(group) for group in groups[:most]]
    if more := sum(map(len, groups[most:])):
        what = counted(more, "more function" if found[0].is_function else "more mistake")
        shown.append(Finding("", 0, what, "", "see the job's log and summary", is_function=found[0].is_function))
    return shown


def _of_several(group: Sequence[Finding]) -> Finding:
    first = group[0]
    about = counted(len(group), "function" if first.is_function else "key")
    text = f"{named([one.about for one in group], NAMED_MAX)}\n{first.text}"
    return Finding(first.file, first.line, first.check, about, text, is_function=first.is_function)


def _of_each(found: Iterable[Cause], places: Mapping[str, Place]) -> list[Finding]:
    return [_of_unit(cause, unit, places) for cause in found for unit in cause.units]


def _of_unit(cause: Cause, unit: UnitState, places: Mapping[str, Place]) -> Finding:
    own = failure_of(unit, "")  # with its own message: equal failures may differ in IDs
    failure = own.failure if own is not None else cause.failure
    text = "\n".join(filter(None, (failure.message, failure.advice)))
    return Finding(*_at(places.get(unit.key)), cause.what, unit.key, text)


def _of_cause(cause: Cause, places: Mapping[str, Place]) -> Finding:
    if len(cause.units) == 1:
        return _of_unit(cause, cause.units[0], places)
    who = named([unit.key for unit in cause.units], NAMED_MAX)
    text = "\n".join(filter(None, (who, cause.failure.message, cause.failure.advice)))
    at = _at(places.get(cause.units[0].key))
    return Finding(*at, cause.what, counted(len(cause.units), "function"), text)


def _at(place: Place | None) -> tuple[str, int]:
    return (place.file, place.line) if place is not None else ("", 0)
