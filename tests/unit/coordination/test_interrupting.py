"""Stopping a run of another process stops exactly that one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.coordination.interrupting import interrupt_run
from orchestrator.errors import UsageError

SINCE = 1000.0
# Reports that it is ready, and how it was interrupted.
PROGRAM = """
import signal, sys
{ignores}
lock = open({lock!r})
signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
try:
    print("ready", flush=True)
    while True:
        signal.pause()
except KeyboardInterrupt:
    sys.exit(2)
"""


@contextmanager
def holder(lock: Path, *, ignores: bool = False) -> Iterator[subprocess.Popen[str]]:
    code = PROGRAM.format(lock=str(lock), ignores="signal.signal(signal.SIGINT, signal.SIG_IGN)" if ignores else "")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def say(lock: Path, **facts: object) -> None:
    lock.write_text(json.dumps({"host": socket.gethostname(), "since": SINCE} | facts), "utf-8")


@pytest.mark.parametrize(("ignores", "code"), [(False, 2), (True, 15)])
def test_who_holds_the_lock_is_interrupted(tmp_path: Path, ignores: bool, code: int) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with holder(lock, ignores=ignores) as process:
        say(lock, pid=process.pid)
        assert interrupt_run(tmp_path, SINCE + 1) == process.pid
        assert process.wait(60) == code


def test_nobody_else_is(tmp_path: Path) -> None:
    lock, other = tmp_path / "lock", tmp_path / "other"
    other.touch()
    with pytest.raises(UsageError, match="not in progress on this machine"):
        interrupt_run(tmp_path, SINCE + 1)
    with holder(other) as process:
        say(lock, pid=process.pid)
        with pytest.raises(UsageError, match="its process has ended"):  # its ID belongs to another process by now
            interrupt_run(tmp_path, SINCE + 1)
        for started_at, facts in ((SINCE - 1, {}), (SINCE + 1, {"host": "elsewhere"}), (SINCE + 1, {"pid": "x"})):
            say(lock, **({"pid": process.pid} | facts))
            with pytest.raises(UsageError, match="not in progress on this machine"):
                interrupt_run(tmp_path, started_at)
        assert process.poll() is None
    say(lock, pid=process.pid)
    with pytest.raises(UsageError, match="cannot be inspected"):
        interrupt_run(tmp_path, SINCE + 1)
    assert process.returncode == -signal.SIGKILL
