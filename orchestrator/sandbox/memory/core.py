"""What the services of the memory cloud share, and how their Operations begin and settle.

Nothing runs by itself: each call first settles whatever is due by then, in the order of the ends.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from orchestrator.errors import Code
from orchestrator.sandbox.memory.builder import Objects
from orchestrator.sandbox.memory.cloud_state import Record, State, new_id, rfc3339
from orchestrator.sandbox.memory.faults import BRIEF_FACTOR, Distribution, Fate, Fault, Faults
from orchestrator.sandbox.memory.quotas import ActiveOperations, Requests
from orchestrator.sandbox.memory.seeded import Seeds
from orchestrator.sandbox.memory.validators import invalid

TYPES = "type.googleapis.com/yandex.cloud.serverless.functions.v1."
EMPTY = {"@type": "type.googleapis.com/google.protobuf.Empty"}
EARLY_ERROR_SHARE = 0.8  # of the duration: when a failing Operation may show its error


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """How this cloud behaves. `clouds`: folder ID → cloud ID. `default_cloud`: for every other folder, None if there is
    no other. `key_lifetime_s`: how long an Idempotency-Key is remembered (the real one: unverified).
    """

    creating_visible: bool = True  # listings show versions while they are made
    creating_after_s: float = 0.0  # only this long after they were begun
    creating_share: float = 1.0  # share that each listing shows, as lagging replicas would
    quota_manager: bool = True  # whether it returns limits; False: it refuses
    quota_details: bool = True  # a refusal names the quota that is used up
    quota_changes: tuple[tuple[float, Mapping[str, int]], ...] = ()  # seconds after the first Operation → quotas
    poll_interval_s: int | None = None  # value of `x-operation-poll-interval`
    key_lifetime_s: float = 24 * 3600.0
    clouds: Mapping[str, str] = field(default_factory=dict)
    default_cloud: str | None = "sandbox-cloud"
    subject: str = "ajesandboxcaller0000"
    invoke_url: str = "https://functions.yandexcloud.net"
    runtimes: tuple[str, ...] = (
        "nodejs22", "nodejs18", "nodejs16", "nodejs14", "nodejs12", "nodejs10", "python314", "python313", "python312",
        "python311", "python39", "python38", "python37", "golang123", "golang121", "golang119", "golang118",
        "golang117", "golang116", "php82", "php8", "php74", "java21", "java17", "java11", "kotlin20", "dotnet8",
        "dotnet6", "dotnetcore31", "r43", "r42", "bash-2204", "bash",
    )  # fmt: skip


Keep = Callable[[str, Record], None]  # stores the package of a createVersion body by its SHA-256


@dataclass(frozen=True, slots=True)
class Method:
    """How a kind of Operation ends. `apply` makes the change and returns the response. `undo` reverts what was
    visible.
    """

    description: str
    metadata: str  # its type's name, in full if it is not from the Functions service
    apply: Callable[[Record, str], Record]  # pending record, time of the end
    undo: Callable[[Record], None] = lambda _pending: None


@dataclass(frozen=True, slots=True)
class Start:
    """An Operation to begin. `change`: input of `apply` and `undo`. `factor`: multiplies its duration."""

    method: str
    function_id: str
    folder_id: str
    metadata: Record
    change: Record = field(default_factory=dict)
    factor: float = BRIEF_FACTOR
    error: Fault | None = None


class Core:
    """State, time, randomness, faults and quotas. Begins, settles and replays Operations."""

    def __init__(
        self,
        state: State,
        active: ActiveOperations,
        *,
        settings: CloudSettings,
        objects: Objects,
        clock: Callable[[], float],
        rng: random.Random,
        durations: Distribution,
        faults: Faults,
        seeds: Seeds,
        keep: Keep,
    ) -> None:
        self.state = state
        self.active = active
        self.settings = settings
        self.objects = objects
        self.clock = clock
        self.rng = rng
        self.durations = durations
        self.faults = faults
        self.seeds = seeds
        self.invoke_url = settings.invoke_url  # a server knows its own URL only when it listens
        self.keep = keep
        self.caller = settings.subject
        self.past = False  # what is made now was made long ago: nothing had been retired, destroyed or deleted yet
        self.methods: dict[str, Method] = {}
        self._due: list[tuple[float, int, str]] = []  # (when, order, operation ID)
        self._requests = Requests()
        self._changes = deque(sorted(settings.quota_changes, key=lambda change: change[0]))
        self._began_at: float | None = None
        for operation_id in state.pending:
            pending = state.pending[operation_id]
            self.active.add(*self._owners(pending))
            self._push(operation_id, pending)

    def cloud_of(self, folder_id: str) -> str:
        cloud_id = self.settings.clouds.get(folder_id, self.settings.default_cloud)
        if cloud_id is None:
            raise Fault(Code.NOT_FOUND, f"Folder {folder_id} not found")
        return cloud_id

    def runtimes(self) -> tuple[str, ...]:
        """The runtimes that are offered now."""
        runtimes = self.settings.runtimes
        return runtimes if self.past else self.seeds.offered(runtimes, self.clock())

    def function(self, function_id: str) -> Record:
        found = self.state.functions.get(function_id)
        if found is None:
            raise Fault(Code.NOT_FOUND, f"Function {function_id} not found")
        return found

    def count_functions(self, cloud_id: str) -> int:
        if not self.settings.clouds:
            return len(self.state.functions)
        counts = self.state.functions_of_folder.counts()
        return sum(count for folder_id, count in counts.items() if self.cloud_of(folder_id) == cloud_id)

    def once(self, method: str, key: str | None, body: Any, act: Callable[[], Record]) -> Record:
        """Answer a call that begins an Operation. The same Idempotency-Key returns the first Operation in its current
        state.
        """
        self.settle()
        if not self.past:
            self._requests.admit(self.active.quotas.requests_per_second, self.clock())
        if not key:
            return act()
        row = f"{method} {key}"
        digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
        known = self.state.keys.get(row)
        if known is not None and self.clock() < known["at"] + self.settings.key_lifetime_s:
            if known["body"] != digest:
                raise invalid("Idempotency-Key", f"{key} was used with another request")
            replayed: Record = self.state.operations[known["operationId"]]["json"]
            return replayed
        operation = act()
        self.state.keys.put(row, {"operationId": operation["id"], "body": digest, "at": self.clock()})
        return operation

    def admit(self, function_id: str, folder_id: str) -> None:
        """Refuse if one more unfinished Operation is too many."""
        if self._began_at is None and not self.past:
            self._began_at = self.clock()
        while self._changes and self._began_at is not None and self.clock() >= self._began_at + self._changes[0][0]:
            self.active.quotas = replace(self.active.quotas, **self._changes.popleft()[1])
        try:
            self.active.admit(function_id, folder_id, self.cloud_of(folder_id))
        except Fault as fault:
            raise (fault if self.settings.quota_details else Fault(fault.code, fault.message)) from None

    def begin(self, start: Start) -> Record:
        """Begin an Operation that was admitted."""
        now = self.clock()
        name = self.function(start.function_id)["name"]
        fate = Fate() if self.past else self.faults.fate(start.method, name)
        operation_id = new_id(self.rng, "d4e")
        drawn_s = self.durations.draw(self.rng) * start.factor
        duration_s = drawn_s if fate.duration_s is None else fate.duration_s
        method = self.methods[start.method]
        operation = {
            "id": operation_id,
            "description": method.description,
            "createdAt": rfc3339(now),
            "createdBy": self.caller,
            "modifiedAt": rfc3339(now),
            "metadata": {"@type": _typed(method.metadata), **start.metadata},
        }
        pending = self._pending(start, fate, now, duration_s)
        self.state.operations.put(operation_id, {"functionId": start.function_id, "json": operation})
        self.state.operations_of_function.add(start.function_id, operation_id)
        self.state.pending.put(operation_id, pending)
        self.active.add(*self._owners(pending))
        self._push(operation_id, pending)
        return operation

    def _pending(self, start: Start, fate: Fate, now: float, duration_s: float) -> Record:
        error = fate.error or start.error
        return {
            "method": start.method,
            "functionId": start.function_id,
            "folderId": start.folder_id,
            "change": start.change,
            "error": error.status() if error else None,
            "errorAt": now + duration_s * EARLY_ERROR_SHARE if error and fate.error_early and duration_s else None,
            "endsAt": now + duration_s,
            "knownAt": now + fate.hidden_s,
        }

    def _owners(self, pending: Record) -> tuple[str, str, str]:
        return pending["functionId"], pending["folderId"], self.cloud_of(pending["folderId"])

    def _push(self, operation_id: str, pending: Record) -> None:
        order = self.state.operations.number(operation_id)
        for when in (pending["errorAt"], pending["endsAt"]):
            if when is not None:
                heapq.heappush(self._due, (when, order, operation_id))

    def settle(self) -> None:
        """Carry out everything that is due by now."""
        now = self.clock()
        while self._due and self._due[0][0] <= now:
            when, _, operation_id = heapq.heappop(self._due)
            if when < self.state.pending[operation_id]["endsAt"]:
                self._show_error(operation_id, when)
            else:
                self._end(operation_id, when)

    def _show_error(self, operation_id: str, when: float) -> None:
        pending = self.state.pending[operation_id]
        self._replace(operation_id, {"modifiedAt": rfc3339(when), "error": pending["error"]})

    def _end(self, operation_id: str, when: float) -> None:
        pending = self.state.pending[operation_id]
        method, error, at = self.methods[pending["method"]], pending["error"], rfc3339(when)
        outcome: Record = {}
        if error is None:
            try:
                outcome = {"response": method.apply(pending, at)}
            except Fault as fault:
                error = fault.status()
        if error is not None:
            method.undo(pending)
            outcome = {"error": error}
        self._replace(operation_id, {"modifiedAt": at, "done": True, **outcome})
        self.state.pending.drop(operation_id)
        self.active.remove(*self._owners(pending))

    def _replace(self, operation_id: str, fields: Record) -> None:
        row = self.state.operations[operation_id]
        self.state.operations.put(operation_id, {**row, "json": {**row["json"], **fields}})


def _typed(name: str) -> str:
    return f"type.googleapis.com/{name}" if "." in name else TYPES + name
