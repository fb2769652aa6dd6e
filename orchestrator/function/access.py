"""Who may invoke a Function without authentication: the bindings of everybody, and the call (cloud-api §2, §4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.model import AccessBinding, ApiRequest
from orchestrator.version.stamp import digest_of, key_of

EVERYBODY = "allUsers"
ROLE = "functions.functionInvoker"  # which is given
# Either of them lets a caller in. Roles that can do more than invoke are nothing that anybody gives to everybody.
_INVOKING = (ROLE, "serverless.functions.invoker")


def roles_of(bindings: Iterable[AccessBinding]) -> dict[str, bool]:
    """Give the roles by which everybody may invoke, none where nobody may without authentication."""
    held = {one.role_id for one in bindings if (one.subject_id, one.subject_type) == (EVERYBODY, "system")}
    return {role: True for role in _INVOKING if role in held}


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


def access_key(function_id: str, request: ApiRequest, before: Mapping[str, Any], attempt: int) -> str:
    """Make the Idempotency-Key of an update of bindings: of its body, of what the plan found, and the attempt."""
    return key_of(request.call, function_id, digest_of(request.body), digest_of(before), str(attempt))
