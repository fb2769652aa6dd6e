"""Rolls back a unit at once when its verification has failed. The rollback is planned from what is live now."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.engine.attempts import Attempts, Made
from orchestrator.engine.changing.changes import Changes
from orchestrator.engine.changing.new_version import NewVersions
from orchestrator.engine.progress import RunProgress
from orchestrator.engine.unit import Deployer
from orchestrator.engine.verdicts import ROLLBACK
from orchestrator.errors import CloudError, InterruptedRunError
from orchestrator.journal.events import unit_planned
from orchestrator.journal.state import RunState
from orchestrator.model import Blocked, Cancelled, ChangeKind, Deployed, Failed, Outcome, Step, Unit, Unknown
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.former import read_former, read_touched
from orchestrator.planning.back.rollback import taken_back
from orchestrator.planning.back.touched import Touched, touched_by
from orchestrator.resilience import failure
from orchestrator.resilience.stop import StoppedError


@dataclass(frozen=True, slots=True)
class GoingBack:
    """Rolls back single units with the calls of the run that found them bad. `chain`: this run and all runs that it
    resumes, as folded so far. What any of them changed is rolled back.
    """

    run: RunProgress
    deployer: Deployer
    chain: RunState

    async def after(self, unit: Unit, ended: Outcome | None) -> Outcome | None:
        """Roll back a unit whose verification failed, where a breach would roll back. Skipped if a breach already rolls
        back all units, or if someone stopped the run. Returns the unit's outcome.
        """
        run = self.run
        unit, (_, verified) = run.again.get(unit.key, unit), run.members.facts.get(unit.key, ("", None))
        if not isinstance(ended, Failed) or ended.step is not Step.VERIFY or verified is None:
            return ended
        if run.rollout.on_breach != ROLLBACK or run.rollout.two_phase or run.stop.why(unit.key):
            return ended
        touched = touched_by(self.chain, {unit.key: self.chain.unit(unit.key)}).get(unit.key)
        if touched is None:  # the Version existed before, and nothing else was done
            return ended
        try:
            found = await self._take_back(unit, touched, verified.version_id, ended)
        except InterruptedRunError as error:
            run.break_off(error)
            return ended
        self.deployer.changes.calls.take(unit.key)
        run.seen({unit.key: found})
        return found

    async def _take_back(self, unit: Unit, touched: Touched, version_id: str, failed: Failed) -> Failed | Unknown:
        """Roll back the changes of a unit whose Version failed. The failure reports the result. What does not succeed
        is left for a rollback of the run.

        Raises `InterruptedRunError` if the run cannot continue.
        """
        calls = self.deployer.changes.calls
        try:
            with calls.stop.interruptible(unit.key):
                live = await read_touched(calls.world, [touched])
                former = await read_former(calls.world, [touched], live)
        except StoppedError as error:
            return _extended(failed, f"it was not rolled back: {error}")
        except CloudError as error:
            failure.unless_token(error)
            return _extended(failed, f"it was not rolled back: cannot read the live state: {error.message}")
        former = replace(former, run_id=calls.world.run_id, reaching=calls.world.reaching)
        (back,) = taken_back([touched], live, former)
        left = f"{back.failure.message}" if back.failure is not None else ""
        if not back.changes:
            return _extended(failed, left or back.reason)
        changes, number = (*unit.changes, *back.changes), len(unit.changes)
        calls.emit(unit_planned(calls.world.clock(), replace(unit, changes=changes, back_from=number), {}))
        whole, made = replace(back, key=unit.key, changes=changes), Made(touched.function_id, version_id, {})
        found = await self._with(live).carry_out(whole, slice(number, None), made)
        return _judged(failed, found, back, left)

    def _with(self, live: LiveState) -> Deployer:
        """Return a deployer whose changes are based on what is live now."""
        attempts = Attempts(self.deployer.changes.calls, live)
        changes = Changes(attempts, NewVersions(attempts, {}), self.deployer.changes.verifier)
        return replace(self.deployer, changes=changes)


def _judged(failed: Failed, found: object, back: Unit, left: str) -> Failed | Unknown:
    """Return the outcome of a unit by the outcome of its rollback.

    | its rollback           | the unit                                    |
    | ---                    | ---                                         |
    | is done                | failed; reports the Version that serves now |
    | is done, but for parts | failed; also reports what was left alone    |
    | has not ended          | unknown: `resume` follows it                |
    | any other              | failed; reports why it was not rolled back  |
    """
    match found:
        case Deployed(version_id):
            copied = any(change.kind is ChangeKind.VERSION for change in back.changes)
            how = f"rolled back: {back.reason}" + (f"; {left}" if left else "")
            return replace(_extended(failed, how, advice=""), rolled_back_to=version_id if copied else "")
        case Unknown(reason, operation_id, version_id):
            return Unknown(f"{failed.failure.message}; its rollback has not ended: {reason}", operation_id, version_id)
        case Failed(_, why):
            return _extended(failed, f"it was not rolled back: {why.message}")
        case Blocked(reason) | Cancelled(reason):
            return _extended(failed, f"it was not rolled back: {reason}")
    return failed


def _extended(failed: Failed, what: str, *, advice: str | None = None) -> Failed:
    cause = failed.failure
    advice = cause.advice if advice is None else advice
    return replace(failed, failure=replace(cause, message=f"{cause.message}; {what}", advice=advice))
