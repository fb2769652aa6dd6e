"""What "report" has of one function: each field of `report.account.values`, with what it means."""

from __future__ import annotations

from orchestrator.report.account import values as v
from orchestrator.report.account.live_after import LIVE
from orchestrator.report.published.common import (
    ACTION_OR_NONE,
    CALL,
    OUTCOME,
    STEP,
    UNIT_FACTS,
    VERDICT,
    or_empty,
)
from orchestrator.report.published.shape import among, keys_from, or_null, several

_STEP_SPAN = keys_from(
    v.StepSpan,
    "The time that a function spent in a step.",
    {
        "step": "the step",
        "change": "the index of its change",
        "from_s": "since when",
        "to_s": "until when, null: it is still in it",
        "ok": "it succeeded",
    },
    {"step": STEP},
)
_TRY = keys_from(
    v.TryAgain,
    "A call that failed and is retried.",
    {
        "at_s": "when it failed",
        "step": "in which step",
        "change": "the index of the change",
        "reason": "why it failed",
        "wait_s": "how long it waits before the next try",
        "no_room": 'whose limit had no room for its Operation, such as folder ID; "" for other failures',
        "request_id": "the cloud's ID of the request",
    },
    {"step": STEP},
)
_OPERATION = keys_from(
    v.OperationSpan,
    "An Operation.",
    {
        "operation_id": "its id",
        "call": "the call that it is of",
        "change": "the index of the change",
        "asked_s": "when its call was sent, null where it was found",
        "accepted_s": "when the cloud accepted it",
        "done_s": "when it was seen as done, null: it was not",
        "cloud_s": "how long it took by the cloud's own times, null where it gave none",
        "late_s": "how much later than that it was seen as done, null as before",
        "version_id": "the version that it makes, or moves a tag to",
        "request_id": "the cloud's ID of the request",
        "error": 'why it failed, "" where it did not',
    },
    {"call": CALL},
)
_CHANGE = keys_from(
    v.ChangeMade,
    "A change of a function.",
    {
        "kind": "the call of the API that makes it",
        "old": "what it is about, as it was; no value of a variable",
        "new": "the same as it should be",
        "outcome": "the result",
    },
    {"kind": CALL, "outcome": among("done", "failed", "asked for", "not begun")},
    title="account of a change",
)
_VERIFIED = keys_from(
    v.Verified,
    "What a verification said of a version.",
    {
        "at_s": "when",
        "version_id": "the version",
        "verdict": "what it said",
        "reason": "why it has not passed",
        "attempts": "how often it was called",
        "seconds": "how long that took",
    },
    {"verdict": VERDICT},
)
_FAILED = keys_from(
    v.WhyFailed,
    "Why a function is not done.",
    {
        "step": 'in which step it failed, "" where it is blocked or unknown',
        "kind": "groups equal failures",
        "message": "what went wrong",
        "advice": "what to do next",
        "operation_id": "the Operation that failed",
        "http_status": "of the answer that refused a call, null where there was none",
        "request_id": "the cloud's ID of the request",
        "server_trace_id": "the same, of its trace",
        "client_request_id": "the id that this program sent along",
        "detail": "more lines, such as a build's output",
    },
    {"step": or_empty(STEP)},
)
ACCOUNT_OF_FUNCTION = keys_from(
    v.FunctionAccount,
    "One function.",
    {
        **{name: said for name, (_, said) in UNIT_FACTS.items()},
        "function_id": 'its id, "" for none yet',
        "action": "what the plan did to it",
        "reason": "why, in words",
        "outcome": "the result",
        "wave": "its wave, 0 for none",
        "started_s": "its first step, null where it has not begun",
        "ended_s": "its end, null where it has not ended",
        "work_s": "its own work: all steps except the queue",
        "waited_s": "how long it waited for a slot",
        "old_version_id": 'what served `$latest` before, "" for none',
        "new_version_id": 'the version that was made, or found; "" for none',
        "package_bytes": "of its package, null for none",
        "package_existed": "its package was already in the bucket",
        "steps": "its steps",
        "tries": "calls that were retried",
        "operations": "its Operations",
        "changes": "its changes, in their order",
        "verified": "what verifications said",
        "failure": "why it is not done, null where it is",
        "warnings": "sentences about its package",
        "live": "which version serves `$latest` after the run, as far as it is known",
        "live_version_id": 'its id, "" for none, or not known',
        "shown": 'its result in words; of a rollback, "rolled back" for `deployed`',
    },
    {
        "action": ACTION_OR_NONE,
        "outcome": OUTCOME,
        "steps": several(_STEP_SPAN),
        "tries": several(_TRY),
        "operations": several(_OPERATION),
        "changes": several(_CHANGE),
        "verified": several(_VERIFIED),
        "failure": or_null(_FAILED),
        "live": among(*LIVE),
    },
)
