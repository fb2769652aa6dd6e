"""A program that is forked from the warm one (see `tests.e2e.warm`)."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

HASTE = "E2E_HASTE"  # in the environment of a program: how many times faster leases and claims beat


class Forked:
    """The part of `subprocess.Popen` that tests need: a process in its own session, which can be signalled and awaited.

    `communicate` reads its output after its end. `watched`: its standard output can be read while it runs, and its
    standard input is open until `stdin` is closed. `terminal`: the descriptor of a terminal for all of its streams.
    """

    def __init__(
        self,
        warm: str,
        root: Path,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        watched: bool = False,
        terminal: int | None = None,
    ) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.arguments = arguments
        self.stdin: IO[str] | None = None
        self.returncode: int | None = None
        self.stderr = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with this object
        self.stdout: IO[str]
        if watched:
            read, write = os.pipe()
            theirs, ours = os.pipe()
            self.stdout, self.stdin = os.fdopen(read, encoding="utf-8"), os.fdopen(ours, "w", encoding="utf-8")
            given = [theirs, write]
        else:
            self.stdout = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - the same
            given = [os.open(os.devnull, os.O_RDONLY), os.dup(self.stdout.fileno())]
        streams = [*given, self.stderr.fileno()] if terminal is None else [terminal] * 3
        reported = {"arguments": arguments, "folder": str(root.absolute()), "environ": dict(environ)}
        try:
            self._socket.connect(warm)
            socket.send_fds(self._socket, [json.dumps(reported).encode()], streams)
        finally:
            for number in given:
                os.close(number)
        self.pid = int(self._socket.recv(32))

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None and select.select([self._socket], [], [], 0)[0]:
            self.returncode = int(self._socket.recv(32))
        return self.returncode

    def wait(self, timeout_s: float) -> int:
        if self.returncode is None:
            if not select.select([self._socket], [], [], timeout_s)[0]:
                self.kill()
                raise subprocess.TimeoutExpired("orchestrator", timeout_s)
            self.returncode = int(self._socket.recv(32))
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end and return its output."""
        if self.stdin is not None:
            self.stdin.close()
        self.wait(timeout)
        for file in (self.stdout, self.stderr):
            if file.seekable():
                file.seek(0)
        return self.stdout.read(), self.stderr.read()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for file in (self.stdin, self.stdout, self.stderr, self._socket):
            if file is not None:
                file.close()
