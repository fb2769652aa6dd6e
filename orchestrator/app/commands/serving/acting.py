"""The actions of the page with --allow-actions. Each is the command that a user would type, in its own process.

So locks, leases, checks of the manifest and protected environments work as usual: the command has no terminal, so it
needs `--env` with the name that was typed on the page. It survives the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.app.commands.serving.asking import bucket_words, manifest_words
from orchestrator.app.session.known_run import known_runs
from orchestrator.app.session.options import RunOptions, state_dir_of
from orchestrator.coordination.interrupting import interrupt_run
from orchestrator.errors import Exit, StartError, UsageError
from orchestrator.journal.folder import make_private_folder, open_private
from orchestrator.journal.runs import RunSummary
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.ui.server import Act

PAUSE = "pause"
_VERBS = ("resume", "promote", "rollback")
_TOLD_BYTES = 16_000  # of the end of a command's output
_FOLDER = "ui"
_LOGS_KEPT = 20  # files of what commands have printed, the newest
_LOG = re.compile(r"\d+-[a-z]+\.log")  # their names begin with the time, in nanoseconds
_LOCK_S = 15


@dataclass(slots=True)
class _Begun:
    """A started command. `exit_code` is None while it runs, or until someone looks."""

    act: Act
    at: float
    process: subprocess.Popen[bytes]
    said: Path
    exit_code: int | None = None


class PageActions:
    """The commands that pages have started since the program began."""

    def __init__(self, options: RunOptions, outlet: Outlet) -> None:
        self._options, self._outlet = options, outlet
        self._state_dir = state_dir_of(options.config, options.state_dir).absolute()
        self._begun: list[_Begun] = []
        self._lock = threading.Lock()  # requests are handled in threads: a double click is two of them

    def begin(self, act: Act) -> Safe:
        """Start a command, or pause a run. Raises `UsageError` where there is no such action, or it is impossible for
        this run now.
        """
        with self._lock:
            return self._begin(act)

    def _begin(self, act: Act) -> Safe:
        run = self._run(act)
        if act.verb == PAUSE:
            pid = interrupt_run(self._state_dir, run.started_at)
            return self._outlet.json({"verb": PAUSE, "run": run.id, "pid": pid})
        if act.verb not in _VERBS:
            raise UsageError(f'"{act.verb}" is not an action of the page', advice=f"{PAUSE}, {', '.join(_VERBS)}")
        if any(one.process.poll() is None for one in self._begun):
            raise UsageError("a command of this page is running", advice="wait until it ends")
        begun = self._start(act)
        self._begun.append(begun)
        return self._outlet.json(self._facts(begun))

    def started(self) -> Safe:
        """Return the started commands, newest first."""
        return self._outlet.json({"allowed": True, "actions": [self._facts(one) for one in reversed(self._begun)]})

    def _run(self, act: Act) -> RunSummary:
        run = next((one for one in known_runs(self._options) if one.id == act.run), None)
        if run is None:
            raise UsageError(f'there is no run "{act.run}"', advice="see the list of runs")
        environment = run.identity.environment
        if environment and act.environment != environment:
            raise UsageError(f"the run belongs to the environment {environment}", advice="type that name to confirm")
        return run

    def _start(self, act: Act) -> _Begun:
        options = self._options
        command = [sys.executable, "-m", "orchestrator", act.verb, act.run, "--yes", f"--state={self._state_dir}"]
        command += [f"--lock-timeout={_LOCK_S}s"]  # what the page read before may still be ending
        command += [*manifest_words(options, act.environment), *bucket_words(options)]
        said = self._state_dir / _FOLDER / f"{time.time_ns()}-{act.verb}.log"
        try:
            make_private_folder(said.parent)
            _remove_old_logs(said.parent, keep=_LOGS_KEPT - 1)
            with open(said, "wb", opener=open_private) as file:
                # Not in our process group: Ctrl-C stops the page, not the runs.
                process = subprocess.Popen(  # noqa: S603 - one of our own commands
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                    env={**os.environ, "NO_COLOR": "1"},
                )  # fmt: skip
        except OSError as error:
            raise StartError(f"{act.verb} cannot start: {error.strerror}", advice=f"check {said.parent}") from error
        return _Begun(act, time.time(), process, said)

    def _facts(self, one: _Begun) -> Mapping[str, Any]:
        if one.exit_code is None:
            one.exit_code = one.process.poll()
        code = one.exit_code
        return {
            "verb": one.act.verb, "run": one.act.run, "at": one.at, "pid": one.process.pid, "exit_code": code,
            "ended": "" if code is None else _ended(code), "said": _tail(one.said), "file": str(one.said),
        }  # fmt: skip


def _ended(code: int) -> str:
    words = {
        Exit.DONE: "done",
        Exit.FAILED: "some functions failed or were blocked",
        Exit.USAGE: "refused",
        Exit.INTERRUPTED: "interrupted or paused: it can be continued",
        Exit.LOCKED: "refused: another run is in progress",
        Exit.ROLLED_BACK: "failed and rolled back",
        Exit.NOT_STARTED: "could not start",
    }
    return next((text for one, text in words.items() if one == code), f"killed ({code})")


def _remove_old_logs(folder: Path, *, keep: int) -> None:
    """Remove the oldest logs. One that a command still writes to is its own until the command ends."""
    logs = sorted((path for path in folder.iterdir() if _LOG.fullmatch(path.name)), key=lambda one: one.name)
    for path in logs[: max(0, len(logs) - keep)]:
        path.unlink(missing_ok=True)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TOLD_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
