"""The tables of a function as pydantic models: keys, types and descriptions. The tables around them are in
`file_tables`.

Rules that involve several keys, or merged tables, are in `setting_rules`. Nearly every key is optional here, since a
table of [defaults] or a template may be a part of one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.manifest import fields as f
from orchestrator.manifest.fields import StrictTable, a_key, list_key, needed_key
from orchestrator.manifest.rollout import rollout_fields as r
from orchestrator.manifest.rollout.rollout_tables import VerifyTable


class BuildTable(StrictTable):
    """A command that runs before packing."""

    command: f.Text | None = a_key(
        "The command, run by the shell once per distinct (folder, command) and run. Required."
    )
    folder: f.Text | None = a_key(
        "Where it runs, relative to this file. Default: the source folder. Set it if the build creates that folder."
    )
    inputs: list[f.Text] | None = list_key(
        "functions.build.inputs",
        "Files that it depends on, as patterns from its folder. It is skipped while they and its output are unchanged.",
    )


class PackageTable(StrictTable):
    """A zip that is already in a bucket."""

    bucket: f.BucketName | None = a_key("The bucket. Required.")
    object: f.ObjectName | None = a_key("The object's key. Required.")
    sha256: f.Sha256 | None = a_key(
        "SHA-256 of the zip, in hex. Default: none, its ETag shows whether it was overwritten."
    )


class SecretTable(StrictTable):
    """A Lockbox secret in an environment variable."""

    environment_variable: f.Variable = needed_key("The variable that receives the value.")
    key: f.Text = needed_key("The entry of the secret.")
    id: f.Id | None = a_key("The secret's ID; or `name`.")
    name: f.Text | None = a_key("The secret's name in the folder; or `id`.")
    version_id: f.Id | None = a_key('The secret\'s version. Default: "latest", the newest one when planning.')


class ConnectivityTable(StrictTable):
    """The user network that the function can reach."""

    network_id: f.Id | None = a_key("The network's ID.")
    subnet_ids: list[f.Word] | None = list_key(
        "functions.connectivity.subnet_ids", "Deprecated by the API: network_id is enough."
    )


class LogTable(StrictTable):
    """Where the function's logs go."""

    disabled: bool | None = a_key("true: no logs.")
    group_id: f.LogDestination | None = a_key("The log group; or `folder_id`.")
    folder_id: f.LogDestination | None = a_key("The folder whose default log group is used; or `group_id`.")
    min_level: f.LogLevel | None = a_key("The minimum level.")


class MountTable(StrictTable):
    """A bucket or an ephemeral disk at /function/storage/NAME."""

    name: f.MountName = needed_key("The name under /function/storage/.")
    mode: Literal["read_only", "read_write"] | None = a_key("Whether the function may write.")
    bucket: f.BucketName | None = a_key("The bucket; or `disk_size`.")
    prefix: f.ObjectName | None = a_key("Only this folder of the bucket.")
    disk_size: f.DiskSize | None = a_key("Size of an ephemeral disk, whole gigabytes; or `bucket`.")
    block_size: f.BlockSize | None = a_key("Block size of the disk: 4KB, 8KB … 128KB.")


class StorageMountTable(StrictTable):
    """The API's older kind of mount. Deprecated: use `mounts`."""

    name: f.MountName = needed_key("The mount point's name.")
    bucket: f.BucketName = needed_key("The bucket.")
    prefix: f.ObjectName | None = a_key("Only this folder of the bucket.")
    read_only: bool | None = a_key("Whether the function may only read.")


class AsyncTargetTable(StrictTable):
    """The destination of a result: a queue of Message Queue, or none."""

    queue_arn: f.Word | None = a_key("ARN of the queue. Default: none, the result is dropped.")
    service_account_id: f.Id | None = a_key("The account that writes to the queue.")


class AsyncInvocationTable(StrictTable):
    """Settings of asynchronous calls."""

    retries: int | None = a_key("Retries of a failed call.", ge=0, le=100)
    service_account_id: f.Id | None = a_key("The account that calls the function.")
    success: AsyncTargetTable | None = a_key("Where results of successful calls go.")
    failure: AsyncTargetTable | None = a_key("Where results of failed calls go.")


class MetadataTable(StrictTable):
    """The metadata endpoints that the function can reach."""

    gce_http_endpoint: bool | None = a_key("The GCE flavour.")
    aws_v1_http_endpoint: bool | None = a_key("The AWS IMDSv1 flavour.")


class ScalingTable(StrictTable):
    """Scaling of the version that has a tag. Keys that are not declared keep their live values."""

    provisioned: int | None = a_key("Instances that are kept ready, in all zones together.", ge=0)
    zone_instances: int | None = a_key("Maximum number of instances in each zone; 0: limited by the quota.", ge=0)
    zone_requests: int | None = a_key("Maximum number of concurrent calls in each zone; 0: limited by the quota.", ge=0)


class FunctionTable(StrictTable):
    """[functions.NAME], and, in part, [defaults] and [templates.NAME]."""

    use: list[f.Text] | None = list_key("functions.use", "Templates, applied in this order after [defaults].")
    without: list[f.Text] | None = list_key(
        "functions.without", 'Inherited values to remove: "memory", "secrets.TOKEN", "environment.LEVEL" …'
    )
    only: Annotated[list[f.Text], Field(min_length=1)] | None = list_key(
        "functions.only", "Environments in which the function exists. Default: all, and also without an environment."
    )
    ignore: list[f.Text] | None = list_key(
        "functions.ignore",
        'Settings to leave as they are live, once the function exists: "memory", "environment.LEVEL", "labels.team" …',
    )
    settings: Literal["live"] | None = a_key(
        '"live": only the code is declared here; all settings are left as they are live. Inherited ones have no effect.'
    )
    name: f.FunctionName | None = a_key("The Function's name in the cloud. Default: the table's name.")
    id: f.Id | None = a_key("The Function's ID, to find it without its name.")
    folder_id: f.Id | None = a_key("The folder. Default: that of [cloud], otherwise YC_FOLDER_ID.")
    source: f.Text | None = a_key("A folder, a single file or a .zip, relative to this file.")
    package: PackageTable | None = a_key("Instead of `source`: a zip that is already in a bucket.")
    version_id: f.Word | None = a_key('Instead of `source`: copy the code of this version, "$latest" or a tag.')
    into: f.Text | None = a_key('Folder in the package for the source, such as "app/". Default: the root.')
    build: BuildTable | None = a_key("A command that runs before packing.")
    include: list[f.Text] | None = list_key("functions.include", "Pack only what matches (gitignore rules).")
    exclude: list[f.Text] | None = list_key("functions.exclude", "Leave out what matches (gitignore rules).")
    files: dict[str, f.Text] | None = a_key("Added over the source: path in the package = local file or folder.")
    entrypoint: f.Word | None = a_key("FILE.HANDLER, in the form that the runtime needs. Required.")
    runtime: f.Runtime | None = a_key("Runtime ID, such as python312. Required.")
    memory: f.Memory | None = a_key("128MB to 8GB, a multiple of 128MB. Required.")
    timeout: f.Timeout | None = a_key(
        'Maximum execution time, up to 1h (over 10m only if the cloud allows it). Default: "10s".'
    )
    create: bool | None = a_key("true: create the function if the folder has none of that name. Default: false.")
    enabled: bool | None = a_key("false: left out of every run. Default: true.")
    description: str | None = a_key(
        "Description of the version, at most 500 characters: 100 of the API's 600 are used for a stamp.", max_length=500
    )
    service_account_id: f.Id | None = a_key("ID of the account that the function runs as; or `service_account`.")
    service_account: f.Text | None = a_key("The account's name in the folder; or `service_account_id`.")
    named_service_accounts: dict[f.Word, f.Id] | None = a_key("Alias = service account ID.")
    environment: dict[f.Variable, f.VariableValue] | None = a_key(
        "Variables. Names and values, including names of secrets' variables, may have 4096 bytes together."
    )
    secrets: list[SecretTable] | None = list_key("functions.secrets", "Lockbox secrets as environment variables.")
    tags: list[f.Tag] | None = list_key(
        "functions.tags", "Tags that the new version gets when it is created, at most 10."
    )
    verify: VerifyTable | None = a_key("How a new version is verified before it counts as deployed.")
    promote: list[f.Tag] | None = list_key(
        "functions.promote",
        "Tags that move to the new version only after it is verified; at most 10 with those in `tags`.",
    )
    called_by: r.CalledBy | None = a_key(
        'What users call: a tag, or "$latest". Only plans and reports use it. Default: "$latest".'
    )
    labels: Annotated[dict[f.LabelKey, f.LabelValue], Field(max_length=64)] | None = a_key(
        "Labels of the Function. These are set; others are not changed."
    )
    labels_exact: bool | None = a_key("true: remove labels that are not in `labels`. Default: false.")
    function_description: str | None = a_key(
        "Description of the Function itself. If removed from the manifest, the live one is kept.", max_length=256
    )
    scaling: dict[r.CalledBy, ScalingTable] | None = a_key(
        'Scaling policies by tag or "$latest". These are set; others are not changed. All 0: remove the policy.'
    )
    scaling_exact: bool | None = a_key("true: remove policies that are not in `scaling`. Default: false.")
    public: bool | None = a_key(
        "true: anyone can invoke it without authentication; false: no one can. Not declared: not changed."
    )
    connectivity: ConnectivityTable | None = a_key("The user network that the function can reach.")
    log: LogTable | None = a_key("Where the function's logs go.")
    mounts: list[MountTable] | None = list_key("functions.mounts", "Buckets and ephemeral disks.")
    storage_mounts: list[StorageMountTable] | None = list_key(
        "functions.storage_mounts", "Deprecated by the API: use `mounts`."
    )
    async_invocation: AsyncInvocationTable | None = a_key("Settings of asynchronous calls.")
    tmpfs_size: f.Size | None = a_key(
        "Size of /tmp in memory: 0, or 512MB to 3/4 of `memory`, which must be at least 1GB."
    )
    concurrency: int | None = a_key("Maximum number of concurrent calls of one instance; not for Python.", ge=0, le=16)
    metadata: MetadataTable | None = a_key("Metadata endpoints that the function can reach.")
