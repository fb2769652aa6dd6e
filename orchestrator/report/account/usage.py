"""Slots over time: how many were in use in each folder and cloud, and how many were allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.journal.condition_events import LimitChanged, SlotRefused


class ScopeKey(NamedTuple):
    """A folder, a cloud or, for a refusal, a function; or the request rate, which has no ID."""

    kind: str
    id: str


RATE = ScopeKey("requests per second", "")


def scope_of(what: str) -> ScopeKey:
    """Parse the scope of a limit, as its event names it."""
    kind, _, name = what.partition(" ")
    return ScopeKey(kind, name) if kind in ("folder", "cloud", "function") else RATE


@dataclass(slots=True)
class KnownLimits:
    """What was allowed, and when it was refused, by scope, in order of time; and the cloud of each folder."""

    changes: dict[ScopeKey, list[LimitChanged]] = field(default_factory=dict)
    refused: dict[ScopeKey, list[float]] = field(default_factory=dict)  # seconds since the epoch
    clouds: dict[str, str] = field(default_factory=dict)

    def handle(self, event: LimitChanged | SlotRefused) -> None:
        """Handle a limit that changed or was found, or a refusal."""
        key = scope_of(event.what)
        if isinstance(event, SlotRefused):
            self.refused.setdefault(key, []).append(event.at)
            return
        self.changes.setdefault(key, []).append(event)
        if key.kind == "folder" and event.cloud_id:
            self.clouds[key.id] = event.cloud_id

    def cloud_of(self, folder_id: str) -> str:
        """Return the cloud of a folder, "" where it is not known. Old journals give it where there is just one."""
        known = self.clouds.get(folder_id, "")
        clouds = [key.id for key in self.changes if key.kind == "cloud"] if not known else []
        return clouds[0] if len(clouds) == 1 else known

    def scopes_of(self, folder_id: str) -> tuple[ScopeKey, ...]:
        """Return the scopes that an Operation in a folder counts against, the wider first."""
        cloud = self.cloud_of(folder_id)
        folder = ScopeKey("folder", folder_id)
        return (ScopeKey("cloud", cloud), folder) if cloud else (folder,)


class HeldSlot(NamedTuple):
    """A slot that was held in a folder. Seconds since the epoch."""

    since: float
    to: float
    folder_id: str


@dataclass(frozen=True, slots=True)
class SlotUse:
    """The slots of a scope. `steps`: pairs of a time and the slots in use from then on; `slot_s`: their integral."""

    steps: tuple[tuple[float, int], ...]
    most: int
    slot_s: float


NO_SLOTS = SlotUse((), 0, 0.0)


def slots_in_use(held: Iterable[HeldSlot], limits: KnownLimits) -> Mapping[ScopeKey, SlotUse]:
    """Count the slots in use in each scope, over time."""
    of_folder: dict[str, list[tuple[float, int]]] = {}
    for since, to, folder_id in held:
        found = of_folder.setdefault(folder_id, [])
        found.append((since, 1))
        found.append((to, -1))
    turns: dict[ScopeKey, list[tuple[float, int]]] = {}
    for folder_id, some in of_folder.items():
        for key in limits.scopes_of(folder_id):
            turns.setdefault(key, []).extend(some)
    return {key: _counted(some) for key, some in turns.items()}


def _counted(turns: Sequence[tuple[float, int]]) -> SlotUse:
    """Add up what begins and ends. At the same moment, ends count first."""
    steps: list[tuple[float, int]] = []
    count = most = 0
    before, slot_s = 0.0, 0.0
    for at, turn in sorted(turns):
        slot_s += count * (at - before)
        before, count = at, count + turn
        if steps and steps[-1][0] == at:
            steps[-1] = (at, count)
        else:
            steps.append((at, count))
        most = max(most, count)
    return SlotUse(tuple(steps), most, slot_s)
