"""Verifies a new Version: it is called by its ring tag, and its response is judged. This holds no operation slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import anyio

from orchestrator.engine.attempts import Made
from orchestrator.engine.calls import Calls, StepFailedError
from orchestrator.engine.steps import At
from orchestrator.errors import CloudError, Code
from orchestrator.function.verification import Judged, judge_answer, judge_end, verify_facts, verify_request
from orchestrator.journal.events import StepRetried
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import LATEST, SERVES_LATEST, Failure, Step, Unit, Verdict, Verify
from orchestrator.model.live_state import LiveState
from orchestrator.ports import CommandRequest
from orchestrator.resilience import failure
from orchestrator.resilience.policy import backoff_s
from orchestrator.version.rings import ring_of

PATIENCE_S = 120.0  # limit on waits that do not count as attempts: a tag that is routed late, a cloud without capacity
_CALM = 8  # answers in a row after which one more Version is verified at the same time
_UNSURE = (None, Code.UNAVAILABLE)  # no answer, or an incomplete one: the next attempt may succeed


class InconclusiveError(Exception):
    """A Version exists, but its verification is inconclusive."""

    def __init__(self, made: Made, reason: str) -> None:
        super().__init__(reason)
        self.made = made
        self.reason = reason


@dataclass(slots=True)
class CallsAtOnce:
    """How many Versions are called at once: as many as declared, fewer if the cloud has no capacity for them."""

    declared: int
    limiter: anyio.CapacityLimiter = field(init=False)
    _calm: int = 0

    def __post_init__(self) -> None:
        self.limiter = anyio.CapacityLimiter(self.declared)

    def hear(self, *, busy: bool) -> None:
        """Halve the number of calls at once if the cloud is busy. Add one after several answers in a row."""
        allowed = int(self.limiter.total_tokens)
        self._calm = 0 if busy else self._calm + 1
        if busy:
            self.limiter.total_tokens = max(1, allowed // 2)
        elif self._calm >= _CALM and allowed < self.declared:
            self.limiter.total_tokens, self._calm = allowed + 1, 0


@dataclass(frozen=True, slots=True)
class _Called:
    """A Version to verify. `tag`: the tag that it is called by."""

    unit: Unit
    verify: Verify
    at: At
    function_id: str
    version_id: str
    tag: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies Versions. `live`: as read for the plan. `passed`: IDs of those that passed in this run."""

    calls: Calls
    at_once: CallsAtOnce
    live: LiveState
    passed: set[str]

    async def verify(self, unit: Unit, at: At, made: Made) -> Made:
        """Verify the Version that a unit has made, or that its change names.

        Raises `StepFailedError` if it failed, `InconclusiveError` if it is inconclusive, `StoppedError` if the run
        stops before the call.
        """
        verify, calls = unit.spec.verify, self.calls
        if verify is None:
            return made
        version_id = str(unit.changes[at.change].after.get(LATEST) or made.version_id)
        one = _Called(unit, verify, at, made.function_id, version_id, self._tag(unit, version_id))
        began_at = anyio.current_time()
        with calls.steps.step(at, Step.VERIFY):
            judged, tries = await self._judged(one)
        verdict, seconds = judged.verdict or Verdict.INCONCLUSIVE, round(anyio.current_time() - began_at, 3)
        calls.emit(
            VersionVerified(
                calls.world.clock(), unit.key, version_id, verdict, judged.reason, tries, seconds, at.change
            )
        )
        if verdict is Verdict.FAILED:
            advice = f"{judged.advice}; the version {SERVES_LATEST}"
            raise StepFailedError(
                Step.VERIFY, Failure(f"version {version_id}: {judged.reason}", kind="verification", advice=advice)
            )
        if verdict is Verdict.INCONCLUSIVE:
            raise InconclusiveError(made, judged.reason)
        self.passed.add(version_id)
        return made

    def _tag(self, unit: Unit, version_id: str) -> str:
        """Return a tag that leads only to this Version: the ring tag that it was made with, else `$latest`."""
        known = self.live.versions.get(version_id)
        return ring_of(known.tags if known is not None else unit.spec.settings.tags) or LATEST

    async def _judged(self, one: _Called) -> tuple[Judged, int]:
        """Call until there is a verdict. Returns it with the number of calls."""
        calls, attempts, tries, waited_s = self.calls, 0, 0, 0.0
        while True:
            with calls.stop.interruptible(one.unit.key):
                await calls.world.outage.gate()
                await self.at_once.limiter.acquire()
            tries += 1
            try:
                judged = await self._once(one)
            finally:
                self.at_once.limiter.release()
            self.at_once.hear(busy=judged.busy)
            if judged.verdict is not None:
                return judged, tries
            attempts += judged.counts
            if attempts >= one.verify.attempts or waited_s >= PATIENCE_S:
                times = f"called {tries} time{'s' if tries > 1 else ''}"
                return Judged(Verdict.INCONCLUSIVE, f"{judged.reason} ({times})"), tries
            wait_s = backoff_s(min(tries, 5), calls.world.rng, judged.wait_s)
            waited_s += wait_s
            at = one.at
            calls.emit(
                StepRetried(
                    calls.world.clock(), at.unit, Step.VERIFY, tries, wait_s, judged.reason, change=at.change
                )
            )  # fmt: skip
            with calls.stop.interruptible(one.unit.key):
                await anyio.sleep(wait_s)

    async def _once(self, one: _Called) -> Judged:
        """Call once. If the call goes through `$latest`, check before and after which Version that is."""
        try:
            if one.tag == LATEST and (other := await self._other(one)):
                return Judged(
                    Verdict.INCONCLUSIVE, f"{other} has taken $latest, and version {one.version_id} has no other tag"
                )
            judged = await (self._command(one) if one.verify.command else self._call(one))
        except CloudError as error:
            failure.unless_token(error)
            if error.code is Code.DEADLINE_EXCEEDED:
                return Judged(Verdict.FAILED, f"it did not respond within {one.verify.timeout_s:g} s")
            if error.code not in _UNSURE:
                advice = f": {error.advice}" if error.advice else ""
                return Judged(Verdict.INCONCLUSIVE, f"it cannot be called: {error.message}{advice}")
            return Judged(None, f"no response: {error.message}", counts=not self.calls.world.outage.on)
        if one.tag == LATEST and judged.verdict is not None:
            try:
                other = await self._other(one)
            except CloudError as error:  # it has answered, so it is not called again
                failure.unless_token(error)
                other = f"possibly another version ({error.message})"
            if other:
                return Judged(Verdict.INCONCLUSIVE, f"{other} took $latest while version {one.version_id} was called")
        return judged

    async def _other(self, one: _Called) -> str:
        """Return the ID of the Version that `$latest` leads to, "" if it is the one being verified."""
        world = self.calls.world
        latest = await world.read(partial(world.functions.version_by_tag, one.function_id, LATEST))
        return latest.id if latest.id != one.version_id else ""

    async def _call(self, one: _Called) -> Judged:
        world = self.calls.world
        if world.invocations is None:
            return Judged(Verdict.INCONCLUSIVE, "functions cannot be called here")
        request = verify_request(one.verify, one.function_id, one.tag, world.run_id)
        answer = await world.invocations.invoke(request)
        return self._learned(judge_answer(one.verify, answer, one.version_id), answer.seconds)

    async def _command(self, one: _Called) -> Judged:
        world, verify = self.calls.world, one.verify
        if world.commands is None:
            return Judged(Verdict.INCONCLUSIVE, "commands cannot be run here")
        spec = one.unit.spec
        facts = verify_facts(spec.name, one.function_id, spec.folder_id, one.version_id, one.tag, world.run_id)
        request = CommandRequest(verify.command, verify.folder, facts, timeout_s=verify.timeout_s)
        ended = await world.commands.run(request)
        return self._learned(judge_end(verify, ended.status, ended.output), ended.seconds)

    def _learned(self, judged: Judged, seconds: float) -> Judged:
        """Learn how long verifications take here, from those that reached a verdict."""
        if judged.verdict is not None:
            self.calls.tracker.learned.called(seconds)
        return judged
