"""The log lines for what happens between the waves of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.journal.events import Breached, Event
from orchestrator.journal.rollout_events import GateBegan, GateEnded, PauseBegan, RollbackBegun, RunPaused, WaveStarted
from orchestrator.model import Verdict

LogLine = tuple[str, str, dict[str, Any]]  # level, text, facts
_GATES = {
    Verdict.PASSED: ("info", "the gate passed"),
    Verdict.INCONCLUSIVE: ("warning", "the gate was inconclusive"),
    Verdict.FAILED: ("error", "the gate failed"),
}
_THEN = {
    "stop": "; `resume` starts nothing either",
    "pause": " until it is promoted",
    "rollback": ", and what was changed is rolled back",
}


def _wave(event: WaveStarted) -> LogLine:
    canary = {"canary": True} if event.canary else {}
    return "info", "wave started", {"wave": f"{event.number}/{event.waves}", "functions": event.units} | canary


def _pause(event: PauseBegan) -> LogLine:
    return "info", "pause", {"wave": event.wave, "seconds": round(event.seconds, 1)}


def _gate(event: GateEnded) -> LogLine:
    level, text = _GATES[event.verdict]
    facts = {"wave": event.wave, "seconds": round(event.seconds, 3), "exit_code": event.exit_code}
    return level, text, facts | ({"output": event.output} if event.output else {})


def _rolling_back(event: RollbackBegun) -> LogLine:
    return "warning", "rolling back", {"rollback": event.run_id, "reason": event.reason}


def _paused(event: RunPaused) -> LogLine:
    until = {"until": datetime.fromtimestamp(event.until, UTC).isoformat(timespec="seconds")} if event.until else {}
    return "warning", "paused: run `promote` to continue", {"reason": event.reason, "wave": event.wave} | until


def _breached(event: Breached) -> LogLine:
    return "error", f"breach: nothing else starts{_THEN.get(event.then, _THEN['stop'])}", {"reason": event.reason}


ROLLOUT_LINES: Mapping[type[Event], Callable[[Any], LogLine]] = {
    WaveStarted: _wave,
    PauseBegan: _pause,
    GateBegan: lambda event: ("info", "the gate is running", {"wave": event.wave}),
    GateEnded: _gate,
    RunPaused: _paused,
    RollbackBegun: _rolling_back,
    Breached: _breached,
}
