"""The sandbox of `--sandbox`: a child process that ends with its session, and keeps its state."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.streams.text import TextReceiveStream

from orchestrator.errors import StartError
from orchestrator.model import Manifest

_START_S = 30.0
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Its address, and the authorized key that it accepts."""

    endpoint: str
    key_file: Path


@asynccontextmanager
async def served_sandbox(state_dir: Path, buckets: Iterable[str], manifest: Manifest) -> AsyncIterator[SandboxAddress]:
    """Run a sandbox with its state under `state_dir` and with the contents that the manifest names. It ends when its
    standard input closes, and so however this process ends.
    """
    from orchestrator.sandbox.http.seeds import write_seeds  # noqa: PLC0415 - other runs need no sandbox

    command = [sys.executable, "-m", "orchestrator", "sandbox", "--port", "0", "--state", str(state_dir)]
    for bucket in buckets:
        command += ["--bucket", bucket]
    try:
        command += ["--seed", str(write_seeds(manifest, state_dir)), "--until-stdin-closes"]
    except OSError as error:
        raise StartError(
            f"the folder of the sandbox cannot be written: {error}", advice="choose another state folder with --state"
        ) from error
    process = await anyio.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        start_new_session=True,  # this process handles Ctrl-C; the sandbox must outlive the settling
    )
    try:
        url = await _announced(process)
        yield SandboxAddress(url, state_dir / "sandbox" / "key.json")
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _announced(process: anyio.abc.Process) -> str:
    assert process.stdout is not None  # noqa: S101 - requested above
    text = ""
    with anyio.move_on_after(_START_S):
        async for part in TextReceiveStream(process.stdout):
            text += part
            if "\n" in text:
                return text.split()[-1]
    raise StartError("the sandbox did not start", advice="run `orchestrator sandbox` to see its output")


async def _stop(process: anyio.abc.Process) -> None:
    if process.stdin is not None:
        await process.stdin.aclose()
    with anyio.move_on_after(_STOP_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    await process.aclose()
