"""The tables of `deploy.toml` that are no function's, as pydantic models, and the file as a whole."""

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
    """Which installation of the cloud, and where functions go by default."""

    folder_id: f.Id | None = a_key("Folder of all functions that name none. Default: YC_FOLDER_ID.")
    cloud_id: f.Id | None = a_key(
        "The cloud that the folders belong to; a plan refuses another than resource-manager tells."
        " Default: YC_CLOUD_ID, else it is looked up."
    )
    endpoint: f.Url | None = a_key("Address of the discovery service. Default: https://api.cloud.yandex.net.")
    invoke_endpoint: f.Url | None = a_key(
        "Where functions are called to verify them. Default: https://functions.yandexcloud.net."
    )


class StorageTable(StrictTable):
    """Where packages are put."""

    bucket: f.BucketName | None = a_key("The bucket. None: packages go inline, up to 3.5 MB.")
    prefix: f.ObjectPrefix | None = a_key("Begin of every key.")


class LimitsTable(StrictTable):
    """How hard the cloud may be pressed."""

    operations_per_function: int | None = a_key("Unfinished operations of one function. Default: 10.", ge=1)
    operations_per_folder: int | None = a_key(
        "Unfinished operations of one folder, where quota-manager does not tell. Default: 15.", ge=1
    )
    operations_per_cloud: int | None = a_key(
        "Unfinished operations of one cloud, where quota-manager does not tell. Default: 20.", ge=1
    )
    reserve: int | None = a_key("Operations per folder and cloud that are left to colleagues. Default: 0.", ge=0)
    requests_per_second: float | None = a_key(
        "Calls per second, never more. Default: 20, then as learned.", gt=0, allow_inf_nan=False
    )
    polls_per_second: float | None = a_key("Status calls per second. Default: 100.", gt=0, allow_inf_nan=False)
    operation_deadline: f.Deadline | None = a_key('How long an operation is followed. Default: "15m".')


class SkipTable(StrictTable):
    """A function that a job passes over."""

    function: f.Text = needed_key("Which function: a name or a glob.")
    reason: f.Text | None = a_key("Why. Required by runtime_upgrade.")
    owner: f.Text | None = a_key("Whom to ask. Required by runtime_upgrade.")
    until: date | None = a_key("Passed over up to this day. Required by runtime_upgrade.")


class JobTable(StrictTable):
    """[jobs.NAME]: `run` and the parameters of that job; keys that are not listed here are kept for it."""

    model_config = ConfigDict(extra="allow")

    run: f.JobName = needed_key("Which job: mass_redeploy, runtime_upgrade …")
    select: list[f.Text] | None = a_key("Names, globs, label:KEY=VALUE.")
    force: bool | None = a_key("Also where nothing changed.")
    schedule: str | None = a_key("Cron: minute, hour, day, month, day of the week.")
    timezone: str | None = a_key("Time zone of the schedule, such as Europe/Moscow.")
    adopt: list[f.Text] | None = a_key("Live versions that may lose settings: NAME@VERSION_ID, as plans print them.")
    from_: list[f.Runtime] | None = Field(default=None, alias="from", description="Runtimes to leave.")
    to: f.Runtime | None = a_key("Runtime to move to.")
    folders: list[f.Id] | None = a_key("Folders. Default: every folder of the manifest.")
    skip: list[SkipTable] | None = a_key("Functions that are passed over, and why.")
    rollout: RolloutTable | None = a_key("How this job spreads; wins over [rollout].")
    environments: Annotated[list[f.Text], Field(min_length=1)] | None = list_key(
        "jobs.environments", "The environments in which it exists. Default: all, and where none is chosen."
    )


class EachTable(FunctionTable):
    """[each.NAME]: keys of many functions; texts and keys may hold {folder} and {path}, or {name}."""

    folders: f.Text | list[f.Text] | None = a_key(
        "A function for each folder that these globs match; relative to this file, ! takes away. Or `names`, or `rows`."
    )
    names: list[f.Text] | None = list_key("each.names", "A function for each of these names.")
    rows: list[dict[str, Any]] | None = list_key(
        "each.rows", "A function for each of these tables: `name`, and keys that are laid over this table."
    )


class EnvironmentTable(StrictTable):
    """[environments.NAME]: what is otherwise there."""

    variables: dict[f.VariableName, str] | None = a_key("Values of `${…}`: over the process and [variables].")
    cloud: CloudTable | None = a_key("Laid over [cloud], key by key.")
    storage: StorageTable | None = a_key("Laid over [storage], key by key.")
    limits: LimitsTable | None = a_key("Laid over [limits], key by key.")
    rollout: RolloutTable | None = a_key("Laid over [rollout], key by key.")
    defaults: FunctionTable | None = a_key("Laid over [defaults].")
    templates: dict[str, FunctionTable] | None = a_key("Each laid over the template of its name.")
    functions: dict[str, FunctionTable] | None = a_key("Each laid over the function of its name.")
    protected: bool | None = a_key("true: whoever changes something there has to name it. Default: false.")
    default: bool | None = a_key("true: chosen where no other is named; at most one environment. Default: false.")


class ManifestFile(StrictTable):
    """Function deployment manifest."""

    include: list[f.Text] | None = a_key(
        "Files (globs) with more functions; relative to this file. One that matches no file is a mistake."
    )
    folder_id: f.Id | None = a_key("Folder of this file's functions that name none: over [cloud] folder_id.")
    variables: dict[f.VariableName, str] | None = a_key("Values of `${…}` where the process does not set them.")
    environments: dict[f.EnvironmentName, EnvironmentTable] | None = a_key(
        "Environments, one of which --env chooses: what is otherwise there."
    )
    cloud: CloudTable | None = a_key("Which installation, and where functions go by default.")
    storage: StorageTable | None = a_key("Where packages are put.")
    limits: LimitsTable | None = a_key("How hard the cloud may be pressed. All optional.")
    defaults: FunctionTable | None = a_key("Keys of every function that does not set them itself.")
    templates: dict[str, FunctionTable] | None = a_key("Keys of those functions that `use` them.")
    each: dict[str, EachTable] | None = a_key("Many functions by one table: one for each folder, name or row.")
    functions: dict[str, FunctionTable] | None = a_key("The functions; the table's name is the function's name.")
    rollout: RolloutTable | None = a_key("How runs spread, unless a job says otherwise.")
    jobs: dict[str, JobTable] | None = a_key("Named jobs.")
    notify: dict[str, NotifyTable] | None = a_key("Who is told of runs, and of what.")
