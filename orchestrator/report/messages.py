"""Messages of a command while it runs, and its result: the only way to stdout and stderr.

Every command has one, so modules that only runs need are imported when they are needed.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from orchestrator.errors import CloudError, Exit, ManifestError, OrchestratorError
from orchestrator.planning.rollout import waves_of
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.redaction.safe import Safe
from orchestrator.report.ci.output import CiOutput
from orchestrator.report.ci.recognised import NO_CI, CiFiles
from orchestrator.report.formats import FORMATS
from orchestrator.report.plan_text import plan_counts, plan_text
from orchestrator.report.prunes.storage import pruning_text
from orchestrator.report.streams import is_terminal, terminal_width, write_data, write_message
from orchestrator.report.views import Builds, CommandResult, DocumentView, PlanView, PruneView, within, words


class Messages:
    """Writes for people or, with --log-format json, for the program that reads stderr."""

    def __init__(self, ci: CiFiles = NO_CI, verb: str = "") -> None:
        self.outlet = Outlet(Redactor())
        self._log: Any = None  # set if stderr contains only logs
        self._quiet = False  # --log-level warning or error
        self.builds: Builds = tuple  # the running builds
        self.incomplete: list[str] = []  # files that a command could not write, reported at its end
        self.environment = ""  # the manifest's environment, named in all output about it
        self.brief = False  # do not log what the table at the end shows
        self.ci = CiOutput(ci, self.outlet, verb=verb, lost=self.incomplete.append)
        self.outlet.redactor.learned = self.ci.mask
        self.outlet.redactor.add_variables(os.environ)

    @property
    def log(self) -> Any:
        """The logger for all messages, as JSON; None where people read stderr."""
        return self._log

    @property
    def is_live(self) -> bool:
        """Whether stderr is a terminal with a live display."""
        return is_terminal(sys.stderr) and self._log is None

    def configure(self, level: str, format: str) -> None:
        """Configure the logs. Under a live display they start at warning, so that they do not push it away.

        `level`: debug … error, or "auto": warning under a live display, otherwise info without a line for each
        function. `format`: console | json. With json, stderr contains nothing but logs, so that each line can be
        parsed.
        """
        import structlog  # noqa: PLC0415 - commands that only read do not log

        from orchestrator.report.logs import configure  # noqa: PLC0415 - commands that only read do not log

        self._log = structlog.get_logger() if format == "json" else None
        self._quiet = level in ("warning", "error")
        self.brief = level == "auto" and self._log is None
        configure(
            ("warning" if self.is_live else "info") if level == "auto" else level, format, sys.stderr, self.outlet
        )
        self.ci.begin(plain=self._log is None and not self.is_live)

    def say(self, text: str) -> None:
        """Write a message, on one line."""
        if self._log is not None:
            self._log.info(text)
            return
        write_message(self.outlet.line(text))

    def mention(self, text: str) -> None:
        """Write a message that is not worth a mail from cron: it is left out with --log-level warning."""
        if not self._quiet:
            self.say(text)

    def warn(self, text: str) -> None:
        """Write a warning."""
        if self._log is not None:
            self._log.warning(text)
        elif not self.ci.warn(self.outlet.line(text)):
            self.say(f"warning: {text}")

    def fail(self, error: OrchestratorError) -> None:
        """Write the error that ends the command: every mistake, the error, the next step."""
        self.ci.failed(error)
        mistakes = error.listed if isinstance(error, ManifestError) else ()
        self._say_incomplete()
        if self._log is None:
            for mistake in mistakes:
                self.say(str(mistake))
            self.say(f"error: {error.message}")
            if error.advice:
                self.say(f"       {error.advice}")
            return
        for mistake in mistakes:
            self._log.error(mistake.rule, file=mistake.file, line=mistake.line, key=mistake.key)
        facts = {"advice": error.advice} if error.advice else {}
        self._log.error(error.message, exit_code=int(error.exit), **facts)

    def _say_incomplete(self) -> None:
        for warning in self.incomplete:
            self.warn(warning)
        self.incomplete.clear()

    def usage(self, text: str) -> CommandResult:
        """Write what is wrong with the command line. `text` may have several lines."""
        write_message(self.outlet.lines(text.rstrip()))
        return CommandResult(Exit.USAGE)

    def interrupted(self) -> CommandResult:
        """Report that the command was interrupted before it began anything."""
        self.say("interrupted")
        return CommandResult(Exit.INTERRUPTED)

    def plan(self, view: PlanView | PruneView) -> None:
        """Show the beginning of a plan before it is executed. Programs get its counts, and how many waves it has."""
        view = within(view, self.environment)
        if self._log is None:
            shown = self.outlet.value(view)
            text = pruning_text(shown) if isinstance(shown, PruneView) else plan_text(shown, whole=False)
            self.ci.group("Plan")
            write_message(self.outlet.rendered(text))
            self.ci.end_group()
            return
        where = {"environment": view.environment} if view.environment else {}
        if isinstance(view, PruneView):
            stored = {} if view.storage is None else {kind.kind: len(kind.goes) for kind in view.storage.found.kinds}
            facts = {"size_bytes": view.prune.size_bytes, **({"objects": stored} if stored else {})}
            self._log.info("plan", **where, prune=view.prune.goes, stay=view.prune.stays, **facts)
            return
        counts = {action.replace(" ", "_"): count for action, count in plan_counts(view.plan).items()}
        self._log.info("plan", **where, **counts, waves=len(waves_of(view.plan, view.rollout)))

    def announce(self, text: str) -> None:
        """Write data to stdout that is needed while the command runs. Raises `OrchestratorError`."""
        write_data(self.outlet.rendered(text))

    def give(self, page: Safe) -> None:
        """Write a page to stdout. Raises `OrchestratorError`."""
        write_data(page)

    def finish(self, result: CommandResult, format: str) -> int:
        """Write the command's result to stdout in a format, and return its exit code. Raises `OrchestratorError`."""
        try:
            if result.view is not None:
                view = within(result.view, self.environment)
                self.outlet.redactor.protect(words(view))
                self.ci.finished(view)
                shown = FORMATS[format]()(view, terminal_width(), self.outlet)
                write_data(shown, is_json=format == "json" or isinstance(view, DocumentView))
        except OrchestratorError as error:
            if not result.has_run:
                raise
            self.warn(f"{error.message}; use `orchestrator show` to see the result")
        self._say_incomplete()
        if result.next_step:
            self.say(result.next_step)
        return int(result.exit)


def with_facts(error: CloudError) -> str:
    """Return an error with everything that support would ask for."""
    facts = {
        "call": error.call,
        "HTTP": error.http_status,
        "request id": error.request_id,
        "server trace id": error.server_trace_id,
        "client request id": error.client_request_id,
    }
    named = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    return f"{error.message} ({named})"
