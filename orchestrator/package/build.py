"""Build commands: running them, and deciding which need not run.

A build runs in the shell, in its folder, as its own process group (`commands.local`). It need not run if its declared
inputs and its results are unchanged. This is recorded in one file beside the packages, by the trees of the sources that
the build serves. If part of it is missing, changed or unreadable, the build runs. Losing the file only costs builds.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from orchestrator.commands.local import last_lines, run_group
from orchestrator.errors import PackageError
from orchestrator.journal.folder import open_private
from orchestrator.model import Build, SourceCode, Tree
from orchestrator.package import archive
from orchestrator.package.digests import Digests
from orchestrator.package.entry import Check, printable
from orchestrator.package.project import Surroundings


def run_build(
    build: Build, label: str, environment: Mapping[str, str], check: Check, output: bytearray | None = None
) -> None:
    """Run the command to its end, in a worker thread. If `check` raises, or this process is killed, all that was
    started is killed. `output` gets the end of the command's output while it runs.

    Raises `PackageError`, with the last lines of the output, if the command cannot start or exits with another status
    than 0.
    """
    output = bytearray() if output is None else output
    try:
        status = run_group(("/bin/sh", "-c", build.command), build.folder, environment, check, output)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the command
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"the build command `{printable(build.command)}` cannot run in {label}: {reason}"
        raise PackageError(message, advice="check that build.folder is an existing folder") from error
    if status != 0:
        message = f"the build command `{printable(build.command)}` in {label} {_ending(status)}"
        detail = last_lines(bytes(output)) or "(it printed nothing)"
        raise PackageError(message, advice="run it by hand in that folder", detail=detail)


def _ending(status: int) -> str:
    if status >= 0:
        return f"failed with exit status {status}"
    names = {int(known): known.name for known in signal.Signals}
    return f"was killed by signal {names.get(-status, str(-status))}"


FILE = "builds.json"
_SCHEMA = 1


class Built:
    """The results of builds with inputs, by the hashes of inputs and sources. `environment`: the chosen one of the
    manifest, which every build receives.
    """

    def __init__(self, path: Path, environment: str = "") -> None:
        self._path = path
        self._environment = environment
        self._known: dict[str, dict[str, Any]] = {}
        self._changed = False

    def load(self) -> None:
        """Read the file. One that is missing, broken or from a newer program counts as empty."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            data = orjson.loads(self._path.read_bytes())
            if data["schema"] == _SCHEMA:
                self._known = {
                    str(key): {"inputs": str(entry["inputs"]), "trees": dict(entry["trees"])}
                    for key, entry in data["builds"].items()
                }

    def save(self) -> None:
        """Write the file if something has changed. It is a cache: what cannot be written is built again."""
        if not self._changed:
            return
        part = self._path.with_suffix(".part")
        with suppress(OSError):
            with open(part, "wb", opener=open_private) as file:
                file.truncate()
                file.write(orjson.dumps({"schema": _SCHEMA, "builds": self._known}))
            part.replace(self._path)

    def made(self, code: SourceCode, build: Build, inputs: str) -> str:
        """Return the tree hash of the source after the build of these inputs; "" if it is not known."""
        entry = self._known.get(self._key(build), {})
        return str(entry.get("trees", {}).get(_of(code), "")) if entry.get("inputs") == inputs else ""

    def note(self, code: SourceCode, build: Build, inputs: str, tree_hash: str) -> None:
        """Record the tree of a source after its build."""
        entry = self._known.setdefault(self._key(build), {"inputs": inputs, "trees": {}})
        if entry["inputs"] != inputs:
            entry = self._known[self._key(build)] = {"inputs": inputs, "trees": {}}
        self._changed = self._changed or entry["trees"].get(_of(code)) != tree_hash
        entry["trees"][_of(code)] = tree_hash

    def _key(self, build: Build) -> str:
        chosen = ("", self._environment) if self._environment else ()
        return _hashed(build.command, os.fspath(build.folder), *build.inputs, *chosen)


def inputs_tree(build: Build, root: Path, check: Check, digests: Digests) -> Tree:
    """Read the declared inputs: path, executable bit and content. Raises `PackageError` if a line has no effect.

    Patterns are relative to `build.folder`. One without a slash matches only at the top, so `package*.json` does not
    match inside node_modules. Ignore files do not apply: sources are often excluded from packages.
    """
    anchored = tuple(line if line.startswith(("/", "!")) else f"/{line}" for line in build.inputs)
    named = SourceCode(build.folder, root, include=anchored, exclude=("!*", "!.env*"))
    try:
        tree = archive.scan(named, check, Surroundings(digests=digests))
    except PackageError as error:
        raise _refused(error.message) from error
    if tree.warnings:
        raise _refused(tree.warnings[0])
    return tree


def _refused(sentence: str) -> PackageError:
    advice = "check the spelling; `inputs` are patterns of files in the folder that the build runs in"
    return PackageError(f"build.inputs: {sentence.removeprefix('include: ')}", advice=advice)


def _of(code: SourceCode) -> str:
    placed = (part for name, local in code.files for part in (name, os.fspath(local)))
    into = ("", code.into) if code.into else ()
    return _hashed(os.fspath(code.source), *code.include, "", *code.exclude, "", *placed, *into)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
