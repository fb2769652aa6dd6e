"""A sandbox as a process of its own, until a signal or the end of its standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import orjson

from orchestrator.errors import StartError, UsageError
from orchestrator.sandbox.memory.durations import Durations
from orchestrator.sandbox.memory.faults import STORM, Faults
from orchestrator.sandbox.memory.seeds import Seeds
from orchestrator.sandbox.server import Options, open_sandbox


def run_server(
    *,
    port: int,
    state_dir: Path | None,
    latency_s: float,
    durations: str,
    faults_seed: int | None,
    announce: Callable[[str], None],
    buckets: tuple[str, ...] = (),
    until_stdin_closes: bool = False,
    record: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or, where asked for, until standard input ends.

    `announce` gets the URL once it is listened to; `port` 0: any free one. `state_dir` is made where it is missing; a
    `seeds.json` in it names secrets and service accounts. Raises `StartError`, `UsageError`.
    """
    try:
        parsed = Durations.parse(durations)
    except ValueError as error:
        raise UsageError(str(error), advice="mend --durations") from error
    options = Options(
        port=port,
        state_dir=state_dir,
        latency_s=latency_s,
        durations=parsed,
        faults=Faults() if faults_seed is None else Faults(STORM, seed=faults_seed),
        seeds=read_seeds(state_dir),
        buckets=buckets,
        record=record,
    )
    anyio.run(_serve, options, announce, until_stdin_closes)


async def _serve(options: Options, announce: Callable[[str], None], until_stdin_closes: bool) -> None:
    async with open_sandbox(options) as sandbox, anyio.create_task_group() as tasks:

        async def end_by_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                announce(sandbox.url)
                async for _ in signals:
                    tasks.cancel_scope.cancel()

        async def end_with_stdin() -> None:
            await _end_of(sys.stdin.fileno())
            tasks.cancel_scope.cancel()

        tasks.start_soon(end_by_signal)
        if until_stdin_closes:
            tasks.start_soon(end_with_stdin)


async def _end_of(fd: int) -> None:
    """Wait until there is nothing more to read."""
    try:
        while True:
            await anyio.wait_readable(fd)
            if not os.read(fd, 4096):
                return
    except OSError:  # no pipe, no terminal (/dev/null): nothing that could ever close
        return


def read_seeds(state_dir: Path | None) -> Seeds:
    """Read `seeds.json`: {"secrets": [{"folder_id", "name", "id", "version_id", "keys"}], "service_accounts":
    [{"folder_id", "name", "id"}]}. No such file, no seeds.
    """
    seeds = Seeds()
    path = state_dir / "seeds.json" if state_dir else None
    if path is None or not path.exists():
        return seeds
    try:
        found = orjson.loads(path.read_bytes())
        for secret in found.get("secrets", ()):
            seeds.add_secret(**secret)
        for account in found.get("service_accounts", ()):
            seeds.add_service_account(**account)
    except (OSError, orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise StartError(f"the sandbox's {path} cannot be used: {error}", advice="mend or remove it") from error
    return seeds
