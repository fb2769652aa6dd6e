"""The account of a run: what was done when, what it waited for, and where its time went, as frozen values.

These values are published: `report --json` writes each of them under the names of its fields ("orchestrator/report/1",
see `document`), and `orchestrator schema report` prints their JSON Schema. Fields ending in `_s` are seconds. Those
named `at_s`, `from_s`, `to_s`, `asked_s` … count from the beginning of the chain's first run. `to_s` None: not over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.report.account.time_values import Lateness, LongestChain, TimePart, WouldGive


@dataclass(frozen=True, slots=True)
class StepSpan:
    """The time that a function spent in one step of a change. `ok`: the step succeeded."""

    step: str
    change: int
    from_s: float
    to_s: float | None
    ok: bool


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A retry of a call, after `wait_s`. `no_room`: the scope whose limit had no room for its Operation ("folder ID"),
    "" for other failures, and for journals of older versions that did not record it.
    """

    at_s: float
    step: str
    change: int
    reason: str
    wait_s: float
    no_room: str
    request_id: str


@dataclass(frozen=True, slots=True)
class OperationSpan:
    """An Operation. `asked_s`: when its call was sent, None where it was found; `done_s`: when it was seen as done.
    `cloud_s`: how long it took by the cloud's own times, None where the cloud gave none. `late_s`: how much later than
    that it was seen as done, counted from when it was accepted.
    """

    operation_id: str
    call: str
    change: int
    asked_s: float | None
    accepted_s: float
    done_s: float | None
    cloud_s: float | None
    late_s: float | None
    version_id: str
    request_id: str
    error: str


@dataclass(frozen=True, slots=True)
class ChangeMade:
    """A change of a function: its subject, the old value and the new one. It never contains a variable's value."""

    kind: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    outcome: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A verdict about a Version. `attempts`: how often it was called."""

    at_s: float
    version_id: str
    verdict: str
    reason: str
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WhyFailed:
    """Why a function is not done. `step`: the one that failed, "" where it is blocked or unknown. `detail`: more lines,
    such as a build's output.
    """

    step: str
    kind: str
    message: str
    advice: str
    operation_id: str
    http_status: int | None
    request_id: str
    server_trace_id: str
    client_request_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class FunctionAccount:
    """One function. `work_s`: its own work, all steps except the queue; `waited_s`: the queue; `wave`: 0 for none.
    `old_version_id` and `new_version_id`: what served `$latest` before, and what was made (or found); "" for none.
    `live` and `live_version_id`: what serves it after the run, see `live_after`. `shown`: its outcome as people see it,
    which differs from `outcome` in a rollback: "rolled back".
    """

    function: str
    name: str
    folder_id: str
    function_id: str
    action: str
    reason: str
    outcome: str
    wave: int
    started_s: float | None
    ended_s: float | None
    work_s: float
    waited_s: float
    old_version_id: str
    new_version_id: str
    package_bytes: int | None
    package_existed: bool
    steps: tuple[StepSpan, ...]
    tries: tuple[TryAgain, ...]
    operations: tuple[OperationSpan, ...]
    changes: tuple[ChangeMade, ...]
    verified: tuple[Verified, ...]
    failure: WhyFailed | None
    warnings: tuple[str, ...]
    live: str
    live_version_id: str
    shown: str


@dataclass(frozen=True, slots=True)
class LimitStep:
    """A limit from that time on, and its source: "quota-manager", "learned before", "declared", "refused" …"""

    at_s: float
    allowed: float
    reason: str


@dataclass(frozen=True, slots=True)
class ScopeAccount:
    """A scope that Operations count against. `kind`: "folder", "cloud", or "requests per second", which has no slots.
    `slots`: pairs of a time and the slots in use from then on; `most`: the most at once; `slot_s`: their integral.
    `full_s`: for how long it held functions up; `refused_s`: when the cloud had no room.
    """

    kind: str
    id: str
    most: int
    slot_s: float
    full_s: float
    slots: tuple[tuple[float, int], ...]
    limits: tuple[LimitStep, ...]
    refused_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RunSpan:
    """One run of the chain."""

    run_id: str
    from_s: float
    to_s: float | None
    exit_code: int | None
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class WaveSpan:
    """A wave. It ends where the next wave or stop begins."""

    number: int
    waves: int
    functions: int
    canary: bool
    from_s: float
    to_s: float | None


@dataclass(frozen=True, slots=True)
class RunStop:
    """A time in which the run itself waited. `kind`: "pause", "gate", "approval", "outage", "breach".
    `wave`: the wave before it, 0 for none; `verdict`: of a gate, "" for others; `detail`: its last lines.
    """

    kind: str
    wave: int
    from_s: float
    to_s: float | None
    reason: str
    verdict: str
    detail: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Functions that are not done for the same reason, and the first of them, with IDs to search for."""

    what: str
    message: str
    advice: str
    functions: tuple[str, ...]
    first: str
    first_s: float | None
    operation_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Account:
    """A run with its whole chain. `started_at`, `ended_at`: ISO 8601 in UTC; `ended_at` None: it is under way, or was
    killed, see `state`. `seconds`: of all its runs, without the time between them; `planned_s`: of the plan before.
    `sentence`: where the time went, for people. `first_failure`: the function that failed first, "" for none. `skips`:
    what the last run does not wait for. `next`: commands that continue from here. `result`: the outcomes as people see
    them. `selection`: as it was typed; `left_out`, `disabled`: how many functions that, and the manifest, left out.
    `rolled_back`: what the rollback that took it back has restored, in words.
    """

    run_id: str
    verb: str
    state: str
    endpoint: str
    manifest: str
    environment: str
    commit: str
    by: str
    program: str
    started_at: str
    ended_at: str | None
    exit_code: int | None
    reason: str
    breach: str
    sentence: str
    seconds: float
    planned_s: float
    total: int
    outcomes: Mapping[str, int]
    runs: tuple[RunSpan, ...]
    parts: tuple[TimePart, ...]
    longest: LongestChain | None
    late: Lateness | None
    would_give: WouldGive | None
    first_failure: str
    causes: tuple[Cause, ...]
    scopes: tuple[ScopeAccount, ...]
    waves: tuple[WaveSpan, ...]
    stops: tuple[RunStop, ...]
    functions: tuple[FunctionAccount, ...]
    rolled_back_by: str
    skips: tuple[str, ...]
    next: tuple[str, ...]
    result: str = ""
    selection: str = ""
    left_out: int = 0
    disabled: int = 0
    rolls_back: str = ""
    rolled_back: str = ""
