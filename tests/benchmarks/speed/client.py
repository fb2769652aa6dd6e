"""One run of one strategy, in a separate process: `python -m tests.benchmarks.speed.client`, JSON in and out."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio

from orchestrator.cloud.connect import Connection, connect
from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.engine.base import Base
from orchestrator.engine.bus import Bus
from orchestrator.engine.knowledge import from_json
from orchestrator.engine.run import execute
from orchestrator.engine.world import World
from orchestrator.journal.events import RunStarted
from orchestrator.journal.state import RunState
from orchestrator.journal.store import open_store
from orchestrator.manifest.load import load
from orchestrator.model import CloudAddress, Deployed, Limits, Storage
from orchestrator.package.packager import ZipPackager
from orchestrator.planning.live import read_live
from orchestrator.planning.planner import build
from orchestrator.planning.sources import read_sources
from orchestrator.report.logs import configure
from orchestrator.resilience.stop import Stop
from orchestrator.version.adoption import Adoption
from orchestrator.version.stamp import forced_digest
from tests.benchmarks.speed.strategies import OURS, STRATEGIES, Body, Counted


async def run(task: dict[str, Any]) -> dict[str, Any]:
    """Carry out `task`: strategy, endpoint, key_file, manifest, limits, knowledge. Returns what was counted."""
    environ = {"YC_SERVICE_ACCOUNT_KEY_FILE": task["key_file"], "YC_FOLDER_ID": task["folder_id"]}
    address = CloudAddress(task["endpoint"], task["folder_id"], None)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connect(address, environ, version="0", patience_s=10.0))
        counted = Counted(connection.functions, connection.operations)
        if task["strategy"] == OURS:
            learned = await _ours(task, connection, counted, stack, environ)
        else:
            versions = await connection.functions.list_versions(task["folder_id"])
            bodies: list[Body] = [_body(version.function_id, version.id) for version in versions]
            before = time.process_time()
            await STRATEGIES[task["strategy"]](counted, bodies)
            learned = {"cpu_s": time.process_time() - before, "grown_bytes": 0}
        peak_bytes = learned.pop("planning_bytes", 0)
        own = {name: learned.pop(name) for name in ("cpu_s", "grown_bytes")}
        return {
            "makespan_s": counted.last_at - counted.first_at,
            "calls": counted.calls,
            "accepted": [at - counted.first_at for at in counted.accepted],
            "refusals": [at - counted.first_at for at in counted.refused],
            "done": [at - counted.first_at for at in counted.done],
            **own,
            "peak_bytes": max(peak_bytes, resident_bytes("VmHWM")),
            "learned": learned,
        }


def _body(function_id: str, version_id: str) -> dict[str, Any]:
    return {
        "functionId": function_id,
        "runtime": "python312",
        "entrypoint": "index.handler",
        "resources": {"memory": "134217728"},
        "executionTimeout": "10s",
        "versionId": version_id,
    }


async def _ours(
    task: dict[str, Any], connection: Connection, counted: Counted, stack: AsyncExitStack, environ: dict[str, str]
) -> dict[str, Any]:
    """Plan a forced redeploy and carry it out, with its journal. Returns what was learned, and the CPU seconds."""
    root = Path(task["root"])
    manifest = load(Path(task["manifest"]), environ)
    packager = await stack.enter_async_context(ZipPackager(root / "packages"))
    store = None
    if task.get("bucket"):
        await anyio.to_thread.run_sync(import_module, "orchestrator.cloud.s3.client")  # not part of a run's cost
        store = await stack.enter_async_context(
            S3ObjectStore(
                connection.storage_endpoint,
                credentials=None,
                token=connection.token,
                renew=connection.renew,
                environ=environ,
            )
        )
    world = World(
        functions=counted,
        operations=counted,
        directory=connection.directory,
        store=store,
        packager=packager,
        clock=time.time,
        server_time=connection.client.server_time,
        rng=random.Random(1),
        storage=Storage(task.get("bucket"), ""),
        limits=replace(Limits(), **task["limits"]),
        knowledge=from_json(task.get("knowledge") or {}),
    )
    specs = manifest.functions
    state = await read_live(world, specs.values())
    sources = await read_sources(world, specs)
    plan = build(
        specs,
        state,
        sources.prepared,
        {},
        forced=forced_digest(str(random.Random().random())),
        adopt=Adoption(everything=True),
    )
    counted.calls.clear()
    if task.get("believe"):
        Base.look = _believe  # type: ignore[assignment, method-assign]
    with open_store(root / f"state{os.getpid()}") as journal:
        started = RunStarted(time.time(), "benchmark", "deploy", task["endpoint"], "", len(specs), "0")
        bus = Bus(journal.start_run(started), RunState(), [])
        planning_bytes, planned_bytes = resident_bytes("VmHWM"), resident_bytes("VmRSS")
        _forget_peak()
        before = time.process_time()
        result = await execute(plan, state, world, bus, Stop(), chain=bus.state)
        cpu_s = time.process_time() - before
    assert all(isinstance(outcome, Deployed) for outcome in result.outcomes.values())
    own = {"planning_bytes": planning_bytes, "grown_bytes": resident_bytes("VmHWM") - planned_bytes}
    return {**world.knowledge.to_json(), "cpu_s": cpu_s, **own}


async def _believe(_base: Base) -> None:
    """Trust the plan about what is live."""


def resident_bytes(name: str) -> int:
    """Return a figure of this process; `ru_maxrss` would be the parent's, if larger."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _forget_peak() -> None:
    """Reset the peak: from now on `VmHWM` is the peak of the run."""
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    configure("warning", "console", sys.stderr)  # as on a terminal
    json.dump(anyio.run(run, json.load(sys.stdin)), sys.stdout)
