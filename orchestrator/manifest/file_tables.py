"""The tables of `deploy.toml` other than functions, as pydantic models, and the file as a whole."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from orchestrator.manifest import fields as f
from orchestrator.manifest.fields import StrictTable, a_key, list_key, needed_key
from orchestrator.manifest.notify.notify_tables import NotifyTable
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.tables import FunctionTable


class CloudTable(StrictTable):
    """The cloud installation, and the default folder."""

    folder_id: f.Id | None = a_key("Folder of functions that set none. Default: YC_FOLDER_ID.")
    cloud_id: f.Id | None = a_key(
        "The cloud that the folders belong to. A plan stops if resource-manager reports another one."
        " Default: YC_CLOUD_ID, otherwise it is looked up."
    )
    endpoint: f.Url | None = a_key("Address of the discovery service. Default: https://api.cloud.yandex.net.")
    invoke_endpoint: f.Url | None = a_key(
        "Address at which functions are called for verification. Default: https://functions.yandexcloud.net."
    )


class StorageTable(StrictTable):
    """Where packages are stored."""

    bucket: f.BucketName | None = a_key("The bucket. Default: none, packages are sent inline, up to 3.5 MB.")
    prefix: f.ObjectPrefix | None = a_key("Prefix of every object's key.")


class LimitsTable(StrictTable):
    """Limits of the load on the cloud."""

    operations_per_function: int | None = a_key("Unfinished operations of one function. Default: 10.", ge=1)
    operations_per_folder: int | None = a_key(
        "Unfinished operations of one folder, if quota-manager does not report it. Default: 15.", ge=1
    )
    operations_per_cloud: int | None = a_key(
        "Unfinished operations of one cloud, if quota-manager does not report it. Default: 20.", ge=1
    )
    reserve: int | None = a_key("Operations per folder and cloud that are reserved for others. Default: 0.", ge=0)
    requests_per_second: float | None = a_key(
        "Maximum calls per second. Default: 20, then as learned.", gt=0, allow_inf_nan=False
    )
    polls_per_second: float | None = a_key("Status calls per second. Default: 100.", gt=0, allow_inf_nan=False)
    operation_deadline: f.Deadline | None = a_key('How long to wait for an operation. Default: "15m".')


class SkipTable(StrictTable):
    """A function that a job skips."""

    function: f.Text = needed_key("The function: a name or a glob.")
    reason: f.Text | None = a_key("Why. Required by runtime_upgrade.")
    owner: f.Text | None = a_key("The person or team to ask. Required by runtime_upgrade.")
    until: date | None = a_key("Last day on which it is skipped. Required by runtime_upgrade.")


class JobTable(StrictTable):
    """[jobs.NAME]: `run` and the parameters of that job. Keys that are not listed here are passed to the job."""

    model_config = ConfigDict(extra="allow")

    run: f.JobName = needed_key("The job: mass_redeploy, runtime_upgrade …")
    select: list[f.Text] | None = a_key("Names, globs, label:KEY=VALUE.")
    force: bool | None = a_key("true: also redeploy functions without changes.")
    schedule: str | None = a_key("Cron: minute, hour, day, month, day of the week.")
    timezone: str | None = a_key("Time zone of the schedule, such as Europe/Moscow.")
    adopt: list[f.Text] | None = a_key("Live versions that may lose settings: NAME@VERSION_ID, as plans print them.")
    from_: list[f.Runtime] | None = Field(default=None, alias="from", description="Runtimes to migrate from.")
    to: f.Runtime | None = a_key("Runtime to migrate to.")
    folders: list[f.Id] | None = a_key("Folders. Default: every folder of the manifest.")
    skip: list[SkipTable] | None = a_key("Functions to skip, and why.")
    rollout: RolloutTable | None = a_key("Rollout of this job; overrides [rollout].")
    environments: Annotated[list[f.Text], Field(min_length=1)] | None = list_key(
        "jobs.environments", "Environments in which the job exists. Default: all, and also without an environment."
    )


class EachTable(FunctionTable):
    """[each.NAME]: keys of many functions. Texts and keys may contain {folder} and {path}, or {name}."""

    folders: f.Text | list[f.Text] | None = a_key(
        "A function for each folder that these globs match, relative to this file; ! excludes. Or `names`, or `rows`."
    )
    names: list[f.Text] | None = list_key("each.names", "A function for each of these names.")
    rows: list[dict[str, Any]] | None = list_key(
        "each.rows", "A function for each of these tables: `name`, and keys that are merged over this table."
    )


class EnvironmentTable(StrictTable):
    """[environments.NAME]: what differs in an environment."""

    variables: dict[f.VariableName, str] | None = a_key(
        "Values of `${…}`. They override the process's environment and [variables]."
    )
    cloud: CloudTable | None = a_key("Merged over [cloud], key by key.")
    storage: StorageTable | None = a_key("Merged over [storage], key by key.")
    limits: LimitsTable | None = a_key("Merged over [limits], key by key.")
    rollout: RolloutTable | None = a_key("Merged over [rollout], key by key.")
    defaults: FunctionTable | None = a_key("Merged over [defaults].")
    templates: dict[str, FunctionTable] | None = a_key("Each is merged over the template of the same name.")
    functions: dict[str, FunctionTable] | None = a_key("Each is merged over the function of the same name.")
    protected: bool | None = a_key("true: changes need --env or a typed confirmation. Default: false.")
    default: bool | None = a_key("true: chosen if none is named; for at most one environment. Default: false.")


class ManifestFile(StrictTable):
    """Function deployment manifest."""

    include: list[f.Text] | None = a_key(
        "Files (globs) with more functions, relative to this file. A glob that matches no file is a mistake."
    )
    folder_id: f.Id | None = a_key("Folder of this file's functions that set none. Overrides [cloud] folder_id.")
    variables: dict[f.VariableName, str] | None = a_key(
        "Values of `${…}` that are not set in the process's environment."
    )
    environments: dict[f.EnvironmentName, EnvironmentTable] | None = a_key(
        "Environments, one of which --env chooses: what differs there."
    )
    cloud: CloudTable | None = a_key("The cloud installation, and the default folder.")
    storage: StorageTable | None = a_key("Where packages are stored.")
    limits: LimitsTable | None = a_key("Limits of the load on the cloud. All optional.")
    defaults: FunctionTable | None = a_key("Keys of all functions that do not set them themselves.")
    templates: dict[str, FunctionTable] | None = a_key("Keys of the functions that `use` them.")
    each: dict[str, EachTable] | None = a_key("One table for many functions: one for each folder, name or row.")
    functions: dict[str, FunctionTable] | None = a_key("The functions; the table's name is the function's name.")
    rollout: RolloutTable | None = a_key("Rollout of runs, unless a job overrides it.")
    jobs: dict[str, JobTable] | None = a_key("Named jobs.")
    notify: dict[str, NotifyTable] | None = a_key("Notifications about runs.")
