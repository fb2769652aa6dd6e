"""A run of a very large number of functions in virtual time, in a separate process: JSON in and out.

The cloud is in memory too, so its own memory is measured separately, by making the same versions without a run.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from unittest.mock import patch

from orchestrator.engine.bus import Emit
from orchestrator.engine.progress import Result
from orchestrator.engine.run import execute
from orchestrator.engine.world import World
from orchestrator.journal.state import RunState
from orchestrator.model import BucketPackage, Plan, Rollout, Unit
from orchestrator.model.live_state import LiveState
from orchestrator.prediction import simulation
from orchestrator.report.logs import configure
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import MemoryFunctions
from orchestrator.version.body import version_request
from tests.benchmarks.speed.client import resident_bytes
from tests.speed.test_prediction import LIMITS, allowed, known, units

FOLDERS, SLOTS = 10, 20
_ROLLOUT = Rollout()
_LENGTHS_S = [1.2, 1.6, 2.0, 2.5, 3.3]


def run(functions: int, *, engine: bool) -> dict[str, Any]:
    """Redeploy `functions` over ten folders. `engine` False: only the cloud makes their versions."""
    found: dict[str, Any] = {}

    async def measured(
        plan: Plan,
        live: LiveState,
        world: World,
        emit: Emit,
        stop: Stop,
        *,
        chain: RunState,
        rollout: Rollout = _ROLLOUT,
    ) -> Result:
        before, began = resident_bytes("VmRSS"), time.process_time()
        result = Result({})
        if engine:
            result = await execute(plan, live, world, emit, stop, chain=chain, rollout=rollout)
        else:
            assert isinstance(world.functions, MemoryFunctions)
            for unit in plan.units:
                await world.functions.send(version_request(_body(unit)), idempotency_key=unit.key)
        found["grown_bytes"] = resident_bytes("VmHWM") - before
        found["cpu_s"] = time.process_time() - began
        found["outcomes"] = len(result.outcomes)
        return result

    names = [f"folder{number}" for number in range(FOLDERS)]
    live = LiveState(clouds=dict.fromkeys(names, "cloud"))
    todo = [unit for name in names for unit in units(functions // FOLDERS, name)]
    simulated = simulation.Simulation(todo, live, LIMITS, Rollout(), known(_LENGTHS_S))
    with patch.object(simulation, "execute", measured):
        found["virtual_s"] = simulated.run(1, allowed(SLOTS, SLOTS, *names)).seconds
    return found


def _body(unit: Unit) -> dict[str, Any]:
    assert isinstance(unit.spec.code, BucketPackage)
    return {
        "functionId": unit.function_id, "runtime": "python312", "entrypoint": "index.handler",
        "resources": {"memory": "134217728"}, "executionTimeout": "3s",
        "package": {"bucketName": unit.spec.code.bucket, "objectName": unit.spec.code.object},
    }  # fmt: skip


if __name__ == "__main__":
    configure("warning", "console", sys.stderr)
    json.dump(run(**json.load(sys.stdin)), sys.stdout)
