"""The public interface for jobs, built-in or your own: everything that a job's file may import.

A job is a Python file. Built-in jobs are in `jobs/` of this project and shipped with the program. Your own jobs are in
`jobs/` beside a deploy.toml, and replace built-in ones of the same name. Both are loaded by path, import only from
here, and follow the same contract: see `orchestrator.job.contract` and docs/jobs.md.
"""

from orchestrator.job.contract import (
    Desired,
    Job,
    JobError,
    JobStatus,
    Parameter,
    Skip,
    as_written,
    flag,
    rows,
    table,
    text,
    texts,
)
from orchestrator.job.inventory import (
    LiveFunction,
    copy_of,
    empty_folders,
    folders_of,
    inventory,
    left_to_others,
    listed,
    matching_live,
)
from orchestrator.model import (
    LATEST,
    AsyncInvocation,
    AsyncTarget,
    BucketPackage,
    Build,
    Connectivity,
    Failure,
    Function,
    FunctionSpec,
    LogOptions,
    Manifest,
    MetadataOptions,
    Mount,
    Place,
    Rollout,
    Secret,
    Settings,
    SourceCode,
    StorageMount,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.model.units import duration, size
from orchestrator.planning.prune.plan import nothing_wanted
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.version.copy import copy_spec, settings_of
from orchestrator.version.runtimes import forbidden, language, traps

__all__ = [
    "LATEST",
    "AsyncInvocation",
    "AsyncTarget",
    "BucketPackage",
    "Build",
    "Connectivity",
    "Desired",
    "Failure",
    "Function",
    "FunctionSpec",
    "Job",
    "JobError",
    "JobStatus",
    "LiveFunction",
    "LiveState",
    "LogOptions",
    "Manifest",
    "MetadataOptions",
    "Mount",
    "Parameter",
    "Place",
    "PrunePolicy",
    "Rollout",
    "Secret",
    "Settings",
    "Skip",
    "SourceCode",
    "StorageMount",
    "Version",
    "VersionCopy",
    "as_written",
    "copy_of",
    "copy_spec",
    "duration",
    "empty_folders",
    "flag",
    "folders_of",
    "forbidden",
    "inventory",
    "language",
    "left_to_others",
    "listed",
    "matching_live",
    "nothing_wanted",
    "rows",
    "settings_of",
    "size",
    "table",
    "text",
    "texts",
    "traps",
]
