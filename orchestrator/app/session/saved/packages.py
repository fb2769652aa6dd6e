"""The packages of a saved plan, stored when it is made so that applying it needs neither sources nor builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from orchestrator.app.session.opening.bucket import bucket_records
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.saved.keys import plans_folder
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, PackageError, StartError
from orchestrator.model import FunctionSpec, Package, SourceCode, Tree
from orchestrator.planning.saved.document import SavedPlan, StoredPackage, makes_package
from orchestrator.planning.saved.note import PlanNote
from orchestrator.ports import Packager
from orchestrator.report.messages import with_facts
from orchestrator.report.plain_text import counted
from orchestrator.resilience.groups import each

_AT_ONCE = 16


async def packed(session: Session, planned: Planned) -> dict[str, Package]:
    """Return the packages of a plan's new Versions, by function. Raises `PackageError`."""
    packager, found = session.world.packager, dict[SourceCode, Package]()
    desired = {unit.key: unit for unit in planned.plan.units if makes_package(unit)}
    codes = {unit.spec.code: unit for unit in desired.values() if isinstance(unit.spec.code, SourceCode)}

    async def pack(code: SourceCode) -> None:
        found[code] = await packager.pack(code)
        tree = codes[code].tree
        if tree is not None and found[code].tree_hash != tree.hash:
            raise PackageError(
                f"{code.source} changed while the plan was made", advice="plan again when nothing writes there"
            )

    await each(codes, pack, at_once=_AT_ONCE)
    return {key: found[unit.spec.code] for key, unit in desired.items() if isinstance(unit.spec.code, SourceCode)}


def with_packages(session: Session, plan: SavedPlan, packages: Mapping[str, Package]) -> SavedPlan:
    """Return the plan with the places of its packages."""
    prefix = session.world.storage.prefix
    stored = {
        key: StoredPackage(one.sha256, one.size_bytes, f"{prefix}{one.sha256}.zip") for key, one in packages.items()
    }
    return replace(plan, units=tuple(replace(unit, package=stored.get(unit.key)) for unit in plan.units))


async def store(session: Session, plan: SavedPlan, packages: Mapping[str, Package]) -> None:
    """Upload the packages of a plan, after the note that protects them while the plan is valid. Raises `StartError`."""
    world, records = session.world, bucket_records(session.world)
    bucket, objects = world.storage.bucket, {one.sha256: one for one in packages.values()}
    keys = {unit.package.sha256: unit.package.object for unit in plan.units if unit.package is not None}
    target = world.store
    if records is None or target is None or bucket is None or not objects:
        return
    session.messages.mention(f"storing {counted(len(objects), 'package')}")
    expires_at = datetime.fromisoformat(plan.expires_at).timestamp()
    note = PlanNote(plan.id, expires_at, tuple(sorted(keys.values())))

    async def put(sha256: str) -> None:
        await world.read(partial(target.put_once, bucket, keys[sha256], objects[sha256]))

    try:
        await world.read(partial(records.create, f"{plans_folder(session)}{plan.id}.json", note.encode()))
        await each(objects, put, at_once=_AT_ONCE)
    except CloudError as error:
        raise StartError(
            f"the packages of the plan cannot be uploaded, so the plan was not saved: {with_facts(error)}",
            advice=error.advice,
        ) from error


class SavedPackages:
    """`ports.Packager` for a plan with stored packages: their sources are not read."""

    def __init__(self, plan: SavedPlan, specs: Mapping[str, FunctionSpec], others: Packager) -> None:
        self._others = others
        self._trees: dict[SourceCode, Tree] = {}
        self._packages: dict[SourceCode, Package] = {}
        for unit in plan.units:
            code = specs[unit.key].code if unit.key in specs else None
            if not isinstance(code, SourceCode) or unit.tree is None:
                continue
            known = self._trees.get(code)
            paths = tuple(sorted({*unit.tree.paths, *(known.paths if known is not None else ())}))
            self._trees[code] = replace(unit.tree, paths=paths)
            if (one := unit.package) is not None:
                self._packages[code] = Package(Path(one.object), one.sha256, one.size_bytes, unit.tree.hash, one.object)

    async def build(self, code: SourceCode) -> None:
        if code not in self._trees:
            await self._others.build(code)

    async def scan(self, code: SourceCode) -> Tree:
        return self._trees[code] if code in self._trees else await self._others.scan(code)

    async def pack(self, code: SourceCode) -> Package:
        return self._packages[code] if code in self._packages else await self._others.pack(code)

    def read(self, package: Package) -> bytes:
        return self._others.read(package)
