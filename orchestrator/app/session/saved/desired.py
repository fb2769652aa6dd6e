"""Comparing what is desired today with a saved plan, before anything is done. Every verb that applies such a plan uses
it: `deploy --plan`, and `resume` and `promote` of its run.
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
AGAIN = "nothing was done; revert the differences, or plan again and review the plan: `orchestrator plan --out FILE`"


def functions_then(request: Request, saved: SavedPlan, *, begun: bool = False) -> dict[str, FunctionSpec]:
    """Select the current functions as the plan did. `begun`: a run of it is resumed, which ignores functions added
    since. Raises `ManifestError` where some have mistakes.
    """
    manifest, only = request.manifest, saved.options.only
    planned = {unit.key for unit in saved.units}
    try:
        specs = select(manifest, saved.options.patterns, saved.options.labels)
    except UsageError:  # a named function is gone, which `check_wanted` reports for the plan
        specs = {key: spec for key, spec in manifest.functions.items() if key in planned and spec.enabled}
    specs = specs if only is None else {key: spec for key, spec in specs.items() if key in only}
    specs = {key: spec for key, spec in specs.items() if key in planned} if begun else specs
    require_sound(specs.values())
    return specs


async def check_desired(session: Session, saved: SavedPlan, key: PlanKey, specs: Mapping[str, FunctionSpec]) -> Sources:
    """Check that exactly what the plan contains is still desired, and return the contents of the sources, which are
    then deployed.

    Raises `UsageError` with the differences, by name and never by value, and their functions.
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
        raise UsageError(f"plan {saved.id} does not match what is desired now: {number}", advice=AGAIN)
    return sources


def _absent(request: Request, key: str) -> str:
    """Return why a function of a plan is not among the current ones."""
    spec, name = request.manifest.functions.get(key), request.manifest.path.name
    if spec is None:
        return f"in the plan, but not in {name} any more"
    if not spec.enabled:
        return f"in the plan, but disabled now: {spec.place.file}:{spec.place.line}"
    return "in the plan, but not selected any more"


def _check_sources(saved: SavedPlan, specs: Mapping[str, FunctionSpec]) -> None:
    """Check, before any build, that the sources are here which a plan without packages needs."""
    had = {unit.key for unit in saved.units if SOURCE_FILES in unit.facts}
    lost = [
        key for key, spec in specs.items() if key in had and isinstance(spec.code, SourceCode) and _is_lost(spec.code)
    ]
    if lost:
        needs = f"it needs the sources of {counted(len(had & specs.keys()), 'function')}"
        raise UsageError(
            f"plan {saved.id} was saved without --upload: {needs}, but those of {named(lost, _NAMED)} are not here",
            advice="apply it where they are, or plan again with their packages:"
            " `orchestrator plan --out FILE --upload`",
        )


def _is_lost(code: SourceCode) -> bool:
    """Return whether files of a package are missing here. The outputs of a build may be missing."""
    build = code.build
    if build is None and not code.source.exists():
        return True
    return (build is not None and not build.folder.exists()) or not all(local.exists() for _, local in code.files)
