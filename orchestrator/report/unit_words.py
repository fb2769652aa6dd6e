"""What a plan says about one unit, or about several that share a cause: the same in text and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model import Action, Unit
from orchestrator.version.compare import made_with

FAILED = "failed"  # before the run: its package could not be made


def word_of(unit: Unit) -> str:
    """Return what is done to a function, in the word that the run's own table uses."""
    return FAILED if unit.failed_step is not None else str(unit.action)


def reason_words(unit: Unit, *, whole: bool) -> str:
    """Return why something is done. For a new function also its settings, all of them if `whole`. A saved plan has no
    settings to show.
    """
    made = (
        made_with(unit.spec.settings, whole=whole)
        if unit.action is Action.CREATE and unit.spec.settings.runtime
        else ""
    )
    return f"{unit.reason}: {made}" if made else unit.reason


def by_cause(units: Sequence[Unit]) -> list[list[Unit]]:
    """Group functions that share one cause, such as a build, a secret or a rollback that blocks them or makes them
    fail. The cause is shown once.
    """
    groups: dict[tuple[str, ...], list[Unit]] = {}
    for unit in units:
        failure = unit.failure
        cause = (failure.advice, failure.detail) if failure is not None else (unit.key,)
        groups.setdefault((word_of(unit), unit.reason, *cause), []).append(unit)
    return list(groups.values())
