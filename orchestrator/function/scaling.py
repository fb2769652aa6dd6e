"""How the Versions of a Function scale, by tag: declared and live policies, and the calls (cloud-api#functions)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from orchestrator.model import ApiRequest, Scaling, ScalingPolicy

COUNTS = {
    "provisioned": "provisionedInstancesCount",
    "zone_instances": "zoneInstancesLimit",
    "zone_requests": "zoneRequestsLimit",
}  # by the name in deploy.toml, as in plans and records


def policies_of(listed: Iterable[ScalingPolicy]) -> dict[str, dict[str, int]]:
    """Return policies by tag, each with all its counts. One without limits counts as missing."""
    found = {one.tag: {name: int(getattr(one, name)) for name in COUNTS} for one in listed}
    return {tag: policy for tag, policy in found.items() if any(policy.values())}


def desired_policies(
    declared: Mapping[str, Scaling], live: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int] | None]:
    """Return the desired policy of each declared tag, None for no policy. Counts that are not declared stay as they are
    live.

    | declared           | live                            | desired                         |
    | ---                | ---                             | ---                             |
    | zone_instances = 2 | none                            | zone_instances 2                |
    | zone_instances = 2 | zone_instances 1, provisioned 1 | zone_instances 2, provisioned 1 |
    | all three are 0    | any                             | none                            |
    """
    found: dict[str, dict[str, int] | None] = {}
    for tag, one in declared.items():
        said = {
            "provisioned": one.provisioned, "zone_instances": one.zone_instances, "zone_requests": one.zone_requests,
        }  # fmt: skip
        was = live.get(tag, {})
        policy = {name: was.get(name, 0) if count is None else count for name, count in said.items()}
        found[tag] = policy if any(policy.values()) else None
    return found


def scaling_request(function_id: str, tag: str, policy: Mapping[str, int] | None) -> ApiRequest:
    """Return the request for the policy of a tag, which replaces its present one; None: to remove it."""
    method = "setScalingPolicy" if policy else "removeScalingPolicy"
    path = f"/functions/v1/functions/{quote(function_id, safe='')}:{method}"
    counts = {api: str(policy[name]) for name, api in COUNTS.items() if policy[name]} if policy else {}
    return ApiRequest(method, "POST", path, {"tag": tag, **counts})
