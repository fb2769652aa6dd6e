"""Who may invoke a Function without authentication: its public bindings, and the call (cloud-api#functions, #roles)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from orchestrator.model import AccessBinding, ApiRequest, Change, ChangeKind

EVERYBODY = "allUsers"
ROLE = "functions.functionInvoker"  # which is given
# Either of them lets a caller in. Roles that can do more than invoke are nothing that anybody gives to everybody.
INVOKING = (ROLE, "serverless.functions.invoker")


def roles_of(bindings: Iterable[AccessBinding]) -> dict[str, bool]:
    """Give the roles by which everybody may invoke, none where nobody may without authentication."""
    held = {one.role_id for one in bindings if (one.subject_id, one.subject_type) == (EVERYBODY, "system")}
    return {role: True for role in INVOKING if role in held}


def wanted_roles(public: bool | None, live: Mapping[str, bool]) -> dict[str, bool | None] | None:
    """Give the roles that everybody is to have, None for one that goes; None in all: whatever they have.

    | declared | live         | wanted                    |
    | ---      | ---          | ---                       |
    | nothing  | any          | nothing                   |
    | true     | none         | `ROLE`                    |
    | true     | one, or both | those                     |
    | false    | any          | none of them              |
    """
    if public is None:
        return None
    if public:
        return dict(live) or {ROLE: True}
    return dict.fromkeys(live)


def opens(change: Change) -> bool:
    """Say whether a change lets everybody invoke a Function who may not, or not by that role, before it."""
    return change.kind is ChangeKind.ACCESS and any(change.after["public"].values())


def access_request(function_id: str, after: Mapping[str, bool | None]) -> ApiRequest:
    """Ask for roles of everybody: to add those with a true value, to take the others away. Bindings of others stay."""
    deltas = [
        {
            "action": "ADD" if given else "REMOVE",
            "accessBinding": {"roleId": role, "subject": {"id": EVERYBODY, "type": "system"}},
        }
        for role, given in sorted(after.items())
    ]
    path = f"/functions/v1/functions/{quote(function_id, safe='')}:updateAccessBindings"
    return ApiRequest("updateAccessBindings", "POST", path, {"accessBindingDeltas": deltas})
