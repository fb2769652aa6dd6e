"""Reading what Functions themselves have and no listing shows: scaling policies, access. It costs a call for each
Function, so only those are read of which somebody wants it.
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
    """Read of a Function what a kind of change is about; the rest of it may be left out. Raises `CloudError`."""
    if kind is ChangeKind.SCALING:
        listed = await world.read(partial(world.functions.list_scaling, function_id))
        return Function(function_id, "", "", scaling=policies_of(listed))
    if kind is ChangeKind.ACCESS:
        bindings = await world.read(partial(world.functions.list_access, function_id))
        return Function(function_id, "", "", public=roles_of(bindings))
    return await world.read(partial(world.functions.get_function, function_id))


def declared_kinds(spec: FunctionSpec) -> frozenset[ChangeKind]:
    """Give the kinds of change of which a declared function wants something that no listing shows. What is left as it
    is live need not be looked at.
    """
    found = set[ChangeKind]()
    if (spec.scaling or spec.scaling_exact) and not spec.as_live.has("scaling"):
        found.add(ChangeKind.SCALING)
    if spec.public is not None and not spec.as_live.has("public"):
        found.add(ChangeKind.ACCESS)
    return frozenset(found)


def planned_kinds(changes: Iterable[Change]) -> frozenset[ChangeKind]:
    """Give the kinds of these changes that are about what no listing shows."""
    return frozenset(change.kind for change in changes if change.kind in OWN)


async def with_own(world: Reading, live: LiveState, wanted: Mapping[str, Iterable[ChangeKind]]) -> LiveState:
    """Read of Functions what is wanted of them, by their ids. Raises `CloudError` where any of it cannot be read."""
    functions = dict(live.by_id)

    async def read(one: tuple[str, ChangeKind]) -> None:
        function_id, kind = one
        found = await read_own(world, function_id, kind)
        functions[function_id] = _with(functions[function_id], found)

    calls = [(one, kind) for one, kinds in wanted.items() if one in functions for kind in sorted(kinds)]
    await each(calls, read, at_once=_AT_ONCE)
    return _indexed(live, functions)


async def each_own(
    world: Reading, functions: Mapping[str, Function], wanted: Mapping[str, Iterable[ChangeKind]]
) -> tuple[dict[str, Function], dict[tuple[str, ChangeKind], Failure]]:
    """Read of Functions what is wanted of them, by their ids. Gives them with it, and by id and kind what cannot be
    read. Raises `InterruptedRunError` where the token is not accepted.
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
            found[function_id] = _with(found[function_id], own)  # as it is by now: the other kind is read beside it

    calls = [(one, kind) for one, kinds in wanted.items() for kind in sorted(kinds)]
    await each(calls, read, at_once=_AT_ONCE)
    return found, failures


async def with_declared(
    world: Reading, specs: Mapping[str, FunctionSpec], live: LiveState
) -> tuple[LiveState, dict[str, Failure]]:
    """Read what declared functions want to be compared; also gives those of which it cannot be read, by their keys.

    Raises `InterruptedRunError` where the token is not accepted.
    """
    there = {
        key: function.id
        for key, spec in specs.items()
        if declared_kinds(spec) and isinstance(function := find(spec, live), Function)
    }
    wanted: dict[str, frozenset[ChangeKind]] = {}
    for key, function_id in there.items():
        wanted[function_id] = wanted.get(function_id, frozenset()) | declared_kinds(specs[key])
    functions, unread = await each_own(world, live.by_id, wanted)
    failures = {
        key: replace(failed, message=f"{OWN[kind]} cannot be read: {failed.message}")
        for key in there
        for kind in sorted(declared_kinds(specs[key]))
        if (failed := unread.get((there[key], kind))) is not None
    }
    return _indexed(live, functions), failures


def _with(function: Function, found: Function) -> Function:
    """Add what was read of a Function to what is known of it."""
    read = {name: value for name in ("scaling", "public") if (value := getattr(found, name)) is not None}
    return replace(function, **read)


def _indexed(live: LiveState, functions: Mapping[str, Function]) -> LiveState:
    by_name = {name: functions.get(one.id, one) for name, one in live.by_name.items()}
    return replace(live, by_id=functions, by_name=by_name)
