"""Exit codes and API calls of each command, for docs/exit-codes.md and docs/permissions.md. Every end-to-end test holds
what it sees to these tables (`known_end`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

# The exit codes that a command may end with.
_RUN = (0, 1, 2, 3, 4, 5, 6)
_OFFLINE = (0, 1, 2)
ENDS: Mapping[str, tuple[int, ...]] = {
    "completion": (0, 2),
    "deploy": _RUN,
    "import": (0, 1, 2, 4, 6),
    "init": _OFFLINE,
    "jobs": (0, 1, 2, 6),
    "package": (0, 1, 2, 4, 6),
    "plan": (0, 1, 2, 3, 4, 6),
    "promote": _RUN,
    "prune": (0, 1, 2, 3, 4, 6),
    "render": (0, 2),
    "report": (0, 1, 2, 6),
    "resume": _RUN,
    "rollback": (0, 1, 2, 3, 4, 6),
    "run": _RUN,
    "runs": (0, 1, 2, 6),
    "sandbox": (0, 2, 4, 6),
    "schema": (0, 2),
    "show": (0, 1, 2, 6),
    "ui": (0, 1, 2, 4, 6),
    "validate": (0, 2),
    "why": (0, 1, 2, 4, 6),
}
VIEWER, EDITOR, ADMIN = "functions.viewer", "functions.editor", "functions.admin"
# The least role of each call, as the cloud's pages have it.
ROLES: Mapping[str, str] = {
    "get folder": "resource-manager.viewer",
    "list folders": "resource-manager.viewer",
    "list quota limits": "quota-manager.viewer",
    "list functions": VIEWER,
    "get function": VIEWER,
    "listVersions": VIEWER,
    "getVersion": VIEWER,
    "getVersionByTag": VIEWER,
    "listTagHistory": VIEWER,
    "listOperations": VIEWER,
    "get operation": VIEWER,
    "listRuntimes": VIEWER,
    "listScalingPolicies": VIEWER,
    "listAccessBindings": VIEWER,
    "list secrets": "lockbox.viewer",
    "get secret": "lockbox.viewer",
    "list secret versions": "lockbox.viewer",
    "list service accounts": "iam.serviceAccounts.user",
    "get service account": "iam.serviceAccounts.user",
    "create function": EDITOR,
    "update function": EDITOR,
    "createVersion": EDITOR,
    "setTag": EDITOR,
    "removeTag": EDITOR,
    "setScalingPolicy": EDITOR,
    "removeScalingPolicy": EDITOR,
    "deleteVersion": EDITOR,
    "updateAccessBindings": ADMIN,
    "invoke": "functions.functionInvoker",
}
_LOOK_UPS = {call for call, role in ROLES.items() if not role.startswith("functions.")}
_READS = {call for call, role in ROLES.items() if role == VIEWER}
# The calls that a command may make. Commands that are not here make none.
CALLS: Mapping[str, Collection[str]] = {
    **dict.fromkeys(("deploy", "run", "resume", "promote", "rollback"), ROLES),
    "plan": _READS | _LOOK_UPS,
    "import": _READS | _LOOK_UPS,
    "prune": _READS | {"get folder", "list quota limits", "deleteVersion"},
    "why": _READS | {"get folder", "list quota limits"},
    "package": _READS | {"get folder"},  # with --diff
}


def known_end(arguments: Sequence[str], code: int, calls: Iterable[str]) -> None:
    """Check how a command ended, and what it called. -9 is a kill. Raises `AssertionError`."""
    verb = arguments[0] if arguments else ""
    if verb in ENDS and code >= 0:
        assert code in ENDS[verb], f"docs/exit-codes.md does not have exit code {code} of {verb}: tests/pages"
        surprising = set(calls) - {*CALLS.get(verb, ())}
        assert not surprising, f"docs/permissions.md does not have {surprising} of {verb}: tests/pages"


def calls_since(record: Path, offset: int) -> set[str]:
    """Return the names of the calls that sandboxes have recorded after an offset of their file."""
    if not record.exists():
        return set()
    with record.open("rb") as file:
        file.seek(offset)
        return {json.loads(line).get("name", "invoke") for line in file if line.endswith(b"\n")}


def ends() -> str:
    """Return a table of the exit codes of each command."""
    head = ["| command | " + " | ".join(map(str, range(7))) + " |", "| --- |" + " --- |" * 7]
    rows = [
        f"| [`{verb}`](cli.md#{verb}) | " + " | ".join("✓" if code in codes else "" for code in range(7)) + " |"
        for verb, codes in ENDS.items()
    ]
    return "\n".join([*head, *rows])


def permissions() -> str:
    """Return a table of API calls by role, with the commands that make them."""
    rows = ["| role | API calls | commands |", "| --- | --- | --- |"]
    for role in dict.fromkeys(ROLES.values()):
        calls = [call for call, least in ROLES.items() if least == role]
        verbs = [verb for verb, made in sorted(CALLS.items()) if {*made} & {*calls}]
        rows.append(f"| `{role}` | {', '.join(calls)} | {', '.join(f'`{verb}`' for verb in verbs)} |")
    return "\n".join(rows)
