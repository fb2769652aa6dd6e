"""The bucket for packages and records: opening it, and checking access."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.cloud.connect import Connection
from orchestrator.cloud.keys import static_keys
from orchestrator.cloud.storage import S3ObjectStore, S3Records
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, StartError
from orchestrator.model import BucketPackage, FunctionSpec


def names_an_object(spec: FunctionSpec) -> bool:
    """Return whether a function uses a zip in a bucket. Only the ETag shows whether that zip has changed."""
    return isinstance(spec.code, BucketPackage) and spec.code.sha256 is None


def object_store(connection: Connection, environ: Mapping[str, str]) -> S3ObjectStore:
    """Return the store for packages, with the keys of the environment, or else with the API's own token."""
    keys = static_keys(environ)
    return S3ObjectStore(
        connection.storage_endpoint,
        credentials=keys,
        token=None if keys else connection.token,
        renew=None if keys else connection.renew,
        environ=environ,
    )


async def check_bucket(world: World) -> None:
    """Check that the bucket for packages, if any, can be used. Raises `StartError`."""
    if world.store is None or world.storage.bucket is None:
        return
    try:
        await world.store.check(world.storage.bucket)
    except CloudError as error:
        raise StartError(error.message, advice=error.advice) from error


def bucket_records(world: World) -> S3Records | None:
    """Return the records in the bucket for packages, None without a bucket."""
    if isinstance(world.store, S3ObjectStore) and world.storage.bucket is not None:
        return S3Records(world.store, world.storage.bucket)
    return None
