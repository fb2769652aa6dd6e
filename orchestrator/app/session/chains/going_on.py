"""Resuming a run within its own scope: its calls in flight are followed, and the rest is planned again and done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from orchestrator.app.session.chain import earlier_of
from orchestrator.app.session.choosing import check_agreed
from orchestrator.app.session.chosen import request_to_change
from orchestrator.app.session.execution import execute_planned, journaled, result_of
from orchestrator.app.session.identity import identity_of, line_of, promote_line, resume_line
from orchestrator.app.session.importing.job_manifest import JobManifest
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.leasing import guarded, tell
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import SANDBOX, RunOptions, state_dir_of
from orchestrator.app.session.planning import Planned, job_desires, plan_desired, read_specs
from orchestrator.app.session.saved.holding import Holding, held_as_then
from orchestrator.app.session.session import Session
from orchestrator.app.session.taking_up import (
    Now,
    check_same,
    choice_then,
    endpoint_of,
    manifest_of,
    parameters_then,
    with_disabled,
)
from orchestrator.coordination.lease import Lease
from orchestrator.engine.bus import Bus
from orchestrator.engine.in_flight import in_flight, settle
from orchestrator.engine.run import listen
from orchestrator.errors import CloudError, UsageError
from orchestrator.job.binding import Binding, bind, marked
from orchestrator.journal.events import OperationAccepted
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.manifest.findings import require_sound
from orchestrator.model import Blocked, ChangeKind, Deployed, Outcome, Plan, Unknown
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.meanwhile.overwritten import after_a_kill
from orchestrator.planning.meanwhile.since_then import no_longer_desired
from orchestrator.planning.resume import (
    accepted,
    agreed,
    ended_by_rollback,
    forced_of,
    left_of,
    named_now,
    still_meant,
    taken_over,
)
from orchestrator.planning.rollout import as_begun
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult
from orchestrator.version.stamp import read_stamp


def as_then(options: RunOptions, before: RunState) -> RunOptions:
    """Return the options with the scope of the run: its installation, its manifest, its job and parameters.

    Raises `UsageError` where that is impossible, with the command to run.
    """
    sandbox = before.endpoint == SANDBOX
    if sandbox and options.endpoint:
        raise UsageError(f"run {before.run_id} used the sandbox", advice="remove --endpoint")
    config = options.config
    if not options.config_given:
        found = manifest_of(before, state_dir_of(options.config, options.state_dir))
        if found is None:
            raise UsageError(
                f"the manifest of run {before.run_id}, {before.identity.manifest or before.manifest}, does not exist",
                advice=f"restore it, or pass its new place: `{resume_line(before.run_id, '-c', 'FILE')}`; or give up"
                f" the rest: `{resume_line(before.run_id, '--give-up')}`",
            )
        config = found
    options = choice_then(before.identity, f"run {before.run_id}", options, resume_line(before.run_id))
    parameters = parameters_then(before, options.parameters, resume_line(before.run_id))
    job = before.verb.removeprefix("run ") if before.verb.startswith("run ") else ""
    options = replace(
        options, verb=before.verb, job=job, sandbox=sandbox, config=config, parameters=parameters,
        update_manifest=before.identity.selection.update_manifest,
    )  # fmt: skip
    return options if sandbox or options.endpoint else replace(options, endpoint=before.endpoint)


def request_of(invocation: Invocation, before: RunState) -> tuple[Request, Binding | None]:
    """Read the scope of a run from its manifest as it is now, with its job. Raises `UsageError`, `ManifestError`."""
    options, binding = invocation.options, None
    request = request_to_change(invocation, has_sources=not before.identity.selection.plan)
    if options.job:
        binding = bind(request.manifest, options.job, options.parameters, datetime.now(UTC))
    identity = identity_of(options, request.manifest, binding)
    about = with_disabled(identity, request.manifest)
    check_same(before, Now("resume", endpoint_of(options, request.manifest), about, request.state_dir))
    # The selection is that of the run. Who resumes it, where, and with which other values, is new.
    given = identity.selection
    selection = replace(before.identity.selection, parameters=given.parameters, variables=given.variables)
    return replace(request, identity=replace(identity, selection=selection)), binding


@dataclass(frozen=True, slots=True)
class Going:
    """What is resumed. `desired`: what is left of the chain; `left`: the same by the current keys. `ended`: what is not
    resumed because it was rolled back, with its outcome. `approves`: the ID of the paused run that is continued, "" for
    `resume`. `holding`: the saved plan of the run. `beside`: what is written into the manifest.
    """

    session: Session
    binding: Binding | None
    before: RunState
    desired: Mapping[str, UnitState]
    left: Mapping[str, UnitState]
    ended: Mapping[str, Blocked]
    approves: str = ""
    holding: Holding | None = None
    beside: JobManifest = field(kw_only=True)

    @property
    def functions(self) -> dict[str, str]:
        """Return the functions, for their lease."""
        functions = {key: f"{unit.folder_id}/{unit.name}" for key, unit in self.left.items()}
        if self.before.owes_rollback:
            functions |= {key: f"{one.folder_id}/{one.name}" for key, one in touched_by(self.before).items()}
        return functions


@dataclass(frozen=True, slots=True)
class PlannedLeft:
    """A plan that was shown before anything was started. `settled`: what needs no more work."""

    planned: Planned
    settled: dict[str, Outcome] = field(default_factory=dict)


async def going_on(session: Session, binding: Binding | None, before: RunState, *, approves: str = "") -> Going:
    """Find what is left of a chain among the current functions. Raises `ManifestError`; `UsageError` where the saved
    plan of the run is gone and something of it is still to be done.
    """
    session, holding = await held_as_then(session, before, promote_line(approves) if approves else "")
    if lost := before.total - len(before.units):
        session.messages.warn(
            f"run {before.run_id} was killed before the plan of {counted(lost, 'function')} was recorded:"
            f" nothing was sent for them; deploy them with `{line_of(before.verb, before.identity, before.endpoint)}`"
        )
    desired = left_of(before)
    found, gone = named_now(desired, session.request.manifest.functions)
    if binding is None:
        named = (session.request.manifest.functions[key] for key in found)
        require_sound(spec for spec in named if spec.enabled)
    ended = ended_by_rollback(before)
    for why, number in Counter(outcome.reason for outcome in ended.values()).items():
        session.messages.say(f"not resumed: {counted(number, 'function')}: {why}")
    beside = JobManifest(session)
    return Going(session, binding, before, desired, found | gone, ended, approves, holding, beside=beside)


async def plan_left(going: Going) -> PlannedLeft:
    """Plan what is left before anything is started, to show it."""
    settled: dict[str, Outcome] = {}
    with going.session.stop.interruptible():
        planned = await _plan(going, going.left, settled)
        await going.beside.look(planned)
        return PlannedLeft(planned, settled)


async def go_on(going: Going, lease: Lease | None, foreseen: PlannedLeft | None = None) -> CommandResult:
    """Follow the calls in flight and do the rest. `foreseen`: the plan, where only calls in flight can have changed
    anything since it was made.
    """
    session, before, left = going.session, going.before, going.left
    ended = {key: before.units[key] for key in going.ended}
    earlier = earlier_of(before, {**going.desired, **ended}, left, approved=bool(going.approves))
    begun = journaled(session, len(left) + len(ended), before.identity.clouds, before=before, approves=going.approves)
    async with begun as (bus, state, recorder):
        tell(lease, len(going.functions), session, bus)
        listen(session.world, bus, session.stop)
        for event in taken_over({**ended, **left}, session.world.clock()):
            bus(event)
        settled = await settle(session.world, bus, session.stop, accepted(left))
        with session.stop.interruptible():
            if foreseen is not None and not settled:
                planned, settled = foreseen.planned, foreseen.settled
            else:
                rest = {key: unit for key, unit in left.items() if key not in settled}
                planned = await _plan(going, rest, settled)
                await going.beside.look(planned)
                going.beside.show()
                if before.breach:
                    planned = await _followed(session, bus, planned, rest, settled)
        within = guarded(session, lease)
        settled = {**settled, **going.ended}
        code = await execute_planned(within, planned, bus, recorder, state, settled=settled, earlier=earlier)
    await going.beside.look_back(state)
    going.beside.finish(state)
    return result_of(session, code, state)


async def _followed(
    session: Session, bus: Bus, planned: Planned, left: Mapping[str, UnitState], settled: dict[str, Outcome]
) -> Planned:
    """Search for calls without a response from before a breach. Their outcome is unknown, and the next resume follows
    them.
    """
    units = []
    for unit in planned.plan.units:
        then = left[unit.key]
        operation = None
        if then.requests and not then.operations and unit.function_id and unit.fingerprint is not None:
            operation = await in_flight(session.world, planned.live, unit, unit.function_id, asked_for=True)
        if operation is None:
            units.append(unit)
            continue
        known = (operation.id, unit.function_id or "", operation.version_id or "")
        bus(OperationAccepted(session.world.clock(), unit.key, ChangeKind.VERSION, *known))
        settled[unit.key] = Unknown("requested before the run was stopped", operation.id, operation.version_id or "")
    return replace(planned, plan=Plan(tuple(units)))


async def _plan(going: Going, left: Mapping[str, UnitState], settled: dict[str, Outcome]) -> Planned:
    """Plan what is left, in the waves of its chain. Functions that are live already or not desired any more go into
    `settled`.
    """
    session, binding, then = going.session, going.binding, going.before.rollout
    sources = going.holding.sources if going.holding is not None else None
    if binding is not None:
        live, desired = await job_desires(session, binding)
        desired = replace(desired, specs={key: spec for key, spec in desired.specs.items() if key in left})
    else:
        declared = session.request.manifest.functions.items()
        specs = {key: spec for key, spec in declared if key in left and spec.enabled}
        live, desired = await read_specs(session, specs, sources_read=sources is not None)
    manifest = session.request.manifest
    check_agreed(session.request.options, [*desired.specs.values(), *manifest.functions.values()])
    jobs = marked(binding.name, manifest, desired.specs) if binding is not None else {}
    planned = await plan_desired(
        session, desired, live, forced=forced_of(left), adopt=agreed(left), jobs=jobs, going_on=True, sources=sources
    )
    if going.holding is not None:
        planned = await going.holding.held(planned)
    plan, done = still_meant(planned.plan, planned.live, left, planned.verifying)
    settled |= after_a_kill(done, planned.live, left)
    for key in left.keys() - desired.specs.keys():
        settled[key] = await _not_desired(session, left[key], planned.live)
    rollout, otherwise = as_begun(planned.rollout, then)
    if otherwise:
        session.messages.say(f"{otherwise}: run the command again to start a new run with the current rollout")
    return replace(planned, plan=plan, rollout=rollout, desired=desired.specs if binding is not None else {})


async def _not_desired(session: Session, then: UnitState, live: LiveState) -> Outcome:
    """Return the outcome of a unit that is not desired any more: it may have been deployed."""
    world = session.world
    with suppress(CloudError):
        get = partial(world.functions.get_version, then.version_id)
        made = await world.read(get) if then.version_id else None
        if made is not None and made.status == "ACTIVE" and str(read_stamp(made.description)) == then.fingerprint:
            return Deployed(made.id, read_back=True)
    job = session.request.options.job
    return Blocked(no_longer_desired(live, then, f"job {job}" if job else session.request.manifest.path.name))
