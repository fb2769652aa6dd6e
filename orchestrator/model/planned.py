"""The plan: its units, the changes that each is to make, what becomes of it, and what a simulation says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.model.declared import FunctionSpec
from orchestrator.model.live import Function, Tree
from orchestrator.model.packed import FileChanges

LATEST = "$latest"  # what the cloud moves to every new Version by itself


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
    """The steps of a unit, in their order. The values are stored and published."""

    BUILD = "build"
    PACKAGE = "package"
    UPLOAD = "upload"
    QUEUE = "queue"  # waiting for an operation slot
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

    FUNCTION = "create"  # the Function comes to be
    UPDATE = "update"  # the Function's own settings change
    VERSION = "createVersion"  # a new Version, which takes $latest and its tags
    TAG = "setTag"  # a tag moves to another Version, or to none
    SCALING = "setScalingPolicy"  # the scaling policy of a tag is set, or taken away
    ACCESS = "updateAccessBindings"  # everybody may invoke the Function from then on, or may not any more
    DELETE = "deleteVersion"  # a Version goes, for good
    VERIFY = "verify"  # no call of the API: the Version is called itself, and nothing of the cloud changes

    @property
    def step(self) -> Step:
        """The step in which it is asked for."""
        return _ASKED_IN[self]

    @property
    def is_own(self) -> bool:
        """Whether it changes what the Function itself has, whichever Version serves, see `function.fields`."""
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
    """What a verification says of a Version. The values are stored and published."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"  # nobody knows: it could not be called as it should be


class WayBackKind(StrEnum):
    """How a Function comes back to what it was, as the plan says it. The values are stored and published."""

    COPY = "copy"  # a copy of the former Version takes $latest, tags and own settings go back
    TAGS = "tags only"  # tags and own settings go back, $latest cannot
    NONE = "none"
    STAYS = "stays"  # a created Function: nobody had it before, so nothing is to come back


@dataclass(frozen=True, slots=True)
class WayBack:
    """The way back of a unit, planned with the way forth. `why`: a sentence, where it is not all the way."""

    kind: WayBackKind
    why: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether everything that the unit changes can come back."""
        return not self.why


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a unit. `before` and `after`: what it is about, as it was and as it is to be.

    | kind     | before and after                                                                            |
    | ---      | ---                                                                                         |
    | FUNCTION | its name, labels and description; before: {}, since there is none                           |
    | UPDATE   | the settings that change, see `function.fields.own_changes`                                 |
    | SCALING  | "scaling" → the tag → its policy, None for none                                             |
    | ACCESS   | "public" → the role of everybody → true, None where they do not have it                     |
    | VERSION  | $latest and the tags that move with it → Version id, "" where none holds it; after: None    |
    | TAG      | the tag → Version id, "" where none holds it; after: None stands for the unit's new Version |
    | DELETE   | the Version's id → when it was made (ISO 8601); after: the id → None                        |
    | VERIFY   | nothing; after: $latest → id of the Version, None stands for the unit's new one             |
    """

    kind: ChangeKind
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Two hashes of 16 hex digits, so that a plan can say which of the two has changed. Tags are no part of it: they
    move between versions. `forced`: 8 more of a forced run's key, which set its versions apart from equal ones.
    `marks`: (key, value), what else the stamp says of the version; those of newer programs are kept as they are.
    """

    settings: str
    code: str
    forced: str = field(default="", compare=False)
    marks: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.settings}.{self.code}" + (f".{self.forced}" if self.forced else "")


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
class SettingChange:
    """One setting that a new Version changes. `sign`: "+" for one that the live one lacks, "-" for one that it loses,
    "~" for one that is another. `what`: its value, or the one before and after, or a name whose value is hidden.
    """

    sign: str
    label: str
    what: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One function of a plan, and the changes that it is to make, in their order; none for one that is left alone.

    `base_version_id`: the `$latest` that the plan was based on (None: there is none). `warnings`: sentences about its
    package, for people. `description`: of its Version, to the letter, in place of the user's text and a stamp.
    `back_from`: the index of the first change that takes it back again, 0 where there is none.
    `as_it_is`: of its Version, by the API's names, in place of what is known of these fields.
    `exact`: it was agreed to as it is, so that nothing of it is decided again where its base has changed.
    `settings`: those that its Version changes, where `reason` tells of them as `settings_told`.
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
    # Of a BLOCKED unit, or one whose package could not be made, or of which something cannot be taken back.
    failure: Failure | None = None
    failed_step: Step | None = None
    warnings: tuple[str, ...] = ()
    description: str | None = None
    way_back: WayBack | None = None  # None: nothing is changed, or nobody has looked
    back_from: int = 0
    files: FileChanges | None = None  # of its package, against the live one; None: not known
    as_it_is: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False
    settings: tuple[SettingChange, ...] = ()
    settings_told: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All units, in the order in which they start."""

    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Undeclared:
    """Functions that are live in a folder and that the manifest does not have.

    `ours`: those whose live Version was made by this tool; `others`: how many more there are, made otherwise or not
    looked at.
    """

    folder_id: str
    ours: tuple[Function, ...]
    others: int


@dataclass(frozen=True, slots=True)
class Deployed:
    """The desired version exists; `read_back`: it was seen to, at the end."""

    version_id: str
    read_back: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """So many old Versions were deleted; `read_back`: they were seen to be gone, at the end."""

    deleted: int
    read_back: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is live is what is desired."""

    version_id: str


SERVES_LATEST = "serves $latest all the same"  # how the advice ends of a version that was not verified well


@dataclass(frozen=True, slots=True)
class Failed:
    """The unit failed in `step`. `rolled_back_to`: the Version that serves in its place since, "" for none.
    `overwritten`: the id of the Version of somebody else that the unit's own has replaced unseen, "" for none.
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
    """The run ended before this unit's version was asked for."""

    reason: str = "the run was stopped"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Asked for, but its end was not seen: not a failure. Deploying again re-attaches by the same Idempotency-Key."""

    reason: str
    operation_id: str = ""
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The Version was made, and its verification says neither that it works nor that it does not."""

    reason: str
    version_id: str = ""


Outcome = Deployed | Pruned | Unchanged | Failed | Blocked | Cancelled | Unknown | Inconclusive
