"""A run of very many functions in virtual time, in a process of its own: JSON in and out.

The cloud is in memory as well, so what it holds itself is measured beside, by making the same versions without a run.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from unittest.mock import patch

from orchestrator.have import Have
from orchestrator.model import (
    Action,
    BucketPackage,
    Fingerprint,
    FunctionSpec,
    Limits,
    Place,
    Plan,
    Rollout,
    Settings,
    Unit,
)
from orchestrator.pipeline.bus import Emit
from orchestrator.pipeline.knowledge import Knowledge
from orchestrator.pipeline.quotas.slots import Scope
from orchestrator.pipeline.run import Result, execute
from orchestrator.pipeline.stop import Stop
from orchestrator.pipeline.tracking.durations import Kind
from orchestrator.pipeline.world import World
from orchestrator.report.logs import configure
from orchestrator.sandbox import prediction
from orchestrator.sandbox.memory.ports import MemoryFunctions
from tests.benchmarks.speed.client import resident_bytes

FOLDERS, SLOTS = 10, 20
_ROLLOUT = Rollout()
_LENGTHS_S = (1.2, 1.6, 2.0, 2.5, 3.3)


def run(functions: int, *, engine: bool) -> dict[str, Any]:
    """Redeploy `functions` over ten folders. `engine` False: the cloud alone makes their versions."""
    found: dict[str, Any] = {}

    async def measured(
        plan: Plan, have: Have, world: World, emit: Emit, stop: Stop, *, rollout: Rollout = _ROLLOUT
    ) -> Result:
        before, began = resident_bytes("VmRSS"), time.process_time()
        result = Result({})
        if engine:
            result = await execute(plan, have, world, emit, stop, rollout=rollout)
        else:
            assert isinstance(world.functions, MemoryFunctions)
            for unit in plan.units:
                await world.functions.create_version(_body(unit), idempotency_key=unit.key)
        found["grown_bytes"] = resident_bytes("VmHWM") - before
        found["cpu_s"] = time.process_time() - began
        found["outcomes"] = len(result.outcomes)
        return result

    knowledge = Knowledge(call_s=0.004)
    for length_s in _LENGTHS_S:
        knowledge.durations.add(Kind.PLAIN, length_s)
    names = [f"folder{number}" for number in range(FOLDERS)]
    have = Have(clouds=dict.fromkeys(names, "cloud"))
    allowed = {Scope("folder", name): SLOTS for name in names} | {Scope("cloud", "cloud"): SLOTS}
    limits = Limits(requests_per_second=1000.0, polls_per_second=1000.0)
    simulation = prediction.Simulation(_units(functions, names), have, limits, Rollout(), knowledge)
    with patch.object(prediction, "execute", measured):
        found["virtual_s"] = simulation.run(1, allowed).seconds
    return found


def _units(functions: int, folders: list[str]) -> tuple[Unit, ...]:
    settings = Settings("python312", "index.handler", 128 << 20)
    found = []
    for number in range(functions):
        folder = folders[number % len(folders)]
        spec = FunctionSpec(f"f{number}", f"f{number}", folder, settings, BucketPackage("b", "o"), Place("", 0))
        digest = Fingerprint("s" * 16, f"{number:016}")
        found.append(Unit(spec.key, spec, Action.VERSION, "", digest, function_id=f"d4e{number}", base_version_id="v"))
    return tuple(found)


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
