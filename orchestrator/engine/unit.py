"""The life of one unit, read from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from orchestrator.engine.calls import Call, InFlight, Operator, StepFailedError, UnsettledError, operation_failure
from orchestrator.engine.in_flight import in_flight
from orchestrator.engine.quotas.slots import QuotaScope
from orchestrator.engine.tracking.durations import Kind
from orchestrator.errors import CloudError, Code, PackageError
from orchestrator.function.fields import function_key
from orchestrator.journal.events import BytesSent, PackageStored
from orchestrator.model import (
    Action,
    BucketPackage,
    Deployed,
    Failure,
    Operation,
    Package,
    SourceCode,
    Step,
    StoredObject,
    Unit,
    VersionCopy,
)
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState
from orchestrator.ports import Functions, ObjectStore
from orchestrator.resilience import failure
from orchestrator.resilience.policy import MAX_ATTEMPTS, backoff_s
from orchestrator.resilience.retry import retried
from orchestrator.version import body as request
from orchestrator.version import stamp

_LARGE_BYTES = 4 * 1024 * 1024  # byte progress below this would only flicker
# What makes the cloud's builder install or compile something (cloud-api §1.4).
_INSTALLS = frozenset(("requirements.txt", "package.json", "go.mod", "pom.xml", "composer.json", "build.gradle"))
_MAX_REPLAYS = 1000  # of Operations that had failed before this run began: each attempt is a key of its own, and cheap


@dataclass(frozen=True, slots=True)
class Deployer:
    """Deploys units, one coroutine each."""

    operator: Operator
    live: LiveState

    async def deploy(self, unit: Unit, attempt: InFlight) -> Deployed:
        """Package, upload, create, track. `attempt` holds what was asked for if this is cancelled in between.

        Raises what `Operator.run` raises.
        """
        if unit.action is Action.RETAG:
            return await self._retag(unit, attempt)
        with self.operator.stop.interruptible():
            code = await self._code(unit)
        function_id = unit.function_id or await self._create_function(unit, attempt)
        return await self._create_version(unit, function_id, code, attempt)

    # --- the code ---------------------------------------------------------------------------------------------------

    async def _code(self, unit: Unit) -> dict[str, Any]:
        code = unit.spec.code
        if isinstance(code, BucketPackage):
            return request.from_object(code.bucket, code.object, code.sha256)
        if isinstance(code, VersionCopy):
            return request.copy_of(code)
        package = await self._package(unit, code)
        store, bucket = self.operator.world.store, self.operator.world.storage.bucket
        if store is not None and bucket is not None:
            return request.from_bucket(await self._upload(unit, package, store, bucket))
        if package.size_bytes > request.INLINE_MAX_BYTES:
            raise StepFailedError(
                Step.PACKAGE,
                Failure(
                    f"the package has {package.size_bytes:,} bytes; without a bucket at most"
                    f" {request.INLINE_MAX_BYTES:,} can be sent",
                    kind="package",
                    advice="name a bucket in [storage] of deploy.toml",
                ),
            )
        try:
            return request.inline(self.operator.world.packager.read(package))
        except PackageError as error:
            raise StepFailedError(Step.PACKAGE, failure.of_package(error, "package")) from error

    async def _package(self, unit: Unit, code: SourceCode) -> Package:
        with self.operator.step(unit.key, Step.PACKAGE):
            try:
                package = await self.operator.world.packager.pack(code)
            except PackageError as error:
                raise StepFailedError(Step.PACKAGE, failure.of_package(error, "package")) from error
        if unit.tree is not None and package.tree_hash != unit.tree.hash:
            changed = Failure(
                f"{code.source} changed while it was being deployed",
                kind="package",
                advice="deploy again once nothing writes there",
            )
            raise StepFailedError(Step.PACKAGE, changed)
        return package

    async def _upload(self, unit: Unit, package: Package, store: ObjectStore, bucket: str) -> StoredObject:
        world, emit = self.operator.world, self.operator.emit
        key = f"{world.storage.prefix}{package.sha256}.zip"

        def progress(sent_bytes: int) -> None:
            if package.size_bytes >= _LARGE_BYTES:
                emit(BytesSent(world.clock(), unit.key, sent_bytes, package.size_bytes))

        with self.operator.step(unit.key, Step.UPLOAD):
            try:
                stored = await retried(
                    partial(store.put_once, bucket, key, package, progress),
                    rng=world.rng,
                    outage=world.outage,
                    on_retry=self.operator.retrying(unit.key, Step.UPLOAD),
                )
            except PackageError as error:
                raise StepFailedError(Step.UPLOAD, failure.of_package(error, "package")) from error
            except CloudError as error:
                failure.unless_token(error)
                raise StepFailedError(Step.UPLOAD, failure.of_call(error)) from error
        emit(
            PackageStored(
                world.clock(), unit.key, stored.bucket, stored.key, stored.sha256, stored.size_bytes, stored.existed
            )
        )  # fmt: skip
        return stored

    # --- the Function and its Version -------------------------------------------------------------------------------

    async def _create_function(self, unit: Unit, attempt: InFlight) -> str:
        spec, functions = unit.spec, self.operator.world.functions
        domain = self._domain(unit, f"{spec.folder_id}/{spec.name}")
        for number in range(1, _MAX_REPLAYS + 1):
            key = function_key(spec.folder_id, spec.name, spec.labels, number)
            send = partial(_send_function, functions, unit)
            call = Call("create", Step.FUNCTION, "", domain, key, number, send, (Kind.FUNCTION, kind_of(unit)))
            try:
                operation = await self.operator.run(call, attempt)
            except StepFailedError as error:
                if error.failure.kind != Code.ALREADY_EXISTS.name:
                    raise
                return await self._find_function(unit, error)
            if self._ended_before(operation):
                continue  # it had failed, or the function that it made is gone: the plan found none
            if operation.error is not None:
                raise StepFailedError(Step.FUNCTION, operation_failure(operation))
            return str((operation.response or {}).get("id") or operation.metadata["functionId"])
        raise UnsettledError(f"{_MAX_REPLAYS} earlier attempts to create the function were answered instead of this")

    async def _find_function(self, unit: Unit, refused: StepFailedError) -> str:
        """Find the function that somebody else has made since the plan. Raises `refused` where there is none."""
        world, spec = self.operator.world, unit.spec
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                find = partial(world.functions.find_function, spec.folder_id, spec.name)
                found = await world.read(find)
            except CloudError as error:
                failure.unless_token(error)
                break
            if found is None:
                break
            if found.status != "CREATING":
                return found.id
            await anyio.sleep(backoff_s(attempt, world.rng))
        raise refused

    async def _create_version(self, unit: Unit, function_id: str, code: dict[str, Any], attempt: InFlight) -> Deployed:
        world = self.operator.world
        if unit.fingerprint is None:
            raise AssertionError(unit)  # a plan gives one to every unit that makes a version
        description = stamp.stamped(unit.spec.settings.description, unit.fingerprint)
        body = request.body(function_id, unit.spec.settings, code, description)
        domain = self._domain(unit, function_id)
        with self.operator.stop.interruptible():
            found = await in_flight(world, self.live, unit, function_id) if unit.function_id is not None else None
        for number in range(1, _MAX_REPLAYS + 1):
            key = stamp.version_key(body, unit.base_version_id, number)
            send = partial(_send_version, world.functions, body)
            look = partial(in_flight, world, self.live, unit, function_id, asked_for=True)
            call = Call("createVersion", Step.CREATE, function_id, domain, key, number, send, (kind_of(unit),), look)
            operation = await self.operator.run(call, attempt, found)
            found = None
            version_id = _version_id(operation)
            if self._ended_before(operation) and (operation.error or not await self._exists(version_id)):
                attempt.version_id = ""
                continue  # it had failed, or its version was deleted since
            if operation.error is not None:
                raise StepFailedError(Step.TRACK, operation_failure(operation))
            return Deployed(version_id)  # whether it is live is observed at the end
        raise UnsettledError(f"{_MAX_REPLAYS} earlier attempts, all failed, were answered instead of this one")

    async def _retag(self, unit: Unit, attempt: InFlight) -> Deployed:
        """Move the tags that the live Version lacks to it, one Operation each."""
        function_id, version_id = unit.function_id or "", unit.base_version_id or ""
        for tag in unit.tags:
            holder = self.live.tagged.get((function_id, tag))
            for number in range(1, _MAX_REPLAYS + 1):
                key = stamp.tag_key(version_id, tag, holder.id if holder else "", number)
                send = partial(_send_tag, self.operator.world.functions, version_id, tag)
                domain = self._domain(unit, function_id)
                call = Call("setTag", Step.TAG, function_id, domain, key, number, send, (Kind.TAG,))
                operation = await self.operator.run(call, attempt)
                if self._ended_before(operation):
                    continue  # the tag was moved, and has been moved away since
                if operation.error is not None:
                    raise StepFailedError(Step.TAG, operation_failure(operation))
                break
            else:
                raise UnsettledError(f"{_MAX_REPLAYS} earlier moves of the tag {tag} were answered instead of this one")
        return Deployed(version_id)

    async def _exists(self, version_id: str) -> bool:
        """Say whether a version that was made before is still there. What cannot be read counts as there."""
        world = self.operator.world
        if version_id in self.live.versions:
            return True
        try:
            await world.read(partial(world.functions.get_version, version_id))
        except CloudError as error:
            failure.unless_token(error)
            return error.code is not Code.NOT_FOUND
        return True

    def _domain(self, unit: Unit, function: str) -> QuotaScope:
        folder_id = unit.spec.folder_id
        return QuotaScope(function, folder_id, self.live.clouds.get(folder_id, UNKNOWN_CLOUD))

    def _ended_before(self, operation: Operation) -> bool:
        """Say whether this Operation, replayed by its key, was over before we read what is live."""
        read_at = self.live.read_at
        return operation.modified_at is not None and read_at is not None and operation.modified_at < read_at


def kind_of(unit: Unit) -> Kind:
    """Say what takes about as long as making this unit's version."""
    if isinstance(unit.spec.code, VersionCopy):
        return Kind.COPY
    return Kind.BUILD if unit.tree is not None and not _INSTALLS.isdisjoint(unit.tree.paths) else Kind.PLAIN


async def _send_function(functions: Functions, unit: Unit, idempotency_key: str) -> Operation:
    spec = unit.spec
    return await functions.create_function(spec.folder_id, spec.name, spec.labels, idempotency_key=idempotency_key)


async def _send_version(functions: Functions, body: dict[str, Any], idempotency_key: str) -> Operation:
    return await functions.create_version(body, idempotency_key=idempotency_key)


async def _send_tag(functions: Functions, version_id: str, tag: str, idempotency_key: str) -> Operation:
    return await functions.set_tag(version_id, tag, idempotency_key=idempotency_key)


def _version_id(operation: Operation) -> str:
    return str((operation.response or {}).get("id") or operation.metadata.get("functionVersionId", ""))
