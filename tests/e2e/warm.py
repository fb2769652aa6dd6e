"""The program with its imports done: what a test runs to its end is forked from it, which saves a second or two each.

Whatever is about starts or streams starts the program as a user does. This one gets its arguments, folder, environment
and streams through a socket; it is a process of its own all the same, in a session of its own, which can be signalled
and killed, and whose terminal is the one on its standard input.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import termios
import time
from dataclasses import astuple
from functools import partial
from pathlib import Path

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


def serve(path: str) -> None:
    """Fork a program for each connection until standard input closes."""
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    _first_uses()
    # OpenSSL proves the primes of a key whenever it reads one: as long as all else of a short command takes.
    vars(keys)["load_pem_private_key"] = partial(load_pem_private_key, unsafe_skip_rsa_key_validation=True)
    gc.freeze()  # memory that all share stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(16)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _run(connection)
                    return


def _first_uses() -> None:
    """Let happen what happens once in a process.

    The event loop is imported, the manifest's schema is built, and botocore's files about S3 are read.
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
    """Let leases and claims beat so many times faster: all programs of a test alike, since they watch each other."""
    for module, name in ((lease, "LEASE_TIMINGS"), (claim, "CLAIM_TIMINGS")):
        vars(module)[name] = Timings(*(one / times for one in astuple(vars(module)[name])))


def _run(connection: socket.socket) -> None:
    """Run one program: tell its process id, then its exit code."""
    message, files, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, 3)
    pid = os.fork()
    if pid:
        connection.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    os.setsid()
    told = json.loads(message)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environ"])
    time.tzset()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _hasten(float(os.environ.pop(HASTE, "1")))
    sys.argv = ["orchestrator", *told["arguments"]]
    sys.path[0] = told["folder"]
    runpy.run_module("orchestrator", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(sys.argv[1])
