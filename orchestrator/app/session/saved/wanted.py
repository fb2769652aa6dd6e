"""What is wanted today, held against what a saved plan was made of: the one look of every verb that carries such a plan
out (`deploy --plan`, and `resume` and `promote` of its run), before anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.saved.today import facts_today, run_facts
from orchestrator.app.session.session import Session
from orchestrator.errors import UsageError
from orchestrator.manifest.findings import require_sound
from orchestrator.model import FunctionSpec, SourceCode
from orchestrator.planning.saved.document import SavedPlan
from orchestrator.planning.saved.facts import SOURCE_FILES
from orchestrator.planning.saved.held import differing
from orchestrator.planning.saved.seal import PlanKey
from orchestrator.planning.selection import select
from orchestrator.planning.sources import Sources, read_sources
from orchestrator.report.plain_text import counted, named

_NAMED = 5  # functions of one difference
AGAIN = "nothing is done; put that back, or plan again and have that plan looked at: `orchestrator plan --out FILE`"


def functions_then(request: Request, saved: SavedPlan, *, begun: bool = False) -> dict[str, FunctionSpec]:
    """Choose the functions as the plan did, among those of today. `begun`: a run of it is gone on with, which is not
    about those that have come since. Raises `ManifestError` where some have mistakes.
    """
    manifest, only = request.manifest, saved.options.only
    planned = {unit.key for unit in saved.units}
    try:
        specs = select(manifest, saved.options.patterns, saved.options.labels)
    except UsageError:  # what it names is not there any more, which `check_wanted` tells of the plan
        specs = {key: spec for key, spec in manifest.functions.items() if key in planned and spec.enabled}
    specs = specs if only is None else {key: spec for key, spec in specs.items() if key in only}
    specs = {key: spec for key, spec in specs.items() if key in planned} if begun else specs
    require_sound(specs.values())
    return specs


async def check_wanted(session: Session, saved: SavedPlan, key: PlanKey, specs: Mapping[str, FunctionSpec]) -> Sources:
    """See that just that is wanted which the plan says, and give what the sources hold: what is done is made of that.

    Raises `UsageError` that says what differs, by name and never by value, and with which functions.
    """
    request, messages = session.request, session.messages
    if not saved.uploaded:
        _check_sources(saved, specs)
        if made_here := sum(isinstance(spec.code, SourceCode) for spec in specs.values()):
            messages.mention(f"reading the sources of {counted(made_here, 'function')}")
    session.hide(specs.values())
    sources = await read_sources(session.world, specs)
    facts = facts_today(request, specs, sources.prepared, uploaded=saved.uploaded)
    absent = {unit.key: _absent(request, unit.key) for unit in saved.units if unit.key not in specs}
    differs = differing(saved, key, run_facts(session), facts, sources.prepared, absent)
    if differs:
        for words, keys in differs.items():
            messages.say(f"{named(keys, _NAMED)}: {words}" if keys else words)
        number = counted(len(differs), "difference")
        raise UsageError(f"plan {saved.id} is not what is wanted any more: {number}", advice=AGAIN)
    return sources


def _absent(request: Request, key: str) -> str:
    """Say why a function of a plan is none of those of today."""
    spec, name = request.manifest.functions.get(key), request.manifest.path.name
    if spec is None:
        return f"in the plan, and not in {name} any more"
    if not spec.enabled:
        return f"in the plan, and disabled by now: {spec.place.file}:{spec.place.line}"
    return "in the plan, and not selected any more"


def _check_sources(saved: SavedPlan, specs: Mapping[str, FunctionSpec]) -> None:
    """See, before anything is built, that the sources are here which a plan needs that has no packages."""
    had = {unit.key for unit in saved.units if SOURCE_FILES in unit.facts}
    lost = [
        key for key, spec in specs.items() if key in had and isinstance(spec.code, SourceCode) and _is_lost(spec.code)
    ]
    if lost:
        needs = f"it needs the sources of {counted(len(had & specs.keys()), 'function')}"
        raise UsageError(
            f"plan {saved.id} was saved without --upload: {needs}, and those of {named(lost, _NAMED)} are not here",
            advice="carry it out where they are, or plan again with their packages:"
            " `orchestrator plan --out FILE --upload`",
        )


def _is_lost(code: SourceCode) -> bool:
    """Say whether files that a package is made of are not here; what a build makes need not be."""
    build = code.build
    if build is None and not code.source.exists():
        return True
    return (build is not None and not build.folder.exists()) or not all(local.exists() for _, local in code.files)
