"""The own settings of Functions in the memory cloud: scaling policies, one per tag, and access bindings
(cloud-api#functions).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory import bodies, paging
from orchestrator.sandbox.memory.cloud_state import Record, State, Table, rfc3339
from orchestrator.sandbox.memory.core import EMPTY, TYPES, Core, Method, Start
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.quotas import PROVISIONED, refuse_beyond

_COUNT = "provisionedInstancesCount"
_TOO_MANY = "The limit on number of provisioned instances has exceeded."

ANYBODY = {"id": "allUsers", "type": "system"}
INVOKER_ROLES = ("functions.functionInvoker", "serverless.functions.invoker")  # new and old (cloud-api#roles)
_METADATA = "yandex.cloud.access.UpdateAccessBindingsMetadata"
_BINDINGS_MAX = 1000  # per Function


class ScalingService:
    """Policies of Functions. A tag without a Version cannot get one, and a tag that moves keeps its own (what the cloud
    does in both cases: unverified).
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._state = core.state
        core.methods |= {
            "setScalingPolicy": Method("Set scaling policy", "SetScalingPolicyMetadata", self._was_set),
            "removeScalingPolicy": Method("Remove scaling policy", "RemoveScalingPolicyMetadata", self._removed),
        }

    def list(self, function_id: str, query: paging.Query) -> Record:
        """Return a page of a Function's policies."""
        self._core.settle()
        paging.check_names(query)
        self._core.function(function_id)
        policies = Table("scalingPolicies")
        for tag, policy in self._policies(function_id).items():
            policies.put(tag, policy)
        return paging.page(query, "scalingPolicies", policies, list(policies), policies.get)

    def set(self, function_id: str, body: Any, key: str | None = None) -> Record:
        """Begin to set a tag's policy, replacing the current one."""
        return self._core.once("setScalingPolicy", key, [function_id, body], lambda: self._set(function_id, body))

    def _set(self, function_id: str, body: Any) -> Record:
        fields, function = bodies.policy_body(body), self._core.function(function_id)
        tag = fields["tag"]
        if tag not in (self._state.tags.get(function_id) or {}):
            raise Fault(Code.NOT_FOUND, f"Version with tag {tag} of function {function_id} not found")
        cloud_id, before = self._core.cloud_of(function["folderId"]), self._policies(function_id).get(tag, {})
        more = int(fields.get(_COUNT, 0)) - int(before.get(_COUNT, 0))
        if more > 0:
            limit = self._core.active.quotas.provisioned_per_cloud
            refuse_beyond(PROVISIONED, limit, provisioned(self._core, cloud_id), _TOO_MANY, more=more)
        return self._begin("setScalingPolicy", function, {"tag": tag, "fields": fields, "more": more})

    def _was_set(self, pending: Record, at: str) -> Record:
        function_id, change = pending["functionId"], pending["change"]
        before = self._policies(function_id).get(change["tag"], {"createdAt": at})
        policy = {
            "functionId": function_id, "createdAt": before["createdAt"], "modifiedAt": at, **change["fields"],
        }  # fmt: skip
        self._state.scaling.put(function_id, {**self._policies(function_id), change["tag"]: policy})
        return {"@type": f"{TYPES}ScalingPolicy", **policy}

    def remove(self, function_id: str, body: Any, key: str | None = None) -> Record:
        """Begin to remove the policy of a tag."""
        return self._core.once("removeScalingPolicy", key, [function_id, body], lambda: self._remove(function_id, body))

    def _remove(self, function_id: str, body: Any) -> Record:
        tag, function = bodies.scaled_tag(body), self._core.function(function_id)
        if tag not in self._policies(function_id):
            raise Fault(Code.NOT_FOUND, f"Scaling policy of tag {tag} of function {function_id} not found")
        return self._begin("removeScalingPolicy", function, {"tag": tag})

    def _removed(self, pending: Record, _at: str) -> Record:
        function_id, tag = pending["functionId"], pending["change"]["tag"]
        left = {name: policy for name, policy in self._policies(function_id).items() if name != tag}
        self._state.scaling.put(function_id, left)
        return EMPTY

    def seed(self, function_id: str, body: Any) -> None:
        """Set an initial policy. Raises `Fault`."""
        fields, at = bodies.policy_body(body), rfc3339(self._core.clock())
        self._was_set({"functionId": function_id, "change": {"tag": fields["tag"], "fields": fields}}, at)

    def _begin(self, method: str, function: Record, change: Record) -> Record:
        self._core.admit(function["id"], function["folderId"])
        metadata = {"functionId": function["id"]}
        return self._core.begin(Start(method, function["id"], function["folderId"], metadata, change))

    def _policies(self, function_id: str) -> Record:
        return self._state.scaling.get(function_id) or {}


def provisioned(core: Core, cloud_id: str) -> int:
    """Return how many provisioned instances the Functions of a cloud have together, including requested ones."""
    on_their_way: int = sum(
        max(0, one["change"]["more"])
        for one in core.state.pending.values()
        if one["method"] == "setScalingPolicy" and core.cloud_of(one["folderId"]) == cloud_id
    )
    return on_their_way + sum(
        int(policy.get(_COUNT, 0))
        for function_id in core.state.scaling
        if core.cloud_of(core.state.functions[function_id]["folderId"]) == cloud_id
        for policy in core.state.scaling[function_id].values()
    )


class AccessService:
    """Bindings of Functions. A REMOVE of a missing one and an ADD of an existing one change nothing (what the cloud
    does: unverified). `setAccessBindings` is not offered: it replaces what others have granted.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._state = core.state
        core.methods |= {"updateAccessBindings": Method("Update access bindings", _METADATA, self._updated)}

    def list(self, function_id: str, query: paging.Query) -> Record:
        """Return a page of a Function's bindings, without those that it inherits from its folder."""
        self._core.settle()
        paging.check_names(query)
        self._core.function(function_id)
        bindings = Table("accessBindings")
        for number, binding in enumerate(bindings_of(self._state, function_id)):
            bindings.put(str(number), binding)
        return paging.page(query, "accessBindings", bindings, list(bindings), bindings.get)

    def update(self, function_id: str, body: Any, key: str | None = None) -> Record:
        """Begin to add and remove bindings."""
        return self._core.once(
            "updateAccessBindings", key, [function_id, body], lambda: self._update(function_id, body)
        )

    def _update(self, function_id: str, body: Any) -> Record:
        deltas, function = bodies.access_deltas(body), self._core.function(function_id)
        self._core.admit(function_id, function["folderId"])
        metadata, change = {"resourceId": function_id}, {"deltas": deltas}
        return self._core.begin(Start("updateAccessBindings", function_id, function["folderId"], metadata, change))

    def _updated(self, pending: Record, _at: str) -> Record:
        function_id = pending["functionId"]
        bindings = list(bindings_of(self._state, function_id))
        for delta in pending["change"]["deltas"]:
            binding = delta["accessBinding"]
            bindings = [one for one in bindings if one != binding]
            if delta["action"] == "ADD":
                bindings.append(binding)
        self._state.access.put(function_id, {"bindings": bindings[:_BINDINGS_MAX]})
        return EMPTY

    def open(self, function_id: str, roles: Iterable[str] = INVOKER_ROLES[:1]) -> None:
        """Let anyone invoke a Function from the start."""
        given = [{"roleId": role, "subject": ANYBODY} for role in roles]
        self._state.access.put(function_id, {"bindings": [*bindings_of(self._state, function_id), *given]})


def bindings_of(state: State, function_id: str) -> list[Record]:
    """Return the bindings of a Function."""
    found: list[Record] = (state.access.get(function_id) or {"bindings": []})["bindings"]
    return found


def is_open(state: State, function_id: str) -> bool:
    """Return whether anyone may invoke a Function, without authentication."""
    return any(one["subject"] == ANYBODY and one["roleId"] in INVOKER_ROLES for one in bindings_of(state, function_id))
