"""Runs a build command: by the shell, in its folder, as a process group of its own that never outlives the call."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio.abc import ByteReceiveStream, Process

from orchestrator.errors import PackageError
from orchestrator.model import Build

OUTPUT_KEPT_BYTES = 64 * 1024
LINES_SHOWN = 50
_DRAIN_S = 1.0  # for output still in the pipe once the group is dead; longer only where something left the group
# A build runs code of strangers (packages' install scripts), and its output is kept: our credentials are not for it.
# A build that needs some takes them from variables of other names, or from a file.
CREDENTIALS = frozenset({
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
})  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


async def run_build(build: Build, label: str, environment: Mapping[str, str]) -> None:
    """Run the command to its end. Cancelling kills it and all that it started.

    Raises `PackageError`, with the last lines of the output, where it cannot start or exits with another status
    than 0.
    """
    kept = {name: value for name, value in environment.items() if name not in CREDENTIALS}
    try:
        with anyio.CancelScope(shield=True):  # cancelled half-way, nobody would know the process
            process = await anyio.open_process(
                build.command, cwd=build.folder, env=kept, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
                start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        message = f"the build command {build.command!r} cannot run in {label}: {error.strerror}"
        raise PackageError(message, advice="see that build.folder is a folder that exists") from error
    output = bytearray()
    try:
        status = await _finish(process, output)
    finally:
        with anyio.CancelScope(shield=True):
            _kill_group(process)
            await process.aclose()
    if status != 0:
        message = f"the build command {build.command!r} in {label} {_ending(status)}"
        detail = last_lines(bytes(output)) or "(it printed nothing)"
        raise PackageError(message, advice="run it by hand in that folder; nothing was sent", detail=detail)


async def _finish(process: Process, output: bytearray) -> int:
    """Wait for the shell, then for what its group still has to say once it is dead. Gives the exit status."""
    assert process.stdout is not None  # noqa: S101  # it was asked for
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_keep_tail, process.stdout, output)
        status = await process.wait()
        _kill_group(process)
        tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN_S
    return status


async def _keep_tail(stream: ByteReceiveStream, output: bytearray) -> None:
    async for chunk in stream:
        output += chunk
        del output[:-OUTPUT_KEPT_BYTES]


def _kill_group(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; on macOS, only zombies left
        os.killpg(process.pid, signal.SIGKILL)


def _ending(status: int) -> str:
    if status >= 0:
        return f"failed with exit status {status}"
    names = {int(known): known.name for known in signal.Signals}
    return f"was killed by signal {names.get(-status, str(-status))}"


def last_lines(output: bytes) -> str:
    """Turn output into text fit for any terminal: the last lines, colours and control characters taken out."""
    text = _ESCAPES.sub("", output.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(text.rstrip().split("\n")[-LINES_SHOWN:])
