"""The schema of "prune", and what a result says of a prune."""

from __future__ import annotations

from orchestrator.planning.prune.leftovers import DUE_TIMES, NOTES, PACKAGES, RECORDS
from orchestrator.planning.prune.rule import Why
from orchestrator.report.published.common import UNIT_FACTS, WHEN
from orchestrator.report.published.shape import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    Takes,
    among,
    keyed,
    keys,
    members_among,
    several,
)

_TOTAL_KEYS: dict[str, tuple[Takes, str]] = {
    "objects": (COUNT, "how many"),
    "size_bytes": (COUNT, "their total size"),
}
_TOTAL = keys("total", "A number and a size.", _TOTAL_KEYS)
_KIND = keys(
    "kind of objects",
    "Objects of one kind in the bucket.",
    {
        "kind": (among(PACKAGES, RECORDS, NOTES, DUE_TIMES), "what they are"),
        "before": (_TOTAL, "how much there was"),
        "after": (_TOTAL, "how much is left, or will be"),
        "goes": (
            several(
                keys(
                    "object that goes",
                    "An object.",
                    {
                        "object": (TEXT, "its key"),
                        "size_bytes": (COUNT, "its size"),
                        "modified_at": (TIME, "when it was put"),
                    },
                )
            ),
            "what is deleted",
        ),
        "kept": (
            several(
                keys("kept", "What is kept for one reason.", {"reason": (TEXT, "why it is kept"), **_TOTAL_KEYS}),
            ),
            "what is kept, and why",
        ),
        "held": (TEXTS, "sentences on what keeps some of it, and how to change that"),
        "after_read?": (FLAG, "`after` was listed again; otherwise it is computed"),
        "deleted?": (_TOTAL, "how much was deleted"),
        "put_again?": (TEXTS, "keys that a run has uploaded again meanwhile, and that are kept"),
        "not_come_to?": (COUNT, "how many were not reached before the end"),
        "failed?": (
            several(
                keys(
                    "object that failed",
                    "An object that could not be deleted.",
                    {"object": (TEXT, "its key"), "reason": (TEXT, "why")},
                )
            ),
            "what could not be deleted",
        ),
    },
)
STORAGE = keys(
    "storage",
    "Objects in the bucket that can be deleted, or were.",
    {
        "bucket": (TEXT, "the bucket"),
        "kinds": (several(_KIND), "by kind; the keys from `after_read` on: only after the prune"),
    },
)
_USAGE: dict[str, tuple[Takes, str]] = {
    "cloud_id": (TEXT, "the cloud"),
    "quota": (TEXT, "the ID of the quota"),
    "usage": (NUMBER, "how much of it was used before"),
    "limit": (NUMBER, "of how much"),
    "usage_after": (NUMBER, "how much is used after the versions are deleted"),
}
_USAGES = several(keys("usage", "How much of a quota is used.", _USAGE))
USAGE_AFTER = several(
    keys(
        "usage after",
        "How much of a quota is used after a prune.",
        {**_USAGE, "read": (FLAG, "`usage_after` was read from the cloud; otherwise it is computed")},
    )
)
_VERSION = keys(
    "version",
    "One version, and whether it is deleted.",
    {
        "version_id": (TEXT, "its ID"),
        "created_at": (WHEN, "when it was made, null if the cloud does not say"),
        "size_bytes": (COUNT, "of its image, 0 where the cloud does not say"),
        "goes": (FLAG, "it is deleted"),
        "why": (members_among(Why), "why it is deleted or kept"),
        "detail": (TEXT, "more on that, such as its tags"),
    },
)
PRUNE = keys(
    "prune",
    "",
    {
        "environment?": (TEXT, "the environment of the manifest, where one is chosen"),
        "functions": (
            several(
                keys(
                    "function with versions",
                    "One function.",
                    {
                        **UNIT_FACTS,
                        "function_id": (TEXT, "its ID"),
                        "left_alone": (TEXT, 'why none of its versions can be deleted, "" if some can'),
                        "versions": (several(_VERSION), "all its versions, the newest first"),
                    },
                )
            ),
            "the functions",
        ),
        "goes": (COUNT, "versions to delete"),
        "stays": (COUNT, "versions to keep"),
        "size_bytes": (COUNT, "of the versions to delete"),
        "reasons": (keyed(COUNT, members_among(Why)), "versions by why they are deleted or kept"),
        "notes": (TEXTS, "sentences on what is not known"),
        "usage": (_USAGES, "quotas that count versions"),
        "storage?": (STORAGE, "what is deleted in the bucket, where that was asked for"),
    },
)
