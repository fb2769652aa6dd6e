"""What `why` shows of one function: what it is, what the next plan does to it and why, what runs did to it. Values
only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.model import Place, WayBack


@dataclass(frozen=True, slots=True)
class Subject:
    """The function in question. `place`: where the manifest declares it, None if it does not. `id_` "": it is not live,
    or it is not known. `disabled`: it is left out of every run.
    """

    key: str
    name: str
    folder_id: str
    id_: str = ""
    place: Place | None = None
    disabled: bool = False


class MadeBy(StrEnum):
    """Who made a Version. The values are published."""

    RUN = "run"  # a known run of this tool
    TOOL = "tool"  # this tool, in a run that neither the journal nor the records have
    HAND = "hand"  # someone with other means, or someone who edited what this tool had made


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made the live Version. `how`: in words, if it was made by hand. `reason`: why its run made it, from that
    run's plan. `job`: from its stamp, or of the run. `account`: the ID of the account that requested it, "" if not
    looked up. `followed_by`: the run that followed its Operation to the end, if the one that sent the call was killed
    before.
    """

    kind: MadeBy
    how: str = ""
    reason: str = ""
    run_id: str = ""
    verb: str = ""
    job: str = ""
    by: str = ""
    commit: str = ""
    operation_id: str = ""
    account: str = ""
    followed_by: str = ""


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What is live. `verdict`: "passed", "failed", "inconclusive", "none": no verification is known here. `creating`:
    IDs of Versions that are being made. Times: ISO 8601, UTC; "" if unknown.
    """

    status: str = ""  # of the Function
    version_id: str = ""
    version_status: str = ""
    created_at: str = ""
    tags: tuple[str, ...] = ()
    made_by: Maker | None = None
    verdict: str = "none"
    verdict_reason: str = ""
    verdict_run: str = ""
    creating: tuple[str, ...] = ()


class Held(StrEnum):
    """How a declared value compares with the live one. The values are published."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"  # the live Version has none
    REMOVED = "removed"  # the live Version has it, and the next one would not
    NOT_COMPARED = "not compared"
    LEFT = "left as it is live"  # differs from the declared value, and someone else set it


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One value of the function. `desired`, `live`: in words, "" for none, or for a variable's value, which is never
    shown. `table`, `place`, `over`, `variables`, `written`: see `ValueOrigin`; `table` "live": it is not declared.
    """

    key: str
    held: Held
    desired: str = ""
    live: str = ""
    table: str = ""
    place: Place | None = None
    over: tuple[Place, ...] = ()
    variables: tuple[str, ...] = ()
    written: str = ""


@dataclass(frozen=True, slots=True)
class NextPlan:
    """What the next plan does to the function. `advice`, `detail`: about what blocks it. `then`: what follows its
    Version. `way_back`: how it could be rolled back.
    """

    action: str
    reason: str
    advice: str = ""
    detail: str = ""
    then: str = ""
    way_back: WayBack | None = None  # None: nothing is changed, or it was not checked
    warnings: tuple[str, ...] = ()
    job: str = ""  # whose plan it is; "": the manifest's


@dataclass(frozen=True, slots=True)
class PastOperation:
    """An Operation of a run. `call`: as the API names it. `ended`: "done", "failed", "not seen to end". `version_id`:
    of the Version that it makes or moves a tag to. `idempotency_key`: of its call, "" if unknown.
    """

    id: str
    call: str
    ended: str
    error: str = ""
    version_id: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call of a run, recorded before it was sent. If another run repeats it, it has the same Idempotency-Key, and the
    cloud answers with the same Operation. `answered`: an Operation or a refusal of it is known.
    """

    call: str
    idempotency_key: str
    at: str
    answered: bool


@dataclass(frozen=True, slots=True)
class PastRun:
    """What one run did to the function. `state`: of the run, as in `runs`. `outcome`: of the function, "" if it has not
    ended there. `why`: a failure's message, or what blocked it. `elsewhere`: known only from the bucket's record.
    """

    run_id: str
    verb: str
    state: str
    started_at: str
    by: str
    commit: str
    action: str
    reason: str
    outcome: str
    why: str = ""
    advice: str = ""
    version_id: str = ""
    base_version_id: str = ""
    operations: tuple[PastOperation, ...] = ()
    sent: tuple[SentCall, ...] = ()
    retries: int = 0
    taken_up_by: str = ""
    rolled_back_by: str = ""
    rolls_back: str = ""
    elsewhere: bool = False


class WaitsFor(StrEnum):
    """What a function waits for in a run that is in progress. The values are published."""

    PLAN = "plan"  # the command has no run yet: it connects, builds, plans
    WAVE = "wave"
    PAUSE = "pause"
    APPROVAL = "approval"
    GATE = "gate"
    PACKAGE = "package"
    SLOT = "slot"  # the quota of unfinished Operations
    ANSWER = "answer"  # to a call that was sent
    RETRY = "retry"
    OPERATION = "operation"
    VERIFICATION = "verification"
    CLOUD = "cloud"  # it does not respond
    TAGS = "tags"  # its Version exists; its tags move in the second phase
    LEASE = "lease"  # held by a run on another machine
    ROLLBACK = "rollback"
    END = "end"  # it has ended, and its live state is read back at the end of the run
    NOTHING = "nothing"  # its run starts nothing more


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """What the function waits for. `words`: a sentence. `until`: a time, if known. `who`: who started the run, if it is
    on another machine. `advice`: what a user can do.
    """

    run_id: str
    kind: WaitsFor
    words: str
    since: str = ""
    until: str = ""
    advice: str = ""
    operation_id: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer. `unknown`: what could not be found out, and why. `absent`: what does not exist, in words. If
    `now` or `next_plan` is None, one of these says why.
    """

    subject: Subject
    now: LiveFacts | None = None
    next_plan: NextPlan | None = None
    rows: tuple[SettingRow, ...] = ()
    waiting: tuple[WaitingFor, ...] = ()
    past: tuple[PastRun, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def words(self) -> Iterator[str]:
        """Yield the keys, names and IDs in it, which must not be taken for secrets."""
        one, now = self.subject, self.now
        yield from (one.key, one.name, one.folder_id, one.id_)
        if now is not None:
            yield from (now.version_id, *now.creating, *now.tags)
            yield from (now.made_by.run_id, now.made_by.operation_id, now.made_by.account) if now.made_by else ()
        for past in self.past:
            yield from (past.run_id, past.version_id, past.base_version_id, *(each.id for each in past.operations))
        yield from (row.key for row in self.rows)
        yield from (waiting.run_id for waiting in self.waiting)
