"""The schema of "why"."""

from __future__ import annotations

from orchestrator.planning.why.facts import (
    Held,
    LiveFacts,
    Maker,
    NextPlan,
    PastOperation,
    PastRun,
    SentCall,
    WaitsFor,
)
from orchestrator.report.published.common import (
    ACTION,
    ACTION_OR_NONE,
    CALL,
    ENVIRONMENT,
    ORIGIN,
    OUTCOME,
    PLACE_OR_NULL,
    STATE,
    UNIT_FACTS,
    VERDICT,
    WAY_BACK,
    WHEN,
)
from orchestrator.report.published.shape import (
    FLAG,
    TEXT,
    TEXTS,
    TIME,
    among,
    keys,
    keys_from,
    members_among,
    or_null,
    several,
)

_MAKER = keys_from(
    Maker,
    "Who made a version.",
    {
        "kind": "run: a run that is known here; tool: this tool, elsewhere; hand: other means",
        "how": "in words, where it was made by hand",
        "reason": "why its run made it",
        "run_id": "the run",
        "verb": "its command",
        "job": "its job",
        "by": "who started it: user@host",
        "commit": "of which commit",
        "operation_id": "the Operation",
        "account": "the ID of the account that made it",
        "followed_by": "the run that tracked its Operation to the end, if that is another one",
    },
)
_NOW = keys_from(
    LiveFacts,
    "The live state.",
    {
        "status": "of the function",
        "version_id": "of `$latest`",
        "version_status": "its status",
        "created_at": "when it was made, null if not known",
        "tags": "its tags",
        "made_by": "who made it, null if not known",
        "verdict": "of its verification; none: there is none in the journal",
        "verdict_reason": "why it has not passed",
        "verdict_run": "the run that verified it",
        "creating": "IDs of versions that are being created",
    },
    {
        "created_at": WHEN,
        "made_by": or_null(_MAKER),
        "verdict": {"type": "string", "enum": [*VERDICT["enum"], "none"]},
    },
)
_NEXT = keys_from(
    NextPlan,
    "What the next plan would do to it.",
    {
        "action": "what is done",
        "reason": "the reason, in words",
        "advice": "what to do if it is blocked",
        "detail": "more lines on that",
        "then": "what follows once its version is there",
        "way_back": "how it could be rolled back",
        "warnings": "sentences about its package",
        "job": 'whose plan it is, "": the manifest\'s',
    },
    {"way_back": or_null(WAY_BACK), "action": ACTION},
)
_SETTING = keys(
    "setting compared",
    "One value of the function, compared to the live one.",
    {
        "key": (TEXT, "its key, dotted"),
        "state": (members_among(Held), "how it compares to the live value"),
        "value": (TEXT, 'in words; "" for none, or where values never show'),
        "live": (TEXT, "the live value, in words"),
        **ORIGIN,
    },
)
_WAIT = keys(
    "wait",
    "What it waits for in a run that is under way.",
    {
        "run_id": (TEXT, 'the run, "" if it has none yet'),
        "for": (members_among(WaitsFor), "for what"),
        "words": (TEXT, "a sentence"),
        "since": (WHEN, "since when, null if not known"),
        "until": (WHEN, "until when, null if not known"),
        "advice": (TEXT, "what someone can do"),
        "operation_id": (TEXT, "the Operation that it waits for"),
        "who": (TEXT, "who started the run, if it is on another machine"),
    },
)
_OPERATION = keys_from(
    PastOperation,
    "An Operation of a run.",
    {
        "id": "its ID",
        "call": "the call that it is of",
        "ended": "how it ended",
        "error": "why it failed",
        "version_id": "the version that it makes, or moves a tag to",
        "idempotency_key": "of its call",
    },
    {"call": CALL, "ended": among("done", "failed", "not seen to end")},
)
_SENT = keys_from(
    SentCall,
    "A call of a run.",
    {
        "call": "which one",
        "idempotency_key": "its Idempotency-Key",
        "at": "when it was sent",
        "answered": "it has an Operation, or was refused",
    },
    {"call": CALL, "at": TIME},
)
_PAST = keys_from(
    PastRun,
    "The result in one run.",
    {
        "run_id": "the run",
        "verb": "its command",
        "state": "the state of the run",
        "started_at": "when it began, null if not known",
        "by": "who started it: user@host",
        "commit": "of which commit",
        "action": "what its plan did to the function",
        "reason": "the reason, in words",
        "outcome": "the result",
        "why": "why it failed, or what blocked it",
        "advice": "what to do about that",
        "version_id": "the version that it made, or found",
        "base_version_id": "the one that was `$latest` before",
        "operations": "its Operations",
        "sent": "its calls",
        "retries": "how often a call was retried",
        "taken_up_by": "the run that resumed it",
        "rolled_back_by": "the rollback that took it back",
        "rolls_back": "the run that it rolls back",
        "elsewhere": "only its record in the bucket is known here",
    },
    {
        "started_at": WHEN,
        "state": STATE,
        "outcome": OUTCOME,
        "operations": several(_OPERATION),
        "sent": several(_SENT),
        "action": ACTION_OR_NONE,
    },
)
WHY = keys(
    "why",
    "",
    {
        **ENVIRONMENT,
        **UNIT_FACTS,
        "function_id": (or_null(TEXT), "its ID, null if it is not live, or not known"),
        "place": (PLACE_OR_NULL, "where the manifest declares it, null if it does not"),
        "declared": (FLAG, "the manifest declares it"),
        "disabled": (FLAG, "the manifest disables it"),
        "now": (or_null(_NOW), "the live state, null if there is none, or it is not known"),
        "next": (or_null(_NEXT), "what the next plan does to it, null if that is not known"),
        "settings": (several(_SETTING), "its settings, compared to the live ones"),
        "waits": (several(_WAIT), "what it waits for now"),
        "runs": (several(_PAST), "its results in former runs, the newest first"),
        "absent": (TEXTS, "what does not exist, sentences"),
        "unknown": (TEXTS, "what is unknown, and why"),
    },
)
