"""The schemas of documents about single functions: "render", "package", "init"."""

from __future__ import annotations

from orchestrator.report.published.common import (
    ENVIRONMENT,
    FILES,
    ORIGIN,
    PLACE_OR_NULL,
    UNIT_FACTS,
)
from orchestrator.report.published.shape import (
    ANYTHING,
    COUNT,
    FLAG,
    SHA256,
    TEXT,
    TEXTS,
    keyed,
    keys,
    or_null,
    several,
)

_VALUE = keys(
    "setting",
    "One value of the function.",
    {
        "key": (TEXT, "its key, dotted"),
        "value": (ANYTHING, "its value, with secrets as [redacted]"),
        "redacted": (FLAG, "something of it is hidden"),
        **ORIGIN,
    },
)
RENDER = keys(
    "render",
    "",
    {
        "environment": (or_null(TEXT), "the environment of the manifest, null for none"),
        "functions": (
            several(
                keys(
                    "resolved function",
                    "One function.",
                    {
                        **UNIT_FACTS,
                        "folder_id": (or_null(TEXT), "the folder that it is in, null if none is known"),
                        "place": (PLACE_OR_NULL, "where the manifest declares it"),
                        "settings": (several(_VALUE), "its settings"),
                    },
                )
            ),
            "the functions",
        ),
        "warnings": (TEXTS, "sentences on the manifest"),
    },
)
_FILE = keys(
    "file",
    "One file of a package.",
    {
        "path": (TEXT, "its path in the package"),
        "size_bytes": (COUNT, "its size"),
        "mode": (TEXT, "0644, 0755 or link"),
        "sha256": (SHA256, "of its content, hex"),
    },
)
PACKAGE = keys(
    "package",
    "",
    {
        **ENVIRONMENT,
        "function": (TEXT, "its key in the manifest"),
        "tree_sha256": (TEXT, "of all files, which a plan compares"),
        "size_bytes": (COUNT, "of the files, unpacked"),
        "difference?": (
            keys(
                "difference",
                "How it differs from the live package.",
                {
                    "version_id": (or_null(TEXT), "the live version, null for none"),
                    "files": (or_null(FILES), "the files that differ, null if that is not known"),
                    "why": (TEXT, 'why it is not known, "" if it is'),
                },
            ),
            "with --diff, in place of `files`, `left_out` and `zip`",
        ),
        "files?": (several(_FILE), "the files, by path"),
        "left_out?": (
            several(
                keys(
                    "path left out",
                    "A path that is not in the package.",
                    {"path": (TEXT, "the path; of a folder with / at its end"), "rule": (TEXT, "which rule says so")},
                )
            ),
            "what is left out",
        ),
        "zip?": (
            or_null(
                keys(
                    "zip",
                    "The zip that was written.",
                    {
                        "path": (TEXT, "its file"),
                        "size_bytes": (COUNT, "its size"),
                        "sha256": (SHA256, "of the zip, hex"),
                    },
                )
            ),
            "with --out; else null",
        ),
    },
)
INIT = keys(
    "init",
    "",
    {
        "file": (TEXT, "the manifest that was written"),
        "folder_id": (or_null(TEXT), "the folder that it names, null for none"),
        "bucket": (or_null(TEXT), "the bucket that it names, null for none"),
        "functions": (
            several(
                keys(
                    "found function",
                    "A function that was found.",
                    {
                        "function": (TEXT, "its key in the manifest"),
                        "source": (TEXT, "its folder"),
                        "runtime": (TEXT, "its runtime"),
                        "runtime_why": (or_null(TEXT), "why that one, null if no file sets it"),
                        "entrypoint": (TEXT, "its entry point"),
                        "build": (or_null(TEXT), "the command that makes what is packed, null for none"),
                        "files": (keyed(TEXT), "files from elsewhere, by their path in the package"),
                        "exclude": (TEXTS, "patterns of what is not packed"),
                    },
                )
            ),
            "the functions that were found",
        ),
        "mistakes": (TEXTS, "mistakes in it, FILE:LINE first"),
    },
)
