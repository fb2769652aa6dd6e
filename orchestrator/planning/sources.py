"""The content of the sources: built and read before a plan, equal ones once. For a zip in a bucket, its present state.

Without a `sha256`, the manifest does not say which state of a zip is meant, so an overwritten object is new code under
the same name. Its ETag shows this: the stamp of the Version has a mark of it. For a Version without this mark it is not
known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import anyio

from orchestrator.errors import CloudError, PackageError
from orchestrator.model import Action, BucketPackage, FunctionSpec, Plan, SourceCode, Step, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.planning.planner import Prepared
from orchestrator.ports import Reading
from orchestrator.resilience import failure
from orchestrator.resilience.groups import each
from orchestrator.version.stamp import object_changed, read_stamp


@dataclass(frozen=True, slots=True)
class Sources:
    """The present content of each function's source, and how many seconds it took to build and to read."""

    prepared: dict[str, Prepared] = field(default_factory=dict)
    seconds: dict[str, dict[Step, float]] = field(default_factory=dict)


async def read_sources(world: Reading, specs: Mapping[str, FunctionSpec]) -> Sources:
    """Build and read the tree of every source, equal ones once. A failure belongs to that function, not to the run."""
    sources = Sources()
    codes: dict[SourceCode, list[str]] = {}
    for key, spec in specs.items():
        if isinstance(spec.code, SourceCode):
            codes.setdefault(spec.code, []).append(key)

    sources.prepared.update(await read_etags(world, specs))

    async def read(code: SourceCode) -> None:
        seconds: dict[Step, float] = {}
        prepared = await _prepare(world, code, seconds)
        for key in codes[code]:
            sources.prepared[key] = prepared
            sources.seconds[key] = seconds

    await each(codes, read, at_once=16)
    return sources


async def _prepare(world: Reading, code: SourceCode, seconds: dict[Step, float]) -> Prepared:
    step, started_at = Step.BUILD, anyio.current_time()
    try:
        if code.build is not None:
            await world.packager.build(code)
            seconds[step] = anyio.current_time() - started_at
        step, started_at = Step.PACKAGE, anyio.current_time()
        return await world.packager.scan(code)
    except PackageError as error:
        return step, failure.of_package(error, step)
    finally:
        seconds[step] = anyio.current_time() - started_at


_AT_ONCE = 16


async def read_etags(world: Reading, specs: Mapping[str, FunctionSpec]) -> dict[str, str]:
    """Return the ETags of the zips that functions name without a `sha256`, by function key. Each is read once. Objects
    that do not exist or may not be read are left out.
    """
    objects: dict[BucketPackage, list[str]] = {}
    for key, spec in specs.items():
        if isinstance(spec.code, BucketPackage) and spec.code.sha256 is None:
            objects.setdefault(spec.code, []).append(key)
    found: dict[str, str] = {}
    store = world.store
    if store is None:
        return found

    async def read(code: BucketPackage) -> None:
        try:
            etag = await world.read(partial(store.etag, code.bucket, code.object))
        except CloudError:  # the cloud reads the object itself, so the run need not stop if this account may not
            return
        if etag is not None:
            found.update(dict.fromkeys(objects[code], etag))

    await each(objects, read, at_once=_AT_ONCE)
    return found


def objects_of_unknown_state(plan: Plan, live: LiveState) -> tuple[str, ...]:
    """Return the functions that are left alone although it is not known whether their zip was overwritten."""
    return tuple(
        unit.key for unit in plan.units if unit.action is Action.UNCHANGED and _is_of_unknown_state(unit, live)
    )


def _is_of_unknown_state(unit: Unit, live: LiveState) -> bool:
    code = unit.spec.code
    if not isinstance(code, BucketPackage) or code.sha256 is not None or unit.fingerprint is None:
        return False
    stamp = read_stamp(live.versions[unit.base_version_id or ""].description)
    return stamp is not None and object_changed(stamp, unit.fingerprint) is None
