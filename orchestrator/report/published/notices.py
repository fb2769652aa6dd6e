"""The schemas of documents that are sent to others: "notification", and "gate", which a gate's command reads."""

from __future__ import annotations

from typing import get_args

from orchestrator.engine.spreading.gate_facts import Counts, GateFacts, Member
from orchestrator.manifest.notify.notify_tables import Notice
from orchestrator.report.published.common import (
    CODE_OR_NULL,
    ENDED_AS,
    OUTCOME_COUNTS,
    UNIT_FACTS,
    VERDICT,
    WHEN,
    or_empty,
)
from orchestrator.report.published.shape import COUNT, FLAG, NUMBER, TEXT, TEXTS, TIME, among, keys, keys_from, several

_CAUSE = keys(
    "notified cause",
    "Functions that are not done for one reason.",
    {
        "what": (TEXT, "the result, such as: failed in step track, INVALID_ARGUMENT"),
        "message": (TEXT, "of the first one: what went wrong"),
        "advice": (TEXT, 'what to do next, "" for nothing'),
        "count": (COUNT, "how many functions"),
        "functions": (TEXTS, "keys of the first ten of them"),
    },
)
NOTIFICATION = keys(
    "notification",
    "",
    {
        "kind": (among(*get_args(Notice)), "what happened, the word of `on`"),
        "run_id": (TEXT, 'the ID of the run, "" if none began'),
        "verb": (TEXT, "the command that started it: deploy, rollback, prune, or `run NAME`"),
        "job": (TEXT, 'its job, "" for none'),
        "environment": (TEXT, 'the environment of the manifest, "" for none'),
        "selection": (TEXT, 'what the command named, as typed: the run left out the rest; "" for all functions'),
        "folders": (TEXTS, "IDs of all folders that the manifest, or the job, is about"),
        "endpoint": (TEXT, 'the installation; "sandbox" for the embedded one'),
        "sandbox": (FLAG, "it is in the embedded sandbox"),
        "manifest": (TEXT, "the path of the manifest in its git work tree, or as it was typed"),
        "by": (TEXT, "who started it: user@host"),
        "commit": (TEXT, 'of the work tree, "" for none'),
        "started_at": (TIME, "when the chain began"),
        "ended_at": (WHEN, "when it ended, null while it lasts"),
        "exit_code": (CODE_OR_NULL, "its exit code, null while it lasts"),
        "reason": (TEXT, "of a breach or a pause; or why it stopped before its plan was done, or could not start"),
        "functions": (COUNT, "functions of the chain"),
        "outcomes": (OUTCOME_COUNTS, "functions by outcome"),
        "causes": (several(_CAUSE), "up to five kinds of failures, the most frequent first"),
        "more_causes": (COUNT, "how many more there are"),
        "next": (TEXT, 'what to do next, "" for nothing'),
        "link": (TEXT, "`link` of the table, with the run's ID in it"),
    },
)
_MEMBER_SAID = {
    **{name: said for name, (_, said) in UNIT_FACTS.items()},
    "function_id": 'its ID, "" if there is none yet',
    "version_id": 'its new version, "" for none',
    "former_version_id": 'what served `$latest` when the run was planned, "" for none',
    "outcome": 'the result; "": its promoted tags are still to move (two_phase)',
    "verdict": 'of its verification, "" for none',
    "reason": "why it is not deployed, or not verified",
}
_MEMBER = keys_from(
    Member, "One function of a wave.", _MEMBER_SAID, {"outcome": or_empty(ENDED_AS), "verdict": or_empty(VERDICT)}
)
_COUNTS = keys_from(
    Counts,
    "Functions of the run, and of all that it resumed.",
    {
        "functions": "all of them",
        "deployed": "those that are deployed",
        "failed": "those that failed",
        "inconclusive": "those whose verification was inconclusive",
        "left": "those whose wave has not begun, or whose tags have not moved (two_phase)",
    },
    dict.fromkeys(("functions", "deployed", "failed", "inconclusive", "left"), COUNT),
)
GATE = keys_from(
    GateFacts,
    "",
    {
        "run_id": "the ID of the run",
        "wave": "the wave, from 1; 0: all of them, before the promoted tags move (two_phase)",
        "waves": "how many waves there are",
        "counts": "functions by result",
        "functions": "those of this wave",
        "failures": "all that have failed so far",
        "seconds": "since the wave began, 0 where an earlier run ended it",
        "environment": 'the environment of the manifest, "" for none',
        "folders": "IDs of the folders that the functions of all waves are in",
    },
    {
        "wave": COUNT,
        "waves": COUNT,
        "counts": _COUNTS,
        "functions": several(_MEMBER),
        "failures": several(_MEMBER),
        "seconds": NUMBER,
    },
    without=("schema",),
)
