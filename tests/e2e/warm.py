"""The program with its imports done: what a test runs to its end is forked from it, which saves a second or two each.

Whatever is about starts, signals, terminals or streams starts the program as a user does. This one gets its arguments,
folder, environment and streams through a socket; it is a process of its own all the same, which can be killed.
"""

from __future__ import annotations

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
import time
from pathlib import Path

import anyio

import orchestrator
from orchestrator.manifest.load import load

MESSAGE_BYTES = 1 << 17


def serve(path: str) -> None:
    """Fork a program for each connection until standard input closes."""
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    _first_uses()
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
    """Let happen what happens once in a process: the event loop is imported, the manifest's schema is built."""
    anyio.run(anyio.sleep, 0)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "deploy.toml"
        manifest.write_text(
            '[functions.any]\nfolder_id = "f"\nsource = "."\n'
            'runtime = "python312"\nentrypoint = "i.h"\nmemory = "128MB"\n'
        )
        load(manifest, {})


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
    sys.argv = ["orchestrator", *told["arguments"]]
    sys.path[0] = told["folder"]
    runpy.run_module("orchestrator", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(sys.argv[1])
