"""Ports of loopback for tests that need a number: one that nobody serves, and some for servers of others."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")  # those that Linux chooses from


@contextmanager
def unserved() -> Iterator[str]:
    """Yield an address that refuses connections. Its port is taken for as long, so nobody else serves it."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield f"{LOOPBACK}:{taken.getsockname()[1]}"


@contextmanager
def reserved(count: int) -> Iterator[list[int]]:
    """Yield ports for a server that cannot choose its own, until the block ends.

    A port that was free a moment ago may be used for any connection or server before that server starts. So these are
    none that Linux chooses, and a socket named after each keeps other processes of these tests from choosing it.
    """
    first, last = (int(number) for number in _EPHEMERAL.read_text("ascii").split())
    unchosen = [port for port in range(10_000, 1 << 16) if not first <= port <= last]
    candidates = unchosen if len(unchosen) > 100 * count else list(range(10_000, 1 << 16))
    with ExitStack() as names:
        ports: list[int] = []
        for port in random.SystemRandom().sample(candidates, len(candidates)):
            if len(ports) == count:
                break
            name = socket.socket(socket.AF_UNIX)
            try:
                name.bind(f"\0orchestrator-tests-port-{port}")
                with socket.socket() as probe:
                    probe.bind((LOOPBACK, port))
            except OSError:  # another process has it
                name.close()
            else:
                names.enter_context(name)
                ports.append(port)
        assert len(ports) == count
        yield ports
