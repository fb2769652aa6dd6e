"""What the sources hold: built and read before a plan, equal ones once; of a zip in a bucket, which state is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from orchestrator.errors import PackageError
from orchestrator.model import FunctionSpec, SourceCode, Step
from orchestrator.planning.objects import read_etags
from orchestrator.planning.planner import Prepared
from orchestrator.ports import Reading
from orchestrator.resilience import failure
from orchestrator.resilience.groups import each


@dataclass(frozen=True, slots=True)
class Sources:
    """What each function's source holds now, and how many seconds it took to build and to read it."""

    prepared: dict[str, Prepared] = field(default_factory=dict)
    seconds: dict[str, dict[Step, float]] = field(default_factory=dict)


async def read_sources(world: Reading, specs: Mapping[str, FunctionSpec]) -> Sources:
    """Build and read the tree of every source, equal ones once. A failure is that function's, not the run's."""
    sources = Sources()
    codes: dict[SourceCode, list[str]] = {}
    for key, spec in specs.items():
        if isinstance(spec.code, SourceCode):
            codes.setdefault(spec.code, []).append(key)

    sources.prepared.update(await read_etags(world, specs))

    async def read(code: SourceCode) -> None:
        seconds: dict[Step, float] = {}
        prepared = await _prepare(world, code, seconds)
        for key in codes[code]:
            sources.prepared[key] = prepared
            sources.seconds[key] = seconds

    await each(codes, read, at_once=16)
    return sources


async def _prepare(world: Reading, code: SourceCode, seconds: dict[Step, float]) -> Prepared:
    step, started_at = Step.BUILD, anyio.current_time()
    try:
        if code.build is not None:
            await world.packager.build(code)
            seconds[step] = anyio.current_time() - started_at
        step, started_at = Step.PACKAGE, anyio.current_time()
        return await world.packager.scan(code)
    except PackageError as error:
        return step, failure.of_package(error, step)
    finally:
        seconds[step] = anyio.current_time() - started_at
