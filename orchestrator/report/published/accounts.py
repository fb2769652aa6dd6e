"""The schema of "report": each field of `report.account.values`, with what it means."""

from __future__ import annotations

from orchestrator.report.account import time_values as tv
from orchestrator.report.account import values as v
from orchestrator.report.account.spent import PARTS
from orchestrator.report.published.account_functions import ACCOUNT_OF_FUNCTION
from orchestrator.report.published.common import (
    CODE_OR_NULL,
    OUTCOME_COUNTS,
    STATE,
    VERDICT,
    WHEN,
    WHY_LIMIT,
    or_empty,
)
from orchestrator.report.published.shape import COUNT, NUMBER, TIME, among, keys_from, or_null, several

_LIMIT = keys_from(
    v.LimitStep,
    "A limit changed.",
    {
        "at_s": "when",
        "allowed": "how much is allowed from then on",
        "reason": "where the limit is from; then why it was lowered, or raised",
    },
    {"reason": WHY_LIMIT},
)
_SCOPE = keys_from(
    v.ScopeAccount,
    "A scope that Operations count against.",
    {
        "kind": "what it is",
        "id": 'the ID of the folder or cloud, "" for requests',
        "most": "the maximum of slots in use at once",
        "slot_s": "slots in use × seconds",
        "full_s": "how long it made functions wait",
        "slots": "pairs: a time, and the slots in use from then on",
        "limits": "how the limit changed",
        "refused_s": "when the cloud had no room",
    },
    {"kind": among("folder", "cloud", "requests per second"), "limits": several(_LIMIT)},
)
_RUN = keys_from(
    v.RunSpan,
    "One run of the chain.",
    {
        "run_id": "its ID",
        "from_s": "when it began",
        "to_s": "when it ended, null: it was killed, or is in progress",
        "exit_code": "its exit code, null as before",
        "reason": "why it stopped before its plan was done",
        "by": "who started it: user@host",
    },
    {"exit_code": CODE_OR_NULL},
)
_WAVE = keys_from(
    v.WaveSpan,
    "A wave.",
    {
        "number": "from 1",
        "waves": "how many there are",
        "functions": "how many functions it has",
        "canary": "it is the canary wave",
        "from_s": "when it began",
        "to_s": "when it ended, null: it is in progress",
    },
)
_STOP = keys_from(
    v.RunStop,
    "A time when the run itself waited.",
    {
        "kind": "for what",
        "wave": "the wave before, 0 for none",
        "from_s": "since when",
        "to_s": "when it ended, null: it is still waiting",
        "reason": "why",
        "verdict": 'of a gate, "" for all others',
        "detail": "the last lines of a gate",
    },
    {"kind": among("pause", "gate", "approval", "outage", "breach"), "verdict": or_empty(VERDICT)},
)
_CAUSE = keys_from(
    v.Cause,
    "Functions that are not done for one reason.",
    {
        "what": "the result",
        "message": "of the first one: what went wrong",
        "advice": "what to do next",
        "functions": "their keys",
        "first": "which of them was first",
        "first_s": "when, null if not known",
        "operation_id": "its Operation",
        "request_id": "the cloud's ID of its request",
    },
)
_PART = keys_from(
    tv.TimePart,
    "A part of the time; all parts together are `seconds` of the whole.",
    {
        "part": "what the time was spent on",
        "scope": 'of `bound`: by what, such as folder ID; "" for the others',
        "limit": "of `bound`: by how many, null for the others",
        "seconds": "how long",
    },
    {"part": among(*PARTS)},
)
_LATE = keys_from(
    tv.Lateness,
    "How late Operations were seen as done.",
    {
        "operations": "how many operations with times from the cloud",
        "cloud_s": "their total duration by the cloud's own times",
        "seen_s": "from when they were accepted until they were seen as done, summed up",
        "late_s": "the difference",
        "worst_s": "the largest of one",
    },
)
_GIVES = keys_from(
    tv.WouldGive,
    "How long the run would have taken with a higher limit.",
    {"scope": "which limit, such as folder ID", "limit": "the higher limit", "seconds": "how long"},
)
_LONGEST = keys_from(
    tv.LongestChain,
    "The function with the most work of its own.",
    {"function": "its key", "work_s": "how long"},
)
REPORT = keys_from(
    v.Account,
    "",
    {
        "run_id": "the ID of the run, the last of its chain",
        "verb": "the command that started it: deploy, rollback, prune, or `run NAME`",
        "state": "its state",
        "endpoint": 'the installation; "sandbox" for the embedded one',
        "manifest": "its path",
        "environment": 'the environment of the manifest, "" for none',
        "commit": "of the work tree",
        "by": "who started it: user@host",
        "program": "the version of the program",
        "started_at": "when the first run of the chain began: all times in seconds count from here",
        "ended_at": "null: it is in progress, or was killed, see `state`",
        "exit_code": "its exit code, null as before",
        "reason": "why it stopped before its plan was done",
        "breach": 'which limit of failures was exceeded, "" for none',
        "sentence": "where the time went, for people",
        "seconds": "of all its runs, without the time between them",
        "planned_s": "of the plan before",
        "total": "functions of its plan",
        "outcomes": "functions by outcome",
        "runs": "the runs of the chain, the oldest first",
        "parts": "where the time went",
        "longest": "the function that took longest: no limit makes a run shorter than that; null for none",
        "late": "how late the ends of Operations were seen, null if the cloud gave no times",
        "would_give": "what a higher limit would gain, null if no limit bounds it",
        "first_failure": 'the function that failed first, "" for none',
        "causes": "what failed, and why, the most frequent first",
        "scopes": "limits, and how they were used",
        "waves": "its waves",
        "stops": "when the run itself waited",
        "functions": "every function",
        "rolled_back_by": 'the rollback that took it back, "" for none',
        "skips": "what its last run does not wait for: pauses, verification",
        "next": "command lines that continue from here",
        "result": "how many functions came to which result, in words, as `show` has it",
        "selection": 'what was selected, as typed; "" for everything',
        "left_out": "enabled functions that the selection leaves out; 0 for jobs and older runs",
        "disabled": "functions that the manifest disables; of a run of all",
        "rolls_back": 'the run that it rolls back, "" for none',
        "rolled_back": 'what the rollback that took it back has restored, in words; "" for none',
    },
    {
        "state": STATE,
        "started_at": or_empty(TIME),
        "ended_at": WHEN,
        "exit_code": CODE_OR_NULL,
        "seconds": NUMBER,
        "total": COUNT,
        "left_out": COUNT,
        "disabled": COUNT,
        "outcomes": OUTCOME_COUNTS,
        "runs": several(_RUN),
        "parts": several(_PART),
        "longest": or_null(_LONGEST),
        "late": or_null(_LATE),
        "would_give": or_null(_GIVES),
        "causes": several(_CAUSE),
        "scopes": several(_SCOPE),
        "waves": several(_WAVE),
        "stops": several(_STOP),
        "functions": several(ACCOUNT_OF_FUNCTION),
    },
)
