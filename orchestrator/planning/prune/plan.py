"""The plan of a prune: for each Function the Versions to delete, and why the others stay. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from orchestrator.model import (
    LATEST,
    Action,
    Change,
    ChangeKind,
    Function,
    FunctionSpec,
    Place,
    Plan,
    Settings,
    Unit,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.prune.rule import JudgedVersion, Why

_DELETING = "DELETING"  # a status of Versions


@dataclass(frozen=True, slots=True)
class FunctionPrune:
    """One Function. `versions`: all of its Versions, the newest first."""

    key: str
    function: Function
    versions: tuple[JudgedVersion, ...]

    @property
    def goes(self) -> tuple[JudgedVersion, ...]:
        """Those to delete, the oldest first."""
        return tuple(one for one in reversed(self.versions) if one.goes)

    @property
    def left_alone(self) -> str:
        """Why nothing of it is deleted whatever its Versions are, "" if not so."""
        return next((one.detail for one in self.versions if one.why is Why.LAST_RUN), "")


@dataclass(frozen=True, slots=True)
class Usage:
    """A quota of a cloud, before the prune: its ID, the usage, the limit. `goes`: how many Versions of the cloud are to
    be deleted.
    """

    cloud_id: str
    quota: str
    usage: float
    limit: float
    goes: int = 0

    @property
    def expected(self) -> float:
        """The usage after these are deleted."""
        return max(0.0, self.usage - self.goes)


@dataclass(frozen=True, slots=True)
class UsageAfter:
    """The same quota after Versions were deleted. `read`: the cloud was asked; otherwise `after` is computed."""

    before: Usage
    after: float
    read: bool


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """All Functions of a prune. `notes`: sentences about what is not known. `usage`: quotas that count what is deleted,
    as far as they can be read.
    """

    functions: tuple[FunctionPrune, ...]
    notes: tuple[str, ...] = ()
    usage: tuple[Usage, ...] = ()

    @property
    def goes(self) -> int:
        """How many Versions are deleted."""
        return sum(one.goes for function in self.functions for one in function.versions)

    @property
    def stays(self) -> int:
        """How many Versions stay."""
        return sum(len(function.versions) for function in self.functions) - self.goes

    @property
    def size_bytes(self) -> int:
        """The total image size of those that are deleted."""
        return sum(one.size_bytes for function in self.functions for one in function.versions if one.goes)

    def words(self) -> Iterator[str]:
        """Yield the keys, names and IDs in it."""
        for found in self.functions:
            yield from (found.key, found.function.name, found.function.folder_id, found.function.id)
            yield from (version.version_id for version in found.versions)

    @property
    def reasons(self) -> Counter[Why]:
        """How many stay, by the reason."""
        return Counter(one.why for function in self.functions for one in function.versions if not one.goes)


def units_of(prune: PrunePlan, live: LiveState, declared: Mapping[str, FunctionSpec]) -> Plan:
    """Return the plan: each Function with something to delete is a unit, each Version a change, the oldest first."""
    units = []
    for found in prune.functions:
        if goes := found.goes:
            latest = live.latest(found.function.id)
            stays = len(found.versions) - len(goes)
            units.append(
                Unit(
                    key=found.key,
                    spec=declared.get(found.key) or nothing_wanted(found.key, found.function),
                    action=Action.PRUNE,
                    reason=f"{len(goes)} of {len(found.versions)} versions go, {stays} stay",
                    function_id=found.function.id,
                    base_version_id=latest.id if latest is not None else None,
                    changes=tuple(map(_deletion, goes)),
                )
            )
    return Plan(tuple(units))


def _deletion(goes: JudgedVersion) -> Change:
    made = goes.created_at.isoformat() if goes.created_at is not None else ""
    return Change(ChangeKind.DELETE, {goes.version_id: made}, {goes.version_id: None})


def nothing_wanted(key: str, function: Function) -> FunctionSpec:
    """Return a spec that only identifies a Function."""
    return FunctionSpec(
        key, function.name, function.folder_id, Settings("", "", 0), VersionCopy(LATEST), Place("", 0), id=function.id,
        labels=function.labels,
    )  # fmt: skip


def only(prune: PrunePlan, agreed: Mapping[str, Iterable[str]]) -> PrunePlan:
    """Return the prune without the Versions that were not agreed to. `agreed`: Function ID → Version IDs. An agreed
    Version that is being deleted is included: it was requested, and is followed to its end.
    """
    ids = {function_id: frozenset(found) for function_id, found in agreed.items()}
    return replace(prune, functions=tuple(_only(one, ids.get(one.function.id, frozenset())) for one in prune.functions))


def _only(found: FunctionPrune, ids: frozenset[str]) -> FunctionPrune:
    return replace(found, versions=tuple(_agreed(one, agreed=one.version_id in ids) for one in found.versions))


def _agreed(one: JudgedVersion, *, agreed: bool) -> JudgedVersion:
    if agreed and (one.why, one.detail) == (Why.CHANGING, _DELETING):
        return replace(one, why=Why.OLD, detail="")
    return replace(one, why=Why.NEW_SINCE) if one.goes and not agreed else one
