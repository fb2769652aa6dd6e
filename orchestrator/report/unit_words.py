"""What a plan says of one unit, or of several that one cause concerns: the same in text and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model import Action, Unit
from orchestrator.version.compare import made_with

FAILED = "failed"  # already: its package could not be made


def word_of(unit: Unit) -> str:
    """Say what is done to a function, or becomes of it, in the word that the run's own table has."""
    return FAILED if unit.failed_step is not None else str(unit.action)


def reason_words(unit: Unit, *, whole: bool) -> str:
    """Say why something is done; of a new function also what it gets, and with the `whole` all of that. A saved plan
    holds no settings that could be shown.
    """
    made = (
        made_with(unit.spec.settings, whole=whole)
        if unit.action is Action.CREATE and unit.spec.settings.runtime
        else ""
    )
    return f"{unit.reason}: {made}" if made else unit.reason


def by_cause(units: Sequence[Unit]) -> list[list[Unit]]:
    """Put functions together of which the same is to be told: what one cause blocks, or makes fail, such as a build, a
    secret or a rollback, is told once.
    """
    groups: dict[tuple[str, ...], list[Unit]] = {}
    for unit in units:
        failure = unit.failure
        cause = (failure.advice, failure.detail) if failure is not None else (unit.key,)
        groups.setdefault((word_of(unit), unit.reason, *cause), []).append(unit)
    return list(groups.values())
