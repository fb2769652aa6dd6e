"""The schema of a line of `--events`: one object for each kind of event, with when it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from orchestrator.journal.event_json import EVENTS
from orchestrator.journal.events import SCHEMA
from orchestrator.model import Blocked, Cancelled, Deployed, Failed, Inconclusive, Pruned, Unchanged, Unknown
from orchestrator.report.published.common import (
    ACTION,
    CALL,
    CHANGE,
    ENDED_AS,
    EXIT_CODE,
    FAILURE,
    GOES_BACK,
    IDENTITY_STORED,
    LIMIT,
    STEP,
    VERDICT,
    WHY_LIMIT,
)
from orchestrator.report.published.event_words import SAID, WHEN_WRITTEN
from orchestrator.report.published.results import SKIPS
from orchestrator.report.published.shape import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    Takes,
    among,
    just,
    keyed,
    keys,
    keys_from,
    or_null,
    several,
    whole_document,
)

_ENDS: tuple[tuple[str, type[Any], str, Mapping[str, tuple[Takes, str]]], ...] = (
    ("deployed", Deployed, "The desired version is live.", {"observed": (FLAG, "it was read back, at the end")}),
    ("pruned", Pruned, "Old versions were deleted.", {"observed": (FLAG, "it was read back, at the end")}),
    ("unchanged", Unchanged, "The live state is the desired state.", {}),
    (
        "failed",
        Failed,
        "It failed.",
        {
            "rolled_back_to?": (TEXT, "the copy of the previous version that has replaced it since"),
            "overwritten?": (TEXT, "another user's version that its own has replaced unnoticed"),
        },
    ),
    ("blocked", Blocked, "Nothing was tried.", {}),
    ("cancelled", Cancelled, "The run ended before its version was requested.", {}),
    ("unknown", Unknown, "It was requested, and the result is not known.", {}),
    ("inconclusive", Inconclusive, "Its version was made, and its verification was inconclusive.", {}),
)
_OF_ENDS = {
    "version_id": "the version that was made, or found",
    "deleted": "how many versions",
    "step": "in which step",
    "failure": "why",
    "reason": "why",
    "operation_id": 'its Operation, "" for none',
}


def _outcome() -> Takes:
    rows = []
    for name, kind, about, other in _ENDS:
        made = keys_from(
            kind, about, _OF_ENDS, {"step": STEP, "failure": FAILURE},
            without=("read_back", "rolled_back_to", "overwritten"),
        )  # fmt: skip
        own = {key: (made["properties"][key], _OF_ENDS[key]) for key in made["required"]}
        rows.append(keys(f"outcome {name}", about, {"outcome": (just(name), "the result"), **own, **other}))
    return {"anyOf": rows}


JOURNAL_ALONE = ("units_unchanged", "given_up")  # kinds that no run writes to an event file
_OUTCOME = _outcome()
# The values of fields with these names in every event, where their types are not specific enough.
_TAKES: Mapping[str, Takes] = {
    "step": STEP,
    "call": CALL,
    "verdict": VERDICT,
    "outcome": _OUTCOME,
    "changes": several(CHANGE),
    "identity": IDENTITY_STORED,
    "way_back": GOES_BACK,
    "skips": SKIPS,
    "max_failures": LIMIT,
    "folders": keyed(COUNT),
    "attempt": COUNT,
}
_OWN: Mapping[str, Mapping[str, Takes]] = {
    "run_started": {"schema": just(SCHEMA)},
    "unit_planned": {"action": ACTION},
    "limit_changed": {"reason": WHY_LIMIT},
    "breached": {"then": among("stop", "rollback", "pause")},
    "run_ended": {"exit_code": EXIT_CODE},
    "gate_ended": {"exit_code": or_null({"type": "integer"})},
}
_HEAD: Mapping[str, tuple[Takes, str]] = {
    "schema": (just(SCHEMA), "the number of this form of events"),
    "run_id": (TEXT, "the run"),
}
_SUMMARY: Mapping[str, tuple[Takes, str]] = {
    "at": (NUMBER, SAID["*"]["at"]),
    "exit_code": (EXIT_CODE, "the exit code of the run"),
    "reason": (TEXT, 'why it stopped before its plan was done, "" if it did not'),
    "functions": (COUNT, "functions of its plan"),
    "seconds": (or_null(NUMBER), "how long it took, its plan included; null if its beginning is in another file"),
    "outcomes": (keyed(COUNT, ENDED_AS), "functions by outcome"),
    "environment?": (TEXT, "the environment of the manifest, where one is chosen"),
}


def event_lines() -> dict[str, dict[str, Any]]:
    """Return the object of each kind of event, in the order in which a run may write them. Fields that older
    versions may not have written are not required.
    """
    return {kind: _line(kind) for kind in EVENTS if kind not in JOURNAL_ALONE} | {
        "summary": keys("summary", WHEN_WRITTEN["summary"], {**_HEAD, "kind": _kind("summary"), **_SUMMARY})
    }


def _kind(name: str) -> tuple[Takes, str]:
    return just(name), "which event this is"


def _line(kind: str) -> dict[str, Any]:
    said = {**SAID["*"], **SAID.get(kind, {})}
    made = keys_from(EVENTS[kind], "", said, {**_TAKES, **_OWN.get(kind, {})}, title=kind)
    of = {name: value for name, value in made["properties"].items() if name not in _HEAD}
    former = {one.name for one in fields(EVENTS[kind]) if one.default is MISSING and one.default_factory is MISSING}
    run_id = (TEXT, said.get("run_id", _HEAD["run_id"][1]))
    head = keys(kind, WHEN_WRITTEN[kind], {**_HEAD, "run_id": run_id, "kind": _kind(kind)})
    return head | {
        "properties": head["properties"] | of,
        "required": [*head["required"], *(name for name in of if name in former)],
    }


def event_schema() -> dict[str, Any]:
    """Return the schema of one line. Its `kind` says which of the objects it is."""
    lines = event_lines()
    one_of = [
        {"if": {"properties": {"kind": just(kind)}, "required": ["kind"]}, "then": {"$ref": line}}
        for kind, line in lines.items()
    ]
    whole = keys("event", "", {**_HEAD, "kind": (among(*lines), "which event this is")}) | {"allOf": one_of}
    return whole_document("event", SCHEMA, "One line of `--events`.", whole, schema=SCHEMA)
