"""CPU time of `import` besides its calls: `python -m tests.benchmarks.imported`. Limit: 10 s for 5,000 functions."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.model import Connectivity, LogOptions, Secret
from orchestrator.redaction.redactor import Redactor
from tests.builders import settings
from tests.live import imported, live_function, live_state, planned_from

_TEAMS = ("auth", "billing", "media", "search", "mail", "ops", "pay", "web")
_RUNTIMES = ("python312", "python311", "nodejs22", "golang123")


def main(count: int) -> None:
    """Print the CPU seconds."""
    rng = random.Random(1)
    functions = []
    for number in range(count):
        team = rng.choice(_TEAMS)
        environment = {"TEAM": team, "LEVEL": rng.choice(["info", "warn"]), "API_TOKEN": f"{team}-0123456789"}
        environment |= {f"V{n}": str(rng.randrange(3)) for n in range(8)} | {"OWN": f"value of {number}"}
        made = replace(
            settings(environment=environment, service_account_id=f"aje{team}"), runtime=rng.choice(_RUNTIMES),
            memory_bytes=rng.choice([1, 2, 4]) * (128 << 20), log=LogOptions(min_level="WARN"),
            secrets=(Secret("DB", "password", f"e6q{team}", None, f"e6v{team}"),), connectivity=Connectivity("enp1"),
        )  # fmt: skip
        functions.append(live_function(f"{team}-{number:05d}", made, f"folder{number % 20}", labels={"team": team}))
    live, redactor = live_state(functions), Redactor()
    began_s = time.process_time()
    entries, text = imported(live, looks_secret=lambda value: redactor.text(value) != value)
    took_s = time.process_time() - began_s
    variables = {one.name: f"{one.name.split('_')[0].lower()}-0123456789" for one in entries.variables}
    with TemporaryDirectory() as folder:
        plan = planned_from(Path(folder), text, live, variables)
    changed = [unit.key for unit in plan.units if unit.action != "unchanged"]
    lines = text.count("\n")
    reported = f"{took_s:.1f} CPU-s, {lines} lines, {len(changed)} changes in the plan"
    sys.stdout.write(f"{count} functions: {reported}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
