"""Build commands: running one, and which need not run.

One runs by the shell, in its folder, as a process group of its own that never outlives the call. It need not run where
its declared inputs are as they were, and so is what they made. That is kept in one file beside the packages: what was
built is known by the trees of the sources that the build is for, and where something of them is missing or changed, or
cannot be read, the build runs. Losing the file costs builds, no more.
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired
from typing import IO, Any

import orjson

from orchestrator.errors import PackageError
from orchestrator.journal.folder import open_private
from orchestrator.model import Build, SourceCode
from orchestrator.package import archive
from orchestrator.package.entry import Check, printable

OUTPUT_KEPT_BYTES = 64 * 1024
LINES_SHOWN = 50
_LOOK_S = 0.05  # how often a silent build is looked after, and a cancelled one is killed
_PIPE_CHUNKS = 16  # a pipe holds 64 KB, or 16 pages that are hardly filled
# A build runs code of strangers (packages' install scripts), and its output is kept: our credentials are not for it.
# A build that needs some takes them from variables of other names, or from a file.
CREDENTIALS = frozenset({
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_SERVICE_ACCOUNT_KEY_FILE", "YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
})  # fmt: skip
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


# A process in the build's group that waits for our end of its input to close: where we are killed, nobody else would
# end the build. `kill 0` is its group. The command runs as it would without it, in the same process as this shell.
_GUARDED = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec 3<&-; exec /bin/sh -c "$1"'


def run_build(
    build: Build, label: str, environment: Mapping[str, str], check: Check, output: bytearray | None = None
) -> None:
    """Run the command to its end, in a worker thread. Where `check` raises, or this process is killed, all that was
    started is killed. `output` gets the end of what it prints, while it runs.

    Raises `PackageError`, with the last lines of the output, where it cannot start or exits with another status
    than 0.
    """
    kept = {name: value for name, value in environment.items() if name not in CREDENTIALS}
    try:
        process = Popen(  # noqa: S603  # the manifest's own command, written for the shell
            ["/bin/sh", "-c", _GUARDED, "/bin/sh", build.command],
            cwd=build.folder,
            env=kept,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the command
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"the build command `{printable(build.command)}` cannot run in {label}: {reason}"
        raise PackageError(message, advice="see that build.folder is a folder that exists") from error
    output = bytearray() if output is None else output
    status = _finish(process, check, output)
    if status != 0:
        message = f"the build command `{printable(build.command)}` in {label} {_ending(status)}"
        detail = last_lines(bytes(output)) or "(it printed nothing)"
        raise PackageError(message, advice="run it by hand in that folder; nothing was sent", detail=detail)


def _finish(process: Popen[bytes], check: Check, output: bytearray) -> int:
    """Wait for the shell itself, not for the end of its output: what it left in the background may hold that open.
    Gives the exit status.
    """
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
            with suppress(ProcessLookupError, PermissionError):  # nobody left; on macOS, only zombies left
                os.killpg(process.pid, signal.SIGKILL)
        for _ in range(_PIPE_CHUNKS):  # what was still in the pipe, and no more than that
            if not talking or not _read(process.stdout, 0, output):
                break
    return process.returncode


def _read(stream: IO[bytes], wait_s: float, output: bytearray) -> bool:
    """Add a chunk to the output if there is one in time, keeping its end. False: there will be no more."""
    ready = select.poll()
    ready.register(stream, select.POLLIN)
    if not ready.poll(wait_s * 1000):
        return wait_s > 0
    chunk = os.read(stream.fileno(), OUTPUT_KEPT_BYTES)
    output += chunk
    del output[:-OUTPUT_KEPT_BYTES]
    return bool(chunk)


def _ending(status: int) -> str:
    if status >= 0:
        return f"failed with exit status {status}"
    names = {int(known): known.name for known in signal.Signals}
    return f"was killed by signal {names.get(-status, str(-status))}"


def last_lines(output: bytes) -> str:
    """Turn output into text fit for any terminal: the last lines, colours and control characters taken out."""
    text = _ESCAPES.sub("", output.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(text.rstrip().split("\n")[-LINES_SHOWN:])


FILE = "builds.json"
_SCHEMA = 1


class Built:
    """What the builds with inputs have made, by the hashes of inputs and of sources."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        self._changed = False

    def load(self) -> None:
        """Read the file. One that is missing, broken or of a newer program counts as empty."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            data = orjson.loads(self._path.read_bytes())
            if data["schema"] == _SCHEMA:
                self._known = {
                    str(key): {"inputs": str(entry["inputs"]), "trees": dict(entry["trees"])}
                    for key, entry in data["builds"].items()
                }

    def save(self) -> None:
        """Write the file, where something has changed. It is a cache: what cannot be written is built again."""
        if not self._changed:
            return
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            with open(part, "wb", opener=open_private) as file:
                file.truncate()
                file.write(orjson.dumps({"schema": _SCHEMA, "builds": self._known}))
            part.replace(self._path)

    def made(self, code: SourceCode, build: Build, inputs: str) -> str:
        """Give the tree hash that the source had after the build of these inputs; "" where that is not known."""
        entry = self._known.get(_key(build), {})
        return str(entry.get("trees", {}).get(_of(code), "")) if entry.get("inputs") == inputs else ""

    def note(self, code: SourceCode, build: Build, inputs: str, tree_hash: str) -> None:
        """Remember the tree of a source after its build."""
        entry = self._known.setdefault(_key(build), {"inputs": inputs, "trees": {}})
        if entry["inputs"] != inputs:
            entry = self._known[_key(build)] = {"inputs": inputs, "trees": {}}
        self._changed = self._changed or entry["trees"].get(_of(code)) != tree_hash
        entry["trees"][_of(code)] = tree_hash


def inputs_hash(build: Build, root: Path, check: Check) -> str:
    """Hash the declared inputs: path, executable bit and content. Raises `PackageError` where a line has no effect.

    They are named as files in `build.folder` are: a pattern without a slash speaks of its top alone, so that
    `package*.json` is no matter of node_modules. Ignore files do not count: sources are often left out of packages.
    """
    anchored = tuple(line if line.startswith(("/", "!")) else f"/{line}" for line in build.inputs)
    named = SourceCode(build.folder, root, include=anchored, exclude=("!*", "!.env*"))
    try:
        tree = archive.scan(named, check)
    except PackageError as error:
        raise _refused(error.message) from error
    if tree.warnings:
        raise _refused(tree.warnings[0])
    return tree.hash


def _refused(sentence: str) -> PackageError:
    advice = "see how it is spelled; `inputs` are patterns of files in the folder that the build runs in"
    return PackageError(f"build.inputs: {sentence.removeprefix('include: ')}", advice=advice)


def _key(build: Build) -> str:
    return _hashed(build.command, os.fspath(build.folder), *build.inputs)


def _of(code: SourceCode) -> str:
    laid = (part for name, local in code.files for part in (name, os.fspath(local)))
    return _hashed(os.fspath(code.source), *code.include, "", *code.exclude, "", *laid)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
