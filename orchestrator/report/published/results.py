"""The schemas of runs: "result" and "runs"."""

from __future__ import annotations

from orchestrator.model import Step
from orchestrator.report.published.common import (
    ACTION_OR_NONE,
    CALL,
    CHANGE_KEYS,
    CODE_OR_NULL,
    FAILURE,
    IDENTITY,
    OUTCOME,
    OUTCOME_COUNTS,
    STATE,
    STEP,
    UNIT_FACTS,
    VERDICT,
    WHEN,
)
from orchestrator.report.published.prunes import STORAGE, USAGE_AFTER
from orchestrator.report.published.shape import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    SHA256,
    TEXT,
    TEXTS,
    TIME,
    TRUE,
    Takes,
    among,
    keyed,
    keys,
    members_among,
    or_null,
    several,
)

SKIPS: Takes = several(among("pauses", "verification"))
_FAILED: dict[str, tuple[Takes, str]] = {
    "failed_step?": (STEP, "of one that failed: in which step"),
    "failure?": (FAILURE, "of one that failed: why"),
    "outcome_reason?": (TEXT, "of one that is blocked, cancelled, unknown or inconclusive: why"),
}
_FUNCTION = keys(
    "function",
    "The result of one function.",
    {
        **UNIT_FACTS,
        "function_id": (TEXT, 'its ID, "" if there is none yet'),
        "action": (ACTION_OR_NONE, 'its action in the plan, "" if it was not planned again'),
        "reason": (TEXT, "the reason, in words"),
        "warnings": (TEXTS, "sentences about its package"),
        "base_version_id": (TEXT, 'the version that was `$latest`, "" for none'),
        "fingerprint": (TEXT, "of its new version: settings and source"),
        "before": (OBJECT, "the settings that were live, by the API's names; no value of a variable"),
        "version_id": (TEXT, 'the version that was made, or found; "" for none'),
        "outcome": (OUTCOME, "the result"),
        "verdicts?": (
            several(
                keys(
                    "verdict",
                    "The result of verifying a version.",
                    {
                        "version_id": (TEXT, "the version"),
                        "verdict": (VERDICT, "what it said"),
                        "reason": (TEXT, 'why it has not passed, "" if it has'),
                        "attempts": (COUNT, "how often it was called"),
                        "seconds": (NUMBER, "how long that took"),
                    },
                )
            ),
            "of those that were verified",
        ),
        **_FAILED,
        "rolled_back_to?": (TEXT, "the copy of the previous version that has replaced it since"),
        "overwritten?": (TEXT, "another user's version that its own has replaced unnoticed"),
        "step": (or_null(STEP), "the step that it is in; null between steps and after the end"),
        "started_at": (WHEN, "its first step; null if it has not begun"),
        "ended_at": (WHEN, "its end; null if it has not ended"),
        "seconds": (keyed(NUMBER, members_among(Step)), "how long each step took; repeats add up"),
        "retries": (COUNT, "how often a call was retried"),
        "operation_ids": (TEXTS, "its Operations, in their order"),
        "requests": (
            several(
                keys(
                    "request",
                    "A call, written down before it was sent.",
                    {
                        "call": (CALL, "which one"),
                        "idempotency_key": (TEXT, "its Idempotency-Key"),
                        "attempt": (COUNT, "from 1"),
                    },
                )
            ),
            "its calls that change something",
        ),
        "package": (
            or_null(
                keys(
                    "stored package",
                    "Where its package is.",
                    {
                        "bucket": (TEXT, "the bucket"),
                        "object": (TEXT, "its key there"),
                        "sha256": (SHA256, "of the zip, hex"),
                        "size_bytes": (COUNT, "of the zip"),
                        "existed": (FLAG, "it was already there"),
                    },
                )
            ),
            "null if none was stored",
        ),
        "changes": (
            several(
                keys(
                    "change made",
                    "One change, and its result.",
                    {
                        **CHANGE_KEYS,
                        "outcome": (among("done", "failed", "asked for", "not begun"), "the result"),
                        "operation_ids": (TEXTS, "its Operations"),
                    },
                )
            ),
            "its changes, in their order",
        ),
    },
)
_LINK = keys(
    "run of the chain",
    "One run.",
    {
        "run_id": (TEXT, "its ID"),
        "started_at": (TIME, "when it began"),
        "ended_at": (WHEN, "when it ended; null if it was killed, or is in progress"),
        "exit_code": (CODE_OR_NULL, "its exit code, null as before"),
        "by?": (TEXT, "who started it: user@host"),
        "approves?": (TEXT, "the paused run that it promotes"),
        "skips?": (SKIPS, "what it skipped"),
        "adopt?": (TEXTS, "live versions that were allowed to lose settings: NAME@VERSION_ID, or * for all"),
    },
)
_PAUSED = keys(
    "pause",
    "Where a run is paused until it is promoted.",
    {
        "reason": (TEXT, "why"),
        "wave": (COUNT, "the last wave that has ended, 0 for none"),
        "until": (WHEN, "the end of a declared pause, null for none"),
    },
)
_GATE = keys(
    "gate verdict",
    "The gate's verdict on a wave.",
    {
        "wave": (COUNT, "the wave; 0: all versions, before tags move"),
        "verdict": (VERDICT, "what it said"),
        "exit_code": (or_null({"type": "integer"}), "of its command, null if it was ended at its time limit"),
        "seconds": (NUMBER, "how long it took"),
        "output": (TEXT, "its last lines"),
    },
)
_BACK_FUNCTION = keys(
    "function taken back",
    "One function of a rollback.",
    {
        "function": (TEXT, "its key in the manifest"),
        "version_id": (TEXT, 'the copy that the rollback made, "" for none'),
        "outcome": (OUTCOME, "the result"),
        **_FAILED,
        "back_in_part?": (TEXTS, "which parts are rolled back, if not all"),
    },
)
_BACK = keys(
    "rollback",
    "The rollback that took a run back.",
    {
        "run_id": (TEXT, "its ID"),
        "exit_code": (CODE_OR_NULL, "its exit code, null if it has not ended"),
        "outcomes": (OUTCOME_COUNTS, "its functions by outcome"),
        "functions": (several(_BACK_FUNCTION), "its functions"),
    },
)
RESULT = keys(
    "result",
    "",
    {
        "run_id": (TEXT, "the ID of the run, the last of its chain"),
        "verb": (TEXT, "the command that started it: deploy, rollback, prune, or `run NAME`"),
        "endpoint": (TEXT, 'the installation; "sandbox" for the embedded one'),
        "manifest": (TEXT, "its path, as it was typed"),
        "program": (TEXT, "the version of the program"),
        "resumes": (TEXT, 'the run that it resumed, "" for none'),
        "chain": (several(_LINK), "all runs of the chain, the oldest first"),
        **IDENTITY,
        "state": (STATE, "its state"),
        "paused?": (_PAUSED, "of a run that is paused"),
        "breach": (TEXT, 'which limit of failures was exceeded, "" for none'),
        "given_up": (FLAG, "what is not done will not be done"),
        "started_at": (WHEN, "when it began"),
        "ended_at": (WHEN, "when it ended; null if it was killed, or is in progress"),
        "exit_code": (CODE_OR_NULL, "its exit code, null as before"),
        "reason": (TEXT, 'why it stopped before its plan was done, "" if it did not'),
        "skips?": (SKIPS, "what it skipped"),
        "gates?": (several(_GATE), "the gate's verdicts, wave by wave"),
        "total": (COUNT, "functions of its plan"),
        "disabled": (COUNT, "functions that the manifest disables, which are not among them"),
        "outcomes": (OUTCOME_COUNTS, "functions by outcome; outcomes without functions are missing"),
        "rolls_back?": (TEXT, "the run that it rolls back"),
        "rollback?": (_BACK, "the rollback that took it back"),
        "functions": (several(_FUNCTION), "every function of the chain"),
        "warnings": (TEXTS, "what could not be written or sent at its end"),
        "storage?": (STORAGE, "the result of a prune in the bucket"),
        "usage?": (USAGE_AFTER, "quotas that a prune has freed"),
    },
)
RUNS = keys(
    "runs",
    "",
    {
        "runs": (
            several(
                keys(
                    "run",
                    "One run.",
                    {
                        "run_id": (TEXT, "its ID"),
                        "verb": (TEXT, "the command that started it: deploy, rollback, prune, or `run NAME`"),
                        "endpoint": (TEXT, 'the installation; "sandbox" for the embedded one'),
                        "started_at": (TIME, "when it began"),
                        "ended_at": (WHEN, "when it ended; null if it was killed, or is in progress"),
                        "exit_code": (CODE_OR_NULL, "its exit code, null as before"),
                        "functions": (COUNT, "functions of its plan"),
                        "outcomes": (OUTCOME_COUNTS, "functions by outcome"),
                        "program": (TEXT, "the version of the program"),
                        "manifest": (TEXT, "its path, as it was typed"),
                        **IDENTITY,
                        "status": (among("ended", "running", "interrupted", "paused"), "whether it is over"),
                        "state": (STATE, "its state"),
                        "rolled_back_by?": (TEXT, "the rollback that took it back, or some of it"),
                        "superseded_by?": (TEXT, "of a paused one: the later run that did the rest"),
                        "resumes": (TEXT, 'the run that it resumed, "" for none'),
                        "taken_up_by": (TEXT, 'the run that resumed it, "" for none'),
                        "elsewhere?": (TRUE, "only its record in the bucket is known here"),
                    },
                )
            ),
            "the runs, the newest first",
        ),
    },
)
