"""Runs as lists of events, as the engine emits them."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.journal.events import (
    BytesSent,
    Event,
    OperationAccepted,
    OperationDone,
    PackageStored,
    Requested,
    RunEnded,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.model import Action, Deployed, Failed, Failure, Outcome, Step
from orchestrator.report.account.accounting import Accounting
from orchestrator.report.account.accounts import account_of
from orchestrator.report.account.values import Account

RUN_ID = "20261125T030000-a1b2c3"
STARTED_AT = 1_795_000_000.0


def started(run_id: str = RUN_ID, *, units: int = 1, at: float = STARTED_AT) -> RunStarted:
    return RunStarted(at, run_id, "deploy", "https://api.cloud.yandex.net", "deploy.toml", units, "0.1.0")


def planned(key: str, *, action: str = Action.VERSION, at: float = STARTED_AT) -> UnitPlanned:
    return UnitPlanned(at, key, key, "b1gfolder", f"d4e-{key}", action, "the source changed", f"base-{key}", "1:abc")


def step(key: str, step: Step, seconds: float, at: float = STARTED_AT) -> list[Event]:
    return [StepStarted(at, key, step), StepFinished(at + seconds, key, step, seconds)]


def deployment(key: str, at: float = STARTED_AT, outcome: Outcome | None = None) -> list[Event]:
    """Return the events of one unit from its plan to its outcome, with one retry; 4.6 s in all."""
    version_id, operation_id = f"version-{key}", f"operation-{key}"
    return [
        planned(key, at=at),
        *step(key, Step.PACKAGE, 0.1, at),
        StepStarted(at + 0.1, key, Step.UPLOAD),
        BytesSent(at + 0.2, key, 5_000_000, 10_000_000),
        BytesSent(at + 0.3, key, 10_000_000, 10_000_000),
        StepFinished(at + 0.6, key, Step.UPLOAD, 0.5),
        PackageStored(at + 0.6, key, "packages", f"functions/{key}.zip", "ab" * 32, 10_000_000, False),
        *step(key, Step.QUEUE, 1.0, at + 0.6),
        StepStarted(at + 1.6, key, Step.CREATE),
        Requested(at + 1.6, key, "createVersion", f"d4e-{key}", f"key-{key}", 1),
        StepFinished(at + 1.8, key, Step.CREATE, 0.2, ok=False),
        StepRetried(at + 1.8, key, Step.CREATE, 1, 0.5, "too many requests", "request-1"),
        *step(key, Step.QUEUE, 0.5, at + 2.3),
        StepStarted(at + 2.8, key, Step.CREATE),
        Requested(at + 2.8, key, "createVersion", f"d4e-{key}", f"key-{key}", 1),
        StepFinished(at + 3.1, key, Step.CREATE, 0.3),
        OperationAccepted(
            at + 3.1, key, "createVersion", operation_id, f"d4e-{key}", version_id, "request-2"
        ),
        *step(key, Step.TRACK, 2.0, at + 3.1),
        OperationDone(at + 5.1, key, operation_id, 1.9),
        UnitEnded(at + 5.1, key, outcome or Deployed(version_id)),
    ]  # fmt: skip


def failure(message: str = "Service account is not available", **changes: object) -> Failure:
    given: dict[str, object] = {
        "kind": "INVALID_ARGUMENT", "http_status": 400, "request_id": "request-9", "server_trace_id": "trace-9",
        "client_request_id": "client-9", "operation_id": "operation-9", "advice": "grant iam.serviceAccounts.user",
    }  # fmt: skip
    return Failure(message, **(given | changes))  # type: ignore[arg-type]  # a test's own changes


def failed(message: str = "Service account is not available", step: Step = Step.TRACK, **changes: object) -> Failed:
    return Failed(step, failure(message, **changes))


def ended(exit_code: int = 0, *, at: float = STARTED_AT + 8.4, reason: str = "") -> RunEnded:
    return RunEnded(at, exit_code, reason)


def account(events: Iterable[Event], now: float = STARTED_AT + 100, *, alive: bool = False) -> Account:
    """Return the account of a chain."""
    found = Accounting()
    for event in events:
        found(event)
    return account_of(found, now, alive=alive)


def whole_run(*keys: str, run_id: str = RUN_ID, at: float = STARTED_AT) -> list[Event]:
    """Return a run that deploys these units, reads them back and ends."""
    events: list[Event] = [started(run_id, units=len(keys), at=at)]
    for key in keys:
        events += deployment(key, at)
    events += [UnitEnded(at + 8, key, Deployed(f"version-{key}", read_back=True)) for key in keys]
    return [*events, ended(at=at + 8.4)]
