"""Commands of the user's on this machine: each a process group of its own, which never outlives its call, nor us."""

from __future__ import annotations

import os
import re
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired
from tempfile import TemporaryFile
from typing import IO

import anyio
from anyio import from_thread, to_thread

from orchestrator.ports import CommandEnd, CommandRequest

OUTPUT_KEPT_BYTES = 64 * 1024
LINES_SHOWN = 50
_AT_ONCE = 128  # threads that wait for a command; how many run is declared
_NOT_FOUND = 127  # as shells say it
_LOOK_S = 0.05  # how often a silent command is looked after, and a cancelled one is killed
_PIPE_CHUNKS = 16  # a pipe holds 64 KB, or 16 pages that are hardly filled
# Commands run code of strangers (packages' install scripts), and their output is kept: our credentials are not for
# them. A command that needs some takes them from variables of other names, or from a file.
CREDENTIALS = frozenset({
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
})  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")
# A process in the command's group that waits for our end of its input to close: where we are killed, nobody else would
# end the command. `kill 0` is its group. The command runs as it would without it, in the same process as this shell,
# and reads the file that comes first.
_GUARDED = 'exec 3<&0 <"$1"; shift; { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-; exec "$@"'

Check = Callable[[], None]


def run_group(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    check: Check,
    output: bytearray,
    stdin: bytes = b"",
) -> int:
    """Run a command to its end, in a worker thread. Where `check` raises, or this process is killed, all that was
    started is killed. `output` gets the end of what it prints, while it runs; `stdin` is what it can read.

    Gives the exit status, below 0 for a signal; 126 or 127, as a shell does, where there is no such command. Raises
    `OSError` where the folder is none, `ValueError` for a NUL in the command.
    """
    kept = {name: value for name, value in environment.items() if name not in CREDENTIALS}
    with TemporaryFile() as given:
        given.write(stdin)
        given.flush()
        given.seek(0)
        readable = f"/dev/fd/{given.fileno()}" if stdin else os.devnull
        process = Popen(  # noqa: S603  # the manifest's own command
            ["/bin/sh", "-c", _GUARDED, "/bin/sh", readable, *command],
            cwd=folder,
            env=kept,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            bufsize=0,
            start_new_session=True,
            pass_fds=(given.fileno(),) if stdin else (),
        )
        return _finish(process, check, output)


def _finish(process: Popen[bytes], check: Check, output: bytearray) -> int:
    """Wait for the process itself, not for the end of its output: what it left in the background may hold that open."""
    with process:
        assert process.stdout is not None  # noqa: S101  # it was asked for
        talking = True
        try:
            while process.poll() is None:
                check()
                if talking:
                    talking = _read(process.stdout, _LOOK_S, output)
                else:
                    with suppress(TimeoutExpired):
                        process.wait(_LOOK_S)
        finally:
            with suppress(ProcessLookupError, PermissionError):  # nobody left; on macOS, only zombies left
                os.killpg(process.pid, signal.SIGKILL)
        for _ in range(_PIPE_CHUNKS):  # what was still in the pipe, and no more than that
            if not talking or not _read(process.stdout, 0, output):
                break
    return process.returncode


def _read(stream: IO[bytes], wait_s: float, output: bytearray) -> bool:
    """Add a chunk to the output if there is one in time, keeping its end. False: there will be no more."""
    ready = select.poll()
    ready.register(stream, select.POLLIN)
    if not ready.poll(wait_s * 1000):
        return wait_s > 0
    chunk = os.read(stream.fileno(), OUTPUT_KEPT_BYTES)
    output += chunk
    del output[:-OUTPUT_KEPT_BYTES]
    return bool(chunk)


def last_lines(output: bytes) -> str:
    """Turn output into text fit for any terminal: the last lines, colours and control characters taken out."""
    text = _ESCAPES.sub("", output.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(text.rstrip().split("\n")[-LINES_SHOWN:])


class LocalCommands:
    """`ports.Commands`, off the event loop. What runs gets an environment, of which credentials are left out."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._threads = anyio.CapacityLimiter(_AT_ONCE)

    async def run(self, request: CommandRequest) -> CommandEnd:
        began, status, output = anyio.current_time(), None, bytearray()
        work = partial(
            run_group, request.command, request.folder, {**self._environ, **request.facts},
            from_thread.check_cancelled, output, request.stdin,
        )  # fmt: skip
        try:
            with anyio.move_on_after(request.timeout_s):
                status = await to_thread.run_sync(work, limiter=self._threads)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return CommandEnd(_NOT_FOUND, f"it cannot start in {request.folder}: {reason}", 0.0)
        return CommandEnd(status, last_lines(bytes(output)), anyio.current_time() - began)
