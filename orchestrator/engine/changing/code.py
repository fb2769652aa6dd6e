"""The code of a Version: packed and uploaded, or a reference to where it already is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.engine.calls import Calls, StepFailedError
from orchestrator.engine.steps import At
from orchestrator.errors import CloudError, PackageError
from orchestrator.journal.events import BytesSent, PackageStored
from orchestrator.model import (
    BucketPackage,
    Failure,
    Package,
    SourceCode,
    Step,
    StoredObject,
    Unit,
    VersionCopy,
)
from orchestrator.ports import ObjectStore
from orchestrator.resilience import failure
from orchestrator.resilience.retry import retried
from orchestrator.version import body

_LARGE_BYTES = 4 * 1024 * 1024  # byte progress below this would only flicker


@dataclass(frozen=True, slots=True)
class CodeOf:
    """Prepares the code of units."""

    calls: Calls

    async def of(self, unit: Unit, at: At) -> dict[str, Any]:
        """Return the part of createVersion's body that refers to the code. Sources are packed and uploaded first.

        Raises `StepFailedError`, `InterruptedRunError`.
        """
        code = unit.spec.code
        if isinstance(code, BucketPackage):
            return body.from_object(code.bucket, code.object, code.sha256)
        if isinstance(code, VersionCopy):
            return body.copy_of(code)
        package = await self._package(unit, at, code)
        store, bucket = self.calls.world.store, self.calls.world.storage.bucket
        if store is not None and bucket is not None:
            put = self._found if package.stored else self._upload
            return body.from_bucket(await put(at, package, store, bucket))
        refused = body.too_large(package.size_bytes)
        if refused is not None:
            raise StepFailedError(Step.PACKAGE, refused)
        try:
            return body.inline(self.calls.world.packager.read(package))
        except PackageError as error:
            raise StepFailedError(Step.PACKAGE, failure.of_package(error, "package")) from error

    async def _package(self, unit: Unit, at: At, code: SourceCode) -> Package:
        with self.calls.steps.step(at, Step.PACKAGE):
            try:
                package = await self.calls.world.packager.pack(code)
            except PackageError as error:
                raise StepFailedError(Step.PACKAGE, failure.of_package(error, "package")) from error
        if unit.tree is not None and package.tree_hash != unit.tree.hash:
            changed = Failure(
                f"{code.source} changed while it was being deployed",
                kind="package",
                advice="deploy again when nothing writes to it",
            )
            raise StepFailedError(Step.PACKAGE, changed)
        return package

    async def _found(self, at: At, package: Package, store: ObjectStore, bucket: str) -> StoredObject:
        """Check that a package that was stored earlier still exists. It cannot be uploaded again from here."""
        world = self.calls.world
        with self.calls.steps.step(at, Step.UPLOAD):
            try:
                etag = await world.read(partial(store.etag, bucket, package.stored))
            except CloudError as error:
                failure.unless_token(error)
                raise StepFailedError(Step.UPLOAD, failure.of_call(error)) from error
            if etag is None:
                gone = Failure(
                    f"its package is missing from the bucket {bucket}: {package.stored}",
                    kind="package",
                    advice="plan again with --upload",
                )
                raise StepFailedError(Step.UPLOAD, gone)
        return self._reported(
            at, StoredObject(bucket, package.stored, package.sha256, package.size_bytes, existed=True)
        )

    async def _upload(self, at: At, package: Package, store: ObjectStore, bucket: str) -> StoredObject:
        world, emit = self.calls.world, self.calls.emit
        key = f"{world.storage.prefix}{package.sha256}.zip"

        def progress(sent_bytes: int) -> None:
            if package.size_bytes >= _LARGE_BYTES:
                emit(BytesSent(world.clock(), at.unit, sent_bytes, package.size_bytes, at.change))

        with self.calls.steps.step(at, Step.UPLOAD):
            try:
                stored = await retried(
                    partial(store.put_once, bucket, key, package, progress),
                    rng=world.rng,
                    outage=world.outage,
                    on_retry=self.calls.steps.retrying(at, Step.UPLOAD),
                )
            except PackageError as error:
                raise StepFailedError(Step.UPLOAD, failure.of_package(error, "package")) from error
            except CloudError as error:
                failure.unless_token(error)
                raise StepFailedError(Step.UPLOAD, failure.of_call(error)) from error
        return self._reported(at, stored)

    def _reported(self, at: At, stored: StoredObject) -> StoredObject:
        facts = stored.bucket, stored.key, stored.sha256, stored.size_bytes, stored.existed
        self.calls.emit(PackageStored(self.calls.world.clock(), at.unit, *facts, at.change))
        return stored
