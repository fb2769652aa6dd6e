"""What runs learn about a cloud and keep for the next run: quotas, the request rate, and how long Operations take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from orchestrator.engine.quotas.limit import Limit
from orchestrator.engine.quotas.pace import Pace
from orchestrator.engine.quotas.slots import LimitKey, Slots
from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.errors import CloudError
from orchestrator.model import Limits, Quota
from orchestrator.model.live_state import UNKNOWN_CLOUD
from orchestrator.ports import Directory

_DIGITS = 3
LENGTH_MAX_S = 86_400.0  # the longest Operation that is believed
_KINDS = frozenset(map(str, Kind))
_CALLS = 50  # the average of a call's time covers about this many calls


@dataclass(slots=True)
class Knowledge:
    """What is known about one installation. `limits`: for a folder or cloud, how many Operations it admitted, and at
    how many it refused (None: never).
    """

    limits: dict[LimitKey, tuple[int, int | None]] = field(default_factory=dict)
    requests_per_second: float | None = None
    call_s: float | None = None  # average time until createVersion is answered
    certain: dict[LimitKey, int] = field(default_factory=dict)  # exact limits; never kept
    durations: Learned = field(default_factory=Learned)

    def answered(self, seconds: float) -> None:
        """Learn from a call that was answered."""
        self.call_s = seconds if self.call_s is None else self.call_s + (seconds - self.call_s) / _CALLS

    def learn(self, slots: Slots, pace: Pace) -> None:
        """Keep what a run has found out. A limit that others used for a while says nothing about the quota."""
        for key, limit in slots.limits.items():
            if not limit.known and not limit.shared:
                self.limits[key] = limit.allowed + limit.reserve, limit.ceiling
        self.requests_per_second = pace.per_second

    def to_json(self) -> dict[str, Any]:
        """Return it as the journal stores it."""
        return {
            "limits": [[*key, *found] for key, found in self.limits.items()],
            "requests_per_second": self.requests_per_second,
            "call_s": self.call_s,
            "durations": {
                str(kind): [round(length_s, _DIGITS) for length_s in self.durations.of(kind).lengths_s] for kind in Kind
            },
        }


def from_json(values: Mapping[str, Any]) -> Knowledge:
    """Parse it. What cannot be parsed (from a newer program, for example) is ignored."""
    knowledge = Knowledge()
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        limits = {
            LimitKey(str(kind), str(name)): (max(1, int(allowed)), int(ceiling) if ceiling is not None else None)
            for kind, name, allowed, ceiling in values["limits"]
        }
        rate = values["requests_per_second"]
        # Earlier programs believed any time that they were given.
        lengths = {
            Kind(kind): [float(one) for one in found if 0 < float(one) < LENGTH_MAX_S]
            for kind, found in values["durations"].items()
            if kind in _KINDS
        }
        knowledge = Knowledge(limits, float(rate) if rate is not None else None, durations=Learned(lengths))
        knowledge.call_s = values.get("call_s")
    return knowledge


async def find_limits(
    directory: Directory, clouds: Mapping[str, str], declared: Limits, knowledge: Knowledge
) -> dict[LimitKey, Limit]:
    """Return the quotas of these folders (folder → cloud): from quota-manager, else as learned, else as declared."""
    found: dict[LimitKey, Limit] = {}
    for cloud_id in dict.fromkeys(clouds.values()):
        quotas = await _read(directory, cloud_id)
        folders = [LimitKey("folder", folder_id) for folder_id, owner in clouds.items() if owner == cloud_id]
        for key in (LimitKey("cloud", cloud_id), *folders):
            certain = knowledge.certain.get(key, _operations_quota(quotas, key.kind))
            learned = knowledge.limits.get(key)
            assumed = declared.operations_per_folder if key.kind == "folder" else declared.operations_per_cloud
            if certain is not None:
                found[key] = Limit(certain, known=True, reserve=declared.reserve, source="quota-manager")
            elif learned is not None:
                found[key] = Limit(learned[0], reserve=declared.reserve, ceiling=learned[1], source="learned before")
            else:
                found[key] = Limit(assumed, reserve=declared.reserve)
    return found


async def _read(directory: Directory, cloud_id: str) -> tuple[Quota, ...]:
    """Ask quota-manager once. A run can work without it."""
    if cloud_id == UNKNOWN_CLOUD:
        return ()
    try:
        return await directory.quotas(cloud_id)
    except CloudError:
        return ()


def _operations_quota(quotas: Iterable[Quota], kind: str) -> int | None:
    """Return the quota of Operations of a folder or a cloud. How it is spelled is unverified (cloud-api#quotas)."""
    for quota in quotas:
        name = quota.id.rsplit(".", 1)[-1].lower()
        if kind in name and "operation" in name and quota.limit >= 1:
            return int(quota.limit)
    return None
