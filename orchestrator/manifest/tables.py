"""The tables of `deploy.toml` as pydantic models: which keys there are, of which type, meaning what.

What only holds across keys, or only once defaults and templates are merged, is in `setting_rules`. Nearly every key is
optional here, since a table of [defaults] or a template may be a part of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.manifest import fields as f
from orchestrator.manifest.lists import LISTS


def _key(description: str, **constraints: Any) -> Any:
    return Field(default=None, description=description, **constraints)


def _list(key: str, description: str) -> Any:
    """A list, which says how those of several tables become one."""
    return Field(default=None, description=f"{description} {LISTS[key].said}".rstrip())


def _required(description: str, **constraints: Any) -> Any:
    return Field(description=description, **constraints)


class StrictTable(BaseModel):
    """A table: no unknown keys, no conversions of types."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


class BuildTable(StrictTable):
    """A command that runs before packing."""

    command: f.Text | None = _key("Run by the shell, once per distinct (folder, command) and run.")
    folder: f.Text | None = _key(
        "Where it runs; relative to this file. Default: the source folder; name it where that is what is made."
    )
    inputs: list[f.Text] | None = _list(
        "functions.build.inputs",
        "Files that it depends on, as patterns from its folder: skipped while they, and what it made, are unchanged.",
    )


class PackageTable(StrictTable):
    """A zip that is in a bucket already."""

    bucket: f.BucketName | None = _key("The bucket.")
    object: f.ObjectName | None = _key("The object's key.")
    sha256: f.Sha256 | None = _key("SHA-256 of the zip, in hex. None: its ETag tells whether it was overwritten.")


class SecretTable(StrictTable):
    """A Lockbox secret in an environment variable."""

    environment_variable: f.Variable = _required("The variable that receives the value.")
    key: f.Text = _required("Which entry of the secret.")
    id: f.Id | None = _key("The secret's id; or `name`.")
    name: f.Text | None = _key("The secret's name in the folder; or `id`.")
    version_id: f.Id | None = _key('The secret\'s version; "latest" or none: the newest one when planning.')


class ConnectivityTable(StrictTable):
    """The user network that the function reaches."""

    network_id: f.Id | None = _key("The network's id.")
    subnet_ids: list[f.Word] | None = _list(
        "functions.connectivity.subnet_ids", "Deprecated by the API: network_id alone does."
    )


class LogTable(StrictTable):
    """Where the function's logs go."""

    disabled: bool | None = _key("true: no logs.")
    group_id: f.LogDestination | None = _key("The log group; or `folder_id`.")
    folder_id: f.LogDestination | None = _key("The folder whose default log group is used; or `group_id`.")
    min_level: f.LogLevel | None = _key("The lowest level that is kept.")


class MountTable(StrictTable):
    """A bucket or an ephemeral disk at /function/storage/NAME."""

    name: f.MountName = _required("The name under /function/storage/.")
    mode: Literal["read_only", "read_write"] | None = _key("Whether the function may write.")
    bucket: f.BucketName | None = _key("The bucket; or `disk_size`.")
    prefix: f.ObjectName | None = _key("Only this folder of the bucket.")
    disk_size: f.DiskSize | None = _key("Size of an ephemeral disk, whole gigabytes; or `bucket`.")
    block_size: f.BlockSize | None = _key("Block size of the disk: 4KB, 8KB … 128KB.")


class StorageMountTable(StrictTable):
    """The API's older kind of mount; deprecated, use `mounts`."""

    name: f.MountName = _required("The mount point's name.")
    bucket: f.BucketName = _required("The bucket.")
    prefix: f.ObjectName | None = _key("Only this folder of the bucket.")
    read_only: bool | None = _key("Whether the function may only read.")


class AsyncTargetTable(StrictTable):
    """Where a result goes: a queue of Message Queue, or nowhere."""

    queue_arn: f.Word | None = _key("ARN of the queue; none: the result is dropped.")
    service_account_id: f.Id | None = _key("The account that writes to the queue.")


class AsyncInvocationTable(StrictTable):
    """How asynchronous calls are made."""

    retries: int | None = _key("Retries of a failed call.", ge=0, le=100)
    service_account_id: f.Id | None = _key("The account that calls the function.")
    success: AsyncTargetTable | None = _key("Where results of successful calls go.")
    failure: AsyncTargetTable | None = _key("Where results of failed calls go.")


class MetadataTable(StrictTable):
    """Which metadata endpoints the function may reach."""

    gce_http_endpoint: bool | None = _key("The GCE flavour.")
    aws_v1_http_endpoint: bool | None = _key("The AWS IMDSv1 flavour.")


class FunctionTable(StrictTable):
    """[functions.NAME], and, in part, [defaults] and [templates.NAME]."""

    use: list[f.Text] | None = _list("functions.use", "Templates, applied in this order after [defaults].")
    without: list[f.Text] | None = _list(
        "functions.without", 'Inherited values that are taken away: "memory", "secrets.TOKEN", "environment.LEVEL" …'
    )
    name: f.FunctionName | None = _key("The Function's name in the cloud. Default: the table's name.")
    id: f.Id | None = _key("The Function's id, where the name shall not be looked up.")
    folder_id: f.Id | None = _key("The folder. Default: that of [cloud], else YC_FOLDER_ID.")
    source: f.Text | None = _key("A folder, a single file or a .zip; relative to this file.")
    package: PackageTable | None = _key("Instead of `source`: a zip that is in a bucket already.")
    version_id: f.Word | None = _key('Instead of `source`: copy the code of this version, "$latest" or a tag.')
    build: BuildTable | None = _key("A command that runs before packing.")
    include: list[f.Text] | None = _list("functions.include", "Pack only what matches (gitignore rules).")
    exclude: list[f.Text] | None = _list("functions.exclude", "Leave out what matches (gitignore rules).")
    files: dict[str, f.Text] | None = _key("Laid over the source: path in the package = local file or folder.")
    entrypoint: f.Word | None = _key("FILE.HANDLER, as the runtime wants it. Required.")
    runtime: f.Runtime | None = _key("Runtime id, such as python312. Required.")
    memory: f.Memory | None = _key("128MB to 8GB, a multiple of 128MB. Required.")
    timeout: f.Timeout | None = _key(
        'Longest execution, up to 1h (over 10m only where the cloud allows). Default: "10s".'
    )
    create: bool | None = _key("Make the function if the folder has none of that name. Default: false.")
    enabled: bool | None = _key("false: left out of every run. Default: true.")
    description: str | None = _key("At most 500 characters: 100 of the API's 600 are our stamp's.", max_length=500)
    service_account_id: f.Id | None = _key("The account that the function runs as; or `service_account`.")
    service_account: f.Text | None = _key("The account's name in the folder; or `service_account_id`.")
    named_service_accounts: dict[f.Word, f.Id] | None = _key("Alias = service account id.")
    environment: dict[f.Variable, f.VariableValue] | None = _key(
        "Variables; names and values of all, secrets' names included, have 4096 bytes together."
    )
    secrets: list[SecretTable] | None = _list("functions.secrets", "Lockbox secrets as environment variables.")
    tags: list[f.Tag] | None = _list("functions.tags", "Tags that the new version takes as it is made.")
    labels: Annotated[dict[f.LabelKey, f.LabelValue], Field(max_length=64)] | None = _key(
        "Labels of the Function: these are set, others are left as they are."
    )
    labels_exact: bool | None = _key("true: `labels` are all that the Function may have. Default: false.")
    function_description: str | None = _key("Description of the Function itself.", max_length=256)
    connectivity: ConnectivityTable | None = _key("The user network that the function reaches.")
    log: LogTable | None = _key("Where the function's logs go.")
    mounts: list[MountTable] | None = _list("functions.mounts", "Buckets and ephemeral disks.")
    storage_mounts: list[StorageMountTable] | None = _list(
        "functions.storage_mounts", "Deprecated by the API: use `mounts`."
    )
    async_invocation: AsyncInvocationTable | None = _key("How asynchronous calls are made.")
    tmpfs_size: f.Size | None = _key("Size of /tmp in memory: 0, or 512MB to 3/4 of a memory of at least 1GB.")
    concurrency: int | None = _key("Calls that one instance serves at a time; not for Python.", ge=0, le=16)
    metadata: MetadataTable | None = _key("Which metadata endpoints the function may reach.")


class CloudTable(StrictTable):
    """Which installation of the cloud, and where functions go by default."""

    folder_id: f.Id | None = _key("Folder of all functions that name none. Default: YC_FOLDER_ID.")
    cloud_id: f.Id | None = _key("The cloud that the folders belong to. Default: YC_CLOUD_ID, else it is looked up.")
    endpoint: f.Url | None = _key("Address of the discovery service. Default: https://api.cloud.yandex.net.")


class StorageTable(StrictTable):
    """Where packages are put."""

    bucket: f.BucketName | None = _key("The bucket. None: packages go inline, up to 3.5 MB.")
    prefix: f.ObjectPrefix | None = _key("Begin of every key.")


class LimitsTable(StrictTable):
    """How hard the cloud may be pressed."""

    operations_per_function: int | None = _key("Unfinished operations of one function. Default: 10.", ge=1)
    operations_per_folder: int | None = _key(
        "Unfinished operations of one folder, where quota-manager does not tell. Default: 15.", ge=1
    )
    operations_per_cloud: int | None = _key(
        "Unfinished operations of one cloud, where quota-manager does not tell. Default: 20.", ge=1
    )
    reserve: int | None = _key("Operations per folder and cloud that are left to colleagues. Default: 0.", ge=0)
    requests_per_second: float | None = _key(
        "Calls per second, never more. Default: 20, then as learned.", gt=0, allow_inf_nan=False
    )
    polls_per_second: float | None = _key("Status calls per second. Default: 100.", gt=0, allow_inf_nan=False)
    operation_deadline: f.Deadline | None = _key('How long an operation is followed. Default: "15m".')


class RolloutTable(StrictTable):
    """How a run spreads."""

    waves: f.Waves | None = _list(
        "rollout.waves",
        "After how many functions each wave ends, or after which share of them, counted from the first one:"
        ' [1, "10%", "100%"]. A last wave takes what these leave over: ["50%"] is two waves.',
    )
    pause: f.Duration | None = _key("Pause between waves.")
    max_failures: f.Share | None = _key(
        'How many functions, or which share ("2%") of those up to the running wave\'s end, may fail before the run'
        " stops. Not declared: a wave with a failure is the last one."
    )
    on_breach: Literal["stop"] | None = _key('What happens then: "stop", the default, is all that there is yet.')


class SkipTable(StrictTable):
    """A function that a job passes over."""

    function: f.Text = _required("Which function: a name or a glob.")
    reason: f.Text | None = _key("Why. Required by runtime_upgrade.")
    owner: f.Text | None = _key("Whom to ask. Required by runtime_upgrade.")
    until: date | None = _key("Passed over up to this day. Required by runtime_upgrade.")


class JobTable(StrictTable):
    """[jobs.NAME]: `run` and the parameters of that job; keys that are not listed here are kept for it."""

    model_config = ConfigDict(extra="allow")

    run: f.JobName = _required("Which job: mass_redeploy, runtime_upgrade …")
    select: list[f.Text] | None = _key("Names, globs, label:KEY=VALUE.")
    force: bool | None = _key("Also where nothing changed.")
    schedule: str | None = _key("Cron: minute, hour, day, month, day of the week.")
    timezone: str | None = _key("Time zone of the schedule, such as Europe/Moscow.")
    adopt: list[f.Text] | None = _key("Live versions that may lose settings: NAME@VERSION_ID, as plans print them.")
    from_: list[f.Runtime] | None = Field(default=None, alias="from", description="Runtimes to leave.")
    to: f.Runtime | None = _key("Runtime to move to.")
    folders: list[f.Id] | None = _key("Folders. Default: every folder of the manifest.")
    skip: list[SkipTable] | None = _key("Functions that are passed over, and why.")
    rollout: RolloutTable | None = _key("How this job spreads; wins over [rollout].")


class ManifestFile(StrictTable):
    """Function deployment manifest."""

    include: list[f.Text] | None = _key(
        "Files (globs) with more [functions.*]; relative to this file. One that matches no file is a mistake."
    )
    cloud: CloudTable | None = _key("Which installation, and where functions go by default.")
    storage: StorageTable | None = _key("Where packages are put.")
    limits: LimitsTable | None = _key("How hard the cloud may be pressed. All optional.")
    defaults: FunctionTable | None = _key("Keys of every function that does not set them itself.")
    templates: dict[str, FunctionTable] | None = _key("Keys of those functions that `use` them.")
    functions: dict[str, FunctionTable] | None = _key("The functions; the table's name is the function's name.")
    rollout: RolloutTable | None = _key("How runs spread, unless a job says otherwise.")
    jobs: dict[str, JobTable] | None = _key("Named jobs.")


# What is planned but not there yet: (table, key, value; "": any) → what this release does not do. Whoever writes it is
# told so: a key that is declared has an effect, or is an error.
NOT_YET: Mapping[tuple[type[StrictTable], str, str], str] = {
    (FunctionTable, "verify", ""): "check new versions",
    (FunctionTable, "promote", ""): "move tags after a check; `tags` move as the version is made",
    (CloudTable, "invoke_endpoint", ""): "invoke functions",
    (RolloutTable, "on_breach", "rollback"): "roll back",
    (RolloutTable, "on_breach", "pause"): "pause after too many failures",
}
