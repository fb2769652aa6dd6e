"""Command lines of the documentation, run in a shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.harness import TIMEOUT_S, Cloud, Ended, environment, warm

# The program's name in a shell: forked from the warm one, with this shell's folder, environment and streams.
FORKED = """#!{python} -ES
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as warm:
    warm.connect({socket!r})
    told = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environ": dict(os.environ)}}
    socket.send_fds(warm, [json.dumps(told).encode()], [0, 1, 2])
    warm.recv(32)  # its process id
    sys.exit(int(warm.recv(32)))
"""


def shell(line: str, root: Path, cloud: Cloud | None, variables: Mapping[str, str] | None = None) -> Ended:
    """Run a line in a shell with `orchestrator` on its path; without a cloud where none is needed."""
    folder = root / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "orchestrator").write_text(FORKED.format(python=sys.executable, socket=warm()))
    (folder / "orchestrator").chmod(0o755)
    environ = environment({**(cloud.environ() if cloud else {}), **(variables or {})})
    environ["PATH"] = f"{folder}:{environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=root, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)
