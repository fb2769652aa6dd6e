"""User commands on this machine. Each has its own process group, which ends with its call and with this process."""

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
_AT_ONCE = 128  # threads that wait for a command; the manifest limits how many run
_NOT_FOUND = 127  # the exit status of shells
_LOOK_S = 0.05  # how often a silent command is polled and checked for cancellation
_PIPE_CHUNKS = 16  # a pipe holds 64 KB, or 16 nearly empty pages
# Commands run third-party code (install scripts of packages), and their output is stored, so they do not get our
# credentials. A command that needs credentials takes them from variables with other names, or from a file.
CREDENTIALS = frozenset({
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
})  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")
# A watcher in the command's group waits until our end of its input closes, then kills the group (`kill 0`): without it
# the command would survive us if we were killed. The command replaces this shell, and reads the file in `$1`.
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
    """Run a command in a worker thread and return its exit status.

    The status is negative for a signal, and 126 or 127 where the command does not exist, as in a shell. The whole
    process group is killed where `check` raises or this process is killed. `output` receives the last output while the
    command runs; `stdin` is its input. Raises `OSError` for an unusable folder, `ValueError` for a NUL in the command.
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
    """Wait for the process itself, not for the end of its output: a background process may keep that open."""
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
            with suppress(ProcessLookupError, PermissionError):  # the group is empty, or on macOS has only zombies
                os.killpg(process.pid, signal.SIGKILL)
        for _ in range(_PIPE_CHUNKS):  # what was already in the pipe, and no more
            if not talking or not _read(process.stdout, 0, output):
                break
    return process.returncode


def _read(stream: IO[bytes], wait_s: float, output: bytearray) -> bool:
    """Append the next chunk to the output, if it arrives in time. Return False at the end of the stream."""
    ready = select.poll()
    ready.register(stream, select.POLLIN)
    if not ready.poll(wait_s * 1000):
        return wait_s > 0
    chunk = os.read(stream.fileno(), OUTPUT_KEPT_BYTES)
    output += chunk
    del output[:-OUTPUT_KEPT_BYTES]
    return bool(chunk)


def last_lines(output: bytes) -> str:
    """Return the last lines of an output as text, without colours and control characters."""
    text = _ESCAPES.sub("", output.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(text.rstrip().split("\n")[-LINES_SHOWN:])


class LocalCommands:
    """`ports.Commands`, off the event loop. Commands get the environment without credentials."""

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
            return CommandEnd(_NOT_FOUND, f"cannot start in {request.folder}: {reason}", 0.0)
        return CommandEnd(status, last_lines(bytes(output)), anyio.current_time() - began)
