"""Cost of deleting many versions: `python -m tests.benchmarks.prune [FUNCTIONS] [VERSIONS OF EACH]`.

On the memory cloud, in virtual time and in this process: makespan ÷ bound of the slots, calls, CPU seconds, and the
growth of memory after the plan, without the journal's file. The limits for 50,000 versions are 1.06 and 300 MB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import anyio

from orchestrator.engine.run import execute
from orchestrator.engine.world import World
from orchestrator.journal.events import Event, OperationDone, RunStarted
from orchestrator.journal.folder import FILE
from orchestrator.journal.record import RunRecord
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.manifest.load import load
from orchestrator.model import Fingerprint, FunctionSpec, Limits, Plan, Pruned
from orchestrator.planning.prune.plan import units_of
from orchestrator.planning.prune.rule import PrunePolicy
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.adapters import Wire
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.version.stamp import stamped
from tests.clouds import body
from tests.engine import ENVIRON, EPOCH_S, Bench
from tests.prunes import prune_plan

# For createVersion. A deletion takes a quarter of it, 1.5 s, so that the slots are the bound, and not the requests.
DURATIONS = "lognormal:6,0.4"
LATENCY_S = 0.004  # as in tests/speed
DIGEST = Fingerprint("a" * 16, "b" * 16)
HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\nversion_id = "$latest"\n'


def fill(bench: Bench, functions: int, versions: int) -> dict[str, FunctionSpec]:
    """Give each Function this many Versions of ours, made a hundred days ago."""
    bench.now = lambda: EPOCH_S - 100 * 86400.0
    sent = body("")
    with bench.cloud.past():
        for number in range(functions):
            made = bench.cloud.functions.create({"folderId": "folder", "name": f"f{number:05}"})
            function_id = made["metadata"]["functionId"]
            for one in range(versions):
                said = stamped("", replace(DIGEST, forced=f"{one:08x}"))
                bench.cloud.versions.create(sent | {"functionId": function_id, "description": said})
            bench.cloud.settle()
    bench.now = lambda: EPOCH_S
    path = bench.root / "deploy.toml"
    path.write_text(HEAD + "".join(f"[functions.f{number:05}]\n" for number in range(functions)), "utf-8")
    return dict(load(path, ENVIRON).functions)


def grown_mb() -> float:
    """Return the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def pruned(bench: Bench, world: World, plan: Plan, folder: Path) -> tuple[RunState, RunRecord, float, int]:
    """Carry it out like a command: journaled, folded, recorded."""
    state, record, busy_s = RunState(), RunRecord(), 0.0
    began = RunStarted(bench.now(), "R1", "prune", "sandbox", "deploy.toml", len(plan.units), "0.1")
    with open_store(folder) as store:
        journal = store.start_run(began)

        def emit(event: Event) -> None:
            nonlocal busy_s
            journal.append(event)
            state.apply(event)
            record(event)
            busy_s += event.seconds if isinstance(event, OperationDone) else 0.0

        state.apply(began)
        record(began)
        bench.emit = emit  # type: ignore[method-assign]  # nothing is kept twice
        bench.announce(plan)
        result = await execute(plan, bench.live, world, emit, Stop(), chain=state)
    return state, record, busy_s, sum(one.deleted for one in result.outcomes.values() if isinstance(one, Pruned))


def main(functions: int, versions: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), durations=DURATIONS, quotas=Quotas())
        bench.use(Wire(bench.cloud, latency_s=LATENCY_S))
        specs = fill(bench, functions, versions)

        async def work() -> None:
            bench.now = lambda: EPOCH_S + anyio.current_time()
            before_mb, cpu_s, world = grown_mb(), time.process_time(), bench.world()
            found = await prune_plan(bench, world, specs, PrunePolicy(keep=1, runs=0))
            plan = units_of(found, bench.live, specs)
            planned_s, began_at = time.process_time() - cpu_s, anyio.current_time()
            state, record, busy_s, deleted = await pruned(bench, world, plan, Path(folder))
            makespan_s, limits = anyio.current_time() - began_at, Limits()
            bound_s = busy_s / limits.operations_per_folder
            calls = {name: f"{number / deleted:.2f}" for name, number in bench.wire.calls.items() if number > 100}
            sys.stdout.write(f"{deleted} versions of {functions} functions deleted: {len(state.units)} units\n")
            sys.stdout.write(
                f"makespan ÷ bound: {makespan_s / bound_s:.3f} ({makespan_s:.0f} s), calls each: {calls}\n"
            )
            sys.stdout.write(f"CPU: {planned_s:.1f} s to plan, {time.process_time() - cpu_s - planned_s:.1f} s then\n")
            sys.stdout.write(f"memory: {grown_mb() - before_mb:.0f} MB more than the cloud and the tests take\n")
            sys.stdout.write(f"journal: {(Path(folder) / FILE).stat().st_size / 1e6:.0f} MB\n")
            sys.stdout.write(f"record: {len(record.encode()) / 1e6:.0f} MB\n")
            assert fold(record.events()).outcomes == {"pruned": functions}

        run(work)


if __name__ == "__main__":
    main(*(int(one) for one in (sys.argv[1:] or ["1000", "50"])))
