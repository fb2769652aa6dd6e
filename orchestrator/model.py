"""The frozen values that everything else speaks of, named as the API names them. No behaviour lives here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a manifest."""

    file: str
    line: int


# --- what is wanted: one function as deploy.toml declares it -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """A Lockbox secret in an environment variable. One of `id` and `name`; `version_id` None or "latest": the newest,
    resolved when planning.
    """

    environment_variable: str
    key: str
    id: str | None = None
    name: str | None = None
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Connectivity:
    """`subnet_ids` is deprecated by the API (2026-05-14) and still accepted."""

    network_id: str | None = None
    subnet_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogOptions:
    """At most one of `group_id` and `folder_id`."""

    disabled: bool | None = None
    group_id: str | None = None
    folder_id: str | None = None
    min_level: str | None = None  # TRACE … FATAL


@dataclass(frozen=True, slots=True)
class Mount:
    """Either an Object Storage bucket or an ephemeral disk, at /function/storage/NAME."""

    name: str
    mode: str | None = None  # read_only | read_write
    bucket: str | None = None
    prefix: str | None = None
    disk_size_bytes: int | None = None
    block_size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class StorageMount:
    """The API's older kind of mount, deprecated 2024-08-19 in favour of `Mount`."""

    name: str
    bucket: str
    prefix: str | None = None
    read_only: bool | None = None


@dataclass(frozen=True, slots=True)
class AsyncTarget:
    """Where the result of an asynchronous invocation goes: a queue, or nowhere (no `queue_arn`)."""

    queue_arn: str | None = None
    service_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class AsyncInvocation:
    """Both targets are always sent: the API requires them where the object is present."""

    retries: int | None = None
    service_account_id: str | None = None
    success: AsyncTarget = AsyncTarget()
    failure: AsyncTarget = AsyncTarget()


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """Which metadata endpoints the function may reach; None leaves the cloud's default."""

    gce_http_endpoint: bool | None = None
    aws_v1_http_endpoint: bool | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything of createVersion but the function, the code and our stamp. None and empty mean: not sent."""

    runtime: str
    entrypoint: str
    memory_bytes: int
    execution_timeout_s: float | None = None
    description: str = ""
    service_account_id: str | None = None
    service_account: str | None = None  # by name; resolved into the id when planning
    environment: Mapping[str, str] = field(default_factory=dict)
    named_service_accounts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    tags: tuple[str, ...] = ()
    connectivity: Connectivity | None = None
    log: LogOptions | None = None
    mounts: tuple[Mount, ...] = ()
    storage_mounts: tuple[StorageMount, ...] = ()
    async_invocation: AsyncInvocation | None = None
    tmpfs_size_bytes: int | None = None
    concurrency: int | None = None
    metadata: MetadataOptions | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """A command run by the shell before packing, in `folder`."""

    command: str
    folder: Path


@dataclass(frozen=True, slots=True)
class SourceCode:
    """Files on this machine. Equal values (they are hashable) make the same package: packed once per run.

    `source`: a folder, a single file or a .zip. `files`: (path in the package, local file or folder), laid over it.
    `root`: the folder of the manifest that declares it; links may not lead out of the project, which is the git
    work tree that `root` lies in, else `root` itself.
    """

    source: Path
    root: Path
    build: Build | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    files: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True, slots=True)
class BucketPackage:
    """A zip that is in a bucket already."""

    bucket: str
    object: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class VersionCopy:
    """The code of another version: its id, or "$latest" / a tag of the same function, resolved when planning."""

    version_id: str


Code = SourceCode | BucketPackage | VersionCopy


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function of the manifest. `key` is its table's name, unique, and how people select it."""

    key: str
    name: str  # the Function's name in the cloud
    folder_id: str
    settings: Settings
    code: Code
    place: Place
    id: str | None = None  # pinned Function id
    create: bool = False
    enabled: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    promote: tuple[str, ...] = ()
    verify: Json | None = None


@dataclass(frozen=True, slots=True)
class CloudAddress:
    """Which installation, and where functions go by default."""

    endpoint: str = "https://api.cloud.yandex.net"
    invoke_endpoint: str = "https://functions.yandexcloud.net"
    folder_id: str | None = None
    cloud_id: str | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """No `bucket`: packages go inline."""

    bucket: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Documented defaults of the cloud (quotas of unfinished operations) and our own restraint."""

    operations_per_function: int = 10
    operations_per_folder: int = 15
    operations_per_cloud: int = 20
    reserve: int = 0
    requests_per_second: float = 20.0
    polls_per_second: float = 100.0
    operation_deadline_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a run spreads: waves of counts or shares, and what happens when too many units fail."""

    waves: tuple[int | str, ...] = ("100%",)
    pause_s: float = 0.0
    max_failures: int | str | None = None
    on_breach: str = "stop"  # stop | rollback | pause


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One `[jobs.NAME]` table: which job runs, and its parameters as written."""

    name: str
    run: str
    parameters: Json
    place: Place


@dataclass(frozen=True, slots=True)
class Manifest:
    """deploy.toml and its includes, whole and valid. `warnings`: sentences with their place, for people."""

    path: Path
    cloud: CloudAddress
    storage: Storage
    limits: Limits
    rollout: Rollout
    functions: Mapping[str, FunctionSpec]
    jobs: Mapping[str, JobSpec]
    warnings: tuple[str, ...] = ()


# --- what is live: as the cloud answers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperationError:
    """google.rpc.Status of an Operation."""

    code: int
    message: str
    details: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """An Operation as last seen. `error` may be there before `done`: the cloud is then still undoing."""

    id: str
    done: bool
    description: str = ""
    created_at: datetime | None = None
    modified_at: datetime | None = None
    metadata: Json = field(default_factory=dict)
    error: OperationError | None = None
    response: Json | None = None
    poll_after_s: float | None = None  # the server's wish: `x-operation-poll-interval`, `Retry-After`
    request_id: str = ""
    server_trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A Function that exists."""

    id: str
    folder_id: str
    name: str
    status: str = "ACTIVE"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """A Version that exists. `raw` is the whole answer: unknown fields are never dropped in silence."""

    id: str
    function_id: str
    status: str
    description: str
    created_at: datetime | None
    tags: tuple[str, ...]
    raw: Json


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of quota-manager, and how much of it is used."""

    id: str
    limit: float
    usage: float


# --- packages ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tree:
    """What a SourceCode holds now. `hash`: hex SHA-256 over path, executable bit and content of each file, in order of
    the paths. `paths`: the names in the package, sorted.
    """

    hash: str
    size_bytes: int  # unpacked
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """A zip on this machine's disk."""

    path: Path
    sha256: str  # hex, of the zip
    size_bytes: int  # of the zip
    tree_hash: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A package in a bucket. `existed`: it was there already, nothing was uploaded."""

    bucket: str
    key: str
    sha256: str
    size_bytes: int
    existed: bool


# --- the plan and its outcomes -------------------------------------------------------------------------------------


class Action(StrEnum):
    """What a plan does to one function."""

    CREATE = "create"  # the Function, and its first Version
    VERSION = "new version"
    COPY = "copy"  # a new Version with the code of another
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"


class Step(StrEnum):
    """The steps of a unit, in their order."""

    BUILD = "build"
    PACKAGE = "package"
    UPLOAD = "upload"
    QUEUE = "queue"  # waiting for an operation slot
    FUNCTION = "function"  # creating the Function
    CREATE = "create"  # createVersion, until it is accepted
    TRACK = "track"  # the Operation, until it is done
    OBSERVE = "observe"  # reading back what is live


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a unit failed, complete enough to act on. Times and ids as the cloud gave them."""

    message: str
    kind: str = ""  # groups equal failures: "INVALID_ARGUMENT", "package", "build"
    http_status: int | None = None
    request_id: str = ""
    server_trace_id: str = ""
    client_request_id: str = ""
    operation_id: str = ""
    advice: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One function of a plan. `base_version_id`: the `$latest` that the plan was based on (None: there is none)."""

    key: str
    spec: FunctionSpec
    action: Action
    reason: str
    fingerprint: str = ""
    tree: Tree | None = None
    function_id: str | None = None
    base_version_id: str | None = None
    failure: Failure | None = None  # of a BLOCKED unit, or one whose package could not be made
    failed_step: Step | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All units, in the order in which they start."""

    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Deployed:
    """The wanted version exists; `observed` once it was read back from the cloud."""

    version_id: str
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is live is what is wanted."""

    version_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The unit failed in `step`."""

    step: Step
    failure: Failure


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing was tried, for the reason given."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The run ended before this unit's version was asked for."""

    reason: str = "the run was stopped"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Asked for, but its end was not seen: not a failure. Deploying again re-attaches by the same Idempotency-Key."""

    reason: str
    operation_id: str = ""
    version_id: str = ""


Outcome = Deployed | Unchanged | Failed | Blocked | Cancelled | Unknown
