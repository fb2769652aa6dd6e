"""The desired state: a manifest, and each function as it declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import Mistake
from orchestrator.model.as_live import NONE_LEFT, AsLive
from orchestrator.model.notify import Notify
from orchestrator.model.rollout import Rollout, Verify

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a manifest."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Secret:
    """A Lockbox secret in an environment variable. Has one of `id` and `name`. `version_id` None or "latest": the
    newest, resolved when planning.
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
    """The API's former kind of mount, deprecated 2024-08-19 in favour of `Mount`."""

    name: str
    bucket: str
    prefix: str | None = None
    read_only: bool | None = None


@dataclass(frozen=True, slots=True)
class AsyncTarget:
    """Where the result of an asynchronous invocation is sent: a queue, or nowhere (no `queue_arn`)."""

    queue_arn: str | None = None
    service_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class AsyncInvocation:
    """Both targets are always sent: the API requires them if the object is present."""

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
    """All of createVersion except the function, the code and our stamp. None and empty: not sent."""

    runtime: str
    entrypoint: str
    memory_bytes: int
    execution_timeout_s: float | None = None
    description: str = ""
    service_account_id: str | None = None
    service_account: str | None = None  # by name; resolved to the ID when planning
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
class Scaling:
    """The declared scaling policy of a tag. None: as it is live. 0: no limit, no instance."""

    provisioned: int | None = None
    zone_instances: int | None = None
    zone_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """A shell command that is run before packing, in `folder`. `inputs`: patterns of the files that it depends on,
    relative to that folder; none: it runs each time.
    """

    command: str
    folder: Path
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceCode:
    """Files on this machine. Equal values (they are hashable) make the same package: packed once per run.

    `source`: a folder, a single file or a .zip. `into`: its folder in the package, "" for the top. `files`: (path in
    the package, local file or folder), added over `source`. `root`: the folder of the manifest that declares it. Links
    may not lead out of the project: the git work tree of `root`, or `root` itself.
    """

    source: Path
    root: Path
    build: Build | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    files: tuple[tuple[str, Path], ...] = ()
    into: str = ""


@dataclass(frozen=True, slots=True)
class BucketPackage:
    """A zip that is already in a bucket."""

    bucket: str
    object: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class VersionCopy:
    """The code of another Version: its ID, or "$latest" or a tag of the same function, resolved when planning."""

    version_id: str


Code = SourceCode | BucketPackage | VersionCopy


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function of the manifest. `key` is the name of its table, unique, and used to select it.

    `mistakes`: what is wrong with it. Such a function cannot be part of a run, but does not stop other runs; its
    settings and code are meaningless. `unstated`: which of its name, id, folder_id and labels are not known.
    """

    key: str
    name: str  # the Function's name in the cloud
    folder_id: str
    settings: Settings
    code: Code
    place: Place
    id: str | None = None  # pinned Function ID
    create: bool = False
    enabled: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    labels_exact: bool = False  # the labels are the whole map: others are removed
    function_description: str | None = None  # of the Function; None: left as it is
    scaling: Mapping[str, Scaling] = field(default_factory=dict)  # by tag; others are left as they are
    public: bool | None = None  # whether everyone may invoke it without authentication; None: left as it is
    scaling_exact: bool = False  # the policies are the whole map: those of other tags are removed
    let_go: frozenset[str] = frozenset()  # what a job removes by name: "memory_bytes", "environment.LEVEL"
    mistakes: tuple[Mistake, ...] = ()
    unstated: frozenset[str] = frozenset()
    verify: Verify | None = None
    promote: tuple[str, ...] = ()  # tags that move to a new Version once it is verified
    called_by: str = "$latest"  # what its users call: $latest, or a tag; only changes messages
    as_live: AsLive = NONE_LEFT


@dataclass(frozen=True, slots=True)
class CloudAddress:
    """The installation, and the default folder of functions."""

    endpoint: str = "https://api.cloud.yandex.net"
    folder_id: str | None = None
    cloud_id: str | None = None
    invoke_endpoint: str | None = None  # where Functions are called; None: as the installation says
    cloud_id_from: str = ""  # the variable that sets it, if the file does not


@dataclass(frozen=True, slots=True)
class Storage:
    """No `bucket`: packages are sent inline. `bucket_from`: the option or variable that sets it, "" for the file."""

    bucket: str | None = None
    prefix: str = ""
    bucket_from: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Documented defaults of the cloud (quotas of unfinished Operations), and our own limits.

    `requests_per_second`: never exceeded; None: learned.
    """

    operations_per_function: int = 10
    operations_per_folder: int = 15
    operations_per_cloud: int = 20
    reserve: int = 0
    requests_per_second: float | None = None
    polls_per_second: float = 100.0
    operation_deadline_s: float = 900.0


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One `[jobs.NAME]` table: the job, and its parameters as written. With `mistakes` it cannot run.

    `functions`: the keys of its functions, those of its file; None: it is in the main file, so all.
    """

    name: str
    run: str
    parameters: Json
    place: Place
    mistakes: tuple[Mistake, ...] = ()
    functions: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """deploy.toml and its includes.

    `warnings`: sentences with their place. `files`: those that were read. `environment`: the chosen one, "" for none.
    `elsewhere`: the keys of functions that do not exist in it, and the environments that have them. `environments`: all
    that are declared. `protected`: a change in the chosen one requires its name to be given. `of_others`: the Functions
    that other environments declare, as ("id", ID) or (FOLDER, NAME), with `of_others.ANY` for what the files leave
    open. `jobs_elsewhere`: as `elsewhere`, for jobs.
    """

    path: Path
    cloud: CloudAddress
    storage: Storage
    limits: Limits
    rollout: Rollout
    functions: Mapping[str, FunctionSpec]
    jobs: Mapping[str, JobSpec]
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    environment: str = ""
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    protected: bool = False
    of_others: frozenset[tuple[str, ...]] = frozenset()
    jobs_elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notify: tuple[Notify, ...] = ()  # who is notified of runs in this environment
