"""The requests to the cloud and its answers, and the contents of its buckets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orchestrator.model.declared import Json
from orchestrator.model.packed import PackedFiles


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A call that changes something and is answered with an Operation. `call`: its name in the API, as in errors and
    statistics. `path`: below the service's address, with each ID quoted.
    """

    call: str
    method: str
    path: str
    body: Json


@dataclass(frozen=True, slots=True)
class OperationError:
    """google.rpc.Status of an Operation."""

    code: int
    message: str
    details: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """An Operation as last read. `error` may be set before `done`: the cloud is then still undoing it."""

    id: str
    done: bool
    description: str = ""
    created_at: datetime | None = None
    modified_at: datetime | None = None
    metadata: Json = field(default_factory=dict)
    error: OperationError | None = None
    response: Json | None = None
    poll_after_s: float | None = None  # requested by the server: `x-operation-poll-interval`, `Retry-After`
    request_id: str = ""
    server_trace_id: str = ""
    created_by: str = ""  # ID of an account

    @property
    def function_id(self) -> str:
        """The Function that it is about, "" for none."""
        return str(self.metadata.get("functionId") or "")

    @property
    def version_id(self) -> str:
        """The Version that it makes, deletes or moves a tag to, "" for none."""
        return str(self.metadata.get("functionVersionId") or "")

    @property
    def made_id(self) -> str:
        """The ID of what it has made, "" until it is known."""
        return str((self.response or {}).get("id") or "")

    @property
    def makes_version(self) -> bool:
        """Whether it is a createVersion: tags and deletions also concern a Version."""
        return str(self.metadata.get("@type", "")).endswith("CreateFunctionVersionMetadata")

    @property
    def deletes_version(self) -> bool:
        """Whether it is a deleteVersion."""
        return str(self.metadata.get("@type", "")).endswith("DeleteFunctionVersionMetadata")


@dataclass(frozen=True, slots=True)
class Function:
    """A Function that exists. `scaling`: tag → counts of its policy, see `function.scaling`. `public`: the roles by
    which everyone may invoke it, see `function.access`. None if it was not read.
    """

    id: str
    folder_id: str
    name: str
    status: str = "ACTIVE"
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    invoke_url: str = ""  # where it is called, "" if the cloud does not say
    scaling: Mapping[str, Mapping[str, int]] | None = None
    public: Mapping[str, bool] | None = None

    @property
    def is_creating(self) -> bool:
        """Whether it is still being made."""
        return self.status == "CREATING"


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """How the Version that has a tag scales. 0: no limit, no instance."""

    tag: str
    provisioned: int = 0  # instances, of all zones together
    zone_instances: int = 0  # maximum in each zone
    zone_requests: int = 0  # maximum of simultaneous calls in each zone


@dataclass(frozen=True, slots=True)
class AccessBinding:
    """Who has a role on a Function itself. Roles from its folder are not included."""

    role_id: str
    subject_id: str
    subject_type: str


@dataclass(frozen=True, slots=True)
class Version:
    """A Version that exists. `raw` is the whole answer: unknown fields are never dropped silently."""

    id: str
    function_id: str
    status: str
    description: str
    created_at: datetime | None
    tags: tuple[str, ...]
    raw: Json

    @property
    def is_creating(self) -> bool:
        """Whether it is still being made."""
        return self.status == "CREATING"

    @property
    def is_active(self) -> bool:
        """Whether it was made and may serve."""
        return self.status == "ACTIVE"

    @property
    def runtime(self) -> str:
        """Its runtime, the only setting that is kept of Versions that no longer count."""
        return str(self.raw.get("runtime") or "")


@dataclass(frozen=True, slots=True)
class TagHeld:
    """A row of a Function's tag history: which Version had a tag, including `$latest`, from when to when. `to_at` None:
    it still has it.
    """

    tag: str
    version_id: str
    from_at: datetime
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """A version of a Lockbox secret. `status`: ACTIVE, SCHEDULED_FOR_DESTRUCTION, DESTROYED, "" if unknown. `keys`: the
    names in its payload, none if unknown. Payloads are never read.
    """

    id: str
    status: str = "ACTIVE"
    keys: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether a new Version may use it. One of unknown status may be used."""
        return self.status in ("ACTIVE", "")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account that exists. `status`: CREATING, ACTIVE, SUSPENDED, DELETING, "" if unknown."""

    id: str
    name: str = ""
    folder_id: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of quota-manager, and its usage."""

    id: str
    limit: float
    usage: float


@dataclass(frozen=True, slots=True)
class Tree:
    """The present content of a SourceCode. `hash`: hex SHA-256 over path, executable bit and content of each file, in
    order of the paths. `paths`: the names in the package, sorted. `left_out`: what rules exclude, a folder as one name
    with a trailing "/". `former_hash`: the hash by the rules from before there were default exclusions, "" if it is the
    same. `since_then`: the names that make the difference. `warnings`: sentences. `digests`: of each file, see
    `PackedFiles`, "" if unknown.
    """

    hash: str
    size_bytes: int  # unpacked
    paths: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    former_hash: str = ""
    since_then: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    digests: str = ""

    @property
    def files(self) -> PackedFiles:
        """The files in it."""
        return PackedFiles(self.paths, self.digests)


@dataclass(frozen=True, slots=True)
class Package:
    """A zip on this machine's disk. `stored`: its only possible key in the bucket."""

    path: Path
    sha256: str  # hex, of the zip
    size_bytes: int  # of the zip
    tree_hash: str
    stored: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A package in a bucket. `existed`: it was there already, nothing was uploaded."""

    bucket: str
    key: str
    sha256: str
    size_bytes: int
    existed: bool


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as its bucket's listing shows it. `modified_at`: epoch seconds of the last write."""

    key: str
    size_bytes: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class BucketListing:
    """All objects of a bucket whose keys have a common prefix. `at`: epoch seconds by the storage's clock, before the
    first page was answered.
    """

    objects: tuple[ListedObject, ...]
    at: float


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """A call of a Function itself. `tag` selects the Version. `raw`: the body is the event as it is, and the answer is
    the handler's result; otherwise the handler gets an HTTP request and answers one. `timeout_s`: how long to wait.
    """

    function_id: str
    tag: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bool = True
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """The response to a call of a Function, with any status. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
