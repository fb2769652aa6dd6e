"""Enumerated words and objects that several published documents share."""

from __future__ import annotations

from orchestrator.journal.event_json import OUTCOMES
from orchestrator.journal.identity import Selection
from orchestrator.model import Action, ChangeKind, Failure, FileChanges, Place, Step, Verdict, WayBack, WayBackKind
from orchestrator.report.published.shape import (
    COUNT,
    INTEGER,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    Takes,
    among,
    just,
    keyed,
    keys,
    keys_from,
    members_among,
    or_null,
    several,
)
from orchestrator.report.records import NOT_ENDED

STATES = ("done", "failed", "interrupted", "paused", "rolled back", "given up", "running")

ACTION = members_among(Action)
STEP = members_among(Step)
CALL = members_among(ChangeKind)
VERDICT = members_among(Verdict)
ENDED_AS = among(*OUTCOMES)
OUTCOME = among(*OUTCOMES, NOT_ENDED)
OUTCOME_COUNTS = keyed(COUNT, OUTCOME)
STATE = among(*STATES)
EXIT_CODE: Takes = {"type": "integer", "enum": list(range(7))}
NO_WORD: Takes = just("")


def or_empty(of: Takes) -> Takes:
    """One of these, or "" for none."""
    return {"anyOf": [of, NO_WORD]}


ACTION_OR_NONE = or_empty(ACTION)


PLACE = keys_from(
    Place,
    "Where something is in a manifest.",
    {"file": "the path, relative to the folder of the main file", "line": "the line, from 1; 0: the file as a whole"},
    {"line": COUNT},
)
FILES = keys_from(
    FileChanges,
    "The files that differ between a package and the live one.",
    {
        "changed": "paths of files with a different content or mode",
        "added": "paths that the live package does not have",
        "removed": "paths that the new package does not have",
    },
)
WAY_BACK = keys_from(
    WayBack,
    "How a function could be rolled back.",
    {
        "kind": "how: by a copy of the previous version; by tags and own settings only; not possible; "
        "or it would stay, since it is new",
        "why": 'why it would not be complete, a sentence; "" if it would',
    },
)
FAILURE = keys_from(
    Failure,
    "Why something failed.",
    {
        "message": "one sentence: what went wrong, in the cloud's own words if it gave any",
        "kind": 'groups equal failures, see "Kinds of failures"; "" for none',
        "http_status": "HTTP status of the response that refused a call, null if there was none",
        "request_id": 'the cloud\'s ID of the request, for its support; "" if there is none',
        "server_trace_id": "the cloud's ID of its trace",
        "client_request_id": "the ID that this program sent with the request",
        "operation_id": 'of the Operation that failed, "" if there is none',
        "advice": 'what to do next, "" for nothing',
        "detail": "more lines: a build's output, or the call",
    },
)
CHANGE_KEYS: dict[str, tuple[Takes, str]] = {
    "kind": (CALL, "the call of the API that makes the change; `verify` is not one: a version is called"),
    "before": (OBJECT, "the state before: names and IDs, no values of variables"),
    "after": (
        OBJECT,
        "the state after; null for a tag that is removed, or for the ID of a version that does not exist yet",
    ),
}
CHANGE = keys("change", "One change of a function.", CHANGE_KEYS)
_PLAN_OF = {
    "plan?": (TEXT, "the ID of the saved plan that was executed"),
    "plan_file?": (TEXT, "its file, an absolute path"),
    "plan_made_by?": (TEXT, "who made it: user@host"),
    "plan_made_at?": (TEXT, "when, ISO 8601 in UTC"),
    "plan_commit?": (TEXT, "of which commit"),
}
LEFT_BY = among("failed", "undone", "")
SELECTION = keys(
    "selection",
    "What the command named, as it was typed.",
    {
        "functions": (TEXTS, "names, globs and label:K=V; empty: all functions"),
        "labels": (TEXTS, "of --label"),
        "left_by": (LEFT_BY, "--failed or --undone: what an earlier run had left"),
        "job": (TEXT, 'the job, "" for none'),
        "parameters": (keyed(TEXT), "parameters of the job; a secret value shows as …"),
        "variables": (keyed(TEXT), "of --var; a secret value shows as …"),
        **_PLAN_OF,
    },
)
IDENTITY: dict[str, tuple[Takes, str]] = {
    "manifest_path": (TEXT, 'the absolute path of the manifest; "" if an old version of the program did not say'),
    "environment": (TEXT, 'the environment of the manifest, "" for none'),
    "folders": (TEXTS, "IDs of all folders that the manifest, or the job, is about"),
    "clouds": (TEXTS, "IDs of their clouds"),
    "selection": (SELECTION, "what the command named"),
    "user": (TEXT, "who started it"),
    "host": (TEXT, "on which machine"),
    "commit": (TEXT, 'of the work tree that the manifest is in, "" for none'),
}
SELECTION_STORED = keys_from(
    Selection,
    "What the command named, as it was typed.",
    {
        "patterns": "names, globs and label:K=V; empty: all functions",
        "labels": "of --label",
        "left_by": "--failed or --undone: what an earlier run had left",
        "job": 'the job, "" for none',
        "parameters": "parameters of the job; a secret value shows as …",
        "plan": 'the ID of the saved plan that was executed, "" for none',
        "plan_file": "its file, an absolute path",
        "plan_by": "who made it: user@host",
        "plan_at": "when, ISO 8601 in UTC",
        "plan_commit": "of which commit",
        "variables": "of --var; a secret value shows as …",
        "update_manifest": "what it changes is written into the manifest",
    },
    {"left_by": LEFT_BY},
    title="stored selection",
)
IDENTITY_STORED = keys(
    "identity",
    "What a run was about, who started it, and where.",
    {
        "manifest": (TEXT, "the absolute path of the manifest"),
        "place": (TEXT, 'its path in its git work tree, "" if there is none'),
        "environment": (TEXT, 'the environment of the manifest, "" for none'),
        "folders": (TEXTS, "IDs of all folders that the manifest, or the job, is about"),
        "clouds": (TEXTS, "IDs of their clouds"),
        "selection": (SELECTION_STORED, "what the command named"),
        "user": (TEXT, "who started it"),
        "host": (TEXT, "on which machine"),
        "commit": (TEXT, "of that work tree"),
        "outside": ({"type": "boolean"}, "the manifest has environments, and none of them was chosen"),
    },
)
UNIT_FACTS: dict[str, tuple[Takes, str]] = {
    "function": (TEXT, "its key in the manifest"),
    "name": (TEXT, "its name in the cloud"),
    "folder_id": (TEXT, "the folder that it is in"),
}
GOES_BACK = or_empty(members_among(WayBackKind))
WHEN = or_null(TIME)
CODE_OR_NULL = or_null(EXIT_CODE)
PLACE_OR_NULL = or_null(PLACE)
UNDECLARED = several(
    keys(
        "undeclared",
        "Live functions in a folder that the manifest does not declare.",
        {
            "folder_id": (TEXT, "the folder"),
            "functions": (
                several(
                    keys(
                        "undeclared function",
                        "One that this tool has made.",
                        {"name": (TEXT, "its name"), "function_id": (TEXT, "its ID")},
                    )
                ),
                "those whose live version this tool made",
            ),
            "others": (COUNT, "how many more there are"),
        },
    )
)
WHY_LIMIT = among("quota-manager", "learned before", "declared", "refused", "others use it", "calm")
LIMIT: Takes = {"anyOf": [INTEGER, TEXT, {"type": "null"}]}
ENVIRONMENT: dict[str, tuple[Takes, str]] = {
    "environment?": (TEXT, "the environment of the manifest, where one is chosen")
}
ORIGIN: dict[str, tuple[Takes, str]] = {
    "from": (TEXT, 'the table of the manifest that sets it, such as defaults or functions.NAME; "" above all tables'),
    "place": (PLACE_OR_NULL, "where that is; null if no file sets it"),
    "over": (several(PLACE), "the places of the values that it replaces"),
    "variables": (TEXTS, "names of the variables in it"),
    "written": (TEXT, "the text before variables are replaced, where there are any"),
}
