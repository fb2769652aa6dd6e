"""The schemas of documents about manifests and their jobs: "findings", "import", "rewrite", "jobs", "board"."""

from __future__ import annotations

from orchestrator.report.display.board import STATUSES
from orchestrator.report.published.common import ENVIRONMENT
from orchestrator.report.published.shape import (
    ANYTHING,
    COUNT,
    FLAG,
    TEXT,
    TEXTS,
    TIME,
    Takes,
    among,
    keyed,
    keys,
    keys_from,
    or_null,
    several,
)
from orchestrator.report.views import BoundJob, OpenDue

_MISTAKE = keys(
    "mistake",
    "One mistake.",
    {
        "file": (TEXT, "the file that it is in"),
        "line": (COUNT, "the line, from 1; 0: the file as a whole"),
        "key": (TEXT, 'the key, dotted; "" for none'),
        "rule": (TEXT, "what is wrong, and what is allowed: a sentence"),
    },
)
FINDINGS = keys(
    "findings",
    "",
    {
        "valid": (FLAG, "there is no mistake; only then `functions`, `jobs` and `warnings` are there"),
        "mistakes?": (several(_MISTAKE), "every mistake, in the order of files and lines; where there are any"),
        "functions?": (TEXTS, "keys of the functions"),
        "jobs?": (TEXTS, "names of the jobs"),
        "warnings?": (TEXTS, "what may fail, sentences"),
        "environments?": (TEXTS, "the environments that were checked"),
    },
)
FINDINGS["if"] = {"properties": {"valid": {"const": True}}}
FINDINGS["then"] = {"required": ["functions", "jobs", "warnings"]}
FINDINGS["else"] = {"required": ["mistakes"]}
IMPORT = keys(
    "import",
    "",
    {
        "file": (TEXT, 'the file that was written, "" for none'),
        "functions": (TEXTS, "keys of the functions in it"),
        "folders": (TEXTS, "IDs of the folders that were read"),
        "variables": (keyed(TEXT), "variables that must be set, and what for"),
        "notes": (keyed(TEXTS), "by function: what the manifest does not contain"),
        "left_out": (keyed(TEXT), "functions that are not in it, and why"),
        "unread": (TEXTS, "what could not be read, sentences"),
        "manifest": (TEXT, "its text"),
    },
)
REWRITE = keys(
    "rewrite",
    "",
    {
        "diffs": (keyed(TEXT), "by file, a unified diff"),
        "functions": (TEXTS, "keys of the functions that are concerned"),
        "left": (TEXTS, "what is not changed, and why: sentences"),
        "variables": (keyed(TEXT), "variables that must be set, and what for"),
        "written": (FLAG, "the files are changed"),
    },
)
_OPEN_DUE = keys_from(
    OpenDue,
    "A due time that is not done.",
    {"due_at": "the due time", "run_id": "its run, which had too many failures", "why": "why it is not resumed"},
    {"due_at": TIME},
)
_BOUND = keys_from(
    BoundJob,
    "A [jobs.NAME] of the manifest.",
    {
        "job": "its name",
        "run": "what it runs: a built-in job, or a file",
        "schedule": "its cron expression, null for none",
        "timezone": "the time zone of that",
        "next_due": "when it is due next, in its time zone; null for never",
        "place": "FILE:LINE",
        "open_due": "a due time that is not done, null for none",
        "environment": 'the environment that it is for, "" for none',
    },
    {"next_due": or_null(TIME), "open_due": or_null(_OPEN_DUE)},
    title="bound job",
)
_PARAMETER = keys(
    "parameter",
    "A parameter of a job.",
    {
        "description": (TEXT, "what it means"),
        "required": (FLAG, "it must be given"),
        "default": (ANYTHING, "its value where it is not given, null for none"),
    },
)
JOBS = keys(
    "jobs",
    "",
    {
        **ENVIRONMENT,
        "jobs": (several(_BOUND), "the jobs of the manifest"),
        "known": (
            keyed(
                keys(
                    "known job",
                    "A job that a manifest can use.",
                    {
                        "about": (TEXT, "what it does"),
                        "parameters": (keyed(_PARAMETER), "its parameters, by name"),
                    },
                )
            ),
            "jobs that a manifest can use, by name",
        ),
    },
)
_TOTALS: dict[str, tuple[Takes, str]] = {
    "done": (COUNT, "functions that are done"),
    "old tags": (COUNT, "functions whose old version still gets traffic through tags"),
    "waiting": (COUNT, "functions that are still to be done"),
    "failed": (COUNT, "functions that the last run of the job failed on"),
    "skipped": (COUNT, "functions that the job leaves out"),
}
BOARD = keys(
    "board",
    "",
    {
        **ENVIRONMENT,
        "totals": (keys("totals", "Functions by status.", _TOTALS), "functions by status"),
        "counts": (
            several(
                keys(
                    "place",
                    "Functions of one runtime in one folder, by status.",
                    {"runtime": (TEXT, "the runtime"), "folder_id": (TEXT, "the folder"), **_TOTALS},
                )
            ),
            "the same by runtime and folder",
        ),
        "functions": (
            several(
                keys(
                    "function of a job",
                    "The status of one function.",
                    {
                        "function": (TEXT, "its key in the manifest"),
                        "folder_id": (TEXT, "the folder that it is in"),
                        "runtime": (TEXT, "its runtime"),
                        "status": (among(*STATUSES), "its status"),
                        "note": (TEXT, 'why it failed, or is skipped; "" for nothing'),
                    },
                )
            ),
            "every function",
        ),
    },
)
