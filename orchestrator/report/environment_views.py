"""The plans of a manifest's environments, as values to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.model import Plan


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """The plan of one environment. None: there is none, and `problem` says why, with the `mistakes` of the manifest.
    `exit`: the exit code of a plan of this environment alone.
    """

    environment: str
    plan: Plan | None
    exit: int = 0
    problem: str = ""
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentsView:
    """The plans of all environments, in order. `verbose`: include functions that are unchanged in all of them."""

    plans: tuple[EnvironmentPlan, ...]
    verbose: bool = False

    def words(self) -> Iterator[str | None]:
        """Yield the words that are not secrets."""
        for one in self.plans:
            yield one.environment
            for unit in one.plan.units if one.plan is not None else ():
                yield from (unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id, unit.base_version_id)
