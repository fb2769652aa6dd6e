"""The schema of "saved-plan": the file of `plan --out`."""

from __future__ import annotations

from orchestrator.model import Rollout, Tree
from orchestrator.planning.saved.document import SavedOptions, StoredPackage
from orchestrator.report.published.common import (
    ACTION,
    CHANGE_KEYS,
    FAILURE,
    IDENTITY_STORED,
    STEP,
    UNDECLARED,
    UNIT_FACTS,
    WAY_BACK,
)
from orchestrator.report.published.plans import COUNTS, STOPS, WARNINGS, WAVES
from orchestrator.report.published.shape import (
    FLAG,
    OBJECT,
    SHA256,
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

_TREE = keys_from(
    Tree,
    "The source of a package.",
    {
        "hash": "of all paths, modes and contents",
        "size_bytes": "unpacked",
        "paths": "paths that show whether the entry point is there",
        "left_out": "paths that rules leave out of it",
        "former_hash": 'the hash as computed by an older version of the program, "" if that is the same',
        "since_then": "the paths that make the difference",
        "warnings": "sentences about it",
    },
    title="tree",
    without=("digests",),
)
_MARKS = keyed(TEXT)
_SAVED_UNIT = keys(
    "saved function",
    "One function of a saved plan.",
    {
        **UNIT_FACTS,
        "function_id": (TEXT, 'its ID, "" if it is not live yet'),
        "action": (ACTION, "what is done to it"),
        "base_version_id": (TEXT, 'the version that is `$latest`, "" for none'),
        "fingerprint": (TEXT, 'of its new version, marked; "" for none'),
        "changes": (
            several(
                keys("saved change", "One change.", {**CHANGE_KEYS, "mark": (TEXT, "the mark of what exactly it does")})
            ),
            "its changes, in their order",
        ),
        "facts": (_MARKS, "the mark of each fact that is desired"),
        "stands_for": (_MARKS, "the marks of what names were resolved to"),
        "reason": (TEXT, "the reason, in words"),
        "body": (OBJECT, "the settings of the new version, by the API's names; of variables only the names"),
        "way_back": (or_null(WAY_BACK), "how it could be rolled back"),
        "warnings": (TEXTS, "sentences about its package"),
        "failure": (or_null(FAILURE), "why it is blocked, or cannot be made"),
        "tags": (TEXTS, "tags that its version gets"),
        "promote": (TEXTS, "tags that move once it is verified"),
        "called_by": (TEXT, "the version or tag that callers use"),
        "labels": (keyed(TEXT), "its labels"),
        "verified_by": (among("command", "http", "call", ""), 'how it is verified, "" for not at all'),
        "failed_step": (or_null(STEP), "of one whose package could not be made: in which step"),
        "left_out": (TEXTS, "paths that rules leave out of the package"),
        "tree": (or_null(_TREE), "with --upload: its source"),
        "package": (
            or_null(
                keys_from(
                    StoredPackage,
                    "A package that is stored already.",
                    {"sha256": "of the zip, hex", "size_bytes": "of the zip", "object": "its key in the bucket"},
                    {"sha256": SHA256},
                )
            ),
            "with --upload: its package",
        ),
    },
)
_ROLLOUT_SAID = {
    "waves": "sizes of the waves: counts or shares",
    "pause_s": "seconds between two waves",
    "max_failures": "how many functions may fail",
    "canary": "what the canary wave is selected by",
    "approval": "someone must promote it after each wave",
    "on_breach": "what follows a breach",
    "on_inconclusive": "what an inconclusive verification counts as",
    "two_phase": "all versions first, then the promoted tags",
    "gate": "whether there is a gate",
    "pin": "a tag pins each version, even without verification",
    "verify_at_once": "how many are verified at once",
    "prune_after": "old versions are deleted after a good run",
}
_ROLLOUT_TAKES: dict[str, Takes] = {
    "gate": FLAG,
    "on_breach": among("stop", "rollback", "pause"),
    "on_inconclusive": among("pause", "fail", "pass"),
}
_OPTIONS_SAID = {
    "patterns": "names, globs and label:K=V",
    "labels": "of --label",
    "only": "keys of what a former run had left, null if that was not asked for",
    "forced": 'what makes its versions differ from equal ones, "" if nothing is forced',
    "adopt": "live versions that are allowed to lose settings",
    "again": "functions whose withdrawn version may be made again",
    "no_way_back": "functions that may change though they could not be rolled back",
    "no_verify": "nothing is verified",
    "now": "without pauses",
}
SAVED_PLAN = keys(
    "saved plan",
    "",
    {
        "id": (TEXT, "a hash of all of it"),
        "made_at": (TIME, "when it was made"),
        "expires_at": (TIME, "until when it can be executed"),
        "program": (TEXT, "the version of the program that made it"),
        "endpoint": (TEXT, "the installation"),
        "identity": (IDENTITY_STORED, "what it is about, who made it, and where"),
        "dirty": (or_null(FLAG), "whether the work tree had uncommitted changes; null: not known"),
        "options": (
            keys_from(SavedOptions, "The options that shaped it.", _OPTIONS_SAID),
            "the options of the command",
        ),
        "uploaded": (FLAG, "the packages are stored already"),
        "facts": (_MARKS, "the mark of each fact about the run as a whole"),
        "counts": (COUNTS, "functions by action"),
        "waves": WAVES,
        "stops": STOPS,
        "undeclared": (UNDECLARED, "live functions that the manifest does not have, by folder"),
        "warnings": WARNINGS,
        "rollout": (
            keys_from(Rollout, "The declared rollout.", _ROLLOUT_SAID, _ROLLOUT_TAKES, title="rollout"),
            "how it is rolled out",
        ),
        "units": (several(_SAVED_UNIT), "the functions, in the order in which they start"),
        "key": (TEXT, "the ID of the key of marks and seal"),
        "seal": (TEXT, "over all of it, with that key"),
    },
)
