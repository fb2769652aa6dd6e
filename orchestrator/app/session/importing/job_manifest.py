"""`run JOB --update-manifest`: what a job changes is written into the manifest, so that no deploy undoes it.

The changes are shown before the run is agreed to, and written once it has ended: those of the functions that it has
deployed, or found as they are to be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from orchestrator.app.session.importing.reading import known_names
from orchestrator.app.session.importing.update import rewrite_view, show_changes
from orchestrator.app.session.importing.updating import (
    Rewriting,
    changed_files,
    job_slots,
    rewriting,
    write_all,
    write_slots,
)
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, OrchestratorError, UsageError
from orchestrator.job.inventory import LiveFunction
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Deployed, FunctionSpec, Unchanged, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.report.plain_text import counted
from orchestrator.version.as_live import with_parts
from orchestrator.version.copy import settings_of


class JobManifest:
    """The manifest beside a run of a job; without --update-manifest it stays as it is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: Rewriting | None = None
        self._live = LiveState()
        self._looked = set[str]()

    def looking(self, make_plan: Callable[[], Awaitable[Planned]]) -> Callable[[], Awaitable[Planned]]:
        """Look at each plan that is made."""

        async def make() -> Planned:
            planned = await make_plan()
            await self.look(planned)
            return planned

        return make

    async def look(self, planned: Planned) -> None:
        """Find what is to be written. Raises `StartError` where a file cannot be changed in place, `UsageError` for a
        job that changes no settings.
        """
        survey = self._session.request.survey
        if survey is None:
            return
        if planned.prune is not None:
            raise UsageError("a prune changes no settings", advice="leave --update-manifest out")
        made = rewriting(survey)
        redactor = self._session.messages.outlet.redactor
        concerned = [(unit, spec) for unit in planned.plan.units if (spec := self._declared(unit)) is not None]
        names = await known_names(self._session, _live(planned, concerned))
        for unit, declared in concerned:
            wanted = planned.desired[unit.key]
            latest = planned.live.latest(unit.function_id) if unit.function_id is not None else None
            own = wanted.code == declared.code or latest is None
            base = declared.settings if own or latest is None else settings_of(latest)
            # What is left as it is live is no matter of the manifest.
            base, to = (with_parts(one, declared.settings, declared.as_live) for one in (base, wanted.settings))
            slots = job_slots(declared.settings, base, to)
            write_slots(made, unit.key, slots, declared, names, redactor.hides)
        changed_files(made, shared=True)
        self._made, self._live = made, planned.live
        self._looked = {unit.key for unit, _ in concerned}

    async def look_back(self, state: RunState) -> None:
        """Find besides what runs before have changed, which were cut off before it was written: by what each version
        has that its base had not. What cannot be read is said.
        """
        world, made, redactor = self._session.world, self._made, self._session.messages.outlet.redactor
        if made is None:
            return
        for key, unit in state.units.items():
            declared = self._session.request.manifest.functions.get(key)
            done = isinstance(unit.outcome, Deployed) and unit.version_id and unit.base_version_id
            if key in self._looked or not done or declared is None or declared.mistakes:
                continue
            try:
                base, now = [
                    await world.read(partial(world.functions.get_version, one))
                    for one in (unit.base_version_id, unit.version_id)
                ]
            except CloudError as error:
                why = f"what run {state.run_id} has changed of {key} is not written into the manifest: {error.message}"
                self._session.messages.incomplete.append(f"{why}; `orchestrator import --update {key}` does")
                continue
            function = self._live.by_id.get(unit.function_id or "")
            found = [LiveFunction(key, function, now, declared)] if function is not None else []
            names = await known_names(self._session, found)
            before, after = (with_parts(settings_of(one), declared.settings, declared.as_live) for one in (base, now))
            write_slots(made, key, job_slots(declared.settings, before, after), declared, names, redactor.hides)

    def _declared(self, unit: Unit) -> FunctionSpec | None:
        declared = self._session.request.manifest.functions.get(unit.key)
        sound = declared is not None and not declared.mistakes and unit.action is not Action.BLOCKED
        return declared if sound else None

    def show(self) -> None:
        """Show what is to be written."""
        if self._made is None:
            return
        files = changed_files(self._made, shared=True)
        if not files:
            self._session.messages.mention("the manifest says already what this job makes of its functions")
        show_changes(self._session, rewrite_view(self._made, files))

    def finish(self, state: RunState) -> None:
        """Write what concerns the functions that are as they were to be. What cannot be written ends no run."""
        if self._made is None:
            return
        well = {key for key, unit in state.units.items() if isinstance(unit.outcome, Deployed | Unchanged)}
        if state.rollout.rollback:  # a breach has taken it back
            well = set()
        messages = self._session.messages
        try:
            files = changed_files(self._made, shared=True, only=well)
            write_all(files)
        except OrchestratorError as error:
            messages.incomplete.append(
                f"{error.message}; `orchestrator import --update` writes what this run has changed"
            )
            return
        written = {change.function for change in self._made.changes} & well
        left = {change.function for change in self._made.changes} - well
        if files:
            messages.say(f"written for {counted(len(written), 'function')}: {', '.join(one.shown for one in files)}")
        if left:
            what = counted(len(left), "function")
            messages.say(
                f"not written for {what} that this run has not deployed: `orchestrator import --update` does later"
            )


def _live(planned: Planned, concerned: list[tuple[Unit, FunctionSpec]]) -> list[LiveFunction]:
    found = []
    for unit, spec in concerned:
        function = planned.live.by_id.get(unit.function_id or "")
        latest = planned.live.latest(unit.function_id or "")
        if function is not None and latest is not None and planned.desired[unit.key].settings.secrets:
            found.append(LiveFunction(unit.key, function, latest, spec))
    return found
