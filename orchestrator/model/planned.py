"""The plan: its units, the changes of each, their outcomes, and what a simulation says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.model.declared import FunctionSpec
from orchestrator.model.live import Function, Tree
from orchestrator.model.packed import FileChanges

LATEST = "$latest"  # the cloud moves it to every new Version (cloud-api#tags)


class Action(StrEnum):
    """What a plan does to one function. The values are stored and published."""

    CREATE = "create"  # the Function, and its first Version
    VERSION = "new version"
    COPY = "copy"  # a new Version with the code of another
    RETAG = "retag"  # the live Version gets tags that it lacks
    UPDATE = "update"  # the Function's own settings change, its Version stays
    VERIFY = "verify"  # the live Version is verified, and gets its promoted tags
    PRUNE = "prune"  # old Versions are deleted
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"


class Step(StrEnum):
    """The steps of a unit, in order. The values are stored and published."""

    BUILD = "build"
    PACKAGE = "package"
    UPLOAD = "upload"
    QUEUE = "queue"  # waiting for an Operation slot
    FUNCTION = "function"  # creating the Function
    UPDATE = "update"  # changing the Function's own settings, until it is accepted
    CREATE = "create"  # createVersion, until it is accepted
    TAG = "tag"  # setTag, until it is accepted
    DELETE = "delete"  # deleteVersion, until it is accepted
    TRACK = "track"  # the Operation, until it is done
    VERIFY = "verify"  # the new Version is called, and its answer judged
    READ_BACK = "observe"  # reading back what is live


class ChangeKind(StrEnum):
    """What a change does. The values are the API's names of the calls, as stored and published."""

    FUNCTION = "create"  # the Function is created
    UPDATE = "update"  # the Function's own settings change
    VERSION = "createVersion"  # a new Version, which takes $latest and its tags
    TAG = "setTag"  # a tag moves to another Version, or to none
    SCALING = "setScalingPolicy"  # the scaling policy of a tag is set, or removed
    ACCESS = "updateAccessBindings"  # everyone may invoke the Function afterwards, or no longer may
    DELETE = "deleteVersion"  # a Version is deleted for good
    VERIFY = "verify"  # no call of the API: the Version itself is called, and nothing in the cloud changes

    @property
    def step(self) -> Step:
        """The step in which it is requested."""
        return _ASKED_IN[self]

    @property
    def is_own(self) -> bool:
        """Whether it changes settings of the Function itself, independent of its Versions, see `function.fields`."""
        return self in (ChangeKind.UPDATE, ChangeKind.SCALING, ChangeKind.ACCESS)


_ASKED_IN = {
    ChangeKind.FUNCTION: Step.FUNCTION,
    ChangeKind.UPDATE: Step.UPDATE,
    ChangeKind.VERSION: Step.CREATE,
    ChangeKind.TAG: Step.TAG,
    ChangeKind.SCALING: Step.UPDATE,
    ChangeKind.ACCESS: Step.UPDATE,
    ChangeKind.DELETE: Step.DELETE,
    ChangeKind.VERIFY: Step.VERIFY,
}


class Verdict(StrEnum):
    """The result of a verification. The values are stored and published."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"  # not known: it could not be called as required


class WayBackKind(StrEnum):
    """How a Function can be rolled back, according to the plan. The values are stored and published."""

    COPY = "copy"  # a copy of the former Version takes $latest, tags and own settings are restored
    TAGS = "tags only"  # tags and own settings are restored, $latest cannot be
    NONE = "none"
    STAYS = "stays"  # a created Function: it was not used before, so nothing needs restoring


@dataclass(frozen=True, slots=True)
class WayBack:
    """The way back of a unit, planned in advance. `why`: a sentence, if it is not complete."""

    kind: WayBackKind
    why: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether everything that the unit changes can be restored."""
        return not self.why


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a unit. `before` and `after`: the state before, and the desired one.

    | kind     | before and after                                                                      |
    | ---      | ---                                                                                   |
    | FUNCTION | its name, labels and description; before: {}                                          |
    | UPDATE   | the settings that change, see `function.fields.own_changes`                           |
    | SCALING  | "scaling" → the tag → its policy, None for none                                       |
    | ACCESS   | "public" → the role of everyone → true, None if they do not have it                   |
    | VERSION  | $latest and the tags that move with it → Version ID, "" if none holds it; after: None |
    | TAG      | the tag → Version ID, "" if none holds it; after: None for the unit's new Version     |
    | DELETE   | the Version's ID → when it was made (ISO 8601); after: the ID → None                  |
    | VERIFY   | nothing; after: $latest → ID of the Version, None for the unit's new one              |
    """

    kind: ChangeKind
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Two hashes of 16 hex digits, so that a plan can say which of them has changed. Tags are not included: they move
    between Versions. `forced`: 8 more of a forced run's key, which set its Versions apart from equal ones. `marks`:
    (key, value), what else the stamp says of the Version; those of newer programs are kept.
    """

    settings: str
    code: str
    forced: str = field(default="", compare=False)
    marks: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.settings}.{self.code}" + (f".{self.forced}" if self.forced else "")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a unit failed, with everything needed to act on it. Times and IDs are the cloud's."""

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
class SettingChange:
    """One setting that a new Version changes. `sign`: "+" if the live one lacks it, "-" if it is removed, "~" if it
    differs. `what`: its value, or the values before and after, or a name whose value is hidden.
    """

    sign: str
    label: str
    what: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One function of a plan, and its changes in order; none if it is left alone.

    `base_version_id`: the `$latest` that the plan was based on (None: there is none). `warnings`: sentences about its
    package. `description`: the exact one of its Version, in place of the user's text and a stamp. `back_from`: the
    index of the first change of its rollback, 0 for none. `as_it_is`: fields of its Version by the API's names, in
    place of known settings. `exact`: it was agreed to as it is, so nothing is decided again if its base has changed.
    `settings`: those that its Version changes, if `reason` includes them as `settings_text`.
    """

    key: str
    spec: FunctionSpec
    action: Action
    reason: str
    fingerprint: Fingerprint | None = None  # None: nothing is made
    tree: Tree | None = None
    function_id: str | None = None
    base_version_id: str | None = None
    changes: tuple[Change, ...] = ()
    # Of a BLOCKED unit, or if its package could not be made, or something of it cannot be rolled back.
    failure: Failure | None = None
    failed_step: Step | None = None
    warnings: tuple[str, ...] = ()
    description: str | None = None
    way_back: WayBack | None = None  # None: nothing is changed, or it was not checked
    back_from: int = 0
    files: FileChanges | None = None  # of its package, compared with the live one; None: not known
    as_it_is: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False
    settings: tuple[SettingChange, ...] = ()
    settings_text: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All units, in the order in which they start."""

    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Undeclared:
    """Functions that are live in a folder and not in the manifest.

    `ours`: those whose live Version was made by this tool. `others`: how many more there are, made by other means or
    not read.
    """

    folder_id: str
    ours: tuple[Function, ...]
    others: int


@dataclass(frozen=True, slots=True)
class Deployed:
    """The desired Version exists. `read_back`: this was read at the end."""

    version_id: str
    read_back: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """This many old Versions were deleted. `read_back`: they were missing when read at the end."""

    deleted: int
    read_back: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The live state is as desired."""

    version_id: str


SERVES_LATEST = "serves $latest anyway"  # how the advice ends if a Version was not verified successfully
SERVES_ENDS = (SERVES_LATEST, "serves $latest all the same")  # the last one: in records of earlier program versions


@dataclass(frozen=True, slots=True)
class Failed:
    """The unit failed in `step`. `rolled_back_to`: the Version that serves in its place since, "" for none.
    `overwritten`: the ID of a Version of someone else that the unit's own has replaced unseen, "" for none.
    """

    step: Step
    failure: Failure
    rolled_back_to: str = ""
    overwritten: str = ""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing was tried, for the reason given."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The run ended before this unit's Version was requested."""

    reason: str = "the run was stopped"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Requested, but its end is not known: not a failure. Deploying again finds it by the same Idempotency-Key."""

    reason: str
    operation_id: str = ""
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The Version was made, and its verification shows neither success nor failure."""

    reason: str
    version_id: str = ""


Outcome = Deployed | Pruned | Unchanged | Failed | Blocked | Cancelled | Unknown | Inconclusive
