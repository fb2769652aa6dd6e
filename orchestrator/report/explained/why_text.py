"""What is known about one function, for people: its state, the next plan and why, what it waits for, its past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.model import ChangeKind
from orchestrator.planning.why.facts import (
    Explanation,
    Held,
    LiveFacts,
    MadeBy,
    Maker,
    NextPlan,
    PastRun,
    SettingRow,
    WaitingFor,
    WaitsFor,
)
from orchestrator.report.explained.origin_words import origin_words, place_words
from orchestrator.report.plain_text import aligned
from orchestrator.report.plan_text import way_back_words
from orchestrator.report.records import NOT_ENDED, outcome_word
from orchestrator.version.stamp import job_words

_COMMIT = 12  # digits of a commit that are shown
_SIGNS = {Held.CHANGED: "~", Held.ADDED: "+", Held.REMOVED: "-"}
_SENTENCES = (WaitsFor.PLAN, WaitsFor.LEASE, WaitsFor.APPROVAL, WaitsFor.END, WaitsFor.CLOUD, WaitsFor.NOTHING)
_VERDICTS = {"none": "not verified, as far as the journal shows"}


def why_text(why: Explanation, *, width: int | None) -> str:
    """Return paragraphs, each with a head. Empty ones are left out."""
    parts = [
        _head(why),
        "\n".join(_now(why)),
        "\n".join(line for waiting in why.waiting for line in _waiting(waiting)),
        "\n".join(_next(why)),
        _settings(why.rows, width=width),
        "\n".join(_past(why.past)),
        "\n".join(f"unknown: {one}" for one in why.unknown),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(why: Explanation) -> str:
    one = why.subject
    facts = [
        f"named {one.name}" if one.name not in ("", one.key) else "",
        f"function {one.id_}" if one.id_ else "",
        f"folder {one.folder_id}" if one.folder_id else "",
        place_words(one.place) if one.place is not None else "",
    ]
    return f"{one.key}: {', '.join(fact for fact in facts if fact)}"


def _now(why: Explanation) -> Iterator[str]:
    now = why.now
    if now is None:
        yield from [f"live state: {why.absent[0]}", *(f"  {one}" for one in why.absent[1:])] if why.absent else []
        return
    if not now.version_id:
        yield f"live state: no version yet{f', {now.status}' if now.status not in ('', 'ACTIVE') else ''}"
    else:
        status = f", {now.version_status}" if now.version_status not in ("", "ACTIVE") else ""
        since = f" since {_time(now.created_at)}" if now.created_at else ""
        yield f"live state: version {now.version_id}{since}{status}, {', '.join(now.tags)}"
        if now.made_by is not None:
            yield f"  {_maker(now.made_by)}"
            yield from [f"  why: {now.made_by.reason}"] if now.made_by.reason else []
        yield f"  {_verdict(now)}"
    yield from (f"  version {one} is being created" for one in now.creating)
    yield from (f"  {one}" for one in why.absent)


def _maker(maker: Maker) -> str:
    words = {
        MadeBy.RUN: f"made by run {maker.run_id} ({maker.verb})",
        MadeBy.TOOL: f"made by this tool, {_which_run(maker)}",
        MadeBy.HAND: maker.how,
    }[maker.kind]
    after = f"first made by run {maker.run_id}" if maker.kind is MadeBy.HAND and maker.run_id else ""
    facts = [
        after,
        f"job {job_words(maker.job)}" if maker.job and maker.verb != f"run {maker.job}" else "",
        f"by {maker.by}" if maker.by else "",
        f"commit {maker.commit[:_COMMIT]}" if maker.commit else "",
        f"Operation {maker.operation_id}" if maker.operation_id else "",
        f"tracked to its end by run {maker.followed_by}" if maker.followed_by else "",
        f"account {maker.account}" if maker.account else "",
    ]
    return ", ".join([words, *(fact for fact in facts if fact)])


def _which_run(maker: Maker) -> str:
    if maker.run_id:
        return f"probably by run {maker.run_id} of another machine, which holds its lease; no record shows it yet"
    return "in a run that is neither in the journal nor in the records"


def _verdict(now: LiveFacts) -> str:
    if now.verdict in _VERDICTS:
        return _VERDICTS[now.verdict]
    reason = f": {now.verdict_reason}" if now.verdict_reason else ""
    return f"verification: {now.verdict} in run {now.verdict_run}{reason}"


def _next(why: Explanation) -> Iterator[str]:
    if why.subject.disabled:
        yield f"next plan: left out, enabled = false ({place_words(why.subject.place)})"
    plan = why.next_plan
    if plan is None:
        return
    of = f" of job {plan.job}" if plan.job else ""
    yield f"next plan{of}: {plan.action}: {plan.reason}{f'; {plan.then}' if plan.then else ''}"
    yield from _ways(plan)


def _ways(plan: NextPlan) -> Iterator[str]:
    if plan.advice:
        yield f"  advice: {plan.advice}"
    yield from (f"  | {line}".rstrip() for line in plan.detail.splitlines())
    if plan.way_back is not None:
        yield f"  rollback: {way_back_words(plan.way_back)}"
    yield from (f"  warning: {warning}" for warning in plan.warnings)


def _settings(rows: Sequence[SettingRow], *, width: int | None) -> str:
    """Return each value with its origin. A value that differs from the live one has a sign, as in a plan."""
    if not rows:
        return ""
    ordered = sorted(rows, key=lambda row: row.held not in _SIGNS)
    cells = [(_SIGNS.get(row.held, ""), row.key, row.desired or "-", _live(row), _origin(row)) for row in ordered]
    head = ("", "setting", "value", "live", "from")
    return aligned(head, cells, width=width, giving=("value", "live", "setting", "from"))


def _live(row: SettingRow) -> str:
    if row.held is Held.SAME:
        return "same"
    if row.held is Held.LEFT:
        return f"{row.live or 'another'}, left as it is"
    return row.live or {Held.CHANGED: "different", Held.REMOVED: "set", Held.ADDED: "not set"}.get(row.held, "-")


def _origin(row: SettingRow) -> str:
    return "not declared" if row.table == "live" else origin_words(row)


def _waiting(waiting: WaitingFor) -> Iterator[str]:
    run = f"in run {waiting.run_id} it waits for " if waiting.kind not in _SENTENCES else ""
    since = f", since {_time(waiting.since)}" if waiting.since else ""
    until = f", until {_time(waiting.until)}" if waiting.until else ""
    yield f"{run}{waiting.words}{since}{until}"
    if waiting.advice:
        yield f"  {waiting.advice}"


def _past(runs: Sequence[PastRun]) -> Iterator[str]:
    if not runs:
        return
    yield "last runs:"
    for run in runs:
        by = "".join([f" by {run.by}" if run.by else "", f", commit {run.commit[:_COMMIT]}" if run.commit else ""])
        where = ", from its record in the bucket" if run.elsewhere else ""
        yield f"  {run.run_id}  {_time(run.started_at)}  {run.verb}{by}: {run.state}{where}"
        yield from (f"    {line}" for line in _became(run))
        if run.advice:
            yield f"      advice: {run.advice}"
        for one in run.operations:
            of = f" of {one.version_id}" if one.call == ChangeKind.DELETE and one.version_id else ""
            yield f"    Operation {one.id} ({one.call}{of}): {one.ended}{f': {one.error}' if one.error else ''}"
        for call in run.sent if not run.outcome else ():
            yield from [] if call.answered else [f"    {call.call} was sent {_time(call.at)}: no response recorded"]
        later = [
            f"rolls back run {run.rolls_back}" if run.rolls_back else "",
            f"resumed by run {run.taken_up_by}" if run.taken_up_by else "",
            f"rolled back by run {run.rolled_back_by}" if run.rolled_back_by else "",
        ]
        yield from (f"    {one}" for one in later if one)


def _became(run: PastRun) -> Iterator[str]:
    """Yield what was planned and why, and the outcome. Both share one line where they are the same.

    | action      | outcome  | its reason     | lines                                              |
    | ---         | ---      | ---            | ---                                                |
    | blocked     | blocked  | the action's   | "blocked: REASON"                                  |
    | unchanged   | unchanged | none          | "unchanged, version V: REASON"                     |
    | new version | blocked  | another        | "new version: REASON", "blocked: ITS REASON"       |
    """
    same = run.outcome == run.action and run.why in ("", run.reason)
    if not same:
        yield f"{run.action}: {run.reason}"
    version = f", version {run.version_id}" if run.version_id else ""
    retries = f", {run.retries} {'retry' if run.retries == 1 else 'retries'}" if run.retries else ""
    why = run.why or (run.reason if same else "")
    yield f"{outcome_word(run.outcome, run.verb) or NOT_ENDED}{version}{retries}{f': {why}' if why else ''}"


def _time(text: str) -> str:
    return text.replace("T", " ").replace("+00:00", " UTC")
