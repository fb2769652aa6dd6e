"""One process of a handler: started in its own group, killed with the whole group, its output limited and logged."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.abc

from orchestrator.sandbox.processes.handlers_log import HandlersLog

LOGGED_MAX_BYTES = 64 << 10  # of the output of one call
_CHUNK_BYTES = 64 << 10


class Child:
    """A running process. `ids`: the marks of its lines in the log; set for each call."""

    def __init__(self, process: anyio.abc.Process, log: HandlersLog) -> None:
        self.process = process
        self.ids: Mapping[str, str] = {}
        self._log = log
        self._left = LOGGED_MAX_BYTES
        self._gone = False

    @staticmethod
    async def start(
        command: list[str],
        *,
        folder: Path,
        environ: Mapping[str, str],
        log: HandlersLog,
        ids: Mapping[str, str],
        pass_fds: tuple[int, ...] = (),
    ) -> Child:
        """Start a command with pipes. Raises `OSError`."""
        process = await anyio.open_process(
            command, cwd=folder, env=dict(environ), start_new_session=True, pass_fds=pass_fds
        )
        child = Child(process, log)
        child.ids = ids
        return child

    @property
    def runs(self) -> bool:
        return self.process.returncode is None

    def serves(self, ids: Mapping[str, str]) -> None:
        """Begin another call: the following output belongs to it."""
        self.ids = ids
        self._left = LOGGED_MAX_BYTES

    def kill(self) -> None:
        """End the process and all that it started."""
        self._signal(signal.SIGKILL)

    def bury(self) -> None:
        """End what an ended process may have left behind. From now on, its number may belong to another process."""
        self.kill()
        self._gone = True

    def freeze(self) -> None:
        """Suspend it until `thaw`: no handler works between calls."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._gone:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    async def log_stream(self, name: str, stream: anyio.abc.ByteReceiveStream | None) -> None:
        """Read a stream to its end, line by line into the log. Output beyond the limit is counted and dropped."""
        if stream is None:
            return
        rest = b""
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for chunk in stream:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._add(name, line)
                if len(rest) > _CHUNK_BYTES:
                    self._add(name, rest)
                    rest = b""
        if rest:
            self._add(name, rest)

    def _add(self, name: str, line: bytes) -> None:
        if self._left <= 0:
            return
        self._left -= len(line) + 1
        shown = line[: max(0, self._left + len(line) + 1)].decode("utf-8", "replace")
        self._log.add(name, shown, **self.ids)
        if self._left <= 0:
            self._log.add(name, f"the rest is omitted: one call may print {LOGGED_MAX_BYTES >> 10} KB", **self.ids)

    async def ended(self) -> int:
        """Wait for the end of the process, and return how it ended."""
        return await self.process.wait()


async def read_at_most(stream: anyio.abc.ByteReceiveStream, max_bytes: int) -> bytes | None:
    """Read a stream to its end; None if that is more than `max_bytes`."""
    found = bytearray()
    async for chunk in stream:
        found += chunk
        if len(found) > max_bytes:
            return None
    return bytes(found)


class TooLongError(Exception):
    """A line that is longer than allowed."""


class Lines:
    """Lines from our own pipe, complete and limited."""

    def __init__(self, fd: int, max_bytes: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._max_bytes = max_bytes
        self._rest = bytearray()

    async def next(self) -> bytes | None:
        """Read a line; None if the other end is closed. Raises `TooLongError`."""
        while b"\n" not in self._rest:
            await anyio.wait_readable(self._fd)
            chunk = os.read(self._fd, _CHUNK_BYTES)
            self._rest += chunk
            if not chunk:
                return None
            if len(self._rest) > self._max_bytes:
                raise TooLongError
        line, _, rest = bytes(self._rest).partition(b"\n")
        self._rest = bytearray(rest)
        return line

    def close(self) -> None:
        os.close(self._fd)
