"""Every kind of value in every format, and its output: text, messages and the exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import orjson
import pytest

from orchestrator.errors import Exit, ManifestError, Mistake, OrchestratorError, UsageError
from orchestrator.job.contract import JobStatus, Parameter
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import fold
from orchestrator.manifest.origins.of_function import ValueOrigin
from orchestrator.model import (
    Action,
    Bound,
    Failure,
    FileChanges,
    Function,
    Place,
    Plan,
    Prediction,
    Tree,
    Unit,
    WayBack,
    WayBackKind,
)
from orchestrator.model.units import MB
from orchestrator.package.archive import PackedFile
from orchestrator.package.detect.finding import FoundFunction
from orchestrator.package.detect.languages import FoundHandler
from orchestrator.planning.packed_files import PackageDifference
from orchestrator.planning.prune.plan import FunctionPrune, PrunePlan, Usage
from orchestrator.planning.prune.rule import JudgedVersion, Why
from orchestrator.planning.resolved import ResolvedFunction, ResolvedValue
from orchestrator.planning.why.facts import (
    Explanation,
    Held,
    LiveFacts,
    MadeBy,
    Maker,
    NextPlan,
    PastRun,
    SettingRow,
    Subject,
    WaitingFor,
    WaitsFor,
)
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.view import ReportView
from orchestrator.report.environment_views import EnvironmentPlan, EnvironmentsView
from orchestrator.report.explained.function_views import InitView, PackageView, ResolvedView, WrittenZip
from orchestrator.report.formats import FORMATS
from orchestrator.report.messages import Messages
from orchestrator.report.views import (
    BoardView,
    BoundJob,
    CommandResult,
    DocumentView,
    FindingsView,
    ImportView,
    JobsView,
    KnownJob,
    PlanView,
    PruneView,
    ResultView,
    RewriteView,
    RunsView,
    SavedPlanView,
    View,
    WhyView,
)
from tests.builders import spec
from tests.runs import account, deployment, ended, failed, started, whole_run

CONFIG = Path("deploy.toml")
PLAN = Plan(
    (
        Unit("auth", spec("auth"), Action.VERSION, "the source changed"),
        Unit("bill", spec("bill"), Action.BLOCKED, "edited by hand", failure=Failure("edited", advice="--adopt")),
    )
)
PREDICTION = Prediction(2, 90.0, 100.0, 1.5, Bound("folder b1g", 80.0, 15.0), (30, 50.0), learned=False)
RUN = RunSummary("R1", "deploy", "sandbox", 0.0, 9.0, 0, 1, "0.1", {})
NIGHTLY = BoundJob("nightly", "mass_redeploy", "0 3 * * *", "UTC", "2026-11-28T03:00+00:00", "deploy.toml:9")
MASS = KnownJob("redeploys all", {"force": Parameter("make new versions", default=False)})
WHY = Explanation(
    Subject("auth", "auth", "b1g", "d4e1", Place("deploy.toml", 9)),
    LiveFacts("ACTIVE", "d4e2", "ACTIVE", "2026-11-27T23:10:02+00:00", ("$latest",), Maker(MadeBy.RUN, run_id="R1")),
    NextPlan("new version", "memory 128MB → 256MB", way_back=WayBack(WayBackKind.COPY)),
    (SettingRow("memory", Held.CHANGED, "256MB", "128MB", "defaults", Place("deploy.toml", 3)),),
    (WaitingFor("R2", WaitsFor.SLOT, "an Operation slot"),),
    (PastRun("R1", "deploy", "done", "", "ann@ci", "", "new version", "forced", "deployed", version_id="d4e2"),),
    (),
    ("the records of runs: no answer",),
)
MEMORY = ValueOrigin("memory", "", "1GB", "defaults", Place("deploy.toml", 3))
RESOLVED = ResolvedFunction("auth", "auth", "b1g", Place("deploy.toml", 9), (ResolvedValue(MEMORY, '"1GB"'),))
DIFFERENCE = PackageDifference("d4e", FileChanges(("a",), ("b",)))
SAVED = b'{"schema": "orchestrator/saved-plan/1"}'
PRUNE = PrunePlan(
    (
        FunctionPrune(
            "auth",
            Function("d4e1", "b1g", "auth"),
            (JudgedVersion("v2", None, 0, Why.LATEST), JudgedVersion("v1", None, 3 * MB, Why.OLD)),
        ),
    ),
    ("the bucket has no run records yet",),
    (Usage("b1c", "versions.count", 60.0, 100.0),),
)
FAILED_RUN = [started(), *deployment("auth", outcome=failed()), ended(1)]
# The value, the schema of its JSON, and a required part of its text.
VIEWS: dict[str, tuple[View, str, str]] = {
    "a plan": (PlanView(PLAN), "orchestrator/plan/1", "plan: "),
    "a simulated plan": (PlanView(PLAN, PREDICTION), "orchestrator/plan/1", "simulated: 90 s"),
    "no plan": (PlanView(Plan(())), "orchestrator/plan/1", "plan: nothing to do"),
    "a saved plan": (SavedPlanView({"plan": "3f2a"}, PlanView(PLAN), SAVED), "orchestrator/saved-plan/1", "3f2a"),
    "a prune": (PruneView(PRUNE), "orchestrator/prune/1", "1 of 2 versions of 1 function to delete (3.0 MB), 1 kept"),
    "an empty prune": (PruneView(PrunePlan(())), "orchestrator/prune/1", "prune: nothing to delete"),
    "a result": (ResultView(fold(whole_run("auth"))), "orchestrator/result/1", "1 function: 1 deployed"),
    "a report": (ReportView(account(FAILED_RUN)), "orchestrator/report/1", "where the time went"),
    "runs": (RunsView((RUN,)), "orchestrator/runs/1", "R1"),
    "no runs": (RunsView(()), "orchestrator/runs/1", "no runs yet"),
    "a board": (BoardView((JobStatus("auth", "b1g", "python37", "waiting"),)), "orchestrator/board/1", "1 waiting"),
    "jobs": (JobsView(CONFIG, (NIGHTLY,), {"mass_redeploy": MASS}), "orchestrator/jobs/1", "0 3 * * *"),
    "no jobs": (JobsView(CONFIG, (), {}), "orchestrator/jobs/1", "deploy.toml defines no jobs yet"),
    "findings": (
        FindingsView(CONFIG, ("auth", "bill"), 1, ("nightly",), ("no folder is known",)),
        "orchestrator/findings/1",
        "warning: no folder is known\ndeploy.toml is valid: 2 functions (1 disabled), 1 job",
    ),
    "resolved settings": (
        ResolvedView((RESOLVED,)),
        "orchestrator/render/1",
        '[functions.auth]  # deploy.toml:9\nmemory = "1GB"  # deploy.toml:3 [defaults]',
    ),
    "rewrite": (
        RewriteView({"deploy.toml": "--- deploy.toml\n+++ deploy.toml\n+memory = 1"}, ("a",), ("b: why",)),
        "orchestrator/rewrite/1",
        "deploy.toml: 1 function would be written",
    ),
    "import": (
        ImportView("[functions]\na = {}\n", "", ("a",), ("b1g",), {"A_TOKEN": "environment.TOKEN of a"}, {}, {}),
        "orchestrator/import/1",
        "[functions]\na = {}",
    ),
    "a first manifest": (
        InitView(CONFIG, (FoundFunction("auth", "src/auth", FoundHandler("python312", "index.handler", "index")),)),
        "orchestrator/init/1",
        "wrote deploy.toml: 1 function;",
    ),
    "a package": (
        PackageView("auth", (PackedFile("index.py", 3, "x", "ab" * 32),), {".git/": "by default"}, Tree("3f", 3, ())),
        "orchestrator/package/1",
        "0755      3  abababababababab  index.py\nauth: 1 file, 3 bytes unpacked; left out: 1 path",
    ),
    "a written package": (
        PackageView("auth", (), {}, Tree("3f", 3, ()), WrittenZip(Path("a.zip"), 9, "ab" * 32)),
        "orchestrator/package/1",
        f"wrote a.zip: 9 bytes, sha256 {'ab' * 32}",
    ),
    "a package beside the live one": (
        PackageView("auth", (), {}, Tree("3f", 3, ()), difference=DIFFERENCE),
        "orchestrator/package/1",
        "a\n+b\nauth: 2 files differ from the package of version d4e: 1 changed, 1 new",
    ),
    "plans of all environments": (
        EnvironmentsView(
            (
                EnvironmentPlan("dev", PLAN, 1),
                EnvironmentPlan("test", None, 2, "1 mistake in the manifest", ("deploy.toml:3: x",)),
                EnvironmentPlan("live", Plan(())),
            )
        ),
        "orchestrator/environments/1",
        "function  dev          test  live\nauth      new version  ?     absent\nbill      blocked      ?     absent",
    ),
    "why": (WhyView(WHY), "orchestrator/why/1", "next plan: new version: memory 128MB → 256MB"),
}  # fmt: skip
OUTLET = Outlet(Redactor())
MISTAKES = FindingsView(CONFIG, mistakes=(Mistake("deploy.toml", 3, "functions.a.memry", "unknown key"),))


def test_no_kind_of_value_is_left_out() -> None:
    assert {type(view) for view, _, _ in VIEWS.values()} | {DocumentView} == set(get_args(View))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [None, 40])
def test_every_format_renders_every_kind(format: str, name: str, width: int | None) -> None:
    text = FORMATS[format]()(VIEWS[name][0], width, OUTLET)
    assert text.strip()
    assert text == text.rstrip("\n")  # one line end is written after it


@pytest.mark.parametrize("name", VIEWS)
def test_each_document_of_json_says_its_schema_first(name: str) -> None:
    view, schema, _ = VIEWS[name]
    found = orjson.loads(FORMATS["json"]()(view, None, OUTLET))
    assert next(iter(found.items())) == ("schema", schema)


@pytest.mark.parametrize("name", VIEWS)
def test_each_text_says_what_it_is_about(name: str) -> None:
    view, _, reported = VIEWS[name]
    assert reported in FORMATS["text"]()(view, None, OUTLET)


@pytest.mark.parametrize("format", FORMATS)
def test_a_document_is_the_same_in_every_format(format: str) -> None:
    assert FORMATS[format]()(DocumentView('{"type": "object"}'), None, OUTLET) == '{"type": "object"}'


def test_mistakes_are_data_for_programs_and_an_error_for_people() -> None:
    found = orjson.loads(FORMATS["json"]()(MISTAKES, None, OUTLET))
    row = {"file": "deploy.toml", "line": 3, "key": "functions.a.memry", "rule": "unknown key"}
    assert found == {"schema": "orchestrator/findings/1", "valid": False, "mistakes": [row]}
    with pytest.raises(ManifestError) as error:
        FORMATS["text"]()(MISTAKES, None, OUTLET)
    assert error.value.mistakes == MISTAKES.mistakes


def test_a_result_is_shown_then_the_next_step_said(capsys: pytest.CaptureFixture[str]) -> None:
    result = CommandResult(Exit.INTERRUPTED, RunsView(()), next_step="`resume` goes on")
    assert Messages().finish(result, "text") == 3
    assert capsys.readouterr() == ("no runs yet\n", "`resume` goes on\n")


def fail(_text: str, **_how: object) -> None:
    raise OrchestratorError("cannot write to standard output", advice="use `orchestrator show` to see the result")


def test_the_exit_code_of_a_run_holds_where_its_table_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.report.messages.write_data", fail)
    result = CommandResult(Exit.FAILED, RunsView(()), has_run=True)
    assert Messages().finish(result, "text") == 1
    said = "warning: cannot write to standard output; use `orchestrator show` to see the result\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(OrchestratorError):
        Messages().finish(replace(result, has_run=False), "text")


def test_an_error_is_said_with_its_mistakes_and_its_advice(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages()
    messages.fail(UsageError("no function is selected"))
    messages.fail(ManifestError(MISTAKES.mistakes))
    assert capsys.readouterr().err == (
        "error: no function is selected\n"
        "deploy.toml:3: functions.a.memry: unknown key\n"
        "error: 1 mistake in the manifest\n"
        "       fix the line listed above\n"
    )


def test_as_json_every_line_of_stderr_is_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages()
    messages.configure("auto", "json")
    messages.say("reading")
    messages.warn("a runtime is old")
    messages.plan(PlanView(PLAN))
    messages.fail(ManifestError(MISTAKES.mistakes))
    out, err = capsys.readouterr()
    lines = [orjson.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "reading"), ("warning", "a runtime is old"), ("info", "plan"), ("error", "unknown key"),
        ("error", "1 mistake in the manifest"),
    ]  # fmt: skip
    assert (lines[2]["new_version"], lines[2]["blocked"]) == (1, 1)
    assert (lines[3]["line"], lines[4]["exit_code"]) == (3, 2)


@pytest.mark.parametrize(("level", "said"), [("info", "reading\nworth a mail\n"), ("error", "worth a mail\n")])
def test_what_cron_need_not_mail_is_said_from_info_on(
    level: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = Messages()
    messages.configure(level, "console")
    messages.mention("reading")
    messages.say("worth a mail")
    assert capsys.readouterr().err == said


def test_known_jobs_are_described_where_the_manifest_has_none_or_on_demand() -> None:
    view = JobsView(CONFIG, (NIGHTLY,), {"mass_redeploy": MASS})
    brief = FORMATS["text"]()(view, None, OUTLET)
    assert "the manifest can use: mass_redeploy (--verbose describes them)" in brief
    assert MASS.about not in brief
    for whole in (replace(view, verbose=True), replace(view, bound=())):
        assert f"mass_redeploy: {MASS.about}" in FORMATS["text"]()(whole, None, OUTLET)
