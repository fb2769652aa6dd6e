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
        "to_s": "when it ended, null: it has not",
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
        "operation_id": "its ID",
        "call": "the call that it is of",
        "change": "the index of the change",
        "asked_s": "when its call was sent, null if the Operation was found",
        "accepted_s": "when the cloud accepted it",
        "done_s": "when it was seen to be done, null: it was not",
        "cloud_s": "its duration by the cloud's own times, null if the cloud gave none",
        "late_s": "how much later it was seen to be done, null as before",
        "version_id": "the version that it makes, or moves a tag to",
        "request_id": "the cloud's ID of the request",
        "error": 'why it failed, "" if it did not',
    },
    {"call": CALL},
)
_CHANGE = keys_from(
    v.ChangeMade,
    "A change of a function.",
    {
        "kind": "the call of the API that makes it",
        "old": "the state before, without values of variables",
        "new": "the state after",
        "outcome": "the result",
    },
    {"kind": CALL, "outcome": among("done", "failed", "asked for", "not begun")},
    title="account of a change",
)
_VERIFIED = keys_from(
    v.Verified,
    "The result of verifying a version.",
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
        "step": 'in which step it failed, "" if it is blocked or unknown',
        "kind": "groups equal failures",
        "message": "what went wrong",
        "advice": "what to do next",
        "operation_id": "the Operation that failed",
        "http_status": "HTTP status of the response that refused a call, null if there was none",
        "request_id": "the cloud's ID of the request",
        "server_trace_id": "the cloud's ID of its trace",
        "client_request_id": "the ID that this program sent with the request",
        "detail": "more lines, such as a build's output",
    },
    {"step": or_empty(STEP)},
)
ACCOUNT_OF_FUNCTION = keys_from(
    v.FunctionAccount,
    "One function.",
    {
        **{name: said for name, (_, said) in UNIT_FACTS.items()},
        "function_id": 'its ID, "" for none yet',
        "action": "its action in the plan",
        "reason": "the reason, in words",
        "outcome": "the result",
        "wave": "its wave, 0 for none",
        "started_s": "its first step, null if it has not begun",
        "ended_s": "its end, null if it has not ended",
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
        "verified": "the results of verifications",
        "failure": "why it is not done, null if it is",
        "warnings": "sentences about its package",
        "live": "which version serves `$latest` after the run, as far as it is known",
        "live_version_id": 'its ID, "" for none, or not known',
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
