"""What is told of one function: what it is, what the next plan does to it and why, what became of it. Values alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.model import Place, WayBack


@dataclass(frozen=True, slots=True)
class Subject:
    """The function that is asked about. `place`: where the manifest declares it, None where it does not; `id_` "": it
    is not live, or nobody could tell. `disabled`: it is left out of every run.
    """

    key: str
    name: str
    folder_id: str
    id_: str = ""
    place: Place | None = None
    disabled: bool = False


class MadeBy(StrEnum):
    """Who made a Version. The values are published."""

    RUN = "run"  # a run of this tool that is known here
    TOOL = "tool"  # this tool, in a run that neither the journal nor the records know
    HAND = "hand"  # somebody with other means, or somebody has edited what this tool had made


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made the live Version. `how`: in words, where it was made by hand; `reason`: why its run has made it, as that
    run's plan said; `job`: of its stamp, or of the run; `account`: the id of the account that asked for it, "" where
    nobody has looked; `followed_by`: the run that has followed its Operation to the end, where the one that sent the
    call did not live so long.
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
    """What is live. `verdict`: "passed", "failed", "inconclusive", "none": it was not verified, as far as is known
    here; `creating`: ids of Versions that are being made. Times: ISO 8601, UTC; "" where not told.
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
    """How a declared value stands to what is live. The values are published."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"  # the live Version has none
    REMOVED = "removed"  # the live Version has it, and the next one would not
    NOT_COMPARED = "not compared"
    LEFT = "left as it is live"  # another than is declared, and somebody else's


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One value of the function. `wanted`, `live`: in words, "" for none, or for what never shows, a variable's value.
    `table`, `place`, `over`, `variables`, `written`: see `ValueOrigin`; `table` "live": nothing declares it.
    """

    key: str
    held: Held
    wanted: str = ""
    live: str = ""
    table: str = ""
    place: Place | None = None
    over: tuple[Place, ...] = ()
    variables: tuple[str, ...] = ()
    written: str = ""


@dataclass(frozen=True, slots=True)
class NextPlan:
    """What the next plan does to the function. `advice`, `detail`: of what blocks it; `then`: what follows its Version;
    `way_back`: how it could be taken back.
    """

    action: str
    reason: str
    advice: str = ""
    detail: str = ""
    then: str = ""
    way_back: WayBack | None = None  # None: nothing is changed, or nobody has looked
    warnings: tuple[str, ...] = ()
    job: str = ""  # whose plan it is; "": the manifest's


@dataclass(frozen=True, slots=True)
class PastOperation:
    """An Operation of a run: `call` as the API names it; `ended`: "done", "failed", "not seen to end"; `version_id`: of
    the Version that it makes or moves a tag to; `idempotency_key`: of the call that it came of, "" where none is known.
    """

    id: str
    call: str
    ended: str
    error: str = ""
    version_id: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call of a run: written before it was sent. One that another run repeats has the same Idempotency-Key, and the
    cloud answers with the same Operation. `answered`: an Operation, or a refusal, is known of it.
    """

    call: str
    idempotency_key: str
    at: str
    answered: bool


@dataclass(frozen=True, slots=True)
class PastRun:
    """What became of the function in one run. `state`: the run's, as `runs` says it; `outcome`: the function's, ""
    where it has not ended there; `why`: a failure's message, or what blocked it. `elsewhere`: known by the bucket's
    record alone.
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
    """What a function waits for in a run that is under way. The values are published."""

    PLAN = "plan"  # the command has no run yet: it connects, builds, plans
    WAVE = "wave"
    PAUSE = "pause"
    APPROVAL = "approval"
    GATE = "gate"
    PACKAGE = "package"
    SLOT = "slot"  # the quota of unfinished Operations
    ANSWER = "answer"  # of a call that was sent
    RETRY = "retry"
    OPERATION = "operation"
    VERIFICATION = "verification"
    CLOUD = "cloud"  # which does not answer
    TAGS = "tags"  # its Version is there; its tags move in the second phase
    LEASE = "lease"  # of a run on another machine
    ROLLBACK = "rollback"
    END = "end"  # it has come to its end, and what is live is read back at the run's
    NOTHING = "nothing"  # its run starts nothing more


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """What the function waits for. `words`: a sentence; `until`: a time, where one is known; `who`: whose run it is,
    where it is another machine's; `advice`: what somebody can do.
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
    """All of it. `unknown`: what could not be found out, and why; `absent`: what there is none of, in words. `now`,
    `next_plan` None: one of these says why.
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
        """Give the keys, names and ids in it: what nobody may take for a secret."""
        one, now = self.subject, self.now
        yield from (one.key, one.name, one.folder_id, one.id_)
        if now is not None:
            yield from (now.version_id, *now.creating, *now.tags)
            yield from (now.made_by.run_id, now.made_by.operation_id, now.made_by.account) if now.made_by else ()
        for past in self.past:
            yield from (past.run_id, past.version_id, past.base_version_id, *(each.id for each in past.operations))
        yield from (row.key for row in self.rows)
        yield from (waiting.run_id for waiting in self.waiting)
