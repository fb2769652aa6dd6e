"""A unit whose verification has failed goes back at once: its way back is planned of what is live now, and made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.engine.attempts import Attempts, Made
from orchestrator.engine.changes import Changes
from orchestrator.engine.new_version import NewVersions
from orchestrator.engine.progress import RunProgress
from orchestrator.engine.unit import Deployer
from orchestrator.engine.verdicts import ROLLBACK
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.journal.events import unit_planned
from orchestrator.model import LATEST, Blocked, Cancelled, ChangeKind, Deployed, Failed, Outcome, Step, Unit, Unknown
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.former import read_former, read_touched
from orchestrator.planning.back.rollback import taken_back
from orchestrator.planning.back.touched import Touched
from orchestrator.resilience import failure
from orchestrator.resilience.stop import StoppedError


@dataclass(frozen=True, slots=True)
class GoingBack:
    """Takes single units back, by the calls of the run that has changed them."""

    run: RunProgress
    deployer: Deployer

    async def after(self, unit: Unit, ended: Outcome | None) -> Outcome | None:
        """Take a unit back whose verification has failed, where a breach would: unless it has come to that, and all are
        taken back, or somebody has stopped the run. Gives what has become of it.
        """
        run = self.run
        unit, verified = run.again.get(unit.key, unit), run.facts.get(unit.key, ("", None))
        makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
        if not isinstance(ended, Failed) or ended.step is not Step.VERIFY or not makes or verified[1] is None:
            return ended
        if run.rollout.on_breach != ROLLBACK or run.rollout.two_phase or run.stop.why(unit.key):
            return ended
        function_id = unit.function_id or verified[0]
        try:
            found = await self._take_back(unit, function_id, verified[1].version_id, ended)
        except InterruptedRunError as error:
            run.break_off(error)
            return ended
        self.deployer.changes.calls.take(unit.key)
        run.seen({unit.key: found})
        return found

    async def _take_back(self, unit: Unit, function_id: str, version_id: str, failed: Failed) -> Failed | Unknown:
        """Take back what a unit has done, which has made this Version and failed. What becomes of it is said in its
        failure; what does not succeed is left for a rollback of the run.

        Raises `InterruptedRunError` where the run cannot go on.
        """
        calls = self.deployer.changes.calls
        touched = _touched(unit, function_id, version_id)
        try:
            with calls.stop.interruptible(unit.key):
                live = await read_touched(calls.world, [touched])
                former = await read_former(calls.world, [touched], live)
        except StoppedError as error:
            return _told(failed, f"it was not taken back: {error}")
        except CloudError as error:
            failure.unless_token(error)
            return _told(failed, f"it was not taken back: what is live cannot be read: {error.message}")
        (back,) = taken_back([touched], live, former)
        left = f"{back.failure.message}" if back.failure is not None else ""
        if not back.changes:
            return _told(failed, left or back.reason)
        changes, number = (*unit.changes, *back.changes), len(unit.changes)
        calls.emit(unit_planned(calls.world.clock(), replace(unit, changes=changes, back_from=number), {}))
        whole = replace(back, key=unit.key, changes=changes)
        found = await self._with(live).carry_out(whole, slice(number, None), Made(function_id, version_id, {}))
        return _judged(failed, found, back, left)

    def _with(self, live: LiveState) -> Deployer:
        """Make changes based on what is live now."""
        attempts = Attempts(self.deployer.changes.calls, live)
        changes = Changes(attempts, NewVersions(attempts, {}), self.deployer.changes.verifier)
        return replace(self.deployer, changes=changes)


def _touched(unit: Unit, function_id: str, version_id: str) -> Touched:
    made = next(change for change in unit.changes if change.kind is ChangeKind.VERSION)
    return Touched(
        key=unit.key,
        name=unit.spec.name,
        folder_id=unit.spec.folder_id,
        function_id=function_id,
        made=(version_id,),
        base_version_id=unit.base_version_id or "",
        fingerprint=str(unit.fingerprint or ""),
        tags={tag: str(holder or "") for tag, holder in made.before.items() if tag != LATEST},
        own=tuple(change for change in unit.changes if change.kind is ChangeKind.UPDATE),
        created=any(change.kind is ChangeKind.FUNCTION for change in unit.changes),
    )


def _judged(failed: Failed, found: object, back: Unit, left: str) -> Failed | Unknown:
    """Say what became of a unit by what became of its way back.

    | its way back           | the unit                                                        |
    | ---                    | ---                                                             |
    | is done                | failed, and the Version that serves since                       |
    | is done, but for parts | failed, likewise, and what is left alone                        |
    | has no end yet         | unknown: `resume` follows it                                    |
    | any other              | failed, and why it was not taken back                           |
    """
    match found:
        case Deployed(version_id):
            copied = any(change.kind is ChangeKind.VERSION for change in back.changes)
            how = f"rolled back: {back.reason}" + (f"; {left}" if left else "")
            return replace(_told(failed, how, advice=""), rolled_back_to=version_id if copied else "")
        case Unknown(reason, operation_id, version_id):
            return Unknown(f"{failed.failure.message}; its way back has no end yet: {reason}", operation_id, version_id)
        case Failed(_, why):
            return _told(failed, f"it was not taken back: {why.message}")
        case Blocked(reason) | Cancelled(reason):
            return _told(failed, f"it was not taken back: {reason}")
    return failed


def _told(failed: Failed, what: str, *, advice: str | None = None) -> Failed:
    told = failed.failure
    advice = told.advice if advice is None else advice
    return replace(failed, failure=replace(told, message=f"{told.message}; {what}", advice=advice))
