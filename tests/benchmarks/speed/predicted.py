"""The prediction of `plan --simulate`, and what the run then takes: the installed program against the HTTP sandbox."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.benchmarks.speed import cloud
from tests.e2e.harness import PROGRAM, environment, events

_FORCED = ("--force", "--yes", "--log-level", "error")


def predicted(root: Path, functions: int, runs: int, durations: str, slots: int) -> list[dict[str, Any]]:
    """Deploy once so that durations are known, then predict and deploy `runs` times."""
    filled = cloud.filled(root, functions)
    cloud.manifest(root, functions)
    quota = [f"--quota=operations_per_{owner}={slots}" for owner in ("folder", "cloud")]
    rows = []
    with cloud.served(root, filled, *quota, "--durations", durations) as served:
        environ = environment({"YC_SERVICE_ACCOUNT_KEY_FILE": served.key_file, "YC_FOLDER_ID": cloud.FOLDER})
        environ["ORCHESTRATOR_ENDPOINT"] = served.url

        def program(*arguments: str) -> str:
            done = subprocess.run(
                [*PROGRAM, *arguments], cwd=root, env=environ, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(done.stderr)
            return done.stdout

        program("deploy", "--adopt", *_FORCED)
        for number in range(runs):
            reported = json.loads(program("plan", "--simulate", "--force", "-o", "json"))["simulation"]
            log = root / f"events{number}.ndjson"
            program("deploy", *_FORCED, "--events", str(log))
            times = [event["at"] for event in events(log) if event["kind"] in ("requested", "operation_done")]
            took_s = max(times) - min(times)
            rows.append(
                {
                    "predicted, s": reported["seconds"], "p90, s": reported["p90_s"], "took, s": took_s,
                    "predicted ÷ took": reported["seconds"] / took_s,
                }
            )  # fmt: skip
    return rows
