"""`run JOB --update-manifest`: writes what a job changes into the manifest, so that no deploy undoes it.

The changes are shown before the run is confirmed, and written after it has ended: those of the functions that it
deployed or found unchanged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from orchestrator.app.session.identity import import_line
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
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Action, Deployed, FunctionSpec, Settings, Unchanged, Unit, Version
from orchestrator.model.live_state import LiveState
from orchestrator.report.plain_text import counted
from orchestrator.resilience.groups import each
from orchestrator.version.as_live import with_parts
from orchestrator.version.compare import differences
from orchestrator.version.copy import settings_of
from orchestrator.version.stamp import JOB_MARK, read_stamp

_AT_ONCE = 8  # versions read at once
_DECLARED = "the manifest already declares the changes of this job"
_NOTHING_NOW = "this run has nothing to write into the manifest"


class JobManifest:
    """The manifest next to a run of a job. Without --update-manifest it is not changed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: Rewriting | None = None
        self._live = LiveState()
        self._looked = set[str]()

    def looking(self, make_plan: Callable[[], Awaitable[Planned]]) -> Callable[[], Awaitable[Planned]]:
        """Inspect each plan that is made."""

        async def make() -> Planned:
            planned = await make_plan()
            await self.look(planned)
            return planned

        return make

    async def look(self, planned: Planned) -> None:
        """Find what must be written. Raises `StartError` where a file cannot be edited in place, `UsageError` for a job
        that changes no settings.
        """
        survey = self._session.request.survey
        if survey is None:
            return
        if planned.prune is not None:
            raise UsageError("a prune changes no settings", advice="remove --update-manifest")
        made = rewriting(survey)
        redactor = self._session.messages.outlet.redactor
        concerned = [(unit, spec) for unit in planned.plan.units if (spec := self._declared(unit)) is not None]
        names = await known_names(self._session, _live(planned, concerned))
        for unit, declared in concerned:
            desired = planned.desired[unit.key]
            latest = planned.live.latest(unit.function_id) if unit.function_id is not None else None
            own = desired.code == declared.code or latest is None
            base = declared.settings if own or latest is None else settings_of(latest)
            # Settings that stay as they are live do not concern the manifest.
            base, to = (with_parts(one, declared.settings, declared.as_live) for one in (base, desired.settings))
            slots = job_slots(declared.settings, base, to)
            write_slots(made, unit.key, slots, declared, names, redactor.hides)
        changed_files(made, shared=True)
        self._made, self._live = made, planned.live
        self._looked = {unit.key for unit, _ in concerned}

    async def look_back(self, state: RunState) -> None:
        """Find what killed runs have changed before it was written: what each version has that its base had not. What
        cannot be read is reported.
        """
        made, redactor = self._made, self._session.messages.outlet.redactor
        if made is None:
            return
        before: dict[str, Settings] = {}
        now: dict[str, Version] = {}
        unread: dict[str, str] = {}

        async def read(unit: UnitState) -> None:
            get = self._session.world.functions.get_version
            try:
                before[unit.key], now[unit.key] = (
                    settings_of(await self._session.world.read(partial(get, unit.base_version_id))),
                    await self._session.world.read(partial(get, unit.version_id)),
                )
            except CloudError as error:
                unread[unit.key] = error.message

        left = {unit.key: spec for unit in state.units.values() if (spec := self._left_by(unit)) is not None}
        await each([state.units[key] for key in left], read, at_once=_AT_ONCE)
        found = [
            LiveFunction(key, function, now[key], spec)
            for key, spec in left.items()
            if key in now and (function := self._live.by_id.get(state.units[key].function_id or "")) is not None
        ]
        names = await known_names(self._session, found)
        for key, declared in left.items():
            if key in unread:
                why = f"could not write the changes of run {state.run_id} to {key} into the manifest: {unread[key]}"
                self._session.messages.incomplete.append(f"{why}; write them with `{self._import_line(key)}`")
                continue
            base, to = (
                with_parts(one, declared.settings, declared.as_live) for one in (before[key], settings_of(now[key]))
            )
            write_slots(made, key, job_slots(declared.settings, base, to), declared, names, redactor.hides)

    def _left_by(self, unit: UnitState) -> FunctionSpec | None:
        """Return the declared settings of a function that an earlier run deployed and that was not inspected since."""
        declared = self._session.request.manifest.functions.get(unit.key)
        done = isinstance(unit.outcome, Deployed) and unit.version_id and unit.base_version_id
        if unit.key in self._looked or not done or declared is None or declared.mistakes:
            return None
        return declared

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
            behind = f"{_NOTHING_NOW}; `{self._import_line()}` writes what an earlier run changed"
            self._session.messages.mention(behind if self._is_behind() else _DECLARED)
        show_changes(self._session, rewrite_view(self._made, files))

    def _import_line(self, *keys: str) -> str:
        return import_line(self._session.request.manifest.environment, *keys)

    def _is_behind(self) -> bool:
        """Return whether a live Version that a job made has settings that the manifest does not declare."""
        for spec in self._session.request.manifest.functions.values():
            function = self._live.by_name.get((spec.folder_id, spec.name))
            latest = self._live.latest(function.id) if function is not None and not spec.mistakes else None
            stamp = read_stamp(latest.description) if latest is not None else None
            if latest is None or stamp is None or JOB_MARK not in dict(stamp.marks):
                continue
            declared = with_parts(spec.settings, settings_of(latest), spec.as_live)
            if differences(declared, latest.raw, filled_in=True):
                return True
        return False

    def finish(self, state: RunState) -> None:
        """Write the changes of the functions that reached their desired state. A failed write does not end the run."""
        if self._made is None:
            return
        well = {key for key, unit in state.units.items() if isinstance(unit.outcome, Deployed | Unchanged)}
        if state.rollout.rollback:  # a breach has rolled it back
            well = set()
        messages = self._session.messages
        try:
            files = changed_files(self._made, shared=True, only=well)
            write_all(files)
        except OrchestratorError as error:
            messages.incomplete.append(f"{error.message}; write the changes of this run with `{self._import_line()}`")
            return
        written = {change.function for change in self._made.changes} & well
        left = {change.function for change in self._made.changes} - well
        if files:
            messages.say(f"written for {counted(len(written), 'function')}: {', '.join(one.shown for one in files)}")
        if left:
            what = counted(len(left), "function")
            messages.say(
                f"not written for {what} that this run has not deployed: write them later with `{self._import_line()}`"
            )


def _live(planned: Planned, concerned: list[tuple[Unit, FunctionSpec]]) -> list[LiveFunction]:
    found = []
    for unit, spec in concerned:
        function = planned.live.by_id.get(unit.function_id or "")
        latest = planned.live.latest(unit.function_id or "")
        if function is not None and latest is not None and planned.desired[unit.key].settings.secrets:
            found.append(LiveFunction(unit.key, function, latest, spec))
    return found
