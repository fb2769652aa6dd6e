"""What the cloud is asked and answers, and what lies in its buckets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orchestrator.model.declared import Json
from orchestrator.model.packed import PackedFiles


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A call that changes something and is answered with an Operation. `call`: the API's name of it, as errors and
    statistics say it; `path`: below the service's address, each id in it quoted.
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
    created_by: str = ""  # id of an account

    @property
    def function_id(self) -> str:
        """The Function that it is about, "" where it names none."""
        return str(self.metadata.get("functionId") or "")

    @property
    def version_id(self) -> str:
        """The Version that it makes, deletes or moves a tag to, "" where it names none."""
        return str(self.metadata.get("functionVersionId") or "")

    @property
    def made_id(self) -> str:
        """The id of what it has made, "" until it says so."""
        return str((self.response or {}).get("id") or "")

    @property
    def makes_version(self) -> bool:
        """Whether it is a createVersion: tags and deletions are about a Version, too."""
        return str(self.metadata.get("@type", "")).endswith("CreateFunctionVersionMetadata")

    @property
    def deletes_version(self) -> bool:
        """Whether it is a deleteVersion."""
        return str(self.metadata.get("@type", "")).endswith("DeleteFunctionVersionMetadata")


@dataclass(frozen=True, slots=True)
class Function:
    """A Function that exists. `scaling`: tag → counts of its policy, see `function.scaling`; `public`: the roles by
    which everybody may invoke it, see `function.access`. None where that was not read.
    """

    id: str
    folder_id: str
    name: str
    status: str = "ACTIVE"
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    invoke_url: str = ""  # where it is called, "" where the cloud does not say
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
    zone_instances: int = 0  # the most in each zone
    zone_requests: int = 0  # the most calls at once in each zone


@dataclass(frozen=True, slots=True)
class AccessBinding:
    """Who has a role on a Function itself; what its folder gives is not there."""

    role_id: str
    subject_id: str
    subject_type: str


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
        """Its runtime, the one setting that is kept of a Version that does not count any more."""
        return str(self.raw.get("runtime") or "")


@dataclass(frozen=True, slots=True)
class TagHeld:
    """A row of a Function's tag history: which Version had a tag, `$latest` included, from when to when. `to_at` None:
    it has it still.
    """

    tag: str
    version_id: str
    from_at: datetime
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """A version of a Lockbox secret. `status`: ACTIVE, SCHEDULED_FOR_DESTRUCTION, DESTROYED, "" where it is not told;
    `keys`: the names in its payload, none where they are not told. Payloads are never read.
    """

    id: str
    status: str = "ACTIVE"
    keys: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether a new Version may name it. One whose status is not told may."""
        return self.status in ("ACTIVE", "")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account that exists. `status`: CREATING, ACTIVE, SUSPENDED, DELETING, "" where it is not told."""

    id: str
    name: str = ""
    folder_id: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of quota-manager, and how much of it is used."""

    id: str
    limit: float
    usage: float


@dataclass(frozen=True, slots=True)
class Tree:
    """What a SourceCode holds now. `hash`: hex SHA-256 over path, executable bit and content of each file, in order of
    the paths. `paths`: the names in the package, sorted. `left_out`: what rules keep out of it, a folder as one name
    with "/" behind it. `former_hash`: the hash as the program took it before it left anything out by default, "" where
    that is the same; `since_then`: the names that make the difference. `warnings`: sentences. `digests`: of each file,
    see `PackedFiles`, "" where they are not known.
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
    """A zip on this machine's disk. `stored`: the key in the bucket under which it lies, and nowhere else."""

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
    """An object as a listing of its bucket shows it. `modified_at`: epoch seconds, when it was last put."""

    key: str
    size_bytes: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class BucketListing:
    """All objects of a bucket whose keys begin alike. `at`: epoch seconds on the storage's own clock, before any page
    was answered.
    """

    objects: tuple[ListedObject, ...]
    at: float


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """A call of a Function itself. `tag` chooses the Version; `raw`: the body is the event as it is, and the answer the
    handler's result; else the handler gets an HTTP request and answers one. `timeout_s`: how long we wait.
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
    """What a call of a Function was answered, whatever its status. `headers`: names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
