"""What the next plan of the manifest or of a job does to one function, and where each of its values comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.app.session.choosing import check_agreed
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.planning import job_desires, plan_desired
from orchestrator.app.session.session import Session, hold_lock
from orchestrator.app.session.why.known import Known
from orchestrator.job.binding import Binding, bind, marked
from orchestrator.job.contract import Desired
from orchestrator.journal.functions.function_runs import FunctionNames
from orchestrator.manifest.origins.of_function import ValueOrigin, origins_of
from orchestrator.model import FunctionSpec, SourceCode
from orchestrator.model.live_state import LiveState
from orchestrator.planning.why.facts import NextPlan, SettingRow
from orchestrator.planning.why.job_origins import job_origins
from orchestrator.planning.why.setting_rows import setting_rows
from orchestrator.report.verifying_text import then_words
from orchestrator.version.stamp import forced_digest


def job_of(request: Request) -> Binding | None:
    """Return the job whose plan is requested; None for the manifest. Raises `UsageError`, `JobError`."""
    options = request.options
    return bind(request.manifest, options.job, options.parameters, datetime.now(UTC)) if options.job else None


async def plan_it(session: Session, invocation: Invocation, known: Known) -> None:
    """Plan the function alone, as `plan` or `run JOB --dry-run` does."""
    if known.live is None:
        return
    if known.binding is not None:
        await _plan_job(session, known, known.binding)
    elif known.spec is not None and known.spec.enabled:
        await _plan_declared(session, invocation, known, known.spec)


async def _plan_declared(session: Session, invocation: Invocation, known: Known, spec: FunctionSpec) -> None:
    """Plan what the manifest declares. A build needs the lock, so it is not run during a run on this machine."""
    if isinstance(spec.code, SourceCode) and spec.code.build is not None and not known.request.options.sandbox:
        await hold_lock(invocation, known.request)
    desired = Desired({spec.key: spec}, known.request.manifest.rollout)
    live, adopt = known.live or LiveState(), known.request.options.adopt
    check_agreed(known.request.options, known.request.manifest.functions.values())
    planned = await plan_desired(session, desired, live, forced="", adopt=adopt)
    known.live, known.unit = planned.live, planned.plan.units[0]


async def _plan_job(session: Session, known: Known, binding: Binding) -> None:
    """Plan what a job desires of the function. Whole folders are read, since a job depends on them."""
    live, desired = await job_desires(session, binding)
    spec = next((one for one in desired.specs.values() if known.names.is_of(_names(one, live))), None)
    if spec is None:
        known.absent.append(f"job {binding.name} does not select it")
        return
    adopt = known.request.options.adopt | binding.adopt
    declared = known.request.manifest.functions.values()
    check_agreed(replace(known.request.options, adopt=adopt), [*desired.specs.values(), *declared])
    alone = Desired(
        {spec.key: spec}, desired.rollout, desired.force,
        failures={key: why for key, why in desired.failures.items() if key == spec.key},
    )  # fmt: skip
    jobs = marked(binding.name, known.request.manifest, alone.specs)
    forced = forced_digest(session.run_id) if desired.force else ""
    planned = await plan_desired(session, alone, live, forced=forced, adopt=adopt, jobs=jobs)
    known.live, known.unit = planned.live, planned.plan.units[0]


def _names(spec: FunctionSpec, live: LiveState) -> FunctionNames:
    found = live.by_name.get((spec.folder_id, spec.name))
    return FunctionNames(spec.key, spec.name, spec.folder_id, spec.id or (found.id if found is not None else ""))


def next_of(known: Known) -> NextPlan | None:
    """Return what the plan says of the function; None without a plan."""
    unit = known.unit
    if unit is None:
        return None
    failure = unit.failure
    return NextPlan(
        action=str(unit.action),
        reason=unit.reason,
        advice=failure.advice if failure is not None else "",
        detail=failure.detail if failure is not None else "",
        then=then_words(unit),
        way_back=unit.way_back,
        warnings=unit.warnings,
        job=known.binding.name if known.binding is not None else "",
    )


def rows_of(known: Known) -> tuple[SettingRow, ...]:
    """Return each value with its origin, compared with the live one where there is a plan."""
    request, unit = known.request, known.unit
    spec = unit.spec if unit is not None else known.spec
    if spec is None or spec.mistakes:
        return ()
    origins: Sequence[ValueOrigin] = ()
    if known.spec is not None and known.spec.key in known.survey.drafts:
        origins = origins_of(known.survey, known.spec.key)
    if unit is None:
        return setting_rows(spec, origins, LiveState(), None)
    live = known.live or LiveState()
    if known.binding is not None:
        latest = live.latest(unit.function_id or "")
        origins = job_origins(spec, known.binding.spec, request.manifest.path, known.spec, origins, latest)
    return setting_rows(spec, origins, live, known.function, unit.fingerprint)
