"""`deploy` and `plan`, and what `run` shares with them: a plan shown, carried out, and told as it was observed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from orchestrator import __version__
from orchestrator.app import output
from orchestrator.app.command import run
from orchestrator.app.options import RunOptions, read_options
from orchestrator.app.planning import Planned, plan_functions, selected
from orchestrator.app.selecting import endpoint_of
from orchestrator.app.session import Session, hold_lock, open_session, read_request
from orchestrator.errors import Exit, JournalError, OrchestratorError
from orchestrator.events import RunEnded, RunStarted, StepFinished, UnitPlanned
from orchestrator.have import remembered
from orchestrator.journal.store import open_store
from orchestrator.model import Action
from orchestrator.pipeline.bus import Bus
from orchestrator.pipeline.run import Result, execute
from orchestrator.pipeline.stop import Stop
from orchestrator.policy import exit_code
from orchestrator.report.redact import Redactor
from orchestrator.state import RunState

CHANGED = 2  # `plan --detailed-exitcode`: there are changes


def deploy_command(given: Mapping[str, Any]) -> int:
    """Run `deploy` as typed. Raises `OrchestratorError` where it cannot start."""
    return run(read_options("deploy", given), _deploy)


def plan_command(given: Mapping[str, Any]) -> int:
    """Run `plan` as typed. With --detailed-exitcode: 0 no changes, 1 any error, 2 changes."""
    options = read_options("plan", given)
    try:
        return run(options, _deploy)
    except OrchestratorError as error:
        if options.detailed_exitcode:
            error.exit = Exit.FAILED  # 2 would say that there are changes
        raise


async def _deploy(options: RunOptions, stack: AsyncExitStack, stop: Stop, redactor: Redactor) -> int:
    with stop.interruptible():
        request = read_request(options, os.environ)
        specs = selected(request, endpoint_of(options, request.manifest))
        await hold_lock(stack, request)
        session = await open_session(stack, request, stop, redactor)
        planned = await plan_functions(session, specs)
    return await carry_out(session, planned)


async def carry_out(session: Session, planned: Planned) -> int:
    """Show a plan, ask, do it, and tell how it ended. Gives the exit code; of a dry run that of the plan."""
    options, plan = session.request.options, planned.plan
    output.show_plan(plan, whole=options.dry_run, as_json=options.output == "json")
    if options.dry_run:
        return _plan_code(planned, options)
    if any(unit.action not in (Action.UNCHANGED, Action.BLOCKED) for unit in plan.units):
        with session.stop.interruptible():
            await output.confirm(yes=options.yes or options.sandbox)
    if planned.rollout.on_breach != "stop" and planned.rollout.max_failures is not None:
        output.warn(
            f"on_breach = {planned.rollout.on_breach!r} is not there yet: a breach of max_failures stops the run"
        )
    with open_store(session.request.state_dir) as store:
        world, clock = session.world, session.world.clock
        started = RunStarted(
            at=clock(),
            run_id=session.run_id,
            verb=options.verb,
            endpoint=session.endpoint,
            manifest=str(options.config),
            units=len(plan.units),
            program=__version__,
        )
        state = RunState()
        async with output.displays(session.run_id, len(plan.units), state, options, session.redactor) as listeners:
            bus = Bus(store.start_run(started), state, listeners, clean=session.redactor.event)
            bus(started)
            _announce(bus, planned, clock())
            result = await execute(plan, planned.have, world, bus, session.stop, rollout=planned.rollout)
            code = exit_code(result.outcomes.values(), interrupted=session.stop.reason not in ("", result.breach))
            try:
                bus(RunEnded(clock(), int(code), session.stop.reason))
            except JournalError as error:
                output.warn(error.message)
    _say_the_end(session, state, result)
    return code


def _plan_code(planned: Planned, options: RunOptions) -> int:
    if not options.detailed_exitcode:
        return Exit.DONE
    actions = {unit.action for unit in planned.plan.units}
    if Action.BLOCKED in actions:
        return Exit.FAILED
    return CHANGED if actions - {Action.UNCHANGED} else Exit.DONE


def _announce(bus: Bus, planned: Planned, at: float) -> None:
    for unit in planned.plan.units:
        base = planned.have.versions.get(unit.base_version_id or "")
        before = remembered(base) if base is not None and unit.action is not Action.UNCHANGED else {}
        bus(
            UnitPlanned(
                at, unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id or "", unit.action, unit.reason,
                unit.base_version_id or "", str(unit.fingerprint or ""), before,
            )
        )  # fmt: skip
        for step, took_s in planned.sources.seconds.get(unit.key, {}).items():
            bus(StepFinished(at, unit.key, step, took_s, step is not unit.failed_step))


def _say_the_end(session: Session, state: RunState, result: Result) -> None:
    try:
        output.show_result(state, as_json=session.request.options.output == "json")
    except OrchestratorError as error:  # the exit code speaks of the run, whatever becomes of its table
        output.warn(f"{error.message}; {error.advice}")
    if result.interruption is not None:
        output.say(f"stopped: {result.interruption.message}")
        if result.interruption.advice:
            output.say(result.interruption.advice)
    if session.stop.reason or result.interruption is not None:
        again = session.request.options.verb
        output.say(f"{again} again to go on: what was asked for already is found by its Idempotency-Key, not repeated")
