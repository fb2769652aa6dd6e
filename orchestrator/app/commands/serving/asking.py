"""What the page asks of other verbs, each in a process of its own: the very command that a person would type.

So it plans, redacts and refuses exactly as that does, its builds and calls hold up no page, and it ends with whoever
has asked for it.
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

_AT_ONCE = 2  # plans of thousands of functions: two processors' worth
_STOP_S = 5.0
_ADVICE = "       "  # how `Messages` writes what to do next, under an error


def manifest_words(options: RunOptions, environment: str) -> list[str]:
    """Give the options by which a command of the page has the page's manifest."""
    words = [f"--config={options.config.absolute()}"]
    words += [f"--env={environment}"] if environment else []
    return words + [f"--var={name}={value}" for name, value in options.variables.items()]


def bucket_words(options: RunOptions) -> list[str]:
    """Give the option by which it has the page's bucket."""
    return [f"--bucket={options.bucket}"] if options.bucket else []


class AskedVerbs:
    """Verbs that change nothing, as to this manifest and state folder."""

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
        """Tell what `why FUNCTION` does."""
        return await self._ask("why", *self._cloud, "--", function)

    async def plan(self, patterns: Sequence[str]) -> Answered:
        """Tell what `plan FUNCTIONS` does."""
        return await self._ask("plan", *self._cloud, "--", *patterns)

    async def jobs(self) -> Answered:
        """Tell what `jobs` does: what there is, and when it is due."""
        return await self._ask("jobs", *self._manifest)

    async def board(self, job: str) -> Answered:
        """Tell how far a job is, as `run JOB --status` does."""
        return await self._ask("run", "--status", *self._cloud, "--", job)

    async def way_back(self, run: str) -> Answered:
        """Tell what `rollback RUN` would take back, and what it would leave."""
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
        if data.strip():  # a plan with blocked functions, say, ends with 1, and is told
            return Answered(200, self._outlet.rendered(data))
        return Answered(422, self._outlet.json(_error_of(said)))


async def _read(process: anyio.abc.Process) -> tuple[str, str]:
    found = {"out": b"", "err": b""}

    async def read(name: str, stream: anyio.abc.ByteReceiveStream) -> None:
        async for part in stream:
            found[name] += part

    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stderr is not None  # noqa: S101 - the same
    async with anyio.create_task_group() as group:
        group.start_soon(read, "out", process.stdout)
        group.start_soon(read, "err", process.stderr)
    return found["out"].decode(errors="replace"), found["err"].decode(errors="replace")


def _error_of(said: str) -> dict[str, str]:
    """Give the error that ended a verb, what to do next, and what was said before: mistakes, say."""
    lines = said.rstrip("\n").split("\n")
    at = next((number for number, line in enumerate(lines) if line.startswith("error: ")), None)
    if at is None:
        return {"error": lines[-1] or "the command has ended without a word", "advice": "", "detail": ""}
    advice = " ".join(line.strip() for line in lines[at + 1 :] if line.startswith(_ADVICE))
    return {"error": lines[at].removeprefix("error: "), "advice": advice, "detail": "\n".join(lines[:at])}


async def _end(process: anyio.abc.Process) -> None:
    """End a process that goes on though nobody waits for it any more, and whatever it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with anyio.move_on_after(_STOP_S):
            await process.wait()
    await process.aclose()
