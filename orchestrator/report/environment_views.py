"""What would be done in each environment of a manifest, as values to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.model import Plan


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """The plan of one environment; None: there is none, and `problem` says why, with `mistakes` of the manifest.
    `exit`: what a plan of it alone exits with.
    """

    environment: str
    plan: Plan | None
    exit: int = 0
    problem: str = ""
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentsView:
    """The plans of all environments, in their order. `verbose`: with the functions that are unchanged in all."""

    plans: tuple[EnvironmentPlan, ...]
    verbose: bool = False

    def words(self) -> Iterator[str | None]:
        """Give the words that are no secrets."""
        for one in self.plans:
            yield one.environment
            for unit in one.plan.units if one.plan is not None else ():
                yield from (unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id, unit.base_version_id)
