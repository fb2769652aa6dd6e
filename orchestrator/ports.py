"""What the engine needs from the outside world, on one page.

Every method may raise `CloudError`, into which adapters translate their errors; `Packager` raises `PackageError`.
Everything is awaited through anyio, so the same engine runs on virtual time against `sandbox.memory.ports`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from orchestrator.journal.events import Event
from orchestrator.model import (
    AccessBinding,
    ApiRequest,
    BucketListing,
    Function,
    InvokeAnswer,
    InvokeRequest,
    ListedObject,
    Operation,
    Package,
    Quota,
    ScalingPolicy,
    SecretVersion,
    ServiceAccount,
    SourceCode,
    StoredObject,
    TagHeld,
    Tree,
    Version,
)

T = TypeVar("T")
Guard = Callable[[], Awaitable[None]]


async def unguarded() -> None:
    """The guard of calls without a lease: checks nothing."""


class Functions(Protocol):
    """The Functions service. A listing has all pages, or raises."""

    async def list_functions(self, folder_id: str) -> tuple[Function, ...]: ...
    async def find_function(self, folder_id: str, name: str) -> Function | None: ...
    async def get_function(self, function_id: str) -> Function: ...
    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> tuple[Version, ...]:
        """Return all versions of all functions of a folder, or of one function. `filter` is an API filter, such as
        `status="CREATING"`.
        """
        ...

    async def get_version(self, version_id: str) -> Version: ...
    async def version_by_tag(self, function_id: str, tag: str) -> Version: ...
    async def tag_history(self, function_id: str) -> tuple[TagHeld, ...]:
        """Return which Version had which tag of a Function, and when. `$latest` is one of the tags. The cloud promises
        no order.
        """
        ...

    async def list_runtimes(self) -> tuple[str, ...]: ...
    async def list_operations(self, function_id: str) -> tuple[Operation, ...]: ...
    async def list_scaling(self, function_id: str) -> tuple[ScalingPolicy, ...]:
        """Return the scaling policies of a Function, one for each tag that has one."""
        ...

    async def list_access(self, function_id: str) -> tuple[AccessBinding, ...]:
        """Return the access bindings of the Function itself, not those inherited from its folder and cloud."""
        ...

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        """Request a change. `version.body` and `function.fields` build the requests.

        `guard` is awaited last before each attempt is sent: after the token and the connection are ready. Where it
        raises, nothing is sent.
        """
        ...


class Operations(Protocol):
    """The operation service."""

    async def get(self, operation_id: str) -> Operation: ...


class Invocations(Protocol):
    """Calls to Functions themselves."""

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        """Invoke once and return the response, whatever its status. Raises `CloudError`: DEADLINE_EXCEEDED after
        `timeout_s`, UNAVAILABLE without a connection or a complete response; `sent` is False where no token was
        available.
        """
        ...


class Directory(Protocol):
    """Queries to other services: the cloud of a folder, quotas, and names of secrets and service accounts."""

    async def cloud_of(self, folder_id: str) -> str | None:
        """Return the cloud ID from resource-manager, or None where it gives none (no permission, no such folder)."""
        ...

    async def folders_of(self, cloud_id: str) -> tuple[str, ...]:
        """Return the IDs of the visible folders of a cloud."""
        ...

    async def secrets_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        """Return name and ID of each Lockbox secret of a folder."""
        ...

    async def service_accounts_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        """Return name and ID of each service account of a folder."""
        ...

    async def quotas(self, cloud_id: str) -> tuple[Quota, ...]:
        """Return the limits of `serverless-functions` of a cloud, from quota-manager."""
        ...

    async def secret_by_name(self, folder_id: str, name: str) -> str | None:
        """Return the ID of a Lockbox secret, or None where the folder has none of that name."""
        ...

    async def latest_secret_version(self, secret_id: str) -> str:
        """Return the ID of the current version of a Lockbox secret. Payloads are never read."""
        ...

    async def secret_versions(self, secret_id: str) -> tuple[SecretVersion, ...]:
        """Return the versions of a Lockbox secret, destroyed ones included."""
        ...

    async def service_account_by_name(self, folder_id: str, name: str) -> str | None: ...
    async def service_account(self, account_id: str) -> ServiceAccount | None:
        """Return a service account by its ID, or None where it does not exist. Raises PERMISSION_DENIED where it is not
        visible, which does not mean that it is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A user command, without a shell. `facts` are variables added to the environment, which has no credentials.
    `stdin` is its input.
    """

    command: tuple[str, ...]
    folder: Path
    facts: Mapping[str, str]
    stdin: bytes = b""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command ended. `status` is None after a timeout; `output` is the last part of its output."""

    status: int | None
    output: str
    seconds: float


class Commands(Protocol):
    """User commands on this machine."""

    async def run(self, request: CommandRequest) -> CommandEnd:
        """Run one to its end, and end all processes that it started. A command that cannot start has status 127 and the
        reason as its output.
        """
        ...


Progress = Callable[[int], None]  # bytes sent so far
PACKAGE_KEPT_S = 30 * 86_400.0  # packages uploaded more recently than this are never removed from a bucket
PUT_AGAIN_AFTER_S = PACKAGE_KEPT_S / 2  # a run that finds a package has at least this long to use it


class ObjectStore(Protocol):
    """Object Storage."""

    async def check(self, bucket: str) -> None:
        """Raise `CloudError` with advice where the bucket is missing or cannot be used."""
        ...

    async def etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of an object, without quotes, or None where the object does not exist."""
        ...

    async def put_once(self, bucket: str, key: str, package: Package, progress: Progress | None = None) -> StoredObject:
        """Upload a package under its content-addressed key unless it exists. Cancelling ends the upload at once.

        A package older than `PUT_AGAIN_AFTER_S`, by the storage's clock, is uploaded again, so that no prune removes it
        soon.
        """
        ...

    async def contents(self, bucket: str, prefix: str) -> BucketListing:
        """Return all objects whose keys begin with `prefix`."""
        ...

    async def delete(self, bucket: str, listed: ListedObject) -> bool:
        """Delete a listed object, and return False where it was uploaded again since the listing: it is kept then. A
        missing object counts as deleted.
        """
        ...


class Records(Protocol):
    """Small objects that change by compare-and-set. An `etag` identifies one state of an object."""

    async def read(self, key: str) -> tuple[bytes, str] | None:
        """Return an object and its etag, or None where it does not exist."""
        ...

    async def create(self, key: str, body: bytes) -> str | None:
        """Write a new object and return its etag, or None where it exists already."""
        ...

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Overwrite the object with this etag and return the new one, or None where it was changed or deleted."""
        ...


class Packager(Protocol):
    """Makes packages from source code, in threads. Raises `PackageError`."""

    async def build(self, code: SourceCode) -> None:
        """Run the build command, once per distinct (folder, command) and run."""
        ...

    async def scan(self, code: SourceCode) -> Tree:
        """Return the tree without packing it; read once per distinct value and run."""
        ...

    async def pack(self, code: SourceCode) -> Package:
        """Write the zip, once per distinct value and run. The caller reads it; `close` removes it."""
        ...

    def read(self, package: Package) -> bytes:
        """Return the bytes of the zip, for an inline `content` (≤ 3,670,016 bytes)."""
        ...


class Journal(Protocol):
    """The append-only record of one run. `append` returns when the event is written."""

    def append(self, event: Event) -> None: ...


class Clock(Protocol):
    """Wall-clock time in seconds since the epoch, for records. Durations are measured with anyio."""

    def __call__(self) -> float: ...


class Reading(Protocol):
    """The ports that planning reads from. `cloud_id` is the cloud of all folders, or None to query it for each folder.
    `server_time` is the cloud's clock, from its last response.
    """

    @property
    def functions(self) -> Functions: ...
    @property
    def directory(self) -> Directory: ...
    @property
    def packager(self) -> Packager: ...
    @property
    def store(self) -> ObjectStore | None: ...
    @property
    def cloud_id(self) -> str | None: ...
    @property
    def server_time(self) -> Callable[[], datetime | None]: ...

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that changes nothing, with retries where they can help."""
        ...
