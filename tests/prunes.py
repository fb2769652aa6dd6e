"""Prunes on the bench: planned from the live state and from the events of runs, carried out by the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio

from orchestrator.engine.progress import Result
from orchestrator.engine.run import execute
from orchestrator.engine.world import World
from orchestrator.journal.events import Event, RunEnded, RunStarted
from orchestrator.journal.state import RunState, fold
from orchestrator.model import FunctionSpec, Outcome
from orchestrator.planning.live import read_live
from orchestrator.planning.prune.finding import find_prunable, pruned_functions
from orchestrator.planning.prune.past import Past
from orchestrator.planning.prune.plan import PrunePlan, units_of
from orchestrator.planning.prune.rule import KnownNeeds, PrunePolicy
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.stop import Stop
from tests.engine import Bench


async def prune_plan(
    bench: Bench,
    world: World,
    specs: Mapping[str, FunctionSpec],
    policy: PrunePolicy,
    chains: Iterable[RunState] = (),
    named: frozenset[str] = frozenset(),
) -> PrunePlan:
    """Plan as the program does, from these runs, the newest first, which are all in the bucket's records."""
    bench.live = live = await read_live(world, specs.values(), fresh=True)
    found = pruned_functions(specs, live)
    past = Past(policy.runs, found.names, found.version_ids)
    for chain in chains:
        past.take(chain)
    known = {
        one: KnownNeeds(reported.needed, reported.runs >= policy.runs, reported.left_alone, spans=reported.spans)
        for one, reported in past.by_function.items()
    }
    now = datetime.fromtimestamp(bench.now(), UTC)
    return PrunePlan(await find_prunable(world, found, live, policy, known, named=named, now=now))


def prune(
    bench: Bench,
    manifest: str,
    policy: PrunePolicy,
    runs: Iterable[list[Event]] = (),
    *,
    named: frozenset[str] = frozenset(),
    meanwhile: Callable[[Stop], Any] | None = None,
    between: Callable[[], object] = lambda: None,
) -> dict[str, Outcome]:
    """Prune what a manifest declares, after these runs (the newest first). Returns every function's outcome. `between`:
    done after planning.
    """
    specs, began_at, chains = bench.load(manifest).functions, bench.now(), [fold(events) for events in runs]

    async def main() -> Result:
        started_at = anyio.current_time()
        bench.now = lambda: began_at + anyio.current_time()
        world, bench.stop, bench.events, bench.folded = bench.world(), Stop(), [], RunState()
        bench.plan = units_of(await prune_plan(bench, world, specs, policy, chains, named), bench.live, specs)
        bench.announce(bench.plan)
        between()
        async with anyio.create_task_group() as group:
            if meanwhile is not None:
                group.start_soon(meanwhile, bench.stop)
            result = await execute(bench.plan, bench.live, world, bench.emit, bench.stop, chain=bench.folded)
            group.cancel_scope.cancel()
        bench.seconds = anyio.current_time() - started_at
        return result

    bench.result = run(main)
    bench.pass_time(bench.seconds + 1.0)
    return bench.result.outcomes


def run_events(bench: Bench, number: int, exit_code: int = 0) -> list[Event]:
    """Return the events of the bench's last run, as a whole run with that number."""
    began = RunStarted(bench.events[0].at, f"R{number}", "deploy", "sandbox", "deploy.toml", 1, "0.1")
    return [began, *bench.events, RunEnded(bench.events[-1].at, exit_code)]
