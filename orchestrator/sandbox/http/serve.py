"""A sandbox as a separate process, until a signal or the end of its standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

import anyio

from orchestrator.sandbox.http.seeds import read_seeds
from orchestrator.sandbox.http.server import Options, open_sandbox


def run_server(options: Options, announce: Callable[[str], None], *, until_stdin_closes: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, or, if requested, until standard input ends.

    `announce` gets the URL when the server listens. The initial content is what `options.seed_files` say, and
    `seeds.json` in the state folder. Raises `StartError`.
    """
    kept = options.state_dir / "seeds.json" if options.state_dir else None
    found = read_seeds([*([kept] if kept is not None and kept.exists() else []), *options.seed_files])
    settings = replace(options.settings, clouds={**options.settings.clouds, **found.clouds})
    options = replace(
        options, seeds=found.seeds, functions=tuple(found.functions), settings=settings, aged=found.aged,
        tokens=found.tokens,
    )  # fmt: skip
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
    except OSError:  # not a pipe or a terminal (/dev/null): it never closes
        return
