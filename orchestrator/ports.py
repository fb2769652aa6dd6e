"""What the engine needs of the outside world, on one page.

Every method may raise `CloudError` (the adapters translate once, at the edge); `Packager` raises `PackageError`.
All of it is awaited through anyio, so the same engine runs on virtual time against `sandbox.memory.ports`.
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
    """Nothing has to be looked at before a call: no lease is held."""


class Functions(Protocol):
    """The Functions service. Listings are complete (all pages) or raise: never a part of the truth."""

    async def list_functions(self, folder_id: str) -> tuple[Function, ...]: ...
    async def find_function(self, folder_id: str, name: str) -> Function | None: ...
    async def get_function(self, function_id: str) -> Function: ...
    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> tuple[Version, ...]:
        """All versions of all functions of a folder, or of one function. `filter` as the API takes it:
        `status="CREATING"`.
        """
        ...

    async def get_version(self, version_id: str) -> Version: ...
    async def version_by_tag(self, function_id: str, tag: str) -> Version: ...
    async def tag_history(self, function_id: str) -> tuple[TagHeld, ...]:
        """Which Version had which tag of a Function, from when to when; `$latest` is one of them. In no order that the
        cloud promises.
        """
        ...

    async def list_runtimes(self) -> tuple[str, ...]: ...
    async def list_operations(self, function_id: str) -> tuple[Operation, ...]: ...
    async def list_scaling(self, function_id: str) -> tuple[ScalingPolicy, ...]:
        """The scaling policies of a Function, one a tag."""
        ...

    async def list_access(self, function_id: str) -> tuple[AccessBinding, ...]:
        """The access bindings of a Function itself, not those that its folder and its cloud give."""
        ...

    async def send(self, request: ApiRequest, *, idempotency_key: str, guard: Guard = unguarded) -> Operation:
        """Ask for a change. What can be asked for is made by `version.body` and `function.fields`.

        `guard` is the last thing that is awaited before the request leaves, each time that it does: after the token,
        after a connection was found. Where it raises, nothing is sent.
        """
        ...


class Operations(Protocol):
    """The operation service."""

    async def get(self, operation_id: str) -> Operation: ...


class Invocations(Protocol):
    """Calls to Functions themselves."""

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        """Call once, and answer whatever status came. Raises `CloudError`: DEADLINE_EXCEEDED after `timeout_s`,
        UNAVAILABLE where there was no connection, or no whole answer; with `sent` False where no token could be had.
        """
        ...


class Directory(Protocol):
    """Look-ups in other services: which cloud a folder is in, quotas, names of secrets and service accounts."""

    async def cloud_of(self, folder_id: str) -> str | None:
        """Ask resource-manager; None where it does not tell (no right, no such folder)."""
        ...

    async def folders_of(self, cloud_id: str) -> tuple[str, ...]:
        """List the ids of the folders of a cloud that may be seen."""
        ...

    async def secrets_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        """List name and id of each Lockbox secret of a folder."""
        ...

    async def service_accounts_of(self, folder_id: str) -> tuple[tuple[str, str], ...]:
        """List name and id of each service account of a folder."""
        ...

    async def quotas(self, cloud_id: str) -> tuple[Quota, ...]:
        """Ask quota-manager for the limits of `serverless-functions` of a cloud."""
        ...

    async def secret_by_name(self, folder_id: str, name: str) -> str | None:
        """Find the id of a Lockbox secret, None where the folder has none of that name."""
        ...

    async def latest_secret_version(self, secret_id: str) -> str:
        """Find the id of the current version of a Lockbox secret; payloads are never read."""
        ...

    async def secret_versions(self, secret_id: str) -> tuple[SecretVersion, ...]:
        """List the versions of a Lockbox secret, those that are destroyed included."""
        ...

    async def service_account_by_name(self, folder_id: str, name: str) -> str | None: ...
    async def service_account(self, account_id: str) -> ServiceAccount | None:
        """Find a service account by its id; None: there is none. Where it may not be seen, PERMISSION_DENIED is raised:
        that does not say that it is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command of the user's, without a shell. `facts`: variables that it gets besides the environment, of which the
    credentials are left out; `stdin`: what it can read.
    """

    command: tuple[str, ...]
    folder: Path
    facts: Mapping[str, str]
    stdin: bytes = b""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command ended. `status`: None where it was ended at its limit; `output`: the end of what it printed."""

    status: int | None
    output: str
    seconds: float


class Commands(Protocol):
    """Commands of the user's on this machine."""

    async def run(self, request: CommandRequest) -> CommandEnd:
        """Run one to its end; whatever it has started ends with it. What cannot start has a status of 127, and says so
        in its output.
        """
        ...


Progress = Callable[[int], None]  # bytes sent so far
PACKAGE_KEPT_S = 30 * 86_400.0  # no package that was put since may be removed from a bucket
PUT_AGAIN_AFTER_S = PACKAGE_KEPT_S / 2  # so that a run which finds one has half that time to use it


class ObjectStore(Protocol):
    """Object Storage."""

    async def check(self, bucket: str) -> None:
        """Raise `CloudError` with advice where the bucket is missing or may not be used."""
        ...

    async def etag(self, bucket: str, key: str) -> str | None:
        """Ask which state of an object is there: its ETag, without quotes; None: there is no such object."""
        ...

    async def put_once(self, bucket: str, key: str, package: Package, progress: Progress | None = None) -> StoredObject:
        """Put a package under a content-addressed key unless it is there. Cancelling ends the upload at once.

        One that was put more than `PUT_AGAIN_AFTER_S` ago, on the storage's clock, is put again: nobody removes it
        soon then.
        """
        ...

    async def contents(self, bucket: str, prefix: str) -> BucketListing:
        """List the objects whose keys begin with `prefix`: all of them, or it raises."""
        ...

    async def delete(self, bucket: str, listed: ListedObject) -> bool:
        """Delete an object as it was listed, whatever its bytes are. False: it was put again since, and stays. One that
        is gone counts as deleted.
        """
        ...


class Records(Protocol):
    """Small objects that change by compare-and-set. `etag` stands for one state of an object."""

    async def read(self, key: str) -> tuple[bytes, str] | None:
        """Read an object and its etag; None where there is none."""
        ...

    async def create(self, key: str, body: bytes) -> str | None:
        """Write an object that is not there yet. Gives its etag; None: it is there."""
        ...

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        """Write over the object that has this etag. Gives the new one; None: it has changed, or is gone."""
        ...


class Packager(Protocol):
    """Makes packages of source code, in threads. Raises `PackageError`."""

    async def build(self, code: SourceCode) -> None:
        """Run the build command, once per distinct (folder, command) and run."""
        ...

    async def scan(self, code: SourceCode) -> Tree:
        """Read the tree without packing it; once per distinct value and run."""
        ...

    async def pack(self, code: SourceCode) -> Package:
        """Write the zip; once per distinct value and run. The caller reads it; `close` removes it."""
        ...

    def read(self, package: Package) -> bytes:
        """The zip whole, for an inline `content` (≤ 3,670,016 bytes)."""
        ...


class Journal(Protocol):
    """The append-only record of one run. `append` returns only once the event is written."""

    def append(self, event: Event) -> None: ...


class Clock(Protocol):
    """Wall-clock time in seconds since the epoch, for records; time spans come from anyio."""

    def __call__(self) -> float: ...


class Reading(Protocol):
    """What planning works with: the ports that answer questions. `cloud_id`: of all folders, None: asked for each.
    `server_time`: the cloud's clock, as its last answer gave it.
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
        """Make a call that changes nothing, again where that is worth it."""
        ...
