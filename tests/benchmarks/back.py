"""CPU cost of planning a rollback, and of a plan's rollback check: `python -m tests.benchmarks.back [FUNCTIONS]`.

On the memory cloud, in this process: the cloud's own work, answering the calls, is included. The limit for a rollback
of 5,000 functions is 3 CPU seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from orchestrator.model import LATEST, Action, Change, ChangeKind, Plan, Unit
from orchestrator.planning.back.former import read_former, read_touched, spec_of
from orchestrator.planning.back.rollback import taken_back
from orchestrator.planning.back.touched import Touched
from orchestrator.planning.back.way_back import with_ways_back
from orchestrator.prediction.virtual_time import run
from orchestrator.sandbox.memory.quotas import Quotas
from tests.clouds import body
from tests.engine import Bench

WITHDRAWN = f"{'a' * 16}.{'b' * 16}"


def fill(bench: Bench, functions: int) -> list[Touched]:
    """Give each Function two Versions, of which a run made the later."""
    found, sent = [], body("", environment={"A": "1"}, serviceAccountId="aje1")
    with bench.cloud.past():
        for number in range(functions):
            name = f"f{number:05}"
            made = bench.cloud.functions.create({"folderId": "folder", "name": name})["metadata"]["functionId"]
            ids = []
            for tag in ("stable", "blue"):
                version = bench.cloud.versions.create(sent | {"functionId": made, "tag": [tag]})
                ids.append(version["metadata"]["functionVersionId"])
            bench.cloud.settle()
            found.append(Touched(name, name, "folder", made, (ids[1],), ids[0], WITHDRAWN, {"blue": ""}))
    return found


def main(functions: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), quotas=Quotas(1 << 30, 1 << 30, 1 << 30))
        bench.cloud.seeds.add_service_account("folder", "runner", id="aje1")
        touched = fill(bench, functions)

        async def plan() -> tuple[list[float], int]:
            world, times = bench.world(), [time.process_time()]
            live = await read_touched(world, touched)
            times.append(time.process_time())
            units = taken_back(touched, live, await read_former(world, touched, live))
            times.append(time.process_time())
            change = Change(ChangeKind.VERSION, {LATEST: ""}, {LATEST: None})
            forth = [
                Unit(one.key, spec_of(one), Action.VERSION, "", function_id=one.function_id, changes=(change,))
                for one in touched
            ]
            times.append(time.process_time())
            await with_ways_back(world, Plan(tuple(forth)), live)
            times.append(time.process_time())
            return times, sum(unit.action is Action.COPY for unit in units)

        times, copies = run(plan)
        read, back, _, ways = (after - before for before, after in pairwise(times))
    sys.stdout.write(f"{functions} functions, {copies} copies\n")
    sys.stdout.write(f"plan of a rollback: {read + back:.2f} CPU s, {read:.2f} of it to read what is live\n")
    sys.stdout.write(f"ways back of a plan: {ways:.2f} CPU s\n")
    sys.stdout.write(f"calls: {dict(bench.wire.calls)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
