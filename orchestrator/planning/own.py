"""Reads what no listing shows of a Function: scaling policies, access. It takes a call for each Function, so only what
is desired is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from orchestrator.errors import CloudError
from orchestrator.function.access import roles_of
from orchestrator.function.scaling import policies_of
from orchestrator.model import Change, ChangeKind, Failure, Function, FunctionSpec
from orchestrator.model.live_state import LiveState
from orchestrator.planning.meant import find
from orchestrator.ports import Reading
from orchestrator.resilience import failure
from orchestrator.resilience.groups import each

_AT_ONCE = 8
OWN = {ChangeKind.SCALING: "its scaling policies", ChangeKind.ACCESS: "its access bindings"}


async def read_own(world: Reading, function_id: str, kind: ChangeKind) -> Function:
    """Return a Function with what a kind of change is about; the rest may be missing. Raises `CloudError`."""
    if kind is ChangeKind.SCALING:
        listed = await world.read(partial(world.functions.list_scaling, function_id))
        return Function(function_id, "", "", scaling=policies_of(listed))
    if kind is ChangeKind.ACCESS:
        bindings = await world.read(partial(world.functions.list_access, function_id))
        return Function(function_id, "", "", public=roles_of(bindings))
    return await world.read(partial(world.functions.get_function, function_id))


def declared_kinds(spec: FunctionSpec) -> frozenset[ChangeKind]:
    """Return the kinds of change for which a declared function desires something that no listing shows. What is left as
    it is live need not be read.
    """
    found = set[ChangeKind]()
    if (spec.scaling or spec.scaling_exact) and not spec.as_live.has("scaling"):
        found.add(ChangeKind.SCALING)
    if spec.public is not None and not spec.as_live.has("public"):
        found.add(ChangeKind.ACCESS)
    return frozenset(found)


def planned_kinds(changes: Iterable[Change]) -> frozenset[ChangeKind]:
    """Return the kinds of these changes that are about what no listing shows."""
    return frozenset(change.kind for change in changes if change.kind in OWN)


async def with_own(world: Reading, live: LiveState, desired: Mapping[str, Iterable[ChangeKind]]) -> LiveState:
    """Return the live state with what is desired of these Functions, by ID. Raises `CloudError` if any of it cannot be
    read.
    """
    functions = dict(live.by_id)

    async def read(one: tuple[str, ChangeKind]) -> None:
        function_id, kind = one
        found = await read_own(world, function_id, kind)
        functions[function_id] = _with(functions[function_id], found)

    calls = [(one, kind) for one, kinds in desired.items() if one in functions for kind in sorted(kinds)]
    await each(calls, read, at_once=_AT_ONCE)
    return _indexed(live, functions)


async def each_own(
    world: Reading, functions: Mapping[str, Function], desired: Mapping[str, Iterable[ChangeKind]]
) -> tuple[dict[str, Function], dict[tuple[str, ChangeKind], Failure]]:
    """Read what is desired of these Functions, by ID. Returns the Functions with it, and by ID and kind what cannot be
    read. Raises `InterruptedRunError` if the token is not accepted.
    """
    found, failures = dict(functions), dict[tuple[str, ChangeKind], Failure]()

    async def read(one: tuple[str, ChangeKind]) -> None:
        function_id, kind = one
        try:
            own = await read_own(world, function_id, kind)
        except CloudError as error:
            failure.unless_token(error)
            failures[one] = failure.of_call(error)
        else:
            # the Function as it is by now: the other kind is read at the same time
            found[function_id] = _with(found[function_id], own)

    calls = [(one, kind) for one, kinds in desired.items() for kind in sorted(kinds)]
    await each(calls, read, at_once=_AT_ONCE)
    return found, failures


async def with_declared(
    world: Reading, specs: Mapping[str, FunctionSpec], live: LiveState
) -> tuple[LiveState, dict[str, Failure]]:
    """Read what declared functions are compared with. Also returns failures by key, where it cannot be read. Raises
    `InterruptedRunError` if the token is not accepted.
    """
    there = {
        key: function.id
        for key, spec in specs.items()
        if declared_kinds(spec) and isinstance(function := find(spec, live), Function)
    }
    desired: dict[str, frozenset[ChangeKind]] = {}
    for key, function_id in there.items():
        desired[function_id] = desired.get(function_id, frozenset()) | declared_kinds(specs[key])
    functions, unread = await each_own(world, live.by_id, desired)
    failures = {
        key: replace(failed, message=f"{OWN[kind]} cannot be read: {failed.message}")
        for key in there
        for kind in sorted(declared_kinds(specs[key]))
        if (failed := unread.get((there[key], kind))) is not None
    }
    return _indexed(live, functions), failures


def _with(function: Function, found: Function) -> Function:
    """Return a Function with what was read added to it."""
    read = {name: value for name in ("scaling", "public") if (value := getattr(found, name)) is not None}
    return replace(function, **read)


def _indexed(live: LiveState, functions: Mapping[str, Function]) -> LiveState:
    by_name = {name: functions.get(one.id, one) for name, one in live.by_name.items()}
    return replace(live, by_id=functions, by_name=by_name)
