"""`plan --out FILE`: saves a plan that was made and shown, so that exactly this plan can be applied later."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator import __version__
from orchestrator.app.session.identity import reaching_of, work_tree
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.saved.files import write_plan
from orchestrator.app.session.saved.keys import make_key
from orchestrator.app.session.saved.packages import packed, store, with_packages
from orchestrator.app.session.saved.today import facts_today, manifest_folder, resolved_today, run_facts
from orchestrator.app.session.session import Session
from orchestrator.model import Rollout
from orchestrator.model.command_line import command_line
from orchestrator.model.units import as_duration
from orchestrator.planning.saved.document import SavedOptions, SavedPlan, marked_facts, saved_unit, sealed, with_id
from orchestrator.planning.saved.seal import PlanKey
from orchestrator.planning.selection import expanded
from orchestrator.ports import CommandRequest
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.json import plan_json
from orchestrator.report.views import PlanView

_GIT_S = 10.0  # to check whether a work tree is clean


async def save(session: Session, planned: Planned, view: PlanView) -> None:
    """Write a plan to the file of --out, and print how to apply it. Raises `UsageError`, `StartError`,
    `PackageError`.
    """
    options = session.request.options
    if options.out is None:
        return
    key = await make_key(session)
    packages = await packed(session, planned) if options.upload else {}
    plan = with_packages(session, with_id(await _made(session, planned, view, key)), packages)
    await store(session, plan, packages)
    write_plan(options.out, sealed(plan, key))
    for_s = as_duration(round(options.expires_s))
    place = reaching_of(session.request.identity.manifest, None, session.endpoint)
    environment = session.request.manifest.environment
    line = command_line("deploy", "--plan", str(options.out), *(["--env", environment] if environment else []), *place)
    session.messages.say(f"saved plan {plan.id} in {options.out}, valid for {for_s}; apply it with `{line}`")


async def _made(session: Session, planned: Planned, view: PlanView, key: PlanKey) -> SavedPlan:
    request, options = session.request, session.request.options
    hide = _redactor(session, planned).value
    now = datetime.fromtimestamp(session.world.clock(), UTC)
    keys, prepared = [unit.key for unit in planned.plan.units], planned.sources.prepared
    facts, resolved = facts_today(request, keys, prepared, uploaded=options.upload), resolved_today(session, planned)
    units = [
        saved_unit(
            unit, key, facts[unit.key], resolved[unit.key], hide, prepared.get(unit.key), uploaded=options.upload
        )
        for unit in planned.plan.units
    ]  # fmt: skip
    shown = plan_json(view)
    return SavedPlan(
        made_at=_iso(now),
        expires_at=_iso(now + timedelta(seconds=options.expires_s)),
        program=__version__,
        endpoint=session.endpoint,
        identity=replace(request.identity, manifest=request.identity.place or request.manifest.path.name),
        dirty=await _is_dirty(session),
        options=SavedOptions(
            patterns=tuple(map(str, expanded(options.patterns))),
            labels=tuple(options.labels),
            only=tuple(keys) if request.left is not None else None,
            forced=planned.forced,
            adopt=planned.adopt.texts(),
            again=(*options.again, *sorted(session.again)),
            no_way_back=options.no_way_back,
            no_verify=options.no_verify,
            now=options.now,
        ),
        facts=marked_facts(key, "", run_facts(session)),
        shown=hide({**{name: shown[name] for name in _SHOWN}, "rollout": _rollout(view.rollout)}),
        units=tuple(units),
        key_id=key.id,
        uploaded=options.upload,
    )  # fmt: skip


def _redactor(session: Session, planned: Planned) -> Redactor:
    """Return a redactor that hides more than on screen, since a file is passed on. Labels may have the value of a
    secret too.
    """
    redactor = Redactor()
    redactor.add_variables(session.request.environ)
    redactor.add_variables(session.request.variables)
    for spec in (*session.request.manifest.functions.values(), *(unit.spec for unit in planned.plan.units)):
        redactor.add_function(spec, labels=False)
    return redactor


_SHOWN = ("counts", "waves", "stops", "undeclared", "warnings")


def _rollout(rollout: Rollout) -> dict[str, Any]:
    """Return the declared rollout. A gate's command may contain anything, so it is only noted that there is one."""
    declared = {slot.name: getattr(rollout, slot.name) for slot in fields(Rollout) if slot.name != "gate"}
    return declared | {"gate": rollout.gate is not None}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


async def _is_dirty(session: Session) -> bool | None:
    """Return whether the work tree has uncommitted changes, by git; None where that is unknown."""
    tree, commands = work_tree(manifest_folder(session.request)), session.world.commands
    if tree is None or commands is None:
        return None
    command = "git", "status", "--porcelain", "--untracked-files=normal"
    end = await commands.run(CommandRequest(command, tree, {}, timeout_s=_GIT_S))
    return bool(end.output.strip()) if end.status == 0 else None
