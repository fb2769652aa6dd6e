"""The verbs that the page runs to read something. Each is the command that a user would type, in its own process.

So it plans, redacts and refuses as usual, its builds and calls do not delay the page, and it ends with the request.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import anyio

from orchestrator.app.session.options import RunOptions
from orchestrator.redaction.outlet import Outlet
from orchestrator.ui.server import Answered

_AT_ONCE = 2  # plans of thousands of functions take two processors
_STOP_S = 5.0
_ADVICE = "       "  # the indentation of advice below an error in `Messages`


def manifest_words(options: RunOptions, environment: str) -> list[str]:
    """Return the options that give a command the page's manifest."""
    words = [f"--config={options.config.absolute()}"]
    words += [f"--env={environment}"] if environment else []
    return words + [f"--var={name}={value}" for name, value in options.variables.items()]


def bucket_words(options: RunOptions) -> list[str]:
    """Return the option that gives a command the page's bucket."""
    return [f"--bucket={options.bucket}"] if options.bucket else []


class AskedVerbs:
    """Verbs that change nothing, for this manifest and state folder."""

    def __init__(self, options: RunOptions, outlet: Outlet) -> None:
        self._outlet = outlet
        self._limit = anyio.CapacityLimiter(_AT_ONCE)
        chosen = manifest_words(options, options.environment)
        reached = [f"--state={options.state_dir.absolute()}"] if options.state_dir is not None else []
        reached += [f"--endpoint={options.endpoint}"] if options.endpoint else []
        reached += bucket_words(options)
        reached += ["--sandbox"] if options.sandbox else []
        self._manifest, self._cloud = chosen, chosen + reached

    async def why(self, function: str) -> Answered:
        """Return the output of `why FUNCTION`."""
        return await self._ask("why", *self._cloud, "--", function)

    async def plan(self, patterns: Sequence[str]) -> Answered:
        """Return the output of `plan FUNCTIONS`."""
        return await self._ask("plan", *self._cloud, "--", *patterns)

    async def jobs(self) -> Answered:
        """Return the output of `jobs`: the jobs and when they are due."""
        return await self._ask("jobs", *self._manifest)

    async def board(self, job: str) -> Answered:
        """Return the progress of a job, from `run JOB --status`."""
        return await self._ask("run", "--status", *self._cloud, "--", job)

    async def way_back(self, run: str) -> Answered:
        """Return what `rollback RUN` would undo, and what it would leave."""
        return await self._ask("rollback", "--dry-run", *self._cloud, "--", run)

    async def _ask(self, verb: str, *words: str) -> Answered:
        command = [sys.executable, "-m", "orchestrator", verb, "--output=json", *words]
        async with self._limit:
            process = await anyio.open_process(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            try:
                data, said = await _read(process)
                await process.wait()
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(process)
        if data.strip():  # a plan with blocked functions ends with 1, and is shown
            return Answered(200, self._outlet.rendered(data))
        return Answered(422, self._outlet.json(_error_of(said)))


async def _read(process: anyio.abc.Process) -> tuple[str, str]:
    found = {"out": b"", "err": b""}

    async def read(name: str, stream: anyio.abc.ByteReceiveStream) -> None:
        async for part in stream:
            found[name] += part

    assert process.stdout is not None  # noqa: S101 - requested above
    assert process.stderr is not None  # noqa: S101 - the same
    async with anyio.create_task_group() as group:
        group.start_soon(read, "out", process.stdout)
        group.start_soon(read, "err", process.stderr)
    return found["out"].decode(errors="replace"), found["err"].decode(errors="replace")


def _error_of(said: str) -> dict[str, str]:
    """Return the error that ended a verb, its advice, and the output before it, such as mistakes."""
    lines = said.rstrip("\n").split("\n")
    at = next((number for number, line in enumerate(lines) if line.startswith("error: ")), None)
    if at is None:
        return {"error": lines[-1] or "the command ended without output", "advice": "", "detail": ""}
    advice = " ".join(line.strip() for line in lines[at + 1 :] if line.startswith(_ADVICE))
    return {"error": lines[at].removeprefix("error: "), "advice": advice, "detail": "\n".join(lines[:at])}


async def _end(process: anyio.abc.Process) -> None:
    """End a process that no one waits for any more, with everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with anyio.move_on_after(_STOP_S):
            await process.wait()
    await process.aclose()
