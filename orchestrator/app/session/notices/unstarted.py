"""Notifications of a command that ended before its run began, or without the run's own end: at night nobody reads what
cron has printed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from orchestrator.app.session.identity import identity_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.notices.sending import Sender, sending
from orchestrator.app.session.options import SANDBOX, RunOptions, address_of, environ_of_commands
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.commands.local import LocalCommands
from orchestrator.errors import Exit, InterruptedRunError, OrchestratorError
from orchestrator.journal.folder import make_state_dir, open_private
from orchestrator.model import Manifest
from orchestrator.report.display.displays import may_ask
from orchestrator.report.notice.document import Unstarted, not_started_document

FAILED = "failed"
FILE = "unstarted.json"  # in the state folder: why calls of a due job could not start, and when that was sent
REPEAT_S = 6 * 3600.0  # a crontab calls a due job every few minutes
_AGAIN = "the next call of the due job tries again; this notification is repeated only after 6 hours"
_CHANGING = ("deploy", "run", "resume", "promote", "rollback", "prune")


def watch_start(
    invocation: Invocation, options: RunOptions, manifest: Manifest, environ: Mapping[str, str], state_dir: Path
) -> None:
    """Notify once the command ends before a run began, as `is_reported` decides; or where a run that began did not
    report its end, after a crash or with a journal that could not be written.
    """
    changes = options.verb.partition(" ")[0] in _CHANGING and not (options.dry_run or options.status)
    if changes and manifest.notify:
        watched = _Watched(invocation, options, manifest, environ, state_dir, time.time())
        invocation.stack.push_async_exit(watched.ended)


def is_reported(code: Exit, *, attended: bool, due: bool) -> bool:
    """Return whether a command that ended with this code, before a run began, is reported as failed. `attended`: a
    person sits at its terminal; `due`: of `run JOB --due`, which the next call repeats.

    | it ended with                                     | without a terminal | and --due | on a terminal |
    | ---                                               | ---                | ---       | ---           |
    | 6: credentials, network, bucket, rights, state    | yes                | yes       | no            |
    | 4: another run holds the lock                     | yes                | no        | no            |
    | 3: stopped while it planned                       | yes                | yes       | no            |
    | 2: a mistake of the manifest or of the command    | yes                | yes       | no            |
    | 1: anything else; someone declined                | yes                | yes       | no            |
    """
    return not attended and not (due and code == Exit.LOCKED)


@dataclass(frozen=True, slots=True)
class _Watched:
    """One command that has read its manifest. `began_at`: seconds since the epoch."""

    invocation: Invocation
    options: RunOptions
    manifest: Manifest
    environ: Mapping[str, str]
    state_dir: Path
    began_at: float

    async def ended(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        """Notify of the error that ends the command. Everything else is closed by then, including the lock."""
        if self.options.due and error is None:
            with suppress(OSError):
                (self.state_dir / FILE).unlink()
        run_id = next((one for one in self.invocation.begun if one not in self.invocation.ended), "")
        found = _as_failure(error, run_id)
        if found is None or self.invocation.reported or (self.invocation.begun and not run_id):
            return False
        if run_id or (is_reported(found.exit, attended=may_ask(), due=self.options.due) and not self._is_known(found)):
            self.invocation.reported.append(FAILED)
            try:
                await self._report(found, run_id)
            except Exception as mistake:  # noqa: BLE001 - the fence: what ended the command is what people have to see
                self.invocation.messages.warn(f"the notification could not be sent: {mistake}")
        return False

    async def _report(self, error: OrchestratorError, run_id: str) -> None:
        messages, manifest = self.invocation.messages, self.manifest
        hooks = [hook for hook in manifest.notify if FAILED in hook.on and not hook.is_off]
        for hook in hooks:
            if hook.unset:
                messages.warn(f"notify.{hook.name} is off: {hook.unset}")
        said = Unstarted(
            self.options.verb, self._endpoint(), identity_of(self.options, manifest), self.began_at, time.time(), error,
            _AGAIN if self.options.due else "", run_id,
        )  # fmt: skip
        sender = Sender(
            run_id or f"not-started-{uuid.uuid4().hex}", run_id, manifest.environment, messages.outlet,
            self.invocation.stop, LocalCommands(environ_of_commands(manifest)), messages.warn,
        )  # fmt: skip
        async with sending(sender, self.environ) as found:
            for hook in hooks:
                if not hook.unset:
                    found.start(hook, FAILED, not_started_document(said, hook))

    def _endpoint(self) -> str:
        if self.options.sandbox:
            return SANDBOX
        given = address_of(self.manifest, self.options.endpoint).endpoint
        try:
            return clean_endpoint(given)
        except OrchestratorError:  # it may be what ends the command
            return given

    def _is_known(self, error: OrchestratorError) -> bool:
        """Return whether a recent call of the due job was reported for the same reason."""
        if not self.options.due:
            return False
        path, what, now = self.state_dir / FILE, f"{self.options.verb} {self.manifest.environment}".strip(), time.time()
        said, known = str(self.invocation.messages.outlet.line(error.message)), dict[str, Any]()
        with suppress(OSError, ValueError, TypeError):  # there is none, or it is no file of ours
            known = dict(orjson.loads(path.read_bytes()))
        with suppress(ValueError, TypeError):
            at, message = known.get(what, (0.0, ""))
            if message == said and 0 <= now - float(at) < REPEAT_S:
                return True
        with suppress(OSError, OrchestratorError):  # unwritable: then it is sent each time
            make_state_dir(self.state_dir)
            with open(path, "wb", opener=open_private) as file:
                file.write(self.invocation.messages.outlet.json({**known, what: [now, said]}).encode())
        return False


def _as_failure(error: BaseException | None, run_id: str) -> OrchestratorError | None:
    """Return what ended a command, None where that is no failure. `run_id`: of a run that did not report its end."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, OrchestratorError):
        return error
    if isinstance(error, Exception):  # a mistake of this program; a cancellation is none
        return OrchestratorError(f"this program failed: {type(error).__name__}: {error}")
    if error is None and run_id:
        return InterruptedRunError(
            "the end of the run could not be written",
            advice="check the command's log, then run `orchestrator resume`",
        )
    return None
