"""`deploy`: from options to real ports, one run, and the exit code that what was observed leads to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import anyio

from orchestrator import __version__
from orchestrator.app import output
from orchestrator.app.options import DeployOptions, LogOptions, seconds
from orchestrator.app.session import Session, check_bucket, open_session, read_request
from orchestrator.app.signals import watching
from orchestrator.app.stdout import counted
from orchestrator.errors import (
    CloudError,
    Exit,
    InterruptedRunError,
    JournalError,
    OrchestratorError,
    StartError,
    UsageError,
)
from orchestrator.events import RunEnded, RunStarted, StepFinished, UnitPlanned
from orchestrator.have import Have, remembered
from orchestrator.journal.store import open_store
from orchestrator.model import Action, Plan
from orchestrator.pipeline.bus import Bus
from orchestrator.pipeline.groups import ungrouped
from orchestrator.pipeline.inventory import Sources, read_sources, resolve_names
from orchestrator.pipeline.live import read_live
from orchestrator.pipeline.run import Result, execute
from orchestrator.pipeline.stop import Stop, StoppedError
from orchestrator.plan import build
from orchestrator.policy import exit_code
from orchestrator.state import RunState


def deploy_command(given: Mapping[str, Any]) -> int:
    """Run `deploy` as typed. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    log = LogOptions(given.pop("log_level"), given.pop("log_format"))
    options = DeployOptions(
        config=given["config"],
        state_dir=given["state"],
        patterns=given["functions"],
        labels=given["labels"],
        sandbox=given["sandbox"],
        endpoint=given["endpoint"],
        bucket=given["bucket"],
        yes=given["yes"],
        dry_run=given["dry_run"],
        force=given["force"],
        run_key=given["run_key"],
        output=given["output"],
        events=given["events"],
        lock_timeout_s=seconds("--lock-timeout", given["lock_timeout"]),
        log=log,
    )
    if options.sandbox and options.endpoint:
        raise UsageError("--sandbox and --endpoint exclude each other", advice="leave one of them out")
    output.configure_logs(options.log)
    try:
        with ungrouped(OrchestratorError):
            return anyio.run(_deploy, options)
    except OrchestratorError as error:
        if log.format != "json":
            raise
        output.log_error(error)
        return error.exit


async def _deploy(options: DeployOptions) -> int:
    request = read_request(options, os.environ)
    for warning in request.manifest.warnings:
        output.warn(warning)
    stop = Stop()
    async with watching(stop, output.say), AsyncExitStack() as stack:
        try:
            with stop.interruptible():
                session = await open_session(stack, request, stop)
                for warning in session.connection.warnings:
                    output.warn(warning)
                have, plan, sources = await _plan(session)
            return await _carry_out(session, have, plan, sources)
        except StoppedError as error:
            raise InterruptedRunError(f"{error}: nothing was sent", advice="run the same command again") from None


async def _plan(session: Session) -> tuple[Have, Plan, Sources]:
    """Read what is live and what the sources hold, and plan."""
    world, specs = session.world, session.request.specs
    output.say(f"reading the sources of {counted(len(specs), 'function')}, and what is live")
    try:
        have = await read_live(world, specs.values())
    except CloudError as error:
        raise StartError(
            f"what is live cannot be read: {output.with_facts(error)}", advice=error.advice or "nothing was changed"
        ) from error
    await check_bucket(world)  # after a first call: a token that is refused is best named by the API's own client
    resolved = await resolve_names(world, specs)
    sources = await read_sources(world, resolved.specs)
    plan = build(resolved.specs, have, sources.prepared, resolved.failures, force=session.request.options.force)
    return have, plan, sources


async def _carry_out(session: Session, have: Have, plan: Plan, sources: Sources) -> int:
    options = session.request.options
    output.show_plan(plan, whole=options.dry_run, as_json=options.output == "json")
    if options.dry_run:
        return Exit.DONE
    if any(unit.action not in (Action.UNCHANGED, Action.BLOCKED) for unit in plan.units):
        with session.stop.interruptible():
            await output.confirm(yes=options.yes or options.sandbox)
    with open_store(session.request.state_dir) as store:
        world, clock = session.world, session.world.clock
        started = RunStarted(
            at=clock(),
            run_id=session.run_id,
            verb="deploy",
            endpoint=session.endpoint,
            manifest=str(options.config),
            units=len(plan.units),
            program=__version__,
        )
        state = RunState()
        async with output.displays(session.run_id, len(plan.units), state, options) as listeners:
            bus = Bus(store.start_run(started), state, listeners, clean=session.redactor.event)
            bus(started)
            _announce(bus, plan, have, clock(), sources)
            result = await execute(plan, have, world, bus, session.stop, rollout=session.request.manifest.rollout)
            code = exit_code(result.outcomes.values(), interrupted=session.stop.reason not in ("", result.breach))
            try:
                bus(RunEnded(clock(), int(code), session.stop.reason))
            except JournalError as error:
                output.warn(error.message)
    _say_the_end(session, state, result)
    return code


def _announce(bus: Bus, plan: Plan, have: Have, at: float, sources: Sources) -> None:
    for unit in plan.units:
        base = have.versions.get(unit.base_version_id or "")
        before = remembered(base) if base is not None and unit.action is not Action.UNCHANGED else {}
        bus(
            UnitPlanned(
                at, unit.key, unit.spec.name, unit.spec.folder_id, unit.function_id or "", unit.action, unit.reason,
                unit.base_version_id or "", str(unit.fingerprint or ""), before,
            )
        )  # fmt: skip
        for step, took_s in sources.seconds.get(unit.key, {}).items():
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
        output.say("deploy again to go on: what was asked for already is found by its Idempotency-Key, not repeated")
