"""Who may invoke a Function without authentication: its public bindings, and the call (cloud-api#functions, #roles)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from orchestrator.model import AccessBinding, ApiRequest, Change, ChangeKind

EVERYBODY = "allUsers"
ROLE = "functions.functionInvoker"  # the role that is granted
# Either of them lets a caller in. Roles that allow more than invoking are not expected to be granted to everyone.
INVOKING = (ROLE, "serverless.functions.invoker")


def roles_of(bindings: Iterable[AccessBinding]) -> dict[str, bool]:
    """Return the roles by which everyone may invoke the Function, none if authentication is required."""
    held = {one.role_id for one in bindings if (one.subject_id, one.subject_type) == (EVERYBODY, "system")}
    return {role: True for role in INVOKING if role in held}


def desired_roles(public: bool | None, live: Mapping[str, bool]) -> dict[str, bool | None] | None:
    """Return the roles that everyone is to have, None for one to remove. None in place of all: no change.

    | declared | live         | desired      |
    | ---      | ---          | ---          |
    | nothing  | any          | no change    |
    | true     | none         | `ROLE`       |
    | true     | one, or both | those        |
    | false    | any          | none of them |
    """
    if public is None:
        return None
    if public:
        return dict(live) or {ROLE: True}
    return dict.fromkeys(live)


def opens(change: Change) -> bool:
    """Return whether a change grants everyone a role to invoke the Function that they did not have before."""
    return change.kind is ChangeKind.ACCESS and any(change.after["public"].values())


def access_request(function_id: str, after: Mapping[str, bool | None]) -> ApiRequest:
    """Return the request for roles of everyone: those with a true value are added, the others removed. Other bindings
    stay.
    """
    deltas = [
        {
            "action": "ADD" if given else "REMOVE",
            "accessBinding": {"roleId": role, "subject": {"id": EVERYBODY, "type": "system"}},
        }
        for role, given in sorted(after.items())
    ]
    path = f"/functions/v1/functions/{quote(function_id, safe='')}:updateAccessBindings"
    return ApiRequest("updateAccessBindings", "POST", path, {"accessBindingDeltas": deltas})
