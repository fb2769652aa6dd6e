"""The gate of a rollout: a user's command that judges each wave when it has ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from orchestrator.engine.progress import RunProgress
from orchestrator.engine.spreading.gate_facts import GateFacts, Member, counts_of
from orchestrator.journal.rollout_events import GateBegan, GateEnded
from orchestrator.model import Gate, Verdict
from orchestrator.model.units import as_duration
from orchestrator.ports import CommandEnd, CommandRequest
from orchestrator.resilience.stop import StoppedError

INCONCLUSIVE = 75  # the exit status for "inconclusive" (EX_TEMPFAIL of sysexits.h)


@dataclass(frozen=True, slots=True)
class Judging:
    """The wave to judge. `wave` 0: the whole run. `begin`, `end`: its places, from 1, among the units of all waves.
    `seconds`: since it began.
    """

    wave: int
    waves: int
    begin: int
    end: int
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The wave's name in messages."""
        return f"wave {self.wave} of {self.waves}" if self.wave else "the new versions"


@dataclass(frozen=True, slots=True)
class Gates:
    """Runs the gate. By its answer, the run continues, pauses or stops."""

    gate: Gate
    run: RunProgress

    async def judge(self, judging: Judging) -> None:
        """Let the gate judge what has ended.

        | the gate                | the run                                                  |
        | ---                     | ---                                                      |
        | exits with 0            | continues                                                |
        | exits with 75           | `on_inconclusive`: pauses, breaches, or continues        |
        | exits with another code | breaches                                                 |
        | does not end in time    | breaches                                                 |
        | is cut off by a stop    | stops; a resumed run asks the gate again                 |
        """
        run, gate, commands = self.run, self.gate, self.run.world.commands
        facts = {
            "ORCHESTRATOR_RUN_ID": run.world.run_id,
            "ORCHESTRATOR_WAVE": str(judging.wave),
            "ORCHESTRATOR_WAVES": str(judging.waves),
        }
        stdin = run.world.outlet.json(asdict(self._facts(judging))).encode()
        request = CommandRequest(gate.command, gate.folder, facts, stdin, gate.timeout_s)
        run.emit(GateBegan(run.world.clock(), judging.wave))
        try:
            with run.stop.interruptible():
                if commands is None:
                    ended = CommandEnd(INCONCLUSIVE, "commands cannot be run here", 0.0)
                else:
                    ended = await commands.run(request)
        except StoppedError:
            run.unjudged = True
            return
        verdict = gate_verdict(ended.status)
        at = run.world.clock()
        run.emit(GateEnded(at, judging.wave, verdict, round(ended.seconds, 3), ended.status, ended.output))
        self._heed(verdict, ended, judging)

    def _heed(self, verdict: Verdict, ended: CommandEnd, judging: Judging) -> None:
        said = f": {ended.output.strip().splitlines()[-1]}" if ended.output.strip() else ""
        if verdict is Verdict.PASSED:
            return
        if verdict is Verdict.INCONCLUSIVE:
            why = f"the gate is inconclusive about {judging.name}{said}"
            if self.run.rollout.on_inconclusive == "pause":
                self.run.pause(why, judging.wave)
            elif self.run.rollout.on_inconclusive == "fail":
                self.run.breached(why, judged=True)
            return
        if ended.status is None:
            how = f"did not respond within {as_duration(self.gate.timeout_s)}"
        else:
            how = f"exited with {ended.status}"
        self.run.breached(f"the gate of {judging.name} {how}{said}", judged=True)

    def _facts(self, judging: Judging) -> GateFacts:
        members = dict(self.run.members.gate_members({**self.run.made, **self.run.outcomes}))
        chosen = [member for turn, member in members.values() if judging.begin < turn <= judging.end]
        every = [member for _, member in members.values()]
        return GateFacts(
            run_id=self.run.world.run_id,
            wave=judging.wave,
            waves=judging.waves,
            counts=counts_of(every, self.run.tally.before.in_waves or len(self.run.members.turns)),
            functions=tuple(chosen),
            failures=tuple(_failed(every)),
            seconds=round(judging.seconds, 3),
            environment=self.run.world.environment,
            folders=tuple(sorted({member.folder_id for member in every})),
        )


def _failed(members: Iterable[Member]) -> Iterable[Member]:
    return (member for member in members if member.outcome == "failed")


def gate_verdict(status: int | None) -> Verdict:
    """Return the verdict for an exit status. None: there was no answer in time.

    | status  | verdict      |
    | ---     | ---          |
    | 0       | passed       |
    | 75      | inconclusive |
    | others  | failed       |
    | None    | failed       |
    """
    if status == 0:
        return Verdict.PASSED
    return Verdict.INCONCLUSIVE if status == INCONCLUSIVE else Verdict.FAILED
