"""The program with its imports done: tests fork it for programs that run to their end, which saves a second or two
each.

Tests of the start or of streams start the program as a user does. This one receives its arguments, folder, environment
and streams through a socket. It is still a process in its own session, which can be signalled and killed, with the
terminal on its standard input.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import socket
import sys
import tempfile
import termios
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import orchestrator
from orchestrator.cloud import keys
from orchestrator.cloud.s3.client import Client
from orchestrator.coordination import claim, lease
from orchestrator.coordination.heartbeat import Timings
from orchestrator.manifest.load import load
from tests.e2e.forked import HASTE

MESSAGE_BYTES = 1 << 17


def serve(name: str) -> None:
    """Fork a program for each connection to an abstract socket, until standard input closes."""
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    _first_uses()
    # OpenSSL checks the primes of a key whenever it reads one, which takes as long as the rest of a short command.
    vars(keys)["load_pem_private_key"] = partial(load_pem_private_key, unsafe_skip_rsa_key_validation=True)
    gc.freeze()  # shared memory stays shared
    programs: dict[int, tuple[int, socket.socket]] = {}  # by what can be waited for: process IDs, and who is notified
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen(16)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in (ready := select.select([listener, sys.stdin, *programs], [], [])[0]):
            for ended in programs.keys() & set(ready):
                pid, connection = programs.pop(ended)
                os.close(ended)
                _, status = os.waitpid(pid, 0)
                with connection, suppress(OSError):  # the requester may be gone
                    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            if listener in ready:
                connection, _ = listener.accept()
                message, streams, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
                pid = os.fork()
                if not pid:
                    for other in (listener, connection, *(one for _, one in programs.values())):
                        other.close()
                    _run(message, streams)
                for number in streams:
                    os.close(number)
                programs[os.pidfd_open(pid)] = pid, connection
                connection.send(str(pid).encode())


def _first_uses() -> None:
    """Do what happens once per process.

    Import the event loop, build the manifest's schema, and read botocore's files about S3.
    """
    anyio.run(anyio.sleep, 0)
    Client("http://localhost", None, str, threads=1, proxies={}, ca_file=None).close()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "deploy.toml"
        manifest.write_text(
            '[functions.any]\nfolder_id = "f"\nsource = "."\n'
            'runtime = "python312"\nentrypoint = "i.h"\nmemory = "128MB"\n'
        )
        load(manifest, {})


def _hasten(times: float) -> None:
    """Make leases and claims beat this many times faster, in all programs of a test, since they watch each other."""
    for module, name in ((lease, "LEASE_TIMINGS"), (claim, "CLAIM_TIMINGS")):
        vars(module)[name] = Timings(*(one / times for one in astuple(vars(module)[name])))


def _run(message: bytes, streams: list[int]) -> NoReturn:
    """Be the program: with the arguments, folder and environment of a message, and these streams."""
    os.setsid()
    reported = json.loads(message)
    os.chdir(reported["folder"])
    os.environ.clear()
    os.environ.update(reported["environ"])
    time.tzset()
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    _open_streams()
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _hasten(float(os.environ.pop(HASTE, "1")))
    sys.argv = ["orchestrator", *reported["arguments"]]
    sys.path[0] = reported["folder"]
    code = 0
    try:
        runpy.run_module("orchestrator", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - printed as by the interpreter
        traceback.print_exc()
        code = 1
    _leave(code)


def _open_streams() -> None:
    """Open the standard streams as the interpreter does. Those of this process remember what they were at its start: if
    that was a file, they ask a terminal for its position.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        of_errors = name == "stderr"
        by_line = of_errors or os.isatty(number)
        opened = open(  # noqa: SIM115 - until the end
            number, "w" if number else "r", 1 if by_line else -1, encoding=getattr(sys, name).encoding,
            errors="backslashreplace" if of_errors else None, closefd=False,
        )  # fmt: skip
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)


def _leave(code: int) -> NoReturn:
    """Exit like the interpreter, but without unloading all modules, which takes longer than most commands."""
    vars(threading)["_shutdown"]()  # waits for threads
    vars(atexit)["_run_exitfuncs"]()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = 120  # the interpreter's own code
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
