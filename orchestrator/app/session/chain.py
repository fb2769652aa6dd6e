"""A run with its resumes as one chain: what can be resumed, what counts already, giving up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator import __version__
from orchestrator.app.session.chains.left import about_the_same
from orchestrator.app.session.chains.still_left import still_left
from orchestrator.app.session.execution import Earlier
from orchestrator.app.session.identity import again_line, line_of, next_step
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.options import RunOptions, state_dir_of
from orchestrator.app.session.session import new_run_id
from orchestrator.app.session.taking_up import Now
from orchestrator.coordination.local_lock import lock
from orchestrator.engine.spreading.gate_facts import Member
from orchestrator.engine.verdicts import Before, exit_code
from orchestrator.errors import Exit
from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.events import Event, RunEnded, RunStarted
from orchestrator.journal.rollout_events import GivenUp
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Blocked, Cancelled, Failed, Inconclusive, Unknown
from orchestrator.model.command_line import command_line
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.resume import ended_by_rollback, left_of, outcomes_of, prunes_on, to_resume, undone
from orchestrator.planning.resume import failed as failed_of
from orchestrator.planning.saved.held import is_changed_since
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult


def chain_of(options: RunOptions, run_id: str) -> RunState:
    """Return the chain of a run. Raises `JournalError`."""
    with open_store(state_dir_of(options.config, options.state_dir), read_only=True) as store:
        return store.chain_state(run_id)


def last_left(store: Store, newest: str, state_dir: Path) -> str:
    """Return the run that `resume` picks by itself: the newest that left something which no later run has done and
    which can be resumed; else one that left something; else the newest.
    """
    first = store.chain_state(newest)
    if prunes_on(first):
        return first.run_id
    now = Now("resume", first.endpoint, first.identity, state_dir)
    found = list(still_left(about_the_same(store, now), _left_to_resume))
    left = [run for run, units in found if units]
    chosen = next((run for run, units in found if left_of(run).keys() & units.keys()), left[0] if left else first)
    return chosen.run_id


def _left_to_resume(run: RunState) -> dict[str, UnitState]:
    """Return what a chain has left, except what was rolled back since: that is not resumed."""
    left = {**to_resume(run), **undone(run)}
    return {key: unit for key, unit in left.items() if not run.taken_back.by(unit)}


def nothing_left(before: RunState, messages: Messages) -> CommandResult:
    """Report why there is nothing to resume, and exit as the chain of runs did."""
    run = f"run {before.run_id}"
    code = exit_code(outcomes_of(before).values(), interrupted=False)
    if before.rollout.rollback and before.exit_code is not None:  # the result of the rollback
        code = Exit(before.exit_code)
    if before.given_up:
        messages.say(f"nothing to resume: what {run} left undone was given up")
        return CommandResult(Exit.DONE)
    if before.breach:
        messages.say(f"{run} was stopped for good: {before.breach}")
        messages.say(next_step(before))
        return CommandResult(code)
    if said := not_in_the_journal(before):
        messages.say(said)
        return CommandResult(max(code, Exit.FAILED))
    again = ""
    if number := len(failed_of(before)):
        tries = f"retry with `{again_line(before)}`"
        if all(is_changed_since(unit.outcome) for unit in failed_of(before).values()):
            plan = before.identity.selection.plan
            tries = f"plan {plan} cannot be applied to them any more: `{command_line('plan')}` shows why"
        again = f"; {counted(number, 'function')} failed: {tries}"
    back = Counter(outcome.reason for outcome in ended_by_rollback(before).values())
    reasons = "".join(f"; of {counted(number, 'function')}: {reason}" for reason, number in back.items())
    messages.say(f"nothing to resume: {run} has finished every function that it started{reasons}{again}")
    return CommandResult(code)


def not_in_the_journal(before: RunState) -> str:
    """Return a sentence where a run was killed before its whole plan was recorded; else ""."""
    lost = before.total - len(before.units)
    if lost <= 0:
        return ""
    return (
        f"run {before.run_id} was killed before the plan of {counted(lost, 'function')} was recorded: nothing"
        f" was sent for them; deploy them with `{line_of(before.verb, before.identity, before.endpoint)}`"
    )


def earlier_of(
    before: RunState,
    left: Mapping[str, UnitState],
    named: Mapping[str, UnitState] | None = None,
    *,
    approved: bool = False,
) -> Earlier:
    """Return what counts from the earlier runs, besides what is resumed now. `named`: the resumed units by their
    current keys. `approved`: a user continues the chain.
    """
    ended = {key: unit for key, unit in before.units.items() if key not in left}
    outcomes = {key: outcome for key, outcome in outcomes_of(before).items() if key in ended}
    if before.total > len(before.units):
        outcomes[""] = Blocked("not in the journal")
    counted_in = [unit for unit in ended.values() if unit.turn or unit.action != Action.UNCHANGED]
    failed = [unit for unit in ended.values() if isinstance(unit.outcome, Failed) and not unit.excused]
    failed_at = tuple(unit.turn for unit in failed if unit.turn and unit.action != Action.BLOCKED)
    taken_up = left if named is None else named
    turns = {key: unit.turn for key, unit in taken_up.items()}
    verified = {key: next(reversed(unit.verdicts.values())) for key, unit in taken_up.items() if unit.verdicts}
    unprepared_at = tuple(_unprepared_at(before, ended))
    return Earlier(
        outcomes,
        Before(
            len(failed), len(counted_in), failed_at, turns, before.turns, before.breach, unprepared_at,
            canary=before.rollout.canary, approved=approved,
            touched=any(unit.operations for unit in failed),
            verified=verified,
            begun=frozenset(touched_by(before, taken_up)),
            members=tuple((unit.turn, _member(unit)) for unit in ended.values() if unit.turn),
        ),
    )  # fmt: skip


def _member(unit: UnitState) -> Member:
    """Return a unit as a gate sees it."""
    verified = next(reversed(unit.verdicts.values()), None)
    verdict, reason = (str(verified.verdict), verified.reason) if verified is not None else ("", "")
    match unit.outcome:
        case Failed(_, failure):
            reason = failure.message
        case Blocked(why) | Unknown(why) | Cancelled(why) | Inconclusive(why):
            reason = why
    outcome = outcome_name(unit.outcome) if unit.outcome is not None else ""
    facts = unit.key, unit.name, unit.folder_id, unit.function_id, unit.version_id, unit.base_version_id
    return Member(*facts, outcome, verdict, reason)


def _unprepared_at(before: RunState, ended: Mapping[str, UnitState]) -> Iterator[int]:
    """Yield the places in the waves of the units that failed while planning. Units keep their planned places."""
    last = 0
    for key, unit in before.units.items():
        last = max(last, unit.turn)
        failed = isinstance(unit.outcome, Failed) and not unit.excused
        if key in ended and failed and unit.action == Action.BLOCKED:
            yield unit.turn or last + 1


async def give_up(asked: str, invocation: Invocation) -> tuple[RunState, RunStarted | None, tuple[Event, ...]]:
    """Record in the journal that what a chain of runs has left is given up. Nothing is sent to the cloud.

    Return the chain before that, and the run that records it with its events; None where there is nothing to give up.
    """
    options, messages = invocation.options, invocation.messages
    state_dir = state_dir_of(options.config, options.state_dir)
    await invocation.stack.enter_async_context(lock(state_dir, timeout_s=options.lock_timeout_s))
    before = chain_of(options, asked)
    left = undone(before)
    number = len(left) + max(0, before.total - len(before.units))
    if before.given_up or not (number or prunes_on(before)):
        messages.say(
            f"run {before.run_id} has left nothing undone{' that is not given up yet' if before.given_up else ''}"
        )
        return before, None, ()
    now = time.time()
    started = RunStarted(
        now, new_run_id(), before.verb, before.endpoint, before.manifest, 0, __version__, resumes=before.run_id,
        identity=before.identity,
    )  # fmt: skip
    said = (GivenUp(now, number), RunEnded(now, int(Exit.DONE), "given up"))
    with open_store(state_dir) as store:
        journal = store.start_run(started)
        for event in said:
            journal.append(event)
    unknown = sum(isinstance(unit.outcome, Unknown) for unit in left.values())
    perhaps = f"; {counted(unknown, 'Operation')} may still end" if unknown else ""
    what = f"{counted(number, 'function')} that run {before.run_id} left undone"
    bucket = f"what run {before.run_id} may have left in the bucket"
    messages.say(f"given up: {what if number else bucket}{perhaps}")
    return before, started, said
