"""How a plan is rolled out, for people and for programs: its waves, what is between them, when the run stops."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from orchestrator.model import Rollout
from orchestrator.model.units import as_duration
from orchestrator.planning.rollout import ends_paused, no_canary, planned_waves, stop_rule
from orchestrator.report.plain_text import counted, named
from orchestrator.report.views import PlanView

_NAMED = 5  # functions of a wave
_GAP = "  "
_TWO_PHASE = "this is not atomic: tags move one by one, and $latest is new before any tag moves"


def waves_text(view: PlanView) -> Iterator[str]:
    """Yield the waves, and when the run stops by itself. Nothing for a single wave without a stop rule."""
    rollout, waves = view.rollout, planned_waves(view.plan, view.rollout, view.chain)
    of = waves[-1].of if waves else 0
    rule = stop_rule(of, rollout.max_failures)
    stops = f"{rule} and rolls back" if _rolls_back_at(rule, rollout) else rule
    if missing := no_canary(view.plan, rollout) if view.chain is None else "":
        yield missing
    between = list(_between(rollout, of))
    if not waves or (of == 1 and not rule and not between):
        return
    pause = f", {as_duration(rollout.pause_s)} apart" if of > 1 and rollout.pause_s and not ends_paused(rollout) else ""
    what = " of tag moves" if rollout.two_phase and of > 1 else ""
    yield "; ".join(part for part in (f"{counted(of, 'wave')}{what}{pause}", *between, stops) if part)
    if of > 1:
        most = None if view.verbose else _NAMED
        for wave in waves:
            canary = " (canary)" if wave.canary else ""
            names = named((unit.key for unit in wave.units), most)
            yield f"{_GAP}wave {wave.number}{canary}: {counted(len(wave.units), 'function')}: {names}"


def _rolls_back_at(rule: str, rollout: Rollout) -> bool:
    """Return whether the stop rule and the rollback after it can be one sentence."""
    return rule.startswith("stops") and rollout.on_breach == "rollback" and not rollout.two_phase


def _between(rollout: Rollout, waves: int) -> Iterator[str]:
    """Yield what is between two waves, and what follows a breach."""
    if waves > 1 and rollout.approval:
        yield "after each wave the run ends as paused (exit 3) until `promote` continues it"
    elif waves > 1 and ends_paused(rollout):
        pause = as_duration(rollout.pause_s)
        yield f"after each wave the run ends as paused (exit 3) for {pause}; then `promote` continues it"
    if rollout.gate is not None:
        when = (
            "before tags move" if rollout.two_phase else "after each wave, also the last" if waves > 1 else "at the end"
        )
        yield f"the gate {shlex.join(rollout.gate.command)} runs {when}, at most {as_duration(rollout.gate.timeout_s)}"
    if rollout.two_phase:
        yield f"in two phases: all new versions, then the tags; if a function fails, all are rolled back; {_TWO_PHASE}"
    elif rollout.on_breach == "pause":
        yield "a breach pauses the run"
    elif rollout.on_breach == "rollback" and not _rolls_back_at(stop_rule(waves, rollout.max_failures), rollout):
        yield "a breach rolls back what the run has changed"


def rollout_json(view: PlanView) -> dict[str, Any]:
    """Return the same as JSON values."""
    rollout, waves = view.rollout, planned_waves(view.plan, view.rollout, view.chain)
    gate, of = rollout.gate, waves[-1].of if waves else 0
    return {
        "waves": [
            {
                "wave": wave.number,
                "functions": [unit.key for unit in wave.units],
                **({"canary": True} if wave.canary else {}),
            }
            for wave in waves
        ],
        "max_failures": rollout.max_failures,
        "pause_s": rollout.pause_s,
        "stops": stop_rule(of, rollout.max_failures),
        **({"no_canary": said} if (said := no_canary(view.plan, rollout)) and view.chain is None else {}),
        **({"approval": True} if rollout.approval else {}),
        **({"ends_paused": True} if of > 1 and ends_paused(rollout) else {}),
        **({"gate": {"command": list(gate.command), "timeout_s": gate.timeout_s}} if gate is not None else {}),
        **({"on_breach": rollout.on_breach} if rollout.on_breach != "stop" else {}),
        **({"two_phase": True, "waves_of": "tag moves", "notes": [_TWO_PHASE]} if rollout.two_phase else {}),
    }
