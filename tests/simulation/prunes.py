"""A bench where prunes are commands too. What they delete is checked against what the bench itself has seen the cloud
do, and not against what the program reports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.app.commands import prune, rollback
from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.options import PRUNE, ROLLBACK
from orchestrator.engine.bus import Bus
from orchestrator.engine.world import World
from orchestrator.errors import Exit
from orchestrator.journal.events import (
    Event,
    PackageStored,
    Requested,
    RunEnded,
    RunStarted,
    UnitEnded,
    UnitPlanned,
    UnitsUnchanged,
)
from orchestrator.model import (
    LATEST,
    Action,
    ApiRequest,
    Blocked,
    Cancelled,
    Deployed,
    Failed,
    Inconclusive,
    ListedObject,
    Operation,
    Outcome,
    Unchanged,
    Unknown,
)
from orchestrator.ports import Guard, unguarded
from orchestrator.report.views import CommandResult
from orchestrator.sandbox.memory.adapters import MemoryObjectStore, Wire
from tests.engine import BUCKET
from tests.memory_records import MemoryRecords
from tests.simulation.rollouts import RolloutBench, RolloutFunctions

RECORDS = "functions/runs/"
UNUSED = timedelta(days=30)  # age from which a package may be deleted
YOUNG = timedelta(days=90)  # age from which objects without records may be deleted


@dataclass
class SeenChain:
    """What was seen of a run and those that resumed it. `needs`: by function, the Versions that served before, were
    made, or had a tag before. `ends`: by function, its outcome, None if that was not seen. `packages`: by function, the
    object of its Version's package. `code`: None until it ended.
    """

    runs: list[str] = field(default_factory=list)
    needs: dict[str, set[str]] = field(default_factory=dict)
    ends: dict[str, Outcome | None] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    is_reported: bool = False  # it has requested something, or ended: its journal is on disk up to there
    prunes: bool = False
    takes_back: bool = False
    forgotten: bool = False  # neither this machine nor the bucket has it any more

    def hear(self, event: Event, function_id: str) -> None:
        """Record an event that was written."""
        match event:
            case Requested() | RunEnded():
                self.is_reported = True
            case PackageStored() if function_id:
                self.packages[function_id] = event.object
            case UnitPlanned() if function_id and event.action != Action.PRUNE:
                self.ends[function_id] = None
            case UnitsUnchanged():
                for _, _, _, unchanged_id, version_id, *_ in event.units:
                    self.ends[unchanged_id] = Unchanged(version_id)

    def has_tried(self, function_id: str) -> bool:
        """Return whether it was about a function, as far as anyone can know."""
        return self.is_reported and not self.prunes and not self.forgotten and function_id in self.ends

    def is_settled(self, function_id: str) -> bool:
        """Return whether it succeeded for a function."""
        bad = isinstance(self.ends[function_id], Failed | Inconclusive | Cancelled | Unknown | Blocked | None)
        return self.code not in (None, Exit.INTERRUPTED) and not bad


@dataclass
class SeenPrune:
    """The options of a prune, and what existed when it was first planned."""

    keep: int
    runs: int
    everything: bool
    agreed: set[str] = field(default_factory=set)
    is_agreed: bool = False  # nothing more is agreed to
    deleted: set[str] = field(default_factory=set)


class InBucket(MutableMapping[str, tuple[bytes, str]]):
    """Objects of the bench's bucket, with their ETags."""

    def __init__(self, bench: PruneBench) -> None:
        self._bench = bench

    def __getitem__(self, key: str) -> tuple[bytes, str]:
        objects = self._bench.objects
        stored, body = objects.head(BUCKET, key), objects.get(BUCKET, key)
        if stored is None or not isinstance(body, bytes):
            raise KeyError(key)
        return body, stored.etag

    def __setitem__(self, key: str, value: tuple[bytes, str]) -> None:
        self._bench.objects.put(BUCKET, key, value[0], modified_at=self._bench.now())

    def __delitem__(self, key: str) -> None:
        self._bench.objects.delete(BUCKET, key)

    def __iter__(self) -> Iterator[str]:
        return iter([one.key for one in self._bench.objects.list(BUCKET, limit=100_000).objects])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class BucketRecords(MemoryRecords):
    """Records that are beside the packages, so that a prune finds them."""

    def __init__(self, bench: PruneBench) -> None:
        super().__init__(bench._meet)
        self.objects = InBucket(bench)

    def _put(self, key: str, body: bytes) -> str:
        self.objects[key] = body, ""
        return self.objects[key][1]


class WatchedStore(MemoryObjectStore):
    """Watches which packages are deleted."""

    def __init__(self, bench: PruneBench) -> None:
        super().__init__(bench.wire, bench.objects)
        self._bench = bench

    async def delete(self, bucket: str, listed: ListedObject) -> bool:
        if listed.key.endswith(".zip"):
            self._bench.check_a_package(listed.key)
        return await super().delete(bucket, listed)


class PruneFunctions(RolloutFunctions):
    """Watches what the cloud carries out of a run's requests."""

    def __init__(self, wire: Wire, bench: PruneBench) -> None:
        super().__init__(wire, bench)
        self._prunes = bench
        self._of: dict[str, str] = {}  # by Idempotency-Key, the first run of the chain that sends it
        self._sent = {call: self._watched(call, act) for call, act in self._sent.items()}

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        assert self._prunes.bus is not None
        self._of[idempotency_key] = self._prunes.roots[self._prunes.bus.state.run_id]
        return await super().send(request, idempotency_key=idempotency_key, guard=guard)

    def _watched(self, call: str, act: Callable[[str, Any, str], Any]) -> Callable[[str, Any, str], Any]:
        def acted(target: str, body: Any, key: str) -> Any:
            bench, root = self._prunes, self._of[key]
            if call == "deleteVersion":
                bench.check_a_deletion(root, target)
                answer = act(target, body, key)
                bench.seen_prunes[root].deleted.add(target)
                return answer
            found = bench.needed_by(call, target, body)
            answer = act(target, body, key)
            if found is not None:
                made = str(answer["metadata"]["functionVersionId"]) if call == "createVersion" else ""
                bench.seen[root].needs.setdefault(found[0], set()).update({*found[1], made} - {""})
            return answer

        return acted


@dataclass
class PruneBench(RolloutBench):
    """`seen`: chains by their first run; the last one is the one that was started or resumed last."""

    seen: dict[str, SeenChain] = field(default_factory=dict)
    seen_prunes: dict[str, SeenPrune] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.records = BucketRecords(self)

    def use(self, wire: Wire) -> None:
        super().use(wire)
        self.functions = PruneFunctions(wire, self)

    def world(self) -> World:
        return replace(super().world(), store=WatchedStore(self))

    # --- commands -------------------------------------------------------------------------------------------------

    def deploy_some(self, *patterns: str) -> int | None:
        """Deploy some functions."""
        self.again = set()
        return self._command("deploy", deploy_selected, patterns=patterns, no_verify=self.skipped)

    def prune_now(
        self, keep: int, runs: int, *, everything: bool = False, patterns: tuple[str, ...] = ()
    ) -> int | None:
        """Prune, as if typed."""
        self._typed = SeenPrune(keep, runs, everything)
        parameters = {"keep": str(keep), "runs": str(runs), **({"all": "true"} if everything else {})}
        return self._command(PRUNE, prune._prune, parameters=parameters, patterns=patterns)

    def go_back_to(self, at: float) -> int | None:
        """Roll back to a time."""
        return self._command(ROLLBACK, rollback._rollback, since=datetime.fromtimestamp(at, UTC).isoformat())

    def _command(self, verb: str, main: Callable[[Invocation], Awaitable[CommandResult]], **given: Any) -> int | None:
        self._there, self._busy = {one["id"]: one for one in self.versions()}, self.busy()
        return super()._command(verb, main, **given)

    def lose_the_state(self) -> None:
        super().lose_the_state()
        index = self.records.objects.get(f"{RECORDS}index.json", (b"", ""))[0].decode()
        for chain in self.seen.values():
            there = [one for one in chain.runs if one in index and f"{RECORDS}{one}.json" in self.records.objects]
            chain.forgotten |= not there

    def lose_a_record(self) -> None:
        """Delete a record from the bucket by hand, or the index of all."""
        keys = sorted(key for key in self.records.objects if key.startswith(RECORDS))
        if keys:
            del self.records.objects[self._chance.choice(keys)]

    def is_pruning(self) -> bool:
        """Return whether the last command was a prune."""
        return bool(self.started) and self.roots[self.started[0].run_id] in self.seen_prunes

    # --- what is seen ---------------------------------------------------------------------------------------------

    def busy(self, *function_ids: str) -> set[str]:
        """Return the IDs of unfinished Operations, of some functions or all, except deletions."""
        return {
            str(one["id"])
            for function_id in function_ids or [*self.cloud.state.functions]
            for one in self.cloud.operations.list(function_id, {"pageSize": 1000})["operations"]
            if not one.get("done") and not one["metadata"]["@type"].endswith("DeleteFunctionVersionMetadata")
        }

    def hear_before(self, bus: Bus, event: Event) -> None:
        super().hear_before(bus, event)
        if isinstance(event, UnitEnded | RunEnded) and (chain := self._chain(bus)) is not None:
            if isinstance(event, RunEnded):
                chain.code = event.exit_code
            elif (unit := bus.state.units.get(event.key)) is not None and unit.function_id:
                chain.ends[unit.function_id] = event.outcome

    def hear(self, bus: Bus, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._begin(event)
        elif (chain := self._chain(bus)) is not None:
            unit = bus.state.units.get(event.key) if isinstance(event, PackageStored | UnitPlanned) else None
            chain.hear(event, unit.function_id if unit is not None else "")
            if isinstance(event, UnitPlanned) and event.action == Action.PRUNE:
                self._planned_deletions(self.roots[bus.state.run_id], event)
        super().hear(bus, event)

    def _begin(self, event: RunStarted) -> None:
        root = self.roots.get(event.resumes, event.run_id)
        chain = self.seen[root] = self.seen.pop(root, SeenChain())
        chain.runs.append(event.run_id)
        chain.code = None
        chain.prunes |= event.verb == PRUNE
        chain.takes_back |= event.verb == ROLLBACK
        if event.verb == PRUNE and root not in self.seen_prunes:
            self.seen_prunes[root] = self._typed
        elif chain.prunes:
            self.seen_prunes[root].is_agreed = True

    def _chain(self, bus: Bus) -> SeenChain | None:
        return self.seen.get(self.roots.get(bus.state.run_id, ""))

    def _planned_deletions(self, root: str, event: UnitPlanned) -> None:
        found = {version_id for change in event.changes for version_id in change.before}
        seen = self.seen_prunes[root]
        if seen.is_agreed:
            assert found <= seen.agreed, f"{event.key}: nobody has agreed to {found - seen.agreed}"
        seen.agreed |= found

    def check_what_is_asked(self, request: ApiRequest) -> None:
        if request.call != "deleteVersion":  # an unneeded object does not change the live state
            super().check_what_is_asked(request)

    def needed_by(self, call: str, target: str, body: Mapping[str, Any]) -> tuple[str, set[str]] | None:
        """Return the function that a call changes, and the Versions that its rollback needs."""
        state = self.cloud.state
        function_id = str(body.get("functionId", "")) if call == "createVersion" else target
        if call in ("setTag", "removeTag"):
            version = state.versions.get(target)
            function_id = str(version["functionId"]) if version is not None else ""
        if function_id not in state.functions:
            return None
        holders = state.tags.get(function_id) or {}
        if call == "createVersion":
            return function_id, {str(holders.get(tag, "")) for tag in (LATEST, *body.get("tag", ()))}
        if call in ("setTag", "removeTag"):
            return function_id, {str(holders.get(body["tag"], "")), target}
        return function_id, set()

    def last_chains(self, function_id: str, runs: int) -> list[SeenChain]:
        """Return the last chains that changed a function, the newest first."""
        touching = [chain for chain in self.seen.values() if chain.needs.get(function_id) is not None]
        return touching[::-1][:runs]

    def last_good_chains(self, function_id: str, runs: int) -> list[SeenChain]:
        """Return those of the last chains that deployed a function successfully, and that are still known."""
        found = [
            chain
            for chain in self.seen.values()
            if chain.needs.get(function_id) is not None
            and isinstance(chain.ends.get(function_id), Deployed)
            and chain.code in (Exit.DONE, Exit.FAILED)
            and not chain.takes_back
        ]
        return [chain for chain in found[::-1][:runs] if chain.code == Exit.DONE and not chain.forgotten]

    def check_a_deletion(self, root: str, version_id: str) -> None:
        """Check that no one needs what a prune is about to delete."""
        seen, version = self.seen_prunes[root], self.cloud.state.versions.get(version_id)
        if version is None or version["status"] == "DELETING":
            return
        function_id = str(version["functionId"])
        tags = {tag for tag, holder in (self.cloud.state.tags.get(function_id) or {}).items() if holder == version_id}
        tags &= {*self._there.get(version_id, {}).get("tags", ())}
        assert version_id in seen.agreed, f"{version_id} goes, and nobody has agreed to that"
        assert not tags, f"{version_id} goes, and has the tags {tags}"
        assert version["status"] != "CREATING", f"{version_id} goes, and is being made"
        foreign = any(version_id in made for made in self.by_hand.values())
        assert seen.everything or not foreign, f"{version_id} goes, and somebody has made it by hand"
        assert not self._busy & self.busy(function_id), f"{version_id} goes, and something of its function is under way"
        own = [one for one in self.versions() if one["functionId"] == function_id and one["status"] == "ACTIVE"]
        newer = sum(str(one["createdAt"]) >= version["createdAt"] for one in own) - 1
        assert newer >= seen.keep, f"{version_id} goes, and only {newer} are newer"
        self._check_the_runs(seen, function_id, version)

    def check_a_package(self, key: str) -> None:
        """Check that no package is deleted that was put recently, or that a waiting run will use."""
        stored = self.objects.head(BUCKET, key)
        if stored is None:
            return
        age = timedelta(seconds=self.now() - stored.modified_at)
        assert age > UNUSED, f"{key} goes, and was put {age} ago"
        for root, chain in self.seen.items():
            if chain.forgotten or chain.code != Exit.INTERRUPTED or self.rolled[root].backs:
                continue
            for function_id, package in chain.packages.items():
                if package == key and not isinstance(chain.ends.get(function_id), Deployed | Unchanged | Failed):
                    later = [*self.seen.values()][[*self.seen].index(root) + 1 :]
                    done = any(one.ends.get(function_id) is not None for one in later)
                    assert done, f"{key} goes, and {chain.runs} needs it for {function_id}"

    def _check_the_runs(self, seen: SeenPrune, function_id: str, version: Mapping[str, Any]) -> None:
        age = datetime.fromtimestamp(self.now(), UTC) - datetime.fromisoformat(version["createdAt"])
        last = self.last_chains(function_id, seen.runs)
        last += [chain for chain in self.last_good_chains(function_id, seen.runs) if chain not in last]
        for number, chain in enumerate(last):
            needed = version["id"] in chain.needs[function_id]
            assert not needed or (chain.forgotten and age > YOUNG), (
                f"{version['id']} goes, and chain {chain.runs} needs it, the last but {number} of {function_id}"
            )
        tried = [chain for chain in self.seen.values() if chain.has_tried(function_id)]
        assert not tried or tried[-1].is_settled(function_id), (
            f"{version['id']} goes, and {tried[-1].runs} has ended {tried[-1].code} with {tried[-1].ends[function_id]}"
        )
