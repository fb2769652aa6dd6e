"""Which state of a zip in a bucket is there, where the manifest does not say which one is meant (no `sha256`).

An object that was overwritten is other code under the same name. Its ETag tells, by a mark in the stamp of the version
that was made of it; of a version without that mark it cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from orchestrator.errors import CloudError
from orchestrator.model import Action, BucketPackage, FunctionSpec, Plan, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.ports import Reading
from orchestrator.resilience.groups import each
from orchestrator.version.stamp import object_changed, read_stamp

_AT_ONCE = 16


async def read_etags(world: Reading, specs: Mapping[str, FunctionSpec]) -> dict[str, str]:
    """Ask for the ETags of the zips that functions name without a `sha256`, each once: by the functions' keys. What is
    not there, or may not be looked at, is left out.
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
        except CloudError:  # the cloud itself reads the object; that we may not is no reason to stop
            return
        if etag is not None:
            found.update(dict.fromkeys(objects[code], etag))

    await each(objects, read, at_once=_AT_ONCE)
    return found


def untold(plan: Plan, live: LiveState) -> tuple[str, ...]:
    """List the functions that are left alone although nobody can tell whether their zip was overwritten."""
    return tuple(unit.key for unit in plan.units if unit.action is Action.UNCHANGED and _is_untold(unit, live))


def _is_untold(unit: Unit, live: LiveState) -> bool:
    code = unit.spec.code
    if not isinstance(code, BucketPackage) or code.sha256 is not None or unit.fingerprint is None:
        return False
    stamp = read_stamp(live.versions[unit.base_version_id or ""].description)
    return stamp is not None and object_changed(stamp, unit.fingerprint) is None
