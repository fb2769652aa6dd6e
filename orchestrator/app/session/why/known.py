"""What `why` has found out so far of one function, and what it could not. An error in one part leaves the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.session import Session
from orchestrator.app.session.why.of_runs import JournalSide, Recorded
from orchestrator.errors import CloudError, Exit, ManifestError, OrchestratorError
from orchestrator.job.binding import Binding
from orchestrator.journal.functions.function_runs import FunctionNames
from orchestrator.manifest.load import Survey
from orchestrator.model import Function, FunctionSpec, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.planning.why.facts import LiveFacts, PastRun, WaitingFor
from orchestrator.report.messages import with_facts


@dataclass(slots=True)
class Known:
    """What is known so far. `code`: the exit code for missing parts, 0 without any."""

    request: Request
    survey: Survey  # of its manifest
    journal: JournalSide
    spec: FunctionSpec | None
    names: FunctionNames
    binding: Binding | None = None  # of the job whose plan is requested
    session: Session | None = None
    live: LiveState | None = None
    function: Function | None = None
    unit: Unit | None = None
    now: LiveFacts | None = None
    waiting: list[WaitingFor] = field(default_factory=list)
    past: list[PastRun] = field(default_factory=list)
    held_by: list[str] = field(default_factory=list)  # IDs of runs of other machines with a lease on it
    records: list[Recorded] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    code: int = Exit.DONE

    def lacks(self, what: str, error: OrchestratorError) -> None:
        """Record that a part is missing."""
        cause = with_facts(error) if isinstance(error, CloudError) else error.message
        advice = f"; {error.advice}" if error.advice else ""
        mistakes = error.mistakes if isinstance(error, ManifestError) else ()
        self.unknown += [f"{what}: {mistake}" for mistake in mistakes] or [f"{what}: {cause}{advice}"]
        self.code = self.code or (Exit.NOT_STARTED if isinstance(error, CloudError) else error.exit)

    async def part(self, what: str, read: Callable[[], Awaitable[None]]) -> None:
        """Read one part. Raises only what interrupts the command."""
        try:
            await read()
        except OrchestratorError as error:
            if error.exit == Exit.INTERRUPTED:
                raise
            self.lacks(what, error)
        except ValueError as error:  # an unreadable record
            self.unknown.append(f"{what}: {error}")
