"""The bucket for packages and records: opening it, and checking access."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.cloud.connect import Connection
from orchestrator.cloud.keys import static_keys
from orchestrator.cloud.storage import S3ObjectStore, S3Records
from orchestrator.engine.world import World
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.manifest.toml_files import place_of
from orchestrator.model import BucketPackage, FunctionSpec, Manifest


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


async def check_bucket(world: World, manifest: Manifest) -> None:
    """Check that the bucket for packages, if any, can be used. Raises `StartError`, which says where its name is set if
    there is no such bucket.
    """
    storage = world.storage
    if world.store is None or storage.bucket is None:
        return
    try:
        await world.store.check(storage.bucket)
    except CloudError as error:
        advice = error.advice
        if error.code in (Code.NOT_FOUND, Code.INVALID_ARGUMENT):
            place = place_of(manifest.path, ("storage", "bucket"), manifest.environment)
            advice += f" in {storage.bucket_from or f'[storage] ({place.file}:{place.line})'}"
        raise StartError(error.message, advice=advice) from error


def bucket_records(world: World) -> S3Records | None:
    """Return the records in the bucket for packages, None without a bucket."""
    if isinstance(world.store, S3ObjectStore) and world.storage.bucket is not None:
        return S3Records(world.store, world.storage.bucket)
    return None
