"""A sandbox in a separate process, with many functions, and what its Operations show about a run."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from orchestrator.sandbox.http.server import Options, Sandbox, open_sandbox
from orchestrator.sandbox.http.state_file import StateFile
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.quotas import Quotas
from tests.clouds import body
from tests.e2e.harness import environment

FOLDER = "b1gbenchmark000000000"
BUCKET = "packages"
FAST = {"requests_per_second": 200.0, "polls_per_second": 500.0}
_VERSION = "CreateFunctionVersionMetadata"


def filled(root: Path, functions: int, versions: int = 1) -> Path:
    """Create the state folder of a sandbox in which each function has this many versions."""
    folder = root / f"filled{functions}"
    options = Options(
        state_dir=folder / "sandbox", durations=Distribution.parse("fixed:0"), buckets=(BUCKET,),
        quotas=Quotas(1 << 30, 1 << 30, 1 << 30),
    )  # fmt: skip

    def fill(served: Sandbox) -> None:
        sent = body("")
        for number in range(functions):
            made = served.cloud.functions.create({"folderId": FOLDER, "name": f"f{number:05}"})
            for _ in range(versions):
                served.cloud.versions.create(sent | {"functionId": made["metadata"]["functionId"]})

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_sandbox(options)) as served:
        portal.call(fill, served)
    return folder


def manifest(root: Path, functions: int, *, package_bytes: int = 0) -> Path:
    """Write a manifest of copies, or of sources whose packages have `package_bytes` that do not compress."""

    text = '[defaults]\nruntime = "python312"\nmemory = "128MB"\ntimeout = "10s"\nentrypoint = "index.handler"\n'
    for number in range(functions):
        name = f"f{number:05}"
        if not package_bytes:
            text += f'[functions.{name}]\nversion_id = "$latest"\n'
            continue
        source = root / "src" / name
        source.mkdir(parents=True)
        (source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
        (source / "data.bin").write_bytes(random.Random(number).randbytes(package_bytes))
        text += f'[functions.{name}]\nsource = "src/{name}"\n'
    path = root / "deploy.toml"
    path.write_text(text)
    return path


@dataclass(frozen=True)
class Served:
    """A sandbox that is listening."""

    url: str
    folder: Path

    @property
    def key_file(self) -> str:
        return str(self.folder / "sandbox" / "key.json")


@contextmanager
def served(root: Path, state: Path, *options: str) -> Iterator[Served]:
    """Serve a copy of a filled state folder."""
    folder = root / "served"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(state, folder)
    command = [sys.executable, "-m", "orchestrator", "sandbox", "--port", "0", "--state", str(folder)]
    process = subprocess.Popen(
        [*command, "--bucket", BUCKET, *options, "--until-stdin-closes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Served(process.stdout.readline().split()[-1], folder)
    finally:
        process.stdin.close()
        process.wait(60)


def lengths_s(folder: Path, functions: int) -> list[float]:
    """Return how long each Operation of the run took, in the order of their starts."""
    store = StateFile(folder / "sandbox" / "sandbox.db")
    try:
        rows = [record["json"] for name, _, _, record in store.load() if name == "operations" and record is not None]
    finally:
        store.close()
    found = [row for row in rows if row["metadata"]["@type"].endswith(_VERSION)][functions:]
    return [_at(row["modifiedAt"]) - _at(row["createdAt"]) for row in found]


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def client(task: dict[str, Any], module: str = "client") -> dict[str, Any]:
    """Run one strategy in a separate process."""
    command = [sys.executable, "-m", f"tests.benchmarks.speed.{module}"]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
