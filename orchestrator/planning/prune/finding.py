"""Finds the Versions to prune, from the live state, the runs and the unfinished Operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from orchestrator.model import Function, FunctionSpec, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.prune.plan import FunctionPrune
from orchestrator.planning.prune.rule import KnownNeeds, PrunePolicy, judged
from orchestrator.ports import Reading
from orchestrator.resilience.groups import each

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class PrunedFunctions:
    """The Functions of a prune, by key, each once, and all their Versions, by Function ID."""

    functions: Mapping[str, Function]
    versions: Mapping[str, list[Version]]

    @property
    def names(self) -> dict[tuple[str, str], str]:
        """(folder ID, Function ID or name) → Function ID."""
        return {(one.folder_id, name): one.id for one in self.functions.values() for name in (one.id, one.name) if name}

    @property
    def version_ids(self) -> dict[str, str]:
        """Version ID → Function ID."""
        return {version.id: version.id for some in self.versions.values() for version in some}


def pruned_functions(specs: Mapping[str, FunctionSpec], live: LiveState) -> PrunedFunctions:
    """Return the Functions of a prune. Those that do not exist are left out."""
    functions = dict(_found(specs, live))
    versions: dict[str, list[Version]] = {function.id: [] for function in functions.values()}
    for version in live.versions.values():
        if version.function_id in versions:
            versions[version.function_id].append(version)
    return PrunedFunctions(functions, versions)


def _found(specs: Mapping[str, FunctionSpec], live: LiveState) -> Iterator[tuple[str, Function]]:
    seen = set[str]()
    for key, spec in specs.items():
        by_name = live.by_name.get((spec.folder_id, spec.name))
        function = live.by_id.get(spec.id) if spec.id is not None else by_name
        if function is not None and function.id not in seen:
            seen.add(function.id)
            yield key, function


async def find_prunable(
    reading: Reading,
    found: PrunedFunctions,
    live: LiveState,
    policy: PrunePolicy,
    known: Mapping[str, KnownNeeds],
    *,
    named: frozenset[str],
    now: datetime,
) -> tuple[FunctionPrune, ...]:
    """Judge all Versions. `known`: by Function ID. `named`: IDs in the manifest. If something of a Function would be
    deleted, its unfinished Operations are looked up. Raises `CloudError`.
    """

    def judge(key: str, function: Function, needs: KnownNeeds) -> FunctionPrune:
        versions = found.versions[function.id]
        return FunctionPrune(
            key, function, judged(versions, live.latest(function.id), policy, needs, named=named, now=now)
        )

    def needs(function: Function) -> KnownNeeds:
        return replace(known.get(function.id, KnownNeeds()), made_again=function.id in live.replaced)

    first = {key: judge(key, one, needs(one)) for key, one in found.functions.items()}
    busy = await _under_way(reading, [one.function.id for one in first.values() if one.goes])
    return tuple(
        judge(key, one.function, replace(needs(one.function), operation=busy[one.function.id]))
        if one.function.id in busy
        else one
        for key, one in first.items()
    )


async def _under_way(reading: Reading, function_ids: Iterable[str]) -> dict[str, str]:
    """Return the IDs of unfinished Operations, by Function ID. Deletions do not count. Raises `CloudError`."""
    found = dict[str, str]()

    async def look(function_id: str) -> None:
        for operation in await reading.read(partial(reading.functions.list_operations, function_id)):
            if not operation.done and not operation.deletes_version:
                found[function_id] = operation.id

    await each(function_ids, look, at_once=_AT_ONCE)
    return found
