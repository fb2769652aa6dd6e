"""The account of a chain, made from its events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.journal.state import RunState
from orchestrator.report.account.accounting import Accounting
from orchestrator.report.account.functions import Since, causes_of, function_account
from orchestrator.report.account.higher import time_sentence, would_give
from orchestrator.report.account.live_after import live_with
from orchestrator.report.account.spent import Bounding, parts_in_order, time_spent
from orchestrator.report.account.time_values import Lateness, LongestChain, TimePart
from orchestrator.report.account.usage import NO_SLOTS, HeldSlot, ScopeKey, slots_in_use
from orchestrator.report.account.values import (
    Account,
    FunctionAccount,
    LimitStep,
    RunSpan,
    RunStop,
    ScopeAccount,
    WaveSpan,
)
from orchestrator.report.history import chain_word, commit_words, selection_words, who
from orchestrator.report.records import iso, unit_word
from orchestrator.report.summary import ROLLED_BACK, counts, result_words, rollback_summary


def account_of(
    found: Accounting,
    now: float,
    *,
    alive: bool = False,
    back: RunState | None = None,
    known: dict[int, FunctionAccount] | None = None,
    next_lines: tuple[str, ...] = (),
) -> Account:
    """Return the account of a chain, an empty one if nothing is known yet. `now`: seconds since the epoch, the end of a
    chain that is under way (`alive`). `back`: the rollback that took it back. `known`: functions that have not changed
    since, by the id of their unit's state; functions that are made are added. `next_lines`: what continues from here.
    """
    state, clock = found.state, found.clock
    alive = alive and state.ended_at is None
    began_at = clock.runs[0].started.at if clock.runs else now
    since = Since(began_at)
    ends = {number: clock.end_of(number, now, alive=alive) for number in range(len(clock.runs))}
    end = max(ends.values(), default=now)
    held = list(found.held(end))
    seconds = sum(ends[number] - run.started.at for number, run in enumerate(clock.runs))
    parts = _parts(time_spent(held, found.spells(ends), found.limits))
    functions = _functions(found, since, end, known if known is not None else {}, back)
    higher = would_give(found, parts, seconds)
    account = Account(
        run_id=state.run_id,
        verb=state.verb,
        state=chain_word(state, back, alive=alive),
        endpoint=state.endpoint,
        manifest=state.identity.manifest or state.manifest,
        environment=state.identity.environment,
        commit=commit_words(state.identity),
        by=who(state.identity),
        program=state.program,
        started_at=iso(began_at) or "",
        ended_at=iso(state.ended_at),
        exit_code=state.exit_code,
        reason=state.reason,
        breach=state.breach,
        sentence=time_sentence(seconds, parts, higher, alive=alive),
        seconds=round(seconds, 3),
        planned_s=round(clock.runs[0].started.planned_s, 3) if clock.runs else 0.0,
        total=state.total,
        outcomes=counts(state),
        runs=_runs(found, ends, since, alive=alive),
        parts=parts,
        longest=_longest(functions),
        late=_lateness(functions),
        would_give=higher,
        first_failure=_first_failed(found),
        causes=causes_of(found, back, since),
        scopes=_scopes(found, held, parts, since),
        waves=_waves(found, since),
        stops=_stops(found, since),
        functions=functions,
        rolled_back_by=back.run_id if back is not None else "",
        skips=state.rollout.skips,
        next=next_lines,
    )
    return _in_words(account, state, back)


def _in_words(account: Account, state: RunState, back: RunState | None) -> Account:
    """Add what `show` says too: the result, what the run was about, and what a rollback has restored of it."""
    return replace(
        account,
        result=result_words(state) if state.run_id else "",
        selection=selection_words(state.identity, state.verb),
        left_out=state.left_out,
        disabled=state.disabled,
        rolls_back=state.rollout.rolls_back,
        rolled_back=rollback_summary(back).removeprefix(f"{ROLLED_BACK} ") if back is not None else "",
    )


def _functions(
    found: Accounting, since: Since, end: float, known: dict[int, FunctionAccount], back: RunState | None
) -> tuple[FunctionAccount, ...]:
    """Return the functions. Those whose step is not over have changed since. A rollback is applied last: those that are
    known may be older than it.
    """
    units, verb = found.state.units.values(), found.state.verb
    for unit in units:
        one = known.get(id(unit))
        if one is None or (one.steps and one.steps[-1].to_s is None):
            known[id(unit)] = function_account(unit, found.track_of(unit), since, end, unit_word(unit, verb))
    if back is None:
        return tuple(known[id(unit)] for unit in units)
    made = []
    for unit in units:
        live, version_id = live_with(back, unit)
        made.append(replace(known[id(unit)], live=live, live_version_id=version_id))
    return tuple(made)


def _parts(spent: Mapping[Bounding, float]) -> tuple[TimePart, ...]:
    return tuple(
        TimePart(one.part, f"{one.scope.kind} {one.scope.id}" if one.scope is not None else "", one.limit, length)
        for one, seconds in parts_in_order(spent)
        if (length := round(seconds, 3)) > 0
    )


def _runs(found: Accounting, ends: Mapping[int, float], since: Since, *, alive: bool) -> tuple[RunSpan, ...]:
    spans = []
    for number, run in enumerate(found.clock.runs):
        goes_on = alive and number == len(ends) - 1
        code, reason = (run.ended.exit_code, run.ended.reason) if run.ended is not None else (None, "")
        to_s = None if goes_on else since(ends[number])
        started = run.started
        spans.append(RunSpan(started.run_id, since(started.at), to_s, code, reason, who(started.identity)))
    return tuple(spans)


def _longest(functions: Sequence[FunctionAccount]) -> LongestChain | None:
    longest = max(functions, key=lambda one: one.work_s, default=None)
    return LongestChain(longest.function, longest.work_s) if longest is not None and longest.work_s > 0 else None


def _lateness(functions: Sequence[FunctionAccount]) -> Lateness | None:
    known = [
        (one.cloud_s, one.done_s - one.accepted_s, one.late_s)
        for function in functions
        for one in function.operations
        if one.cloud_s is not None and one.late_s is not None and one.done_s is not None
    ]
    if not known:
        return None
    cloud, seen, late = (sum(column) for column in zip(*known, strict=True))
    return Lateness(len(known), round(cloud, 3), round(seen, 3), round(late, 3), max(row[2] for row in known))


def _first_failed(found: Accounting) -> str:
    failed = {key: at for key, at in found.failed_at.items() if key in found.tracks}
    return found.tracks[min(failed, key=lambda key: failed[key])].unit.key if failed else ""


def _scopes(
    found: Accounting, held: Sequence[HeldSlot], parts: Sequence[TimePart], since: Since
) -> tuple[ScopeAccount, ...]:
    used = slots_in_use(held, found.limits)
    refused = _refused(found)
    rows = []
    for key in sorted({*used, *found.limits.changes, *refused}):
        use, changes = used.get(key, NO_SLOTS), found.limits.changes.get(key, [])
        full_s = math.fsum(one.seconds for one in parts if one.scope == f"{key.kind} {key.id}")
        rows.append(
            ScopeAccount(
                key.kind, key.id, use.most, round(use.slot_s, 3), round(full_s, 3),
                tuple((since(at), count) for at, count in use.steps),
                tuple(LimitStep(since(one.at), one.allowed, one.reason) for one in changes),
                tuple(since(at) for at in refused.get(key, ())),
            )
        )  # fmt: skip
    return tuple(rows)


def _refused(found: Accounting) -> Mapping[ScopeKey, Sequence[float]]:
    """Return when the cloud had no room, by scope. Older versions only recorded the refusals that lowered their own
    limit. For the request rate, this is still all that is recorded.
    """
    refused = dict(found.limits.refused)
    for key, limits in found.limits.changes.items():
        at = [one.at for one in limits if one.reason in ("refused", "others use it")]
        if at and not (found.limits.refused and key.id):
            refused[key] = at
    return refused


def _waves(found: Accounting, since: Since) -> tuple[WaveSpan, ...]:
    return tuple(
        WaveSpan(
            one.event.number, one.event.waves, one.event.units, one.event.canary, since(one.event.at),
            since(one.to) if one.to is not None else None,
        )
        for one in found.clock.waves
    )  # fmt: skip


def _stops(found: Accounting, since: Since) -> tuple[RunStop, ...]:
    return tuple(
        RunStop(
            one.kind, one.wave, since(one.since), since(one.to) if one.to is not None else None, one.reason,
            one.verdict, one.detail,
        )
        for one in found.clock.stops
    )  # fmt: skip
