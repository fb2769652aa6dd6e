"""What a command returns: an exit code, and a value to show. Each format renders each kind of value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from orchestrator.errors import Mistake
from orchestrator.job.contract import JobStatus, Parameter
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.model import Plan, Prediction, Rollout, Undeclared
from orchestrator.planning.prune.leftovers import Removed, StoredLeftovers, Total
from orchestrator.planning.prune.plan import PrunePlan, UsageAfter
from orchestrator.planning.rollout import ChainWaves
from orchestrator.planning.why.facts import Explanation
from orchestrator.report.account.view import ReportView
from orchestrator.report.environment_views import EnvironmentsView
from orchestrator.report.explained.function_views import InitView, PackageView, ResolvedView

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BuildRow:
    """A running build: its functions, for how long it has run, and the last line that it printed."""

    functions: str
    seconds: float
    last_line: str


Builds = Callable[[], Sequence[BuildRow]]


@dataclass(frozen=True, slots=True)
class StorageView:
    """What may be deleted from a bucket, and the result for each kind once it is pruned. `whole`: list all that goes.
    `left`: what is left of each kind, as listed afterwards; None: it was not listed again, and is computed.
    """

    found: StoredLeftovers
    removed: tuple[Removed, ...] | None = None
    whole: bool = False
    left: Mapping[str, Total] | None = None


@dataclass(frozen=True, slots=True)
class PlanView:
    """What a run would do to each function, and why, in which waves; with --simulate also how long that would take.

    `verbose`: list everything by name, including unchanged functions and those that the manifest does not declare.
    """

    plan: Plan
    prediction: Prediction | None = None
    rollout: Rollout = field(default_factory=Rollout)
    undeclared: tuple[Undeclared, ...] = ()
    warnings: tuple[str, ...] = ()  # people have already seen them
    verbose: bool = False
    back: bool = False  # the plan rolls a run back
    skips_verification: bool = False
    disabled: int = 0  # functions that the manifest disables
    chain: ChainWaves | None = None  # set if the plan is the rest of these waves
    environment: str = ""


@dataclass(frozen=True, slots=True)
class SavedPlanView:
    """A saved plan. `facts`: what it is, who made it and until when it is valid, in words; `document`: its file."""

    facts: Mapping[str, str]
    plan: PlanView
    document: bytes


@dataclass(frozen=True, slots=True)
class ResultView:
    """The result of a run, or of a chain of runs. `everything`: show every function, however many there are; `timings`:
    show each step's; `history`: show what it was about, and each run of the chain. `alive`: the last one may still be
    under way. `back`: the rollback that took it back; `next_step`: what to do next.
    """

    state: RunState
    everything: bool = False
    timings: bool = False
    history: bool = False
    alive: bool = False
    warnings: tuple[str, ...] = ()  # files that could not be written; people see these anyway
    back: RunState | None = None
    storage: StorageView | None = None  # what a prune has deleted in the bucket
    usage: tuple[UsageAfter, ...] = ()  # of the quotas that a prune has freed
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class RunsView:
    """The runs in the journal, the newest first."""

    runs: tuple[RunSummary, ...]


@dataclass(frozen=True, slots=True)
class BoardView:
    """How far a job has come, function by function. `missing`: why there is no board."""

    rows: tuple[JobStatus, ...]
    missing: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class OpenDue:
    """A due time that is not done, since its run had too many failures. No call resumes it by itself."""

    due_at: str  # ISO 8601, UTC
    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class BoundJob:
    """A [jobs.NAME] of the manifest. `next_due`: ISO 8601 in the job's own time zone. `open_due`: see `OpenDue`."""

    job: str
    run: str
    schedule: str | None
    timezone: str
    next_due: str | None
    place: str  # FILE:LINE
    open_due: OpenDue | None = None
    environment: str = ""


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job that a manifest can use."""

    about: str
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True)
class JobsView:
    """The jobs of a manifest, and by name those that it can use."""

    config: Path
    bound: tuple[BoundJob, ...]
    known: Mapping[str, KnownJob]
    environment: str = ""
    verbose: bool = False  # describe the known jobs too, although the manifest has some


@dataclass(frozen=True, slots=True)
class FindingsView:
    """What was found in a manifest. With mistakes it is not valid, and the rest is not known. `environments`: those
    that were checked.
    """

    config: Path
    functions: tuple[str, ...] = ()
    disabled: int = 0  # of the functions
    jobs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WhyView:
    """What is known about one function."""

    why: Explanation
    environment: str = ""

    def words(self) -> Iterator[str | None]:
        """Yield the words that are not secrets."""
        yield from self.why.words()


@dataclass(frozen=True, slots=True)
class PruneView:
    """Which old Versions go, and why the others stay. `verbose`: list each. `storage`: what may go from the bucket."""

    prune: PrunePlan
    verbose: bool = False
    storage: StorageView | None = None
    environment: str = ""


@dataclass(frozen=True, slots=True)
class ImportView:
    """A manifest of the live state. `file`: where it was written, "" for nowhere yet. `variables`: those that must be
    set, and what for; `notes`: by function what the manifest does not contain; `left_out`: by function why it is left
    out; `unread`: what could not be read. `words_of`: the words of the text.
    """

    text: str
    file: str
    functions: tuple[str, ...]
    folders: tuple[str, ...]
    variables: Mapping[str, str]
    notes: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    unread: tuple[str, ...] = ()
    words_of: tuple[str, ...] = ()

    def words(self) -> Iterator[str | None]:
        """Yield the words that are not secrets."""
        yield from self.words_of


@dataclass(frozen=True, slots=True)
class RewriteView:
    """Changes of a manifest. `diffs`: by file, unified; `functions`: those that they concern; `left`: what is not
    changed, and why; `variables`: those that must be set, and what for. `written`: the changes were made.
    """

    diffs: Mapping[str, str]
    functions: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    written: bool = False

    def words(self) -> Iterator[str | None]:
        """Yield the words that are not secrets."""
        yield from (*self.functions, *self.variables)


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A text that is the same in every format."""

    text: str


View = (
    PlanView
    | SavedPlanView
    | PruneView
    | ResultView
    | ReportView
    | RunsView
    | BoardView
    | JobsView
    | FindingsView
    | WhyView
    | ResolvedView
    | ImportView
    | RewriteView
    | InitView
    | PackageView
    | EnvironmentsView
    | DocumentView
)


def within(view: T, environment: str) -> T:
    """Add the environment to a view about a manifest, where the view does not name it itself. A run names its own, and
    `validate` names all that it has checked.
    """
    if not environment or getattr(view, "environment", None) != "":
        return view
    found: T = replace(cast("Any", view), environment=environment)
    return found


def words(view: View) -> Iterator[str | None]:
    """Yield the keys, names and IDs in a view: words that must not be taken for secrets."""
    match view:
        case PlanView(plan) | SavedPlanView(_, PlanView(plan)):
            for unit in plan.units:
                yield from (unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id, unit.base_version_id)
        case PruneView(subject) | WhyView(subject):
            yield from subject.words()
        case ResultView(state):
            for one in state.units.values():
                yield from (one.key, one.name, one.folder_id, one.function_id, one.base_version_id, one.version_id)
        case BoardView(rows):
            for row in rows:
                yield from (row.key, row.folder_id, row.runtime)
        case WhyView() | ResolvedView() | ImportView() | RewriteView() | EnvironmentsView() | ReportView():
            yield from view.words()
        case JobsView():
            yield from (*view.known, *(job.job for job in view.bound))


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. `next_step` is shown after its value.

    `has_run`: the exit code is that of a run, so it stays the same if the value cannot be written.
    """

    exit: int
    view: View | None = None
    next_step: str = ""
    has_run: bool = False
