"""Making, showing, confirming and executing a plan: shared by `deploy`, `plan`, `run` and `rollback`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import anyio

from orchestrator.app.session.about import about, as_last, as_then_left, disabled, nothing_left
from orchestrator.app.session.chains.left import left_elsewhere
from orchestrator.app.session.chains.paused import superseded
from orchestrator.app.session.chains.waiting import waits_for
from orchestrator.app.session.choosing import selected
from orchestrator.app.session.chosen import agree, request_to_change
from orchestrator.app.session.cut_off import begin
from orchestrator.app.session.execution import execute_planned, journaled, result_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import guarded, leased, leases_of, look, tell, to_change, where_to
from orchestrator.app.session.leftovers.storage import removes, storage_view
from orchestrator.app.session.options import PRUNE, ROLLBACK, RunOptions
from orchestrator.app.session.planning import Planned, plan_functions, predicted
from orchestrator.app.session.pruning.after import prune_after
from orchestrator.app.session.pruning.ending import PruneEnd
from orchestrator.app.session.saved.files import check_saving
from orchestrator.app.session.saved.saving import save
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.errors import Exit
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Prediction, SourceCode
from orchestrator.planning.back.withdrawn import WITHDRAWN
from orchestrator.planning.rollout import canary_size
from orchestrator.planning.selection import expanded, select
from orchestrator.report.display.displays import Question, answered_yes, builds_shown, may_ask
from orchestrator.report.plain_text import counted, named
from orchestrator.report.views import CommandResult, PlanView, PruneView

_NAMED = 5
_CHANGED = 2  # `plan --detailed-exitcode`: there are changes


async def deploy_selected(invocation: Invocation) -> CommandResult:
    """Deploy, or plan, the selected functions of the manifest."""
    options = invocation.options
    with invocation.stop.interruptible():
        invocation = replace(invocation, options=as_last(options))
        request = request_to_change(invocation)
        check_saving(options, request.manifest)
        specs = None if options.failed or options.undone else selected(request)  # report mistakes first
        if alone := options.sandbox or not options.dry_run:  # a plan that only reads can be made during a run
            await hold_lock(invocation, request)
        request = await about(invocation, request)
        if (nothing := nothing_left(invocation, request)) is not None:
            select(request.manifest, expanded(options.patterns), options.labels)  # report a wrong selection anyway
            return nothing
        request = as_then_left(invocation, request, options) or request
        specs = selected(request) if specs is None else specs
        others = sum(bool(spec.mistakes) for key, spec in request.manifest.functions.items() if key not in specs)
        if others:
            found = f"found mistakes in {counted(others, 'function')} outside this run"
            invocation.messages.mention(f"{found}: run `orchestrator validate` to list them")
        if not alone and any(isinstance(spec.code, SourceCode) and spec.code.build for spec in specs.values()):
            await hold_lock(invocation, request)
        if said := disabled(request):
            invocation.messages.mention(said)
        begin(invocation, request)
        session = await open_session(invocation, request)
    return await carry_out(session, partial(plan_functions, session, specs))


class Beside(Protocol):
    """Work that accompanies a plan: it is shown with the plan, and finished after it was executed."""

    def show(self) -> None: ...
    def finish(self, state: RunState) -> None: ...


class Alone:
    """No such work."""

    def show(self) -> None:
        pass

    def finish(self, state: RunState) -> None:
        pass


ALONE = Alone()


async def carry_out(
    session: Session, make_plan: Callable[[], Awaitable[Planned]], beside: Beside = ALONE
) -> CommandResult:
    """Make a plan, show it, confirm it and execute it. Return the result, or the plan of a dry run.

    The plan is made again where another run may have made changes between the plan and the lease.
    """
    request, options = session.request, session.request.options
    leases = None if options.dry_run else leases_of(session)
    alone = options.dry_run or options.verb in (ROLLBACK, PRUNE)
    if not alone and (left := left_elsewhere(request.state_dir, session.endpoint, request.identity, request.left)):
        session.messages.mention(left)
    planned_s = 0.0

    async def plan() -> Planned:
        nonlocal planned_s
        began_at = anyio.current_time()
        with session.stop.interruptible():
            async with builds_shown(session.messages):
                made = await make_plan()
        planned_s += anyio.current_time() - began_at
        return await plan() if not options.dry_run and await _deployed_again(session, made) else made

    while True:
        with session.stop.interruptible():
            looked = await look(leases)
        planned = await plan()
        if options.dry_run:
            beside.show()
            return await _only_planned(session, planned)
        if not planned.back and planned.prune is None:
            changed = to_change(planned.plan).values()
            where = request.state_dir, session.endpoint, request.identity
            if options.due and (waits := waits_for(*where, options.verb, planned.plan)):
                return not_started(session, waits)
            for said in superseded(*where, changed):
                session.messages.say(said)
        await _show_and_ask(session, planned, beside)
        async with leased(session, leases, functions := to_change(planned.plan), looked) as lease:
            if lease is not None and not lease.fresh:
                session.messages.say("another run may have made changes in the meantime: planning again")
                planned = await plan()
                if to_change(planned.plan).keys() - functions.keys():
                    continue  # with a lease on those, too
                await _show_and_ask(session, planned, beside)
            clouds, units = planned.live.clouds.values(), len(planned.plan.units) + len(planned.settled)
            begun = journaled(
                session, units, clouds, adopt=planned.adopt, planned_s=planned_s, rolls_back=planned.rolls_back,
                canary=canary_size(planned.plan, planned.rollout), disabled=planned.disabled, left_out=planned.left_out,
                rollout=planned.rollout,
            )  # fmt: skip
            async with begun as (bus, state, recorder):
                tell(lease, len(functions), session, bus)
                within = guarded(session, lease)
                end = PruneEnd(session, planned, bus.state) if planned.prune is not None else None
                code = await execute_planned(within, planned, bus, recorder, state, settled=planned.settled, finish=end)
        beside.finish(state)
        return await _then_prune(session, planned, result_of(session, code, state), end)


async def _then_prune(session: Session, planned: Planned, result: CommandResult, end: PruneEnd | None) -> CommandResult:
    """Show the result of a prune, or prune the functions of another run where requested."""
    if end is not None:
        return end.shown(result)
    return await prune_after(session, result, carry_out, desired=planned.rollout.prune_after and not planned.back)


async def _only_planned(session: Session, planned: Planned) -> CommandResult:
    """Return a plan that is not executed now, and save it where requested."""
    options = session.request.options
    view = _view(planned, options, await predicted(session, planned) if options.simulate else None)
    if isinstance(view, PlanView):
        await save(session, planned, view)
    return CommandResult(_plan_code(planned, options), view)


def not_started(session: Session, waits: Sequence[str]) -> CommandResult:
    """Report the runs that keep a due run from starting, because a user has to decide about them first."""
    for said in waits:
        session.messages.say(said)
    session.messages.say("nothing was sent: this due time waits for your decision")
    return CommandResult(Exit.INTERRUPTED)


async def _show_and_ask(session: Session, planned: Planned, beside: Beside) -> None:
    options = session.request.options
    session.messages.plan(_view(planned, options))
    beside.show()
    if (planned.back or planned.prune is not None) and not to_change(planned.plan) and not removes(planned):
        return
    if session.world.storage.bucket is None and not options.sandbox and to_change(planned.plan):
        session.messages.mention("without a bucket ([storage] bucket) only this machine can resume the run")
    if to_change(planned.plan) or removes(planned):
        to = Question.PRUNE if planned.prune is not None else Question.ROLL_BACK if planned.back else Question.DEPLOY
        await agree(session, where_to(session, planned) + (f", by {planned.saved}" if planned.saved else ""), to)


async def _deployed_again(session: Session, planned: Planned) -> bool:
    """Prompt whether to deploy again what was rolled back, where there is a terminal. Return True where the answer is
    yes, so that the plan is made again.
    """
    withdrawn = {
        unit.key: unit.reason
        for unit in planned.plan.units
        if unit.failure is not None and unit.failure.kind == WITHDRAWN and unit.key not in session.again
    }
    if not withdrawn or planned.saved or session.request.options.yes or not may_ask():
        return False
    for why in dict.fromkeys(withdrawn.values()):
        keys = [key for key, one in withdrawn.items() if one == why]
        session.messages.say(f"{named(keys, _NAMED)}: {why}")
    with session.stop.interruptible():
        question = f"{counted(len(withdrawn), 'function')} {'was' if len(withdrawn) == 1 else 'were'} rolled back."
        if not await answered_yes(session.messages, f"{question} Deploy again?", "not deployed"):
            return False
    session.again.update(withdrawn)
    return True


def _view(planned: Planned, options: RunOptions, prediction: Prediction | None = None) -> PlanView | PruneView:
    if planned.prune is not None:
        storage = storage_view(planned, whole=options.dry_run or options.verbose)
        return PruneView(planned.prune, verbose=options.verbose, storage=storage)
    return PlanView(
        planned.plan, prediction, planned.rollout, planned.undeclared, planned.warnings, verbose=options.verbose,
        back=planned.back, skips_verification=options.no_verify, disabled=planned.disabled,
    )  # fmt: skip


def _plan_code(planned: Planned, options: RunOptions) -> int:
    """Return the exit code of a plan: 1 where a function is blocked, or where a rollback would leave something of it;
    else 0, or 2 for changes with --detailed-exitcode.
    """
    actions = {unit.action for unit in planned.plan.units}
    if Action.BLOCKED in actions or any(unit.failure is not None for unit in planned.plan.units):
        return Exit.FAILED
    return _CHANGED if options.detailed_exitcode and actions - {Action.UNCHANGED} else Exit.DONE
