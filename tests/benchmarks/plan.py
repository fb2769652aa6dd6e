"""CPU cost of a plan of many live functions: `python -m tests.benchmarks.plan [FUNCTIONS]`.

Serves a sandbox in which each function has two versions, and plans all of them with the installed program. Prints the
program's CPU seconds, those of `validate` on the same manifest in the same run, and the calls that were made.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from orchestrator.sandbox.http.server import Options, Sandbox, open_sandbox
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.quotas import Quotas
from tests.clouds import body
from tests.e2e.harness import PROGRAM, Cloud, environment

FOLDER = "b1gbenchmark000000000"


def manifest(functions: int) -> str:
    head = '[defaults]\nruntime = "python312"\nmemory = "128MB"\ntimeout = "10s"\nentrypoint = "index.handler"\n'
    return head + "".join(f'[functions.f{n:05}]\nversion_id = "$latest"\n' for n in range(functions))


def fill(served: Sandbox, functions: int) -> None:
    sent = body("")
    for number in range(functions):
        made = served.cloud.functions.create({"folderId": FOLDER, "name": f"f{number:05}"})
        function_id = made["metadata"]["functionId"]
        for _ in range(2):
            served.cloud.versions.create(sent | {"functionId": function_id})


def cpu_s(root: Path, cloud: Cloud, *arguments: str) -> float:
    """Run the program to its end. Returns its own CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = environment(cloud.environ(FOLDER))
    subprocess.run([*PROGRAM, *arguments], cwd=root, env=environ, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(functions: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root, record = Path(folder), Path(folder) / "calls.ndjson"
        (root / "deploy.toml").write_text(manifest(functions))
        options = Options(
            state_dir=root / "cloud", durations=Distribution.parse("fixed:0"), record=record,
            quotas=Quotas(1 << 30, 1 << 30, 1 << 30),
        )  # fmt: skip
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_sandbox(options)) as served:
            portal.call(fill, served, functions)
            cloud = Cloud(served.url, root / "cloud")
            validate_s = cpu_s(root, cloud, "validate")
            plan_s = cpu_s(root, cloud, "plan", "--output", "json")
        calls = Counter(json.loads(line)["name"] for line in record.read_text("utf-8").splitlines())
    sys.stdout.write(f"{functions} functions, {2 * functions} versions\n")
    sys.stdout.write(f"validate {validate_s:.2f} CPU s, plan {plan_s:.2f} CPU s, × {plan_s / validate_s:.1f}\n")
    sys.stdout.write(f"calls: {dict(calls)}\n")
    sys.stdout.write(f"peak memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MiB\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
