"""What a command writes for the CI that it runs in: annotations, log groups, masks, a summary, report files.

Commands to the CI go to standard error, where GitHub and GitLab read them too. Standard output stays data.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.errors import ManifestError, OrchestratorError
from orchestrator.journal.events import Event, RunEnded, RunStarted
from orchestrator.journal.rollout_events import RollbackBegun, WaveStarted
from orchestrator.model import Place
from orchestrator.redaction.ci_commands import github_command, gitlab_section_end, gitlab_section_start
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.patterns import LEAST
from orchestrator.redaction.safe import Safe
from orchestrator.report.ci.annotations import (
    Finding,
    at_most_ten,
    findings_of_mistakes,
    findings_of_plan,
    findings_of_run,
    shown_findings,
)
from orchestrator.report.ci.code_quality import code_quality_report
from orchestrator.report.ci.junit import junit_of_error, junit_of_run
from orchestrator.report.ci.recognised import CiFiles, CiKind
from orchestrator.report.environment_views import EnvironmentsView
from orchestrator.report.formats import FORMATS
from orchestrator.report.markdown.pieces import code
from orchestrator.report.plain_text import counted
from orchestrator.report.streams import is_file, write_message
from orchestrator.report.views import FindingsView, PlanView, PruneView, ResultView, View

SUMMARY_MAX = 1024 * 1024  # bytes of a step's summary (docs.github.com, "Step isolation and limits")
_MISTAKES_MAX = 100


class CiOutput:
    """Writes for a CI. `lost`: called with the reason why a file is not written; `clock`: seconds since the epoch."""

    def __init__(
        self, files: CiFiles, outlet: Outlet, *, verb: str, lost: Callable[[str], object],
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._files = files
        self._outlet = outlet
        self._verb = verb
        self._lost = lost
        self._clock = clock
        self._group = ""  # the open one
        self._groups = 0
        self._has_shown = False  # the findings of `validate`: as text they are an error too
        self._secrets: list[str] | None = []  # not masked yet; None: secrets are masked as soon as they are known
        self.places: dict[str, Place] = {}  # of functions, by their keys
        self.is_plain = True  # standard error is text for people, and no display is drawn there

    def mask(self, value: str) -> None:
        """Make GitHub mask a secret in other steps' output too. It is masked line by line, since the log has lines."""
        if self._secrets is not None:
            self._secrets.append(value)
        elif self._commands_github and not is_file(sys.stderr):
            for line in dict.fromkeys(part.strip() for part in value.splitlines()):
                if len(line) >= LEAST:
                    write_message(github_command("add-mask", line))

    def begin(self, *, plain: bool) -> None:
        """Set how standard error is written, and mask the secrets that are known by now. A file is not a CI log: no
        secret is written to it.
        """
        self.is_plain = plain
        waiting, self._secrets = self._secrets or [], None
        for value in waiting:
            self.mask(value)

    def __call__(self, event: Event) -> None:
        """Handle an event of a run: each wave is a group of the log."""
        match event:
            case RunStarted(units=units):
                self.group(f"Run of {counted(units, 'function')}")
            case WaveStarted(number=number, waves=waves, units=units, canary=canary):
                what = " (canary)" if canary else ""
                self.group(f"Wave {number} of {waves}{what}: {counted(units, 'function')}")
            case RunEnded() | RollbackBegun():
                self.end_group()

    def warn(self, text: Safe) -> bool:
        """Warn with an annotation on GitHub, so that it is seen without unfolding a group. Return whether that was
        done.
        """
        if not self._commands_github:
            return False
        write_message(github_command("warning", text))
        return True

    @property
    def _commands_github(self) -> bool:
        return self._files.kind is CiKind.GITHUB and self.is_plain

    def group(self, title: str, *, folded: bool = True) -> None:
        """End the open group, and begin another. GitHub always folds it, GitLab if it is `folded`."""
        self.end_group()
        if not self.is_plain or self._files.kind is CiKind.NONE:
            return
        self._groups += 1
        self._group = f"orchestrator_{int(self._clock())}_{self._groups}"  # of this command alone
        shown = self._outlet.line(title)
        if self._files.kind is CiKind.GITHUB:
            write_message(github_command("group", shown))
        else:
            write_message(gitlab_section_start(self._group, shown, int(self._clock()), folded=folded))

    def end_group(self) -> None:
        """End the open group."""
        if not self._group:
            return
        if self._files.kind is CiKind.GITHUB:
            write_message(github_command("endgroup"))
        else:
            write_message(gitlab_section_end(self._group, int(self._clock())))
        self._group = ""

    def failed(self, error: OrchestratorError) -> None:
        """Write the error that ended a command before it had a result."""
        self.end_group()
        mistakes = error.mistakes if isinstance(error, ManifestError) else ()
        found = findings_of_mistakes(mistakes)
        other = Finding("", 0, error.message, "", error.advice or error.message, is_function=False)
        if not (found and self._has_shown):
            self._annotate(found or [other])
        if mistakes:
            self._report_quality(found)
        if self._files.junit is not None:
            self._write(self._files.junit, junit_of_error(self._verb, error, self._outlet))
        lines = [f"### {code(self._verb)}: {code(self._outlet.line(error.message))}", ""]
        lines += [f"- {code(self._outlet.line(str(mistake)))}" for mistake in mistakes[:_MISTAKES_MAX]]
        lines += [f"- … and {len(mistakes) - _MISTAKES_MAX} more"] if len(mistakes) > _MISTAKES_MAX else []
        lines += [f"- {code(self._outlet.line(error.advice))}"] if error.advice else []
        self._summarize(self._outlet.rendered("\n".join(lines)))

    def finished(self, view: View) -> None:
        """Write the result of a command."""
        self.end_group()
        match view:
            case FindingsView(mistakes=mistakes):
                found = findings_of_mistakes(mistakes)
                self._has_shown = True
                self._annotate(found)
                self._report_quality(found)
            case PlanView(plan):
                found = findings_of_plan(plan.units)
                self._annotate(found)
                self._report_quality(found)
            case ResultView(state):
                units = list(state.units.values())
                self._annotate(shown_findings(units, self.places))
                self._report_quality(findings_of_run(units, self.places))
                if self._files.junit is not None:
                    self._write(self._files.junit, junit_of_run(state, self._outlet))
        if isinstance(view, PlanView | ResultView | PruneView | EnvironmentsView) and self._files.summary is not None:
            self._summarize(FORMATS["markdown"]()(view, None, self._outlet))

    def _annotate(self, findings: Sequence[Finding]) -> None:
        if not self._commands_github:
            return
        for one in at_most_ten(findings):
            shown = self._outlet.value(one)
            file = self._files.path_of(shown.file) if shown.file else ""
            text, title = self._outlet.rendered(shown.text), self._outlet.rendered(shown.title)
            write_message(github_command("error", text, file=file, line=shown.line, title=title))

    def _report_quality(self, findings: Sequence[Finding]) -> None:
        if self._files.code_quality is not None:
            shown = [self._outlet.value(one) for one in findings]
            self._write(self._files.code_quality, code_quality_report(shown, self._files, self._outlet))

    def _summarize(self, text: Safe) -> None:
        """Append to the step's summary, as far as there is room."""
        file = self._files.summary
        if file is None:
            return
        data = f"{text}\n\n".encode(errors="replace")
        try:
            room = SUMMARY_MAX - (file.stat().st_size if file.exists() else 0)
            if len(data) > room:
                self._lost(
                    f"the job summary was not written: {len(data)} more bytes would exceed its limit of {SUMMARY_MAX}"
                )
                return
            with file.open("ab") as summary:
                summary.write(data)
        except OSError as error:
            self._lost(f"cannot write the job summary {file}: {error.strerror}")

    def _write(self, file: Path, text: Safe) -> None:
        try:
            file.write_text(f"{text}\n", "utf-8", errors="replace")
        except OSError as error:
            self._lost(f"cannot write {file}: {error.strerror}")
