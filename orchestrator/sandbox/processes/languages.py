"""How a version's runtime is started here: the command, its limits, its environment."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.sandbox.invocation.work import NotRunError, Work
from orchestrator.sandbox.processes import python_runner

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RUNTIME_BYTES = 64 << 20  # of address space that an interpreter needs for itself
_FILE_MAX_KB = 512 << 10  # cloud-api#limits: 512 MB of temporary files
_LIMITED = 'ulimit -c 0; ulimit -f "$1"; ulimit -v "$2"; shift 2; exec "$@"'
_SHELL = "/bin/bash"


@dataclass(frozen=True, slots=True)
class Language:
    """`warm`: one process serves many calls, over the pipe that `command` gets; otherwise each call is a process."""

    warm: bool
    command: Callable[[Work, int], list[str]]


def tied() -> list[str]:
    """Return a command prefix that ends the process with the sandbox, however that ends; nothing if the system has
    none.
    """
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL", "--"] if found and sys.platform == "linux" else []


def language_of(runtime: str) -> Language:
    """Return how to start a runtime. Raises `NotRunError` if it is not known, or not installed."""
    for prefix, language, program in (
        ("python", Language(True, _python), sys.executable),
        ("nodejs", Language(True, _node), "node"),
        ("bash", Language(False, _bash), _SHELL),
    ):
        if runtime.startswith(prefix):
            if shutil.which(program) is None:
                raise NotRunError(f"The sandbox cannot run {runtime}: {program} is not installed. Seed an answer")
            return language
    raise NotRunError(f"The sandbox does not run {runtime}: seed an answer of the function")


def _limited(work: Work, command: list[str]) -> list[str]:
    """Limit address space and files. Node.js reserves more address space than it will ever use."""
    kilobytes = (work.memory_bytes + _RUNTIME_BYTES) >> 10
    return [_SHELL, "-c", _LIMITED, "limits", str(_FILE_MAX_KB), str(kilobytes), *command]


def _python(work: Work, fd: int) -> list[str]:
    # Without our site-packages: a handler has only what is in its package.
    runner = [sys.executable, "-S", "-P", python_runner.__file__]
    return _limited(work, [*runner, str(fd), work.version["entrypoint"]])


def _node(work: Work, fd: int) -> list[str]:
    megabytes = work.memory_bytes >> 20
    runner = str(Path(__file__).with_name("node_runner.cjs"))
    node = str(shutil.which("node"))
    return [node, f"--max-old-space-size={megabytes}", runner, str(fd), work.version["entrypoint"]]


def _bash(work: Work, _fd: int) -> list[str]:
    return _limited(work, [_SHELL, work.version["entrypoint"]])


def environ_of(work: Work, temporary: Path) -> dict[str, str]:
    """Return the environment of a process: the version's own, and nothing of ours. Secrets have no payload in the
    sandbox, so their variables have placeholders.
    """
    given: Mapping[str, Any] = work.version.get("environment") or {}
    secrets = {
        secret["environmentVariable"]: f"sandbox-secret-{secret.get('key', '')}"
        for secret in work.version.get("secrets") or ()
        if secret.get("environmentVariable")
    }
    own = {"PATH": _PATH, "HOME": str(temporary), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
    return {**own, **given, **secrets}
