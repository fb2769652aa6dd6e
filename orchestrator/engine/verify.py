"""Whether a new Version works: it is called, by its ring tag, and its answer judged. No operation slot is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import anyio

from orchestrator.engine.attempts import Made
from orchestrator.engine.calls import Calls, StepFailedError
from orchestrator.engine.steps import At
from orchestrator.errors import CloudError, Code
from orchestrator.function.verification import Judged, judge_answer, verify_request
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.model import LATEST, Failure, Step, Unit, Verdict, Verify
from orchestrator.ports import CommandRequest
from orchestrator.resilience import failure
from orchestrator.resilience.policy import backoff_s
from orchestrator.version.rings import ring_of

PATIENCE_S = 120.0  # for answers that count as no attempt: a tag that routes late, a cloud without room
_INCONCLUSIVE = 75  # the exit status of a command that cannot tell (EX_TEMPFAIL of sysexits.h)


class InconclusiveError(Exception):
    """A Version is there, and nobody can say whether it works."""

    def __init__(self, made: Made, reason: str) -> None:
        super().__init__(reason)
        self.made = made
        self.reason = reason


@dataclass(slots=True)
class CallsAtOnce:
    """How many Versions are verified at once: as many as declared, fewer where the cloud has no room for them."""

    declared: int
    limiter: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = anyio.CapacityLimiter(self.declared)

    def less(self) -> None:
        """Let half as many be called at once."""
        self.limiter.total_tokens = max(1, int(self.limiter.total_tokens) // 2)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies Versions."""

    calls: Calls
    at_once: CallsAtOnce

    async def verify(self, unit: Unit, at: At, made: Made) -> Made:
        """Verify the Version that a unit has made, or that its change names.

        Raises `StepFailedError` where it failed, `InconclusiveError` where nobody can say, `StoppedError` where the run
        stops before it is called.
        """
        verify, calls = unit.spec.verify, self.calls
        version_id = str(unit.changes[at.change].after.get(LATEST) or made.version_id)
        if verify is None:
            return made
        began_at = anyio.current_time()
        with calls.steps.step(at, Step.VERIFY):
            with calls.stop.interruptible(unit.key):
                await self.at_once.limiter.acquire()
            try:
                judged, attempts = await self._judged(unit, verify, made.function_id, version_id)
            finally:
                self.at_once.limiter.release()
        verdict, seconds = judged.verdict or Verdict.INCONCLUSIVE, anyio.current_time() - began_at
        at_s, spent = calls.world.clock(), (attempts, round(seconds, 3))
        calls.emit(VersionVerified(at_s, unit.key, version_id, verdict, judged.reason, *spent, at.change))
        if verdict is Verdict.FAILED:
            advice = "look at the function's logs; the version is live all the same, `rollback` takes it back"
            raise StepFailedError(
                Step.VERIFY, Failure(f"version {version_id}: {judged.reason}", kind="verification", advice=advice)
            )
        if verdict is Verdict.INCONCLUSIVE:
            raise InconclusiveError(made, judged.reason)
        return made

    async def _judged(self, unit: Unit, verify: Verify, function_id: str, version_id: str) -> tuple[Judged, int]:
        """Call until there is a verdict, and say how many calls it took."""
        ring = ring_of(unit.spec.settings.tags)
        tag = ring or LATEST
        until, attempt, tries = anyio.current_time() + PATIENCE_S, 0, 0
        while True:
            tries += 1
            if not ring and not await self._serves(function_id, version_id):
                return Judged(
                    Verdict.INCONCLUSIVE, f"{version_id} is not $latest any more, and has no tag of its own"
                ), tries
            judged, counts = await self._once(unit, verify, function_id, tag, version_id)
            if not ring and not await self._serves(function_id, version_id):
                return Judged(
                    Verdict.INCONCLUSIVE, f"another version took $latest while {version_id} was called"
                ), tries
            attempt += counts
            if judged.verdict is not None:
                return judged, tries
            if attempt >= verify.attempts or anyio.current_time() >= until:
                return Judged(Verdict.INCONCLUSIVE, f"{judged.reason} (called {tries} times)"), tries
            if judged.busy:
                self.at_once.less()
            with self.calls.stop.interruptible(unit.key):
                await anyio.sleep(backoff_s(min(tries, 5), self.calls.world.rng))

    async def _once(
        self, unit: Unit, verify: Verify, function_id: str, tag: str, version_id: str
    ) -> tuple[Judged, bool]:
        """Call once. The second value: it counts as an attempt."""
        world = self.calls.world
        if verify.command:
            return await self._command(unit, verify, function_id, tag, version_id), True
        if world.invocations is None:
            return Judged(Verdict.INCONCLUSIVE, "functions cannot be called here"), True
        try:
            answer = await world.invocations.invoke(verify_request(verify, function_id, tag, world.run_id))
        except CloudError as error:
            failure.unless_token(error)
            if error.code is Code.DEADLINE_EXCEEDED:
                return Judged(Verdict.FAILED, f"it did not answer within {verify.timeout_s:g} s"), True
            return Judged(None, f"no answer: {error.message}"), True
        return judge_answer(verify, answer, version_id), False

    async def _command(self, unit: Unit, verify: Verify, function_id: str, tag: str, version_id: str) -> Judged:
        world = self.calls.world
        facts = {
            "ORCHESTRATOR_FUNCTION": unit.spec.name,
            "ORCHESTRATOR_FUNCTION_ID": function_id,
            "ORCHESTRATOR_FOLDER_ID": unit.spec.folder_id,
            "ORCHESTRATOR_VERSION_ID": version_id,
            "ORCHESTRATOR_TAG": tag,
            "ORCHESTRATOR_RUN_ID": world.run_id,
        }
        if world.commands is None:
            return Judged(Verdict.INCONCLUSIVE, "commands cannot be run here")
        ended = await world.commands.run(
            CommandRequest(verify.command, verify.folder, facts, timeout_s=verify.timeout_s)
        )
        if ended.status is None:
            return Judged(Verdict.FAILED, f"{verify.command[0]} did not end within {verify.timeout_s:g} s")
        said = f": {ended.output}" if ended.output else ""
        if ended.status == _INCONCLUSIVE:
            return Judged(None, f"{verify.command[0]} could not tell (exit {ended.status}){said}")
        if ended.status:
            return Judged(Verdict.FAILED, f"{verify.command[0]} failed with exit status {ended.status}{said}")
        return Judged(Verdict.PASSED)

    async def _serves(self, function_id: str, version_id: str) -> bool:
        world = self.calls.world
        try:
            latest = await world.read(partial(world.functions.version_by_tag, function_id, LATEST))
        except CloudError as error:
            failure.unless_token(error)
            return False
        return latest.id == version_id
