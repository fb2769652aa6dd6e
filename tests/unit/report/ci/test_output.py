"""What is written for a CI: to standard error, to its files, and no secrets where the output is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.errors import Exit, ManifestError, Mistake, StartError
from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.journal.state import fold
from orchestrator.model import Action, Failure, Plan, Unit
from orchestrator.report.ci.output import SUMMARY_MAX, CiOutput
from orchestrator.report.ci.recognised import NO_CI, CiFiles, CiKind
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, FindingsView, PlanView, ResultView
from orchestrator.verbs.answering import answer
from tests.builders import spec
from tests.runs import STARTED_AT, deployment, ended, failed, started

MISTAKES = ManifestError((Mistake("deploy.toml", 3, "functions.a.memry", "unknown key: 50%\nsecond line"),))
RESULT = ResultView(fold([started(), *deployment("auth", outcome=failed()), ended(1)]), next_step="do it again")


@pytest.fixture
def github(tmp_path: Path) -> CiFiles:
    """Everything that may be written on GitHub."""
    return CiFiles(CiKind.GITHUB, Path.cwd(), tmp_path / "summary.md", tmp_path / "j.xml", tmp_path / "q.json")


def test_a_mistake_is_an_annotation_a_summary_a_report_and_a_test_case(
    github: CiFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Messages(github, "deploy").fail(MISTAKES)
    first = capsys.readouterr().err.splitlines()[0]
    title = "title=functions.a.memry%3A mistake in the manifest"
    assert first == f"::error file=deploy.toml,line=3,{title}::unknown key: 50%25%0Asecond line"
    assert (tmp_path / "summary.md").read_text().splitlines()[0] == "### `deploy`: `1 mistake in the manifest`"
    assert "functions.a.memry" in (tmp_path / "q.json").read_text()
    assert "functions.a.memry" in (tmp_path / "j.xml").read_text()


def test_what_is_no_mistake_of_the_manifest_is_in_no_code_quality_report(
    github: CiFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Messages(github, "deploy").fail(StartError("no token", advice="set YC_TOKEN"))
    assert capsys.readouterr().err.splitlines()[0] == "::error title=no token::set YC_TOKEN"
    assert not (tmp_path / "q.json").exists()


def test_a_result_is_written_everywhere_with_the_line_of_the_function(
    github: CiFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = Messages(github, "deploy")
    messages.ci.places["auth"] = spec("auth").place
    assert messages.finish(CommandResult(Exit.FAILED, RESULT, has_run=True), "json") == Exit.FAILED
    out, err = capsys.readouterr()
    assert out.startswith("{\n")
    (line,) = err.splitlines()
    assert line.startswith("::error file=deploy.toml,line=1,title=auth%3A failed in step track%2C INVALID_ARGUMENT::")
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("### `deploy`, failed: **1** failed\n")
    assert "- next: `do it again`\n" in summary
    assert '<failure type="INVALID_ARGUMENT"' in (tmp_path / "j.xml").read_text()
    assert '"check_name": "failed in step track, INVALID_ARGUMENT"' in (tmp_path / "q.json").read_text()


def test_a_plan_is_summed_up_and_what_is_good_leaves_an_empty_report(github: CiFiles, tmp_path: Path) -> None:
    Messages(github, "plan").finish(
        CommandResult(Exit.DONE, PlanView(Plan((Unit("a", spec("a"), Action.VERSION, "x"),)))), "text"
    )
    assert (tmp_path / "summary.md").read_text().startswith("### Plan: **1** new version\n")
    assert (tmp_path / "q.json").read_text() == "[]\n"
    assert not (tmp_path / "j.xml").exists()


def test_blocked_functions_of_a_plan_and_findings_of_validate_are_annotations(
    github: CiFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Unit("a", spec("a"), Action.BLOCKED, "edited", failure=Failure("edited"))
    Messages(github, "plan").finish(CommandResult(Exit.FAILED, PlanView(Plan((bad,)))), "json")
    assert capsys.readouterr().err == "::error file=deploy.toml,line=1,title=a%3A blocked::edited\n"
    view = FindingsView(Path("deploy.toml"), mistakes=MISTAKES.mistakes)
    Messages(github, "validate").finish(CommandResult(Exit.USAGE, view), "json")
    assert capsys.readouterr().err.startswith("::error file=deploy.toml,line=3,")


def test_findings_of_validate_are_annotated_once_in_each_format(
    github: CiFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = Messages(github, "validate")
    view = FindingsView(Path("deploy.toml"), mistakes=MISTAKES.mistakes)
    with pytest.raises(ManifestError) as refused:
        messages.finish(CommandResult(Exit.USAGE, view), "text")
    messages.fail(refused.value)
    assert capsys.readouterr().err.count("::error ") == 1


@pytest.mark.parametrize("files", [NO_CI, CiFiles(CiKind.GITLAB)])
def test_elsewhere_nothing_is_annotated(files: CiFiles, capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages(files, "deploy")
    messages.fail(MISTAKES)
    messages.warn("beware")
    assert "::" not in capsys.readouterr().err


def test_logs_in_json_stay_lines_of_json_alone(github: CiFiles, capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages(github, "deploy")
    messages.configure("info", "json")
    messages.outlet.redactor.add("hunter2hunter2")
    messages.warn("beware")
    messages.ci.group("Plan")
    messages.fail(MISTAKES)
    assert all(line.startswith("{") for line in capsys.readouterr().err.splitlines())


def test_a_warning_is_an_annotation_on_github(github: CiFiles, capsys: pytest.CaptureFixture[str]) -> None:
    Messages(github, "deploy").warn("50% of\n::error::x")
    assert capsys.readouterr().err == "::warning::50%25 of\\n::error::x\n"


@pytest.mark.parametrize(
    ("kind", "begins", "ends"),
    [(CiKind.GITHUB, "::group::", "::endgroup::"), (CiKind.GITLAB, "\x1b[0Ksection_start:", "\x1b[0Ksection_end:")],
)  # fmt: skip
def test_waves_are_parts_of_the_log_and_each_ends(
    kind: CiKind, begins: str, ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = Messages(CiFiles(kind), "deploy")
    for event in (started(units=3), WaveStarted(STARTED_AT, 1, 2, 1, canary=True), WaveStarted(STARTED_AT, 2, 2, 2)):
        messages.ci(event)
    messages.ci(ended())
    messages.ci.end_group()
    lines = capsys.readouterr().err.split("\n")[:-1]
    assert [line.startswith(begins) for line in lines] == [True, False] * 3
    assert [line.startswith(ends) for line in lines] == [False, True] * 3
    titles = [line.partition("\x1b[0K" if kind is CiKind.GITLAB else "::group::")[2] for line in lines[::2]]
    assert [title.rpartition("\x1b[0K")[2] for title in titles] == [
        "Run of 3 functions", "Wave 1 of 2 (canary): 1 function", "Wave 2 of 2: 2 functions",
    ]  # fmt: skip


def test_an_error_ends_the_part_that_is_open(github: CiFiles, capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages(github, "deploy")
    messages.ci.group("Plan: ::error::x\n::error::y")
    messages.fail(StartError("no token"))
    assert capsys.readouterr().err.splitlines()[:3] == [
        "::group::Plan: ::error::x\\n::error::y", "::endgroup::", "::error title=no token::no token",
    ]  # fmt: skip


def test_a_crash_ends_the_part_that_is_open(
    github: CiFiles, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(messages: Messages) -> CommandResult:
        messages.ci.group("Plan")
        raise ZeroDivisionError

    monkeypatch.setattr("orchestrator.verbs.answering.files_for_ci", lambda: (github, "deploy"))
    with pytest.raises(ZeroDivisionError):
        answer(crash)
    assert capsys.readouterr().err.splitlines() == ["::group::Plan", "::endgroup::"]


def test_a_summary_that_cannot_be_written_is_said_next_to_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = CiFiles(CiKind.GITHUB, Path.cwd(), tmp_path / "no" / "summary.md")
    Messages(files, "deploy").fail(StartError("no token"))
    assert f"::warning::cannot write the job summary {files.summary}: No such file" in capsys.readouterr().err


class Pipe:
    """Standard error as it is in a CI."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        read, write = os.pipe()
        self._read, self._write = os.fdopen(read, encoding="utf-8"), os.fdopen(write, "w", encoding="utf-8")
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(sys, "stderr", self._write)

    def lines(self) -> list[str]:
        """Return everything that was written. Nothing can be written afterwards."""
        self._monkeypatch.undo()
        self._write.close()
        with self._read:
            return self._read.read().splitlines()


def test_a_secret_is_masked_by_line_once_and_what_is_short_is_not(
    github: CiFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Pipe(monkeypatch)  # not a fixture: pytest replaces the captured stream in each phase of a test
    messages = Messages(github, "deploy")
    messages.outlet.redactor.add("before-the-logs")
    messages.configure("info", "console")
    messages.outlet.redactor.add('{\n  "key": "50%secret",\n}\n')
    messages.outlet.redactor.add("short")
    messages.outlet.redactor.add("before-the-logs")
    masks = [line for line in pipe.lines() if line.startswith("::add-mask::")]
    assert masks[-2:] == ["::add-mask::before-the-logs", '::add-mask::"key": "50%25secret",']
    assert not [line for line in masks if line.endswith(("::{", "::}", "::short"))]


@pytest.mark.parametrize("files", [NO_CI, CiFiles(CiKind.GITLAB)])
def test_no_secret_is_written_where_nobody_masks_it(files: CiFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe(monkeypatch)
    messages = Messages(files, "deploy")
    messages.configure("info", "console")
    messages.outlet.redactor.add("hunter2hunter2")
    assert pipe.lines() == []


def test_no_secret_is_written_into_a_file(github: CiFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        messages = Messages(github, "deploy")
        messages.configure("info", "console")
        messages.outlet.redactor.add("hunter2hunter2")
    assert (tmp_path / "log").read_text() == ""


def test_a_summary_that_has_no_room_or_no_folder_is_said(github: CiFiles, tmp_path: Path) -> None:
    lost: list[str] = []
    messages = Messages(github)
    ci = CiOutput(github, messages.outlet, verb="deploy", lost=lost.append)
    (tmp_path / "summary.md").write_bytes(b"x" * (SUMMARY_MAX - 10))
    ci.finished(RESULT)
    assert lost == [
        f"the job summary was not written: {lost[0].split()[6]} more bytes would exceed its limit of 1048576"
    ]
    assert (tmp_path / "summary.md").stat().st_size == SUMMARY_MAX - 10
    nowhere = CiFiles(CiKind.GITHUB, None, tmp_path / "no" / "summary.md", tmp_path / "no" / "j.xml")
    CiOutput(nowhere, messages.outlet, verb="deploy", lost=lost.append).finished(RESULT)
    assert [text.split()[:2] for text in lost[1:]] == [["cannot", "write"]] * 2
    assert [text.rpartition(": ")[2] for text in lost[1:]] == ["No such file or directory"] * 2
