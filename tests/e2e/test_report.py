"""A run of the installed program, and its report in every format."""

from __future__ import annotations

import json
import signal

import jsonschema  # type: ignore[import-untyped]

from tests.e2e.harness import TIMEOUT_S, Project, count_events, forked, run, wait_for


def test_a_run_is_reported_as_text_markdown_json_and_page(project: Project) -> None:
    project.write(3)
    environ = {"ORCHESTRATOR_DURATIONS": "fixed:0.05"}
    assert run(project.root, "deploy", "--sandbox", "--yes", environ=environ).code == 0
    text = run(project.root, "report")
    assert (text.code, text.err) == (0, "")
    assert "where the time went:" in text.out
    markdown = run(project.root, "report", "--md")
    assert markdown.out.startswith("## Run `")
    assert "### Where the time went" in markdown.out
    found = json.loads(run(project.root, "report", "last", "--json").out)
    jsonschema.validate(found, json.loads(run(project.root, "schema", "report").out))
    assert [one["outcome"] for one in found["functions"]] == ["deployed"] * 3
    assert {scope["kind"] for scope in found["scopes"]} == {"folder", "cloud"}
    assert all(scope["most"] for scope in found["scopes"])
    page = run(project.root, "report", "--html", "report.html")
    assert (page.code, page.out) == (0, "")
    assert page.err.startswith(f"report.html: 0.1 MB; run {found['run_id']}: ")
    written = (project.root / "report.html").read_text("utf-8")
    assert written == run(project.root, "report", "--html", "-").out
    assert all(one["function"] in written for one in found["functions"])
    assert run(project.root, "report", "--html", "report.html").code == 0  # a page can be overwritten


def test_what_cannot_be_written_is_said_and_what_is_there_stays(project: Project) -> None:
    project.write(1)
    manifest = project.manifest.read_text("utf-8")
    for arguments, reported in (
        (("--html", "deploy.toml"), "--html deploy.toml: the file exists already and is not a report"),
        (("--html", "."), "--html . is a folder"),
        (("--html", "no/such.html"), "--html no/such.html: there is no folder no"),
        (("--html", "-", "--json"), "--html - cannot be combined with --md or --json"),
        (("--md", "--json"), "--md and --json cannot be combined"),
        ((), "no runs yet"),
        (("2026",), "no runs yet"),
    ):
        end = run(project.root, "report", *arguments)
        assert (end.code, end.out) == (2, ""), arguments
        assert reported in end.err
    assert project.manifest.read_text("utf-8") == manifest


def test_a_run_is_reported_while_it_is_under_way_and_once_it_was_killed(project: Project) -> None:
    project.write(2)
    log = project.root / "events.ndjson"
    environ = {"ORCHESTRATOR_DURATIONS": "fixed:30"}
    with forked(project.root, "deploy", "--sandbox", "--yes", "--events", str(log), environ=environ) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= 2, process)
        running = json.loads(run(project.root, "report", "--json").out)
        process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT_S)
    assert (running["state"], running["ended_at"], running["runs"][0]["to_s"]) == ("running", None, None)
    assert [one["steps"][-1]["to_s"] for one in running["functions"]] == [None, None]
    assert "so far" in running["sentence"]
    killed = json.loads(run(project.root, "report", "--json").out)
    assert (killed["state"], killed["ended_at"]) == ("interrupted", None)
    assert all(one["operations"] for one in killed["functions"])
    assert [one["live"] for one in killed["functions"]] == ["none", "none"]  # the functions themselves are being made
    assert (running["next"], killed["next"]) == ([], [f"orchestrator resume {killed['run_id']}"])
