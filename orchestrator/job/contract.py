"""What a job is: a pure function from (manifest, live state, parameters) to what is desired and a rollout policy.

A job is a Python file, a built-in one of `jobs/` or the user's own beside deploy.toml, with these names in it:

    PARAMETERS: Mapping[str, Parameter]          its parameters, from [jobs.NAME] and `--param k=v`.
    def folders(manifest, given) -> Sequence[str]                    the folders whose live state it needs.
    def desired(manifest, live, given) -> Desired                    the state that it aims for.
    def offline(manifest, given) -> None                             optional: refuses what is always wrong.

`given` has every parameter, with its default if it was not set. A job that cannot run with its parameters raises
`JobError`. It does no I/O: all its input is in its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from orchestrator.errors import Exit, OrchestratorError
from orchestrator.model import FunctionSpec, Manifest, Rollout
from orchestrator.model.live_state import LiveState
from orchestrator.planning.prune.rule import PrunePolicy

Given = Mapping[str, Any]

# Keys of [jobs.NAME] that mean the same for every job: who runs it when, its rollout, what it may remove.
COMMON = ("run", "schedule", "timezone", "rollout", "adopt", "environments")


class JobError(OrchestratorError):
    """A job cannot run with its parameters: one is wrong, or an exception has expired."""

    exit = Exit.USAGE


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a job. `read`: a function that reads its value (`text`, `texts`, `flag`, `table`, or your own), so
    that an invalid one is found before the job runs; None: any value. `keys`: those of a list of tables, for editors.
    `selects`: it selects functions, so its list may not be empty; the default applies only if it is left out. `needs`:
    the parameter without which this one has no effect, so both are required.
    """

    description: str
    default: Any = None
    required: bool = False
    read: Callable[[Given, str], object] | None = None
    keys: tuple[str, ...] = ()
    selects: bool = False
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A function that a job leaves out: the reason, the owner of this exception, and its last day."""

    function: str
    reason: str
    owner: str
    until: date


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The state of one function in a job, for its board.

    "old tags": `$latest` is done, but calls by a tag still reach what the job is to change. `note`: why it is skipped,
    or which tags these are.
    """

    key: str
    folder_id: str
    runtime: str
    status: str  # done | old tags | waiting | skipped
    note: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The result of a job. `force`: make new Versions of unchanged functions too. `warnings`: sentences.

    `board`: the state of every function, for `run NAME --status`; None: the job has no board.
    """

    specs: Mapping[str, FunctionSpec]
    rollout: Rollout
    force: bool = False
    warnings: tuple[str, ...] = ()
    board: tuple[JobStatus, ...] | None = None
    failures: Mapping[str, str] = field(default_factory=dict)  # functions that cannot be changed, and why
    prune: PrunePolicy | None = None  # nothing is made: old Versions of the functions are deleted, except these


class Job(Protocol):
    """The names in a job's file."""

    PARAMETERS: Mapping[str, Parameter]

    def folders(self, manifest: Manifest, given: Mapping[str, Any]) -> Sequence[str]: ...
    def desired(self, manifest: Manifest, live: LiveState, given: Mapping[str, Any]) -> Desired: ...
    def offline(self, manifest: Manifest, given: Mapping[str, Any]) -> None: ...


def as_written(value: object) -> str:
    """Return a value as a manifest has it, for messages."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def texts(given: Given, name: str) -> tuple[str, ...]:
    """Read a list of texts. A single text counts as a list of one. Raises `JobError`."""
    value = given[name]
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, tuple | list) or not all(isinstance(item, str) and item for item in found):
        raise JobError(
            f"`{name}` must be a list of strings, not {as_written(value)}", advice=f'write {name} = ["…", "…"]'
        )
    return tuple(found)


def text(given: Given, name: str) -> str:
    """Read a text. Raises `JobError`."""
    value = given[name]
    if not isinstance(value, str) or not value:
        raise JobError(f"`{name}` must be a string, not {as_written(value)}", advice=f'write {name} = "…"')
    return value


def flag(given: Given, name: str) -> bool:
    """Read a boolean. Raises `JobError`."""
    value = given[name]
    if not isinstance(value, bool):
        raise JobError(f"`{name}` must be true or false, not {as_written(value)}", advice=f"write {name} = true")
    return value


def table(given: Given, name: str) -> dict[str, str]:
    """Read a table of texts. Raises `JobError`, whose messages never have the values."""
    value = given[name]
    if not isinstance(value, Mapping):
        raise JobError(f"`{name}` must be a table", advice=f'write {name} = {{ NAME = "value" }}')
    for key, item in value.items():
        if not isinstance(item, str):
            raise JobError(f"`{name}.{key}` must be a string", advice="put its value in quotes")
    return dict(value)


def rows(given: Given, name: str, known: Collection[str]) -> tuple[Mapping[str, Any], ...]:
    """Read a list of tables that have only keys in `known`. Raises `JobError`."""
    value = given[name]
    if not isinstance(value, tuple | list) or not all(isinstance(row, Mapping) for row in value):
        raise JobError(f"`{name}` must be a list of tables", advice=f"write {name} = [{{ {', '.join(known)} }}]")
    for row in value:
        for key in row:
            if key not in known:
                raise JobError(f'`{name}` has no key "{key}"', advice=f"its keys are {', '.join(known)}")
    return tuple(value)
