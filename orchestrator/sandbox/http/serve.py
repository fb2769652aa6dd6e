"""A sandbox as a process of its own, until a signal or the end of its standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import orjson

from orchestrator.errors import StartError
from orchestrator.sandbox.http.server import Options, open_sandbox
from orchestrator.sandbox.memory.cloud_state import Seeds


def run_server(options: Options, announce: Callable[[str], None], *, until_stdin_closes: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, or, where asked for, until standard input ends.

    `announce` gets the URL once it is listened to. A `seeds.json` in the state folder names secrets and service
    accounts. Raises `StartError`.
    """
    options = replace(options, seeds=read_seeds(options.state_dir))
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
