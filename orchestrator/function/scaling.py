"""How the Versions of a Function scale, by tag: what is declared against what is live, and the calls (cloud-api §2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.model import ApiRequest, ScalingPolicy
from orchestrator.version.stamp import digest_of, key_of

COUNTS = {
    "provisioned": "provisionedInstancesCount",
    "zone_instances": "zoneInstancesLimit",
    "zone_requests": "zoneRequestsLimit",
}  # by the name in deploy.toml, as plans and records have it


def policies_of(listed: Iterable[ScalingPolicy]) -> dict[str, dict[str, int]]:
    """Give policies by tag, each with all its counts. One that limits nothing counts as not there."""
    found = {one.tag: {name: int(getattr(one, name)) for name in COUNTS} for one in listed}
    return {tag: policy for tag, policy in found.items() if any(policy.values())}


def scaling_request(function_id: str, tag: str, policy: Mapping[str, int] | None) -> ApiRequest:
    """Ask for the policy of a tag, which takes the place of the one that it has; None: for none."""
    method = "setScalingPolicy" if policy else "removeScalingPolicy"
    path = f"/functions/v1/functions/{quote(function_id, safe='')}:{method}"
    counts = {api: str(policy[name]) for name, api in COUNTS.items() if policy[name]} if policy else {}
    return ApiRequest(method, "POST", path, {"tag": tag, **counts})


def scaling_key(function_id: str, request: ApiRequest, before: Mapping[str, Any], attempt: int) -> str:
    """Make the Idempotency-Key of a policy: of the call and its body, of what the plan found, and the attempt."""
    return key_of(request.call, function_id, digest_of(request.body), digest_of(before), str(attempt))
