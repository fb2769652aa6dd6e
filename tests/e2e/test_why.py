"""`why FUNCTION` of the installed program, in the situations that people ask about."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.quotas import Quotas
from tests.clouds import body
from tests.e2e.harness import RECORD, TIMEOUT_S, Cloud, Ended, Project, embedded, forked, run, wait_for

NOW = Distribution.parse("fixed:0")
SECRET = "hunter2-of-the-database"
OPERATIONS = [("create", "done"), ("createVersion", "done")]


def why(project: Project, cloud: Cloud, function: str, *more: str) -> Ended:
    return run(project.root, "why", function, *more, environ=cloud.environ())


def reported(project: Project, cloud: Cloud, function: str, *more: str, code: int = 0) -> dict[str, Any]:
    end = why(project, cloud, function, "-o", "json", *more)
    assert end.code == code, end.out + end.err
    assert SECRET not in end.out + end.err
    found: dict[str, Any] = json.loads(end.out)
    assert found["schema"] == "orchestrator/why/1"
    return found


def deploy(project: Project, cloud: Cloud, *more: str, code: int = 0) -> Ended:
    end = run(project.root, "deploy", "--yes", *more, environ=cloud.environ())
    assert end.code == code, end.err
    return end


def setting(found: dict[str, Any], key: str) -> tuple[str, str, str, int | None]:
    """Return the state of a value, its desired value, and where it comes from: table, line."""
    row = next(row for row in found["settings"] if row["key"] == key)
    return row["state"], row["value"], row["from"], row["place"] and row["place"]["line"]


def line_of(project: Project, text: str) -> int:
    lines = project.manifest.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_an_unchanged_function_and_one_whose_memory_is_to_change(cloud: Cloud, project: Project) -> None:
    project.write(2, defaults=f'environment = {{ DATABASE = "{SECRET}" }}\n')
    deploy(project, cloud)
    before = RECORD.stat().st_size
    found = reported(project, cloud, "f000")
    asked = [json.loads(line) for line in RECORD.read_bytes()[before:].splitlines()]
    assert [call["name"] for call in asked] == ["list functions", "listVersions", "get folder"]
    assert 'name="f000"' in asked[0]["query"]["filter"]  # only of this function
    assert asked[1]["query"]["functionId"] == found["function_id"]
    run_id = json.loads(run(project.root, "show", "-o", "json").out)["run_id"]
    assert (found["next"]["action"], found["next"]["reason"]) == ("unchanged", "up to date")
    assert (found["now"]["made_by"]["kind"], found["now"]["made_by"]["run_id"]) == ("run", run_id)
    assert found["now"]["made_by"]["operation_id"] == found["runs"][0]["operations"][1]["id"]
    assert [(one["call"], one["ended"]) for one in found["runs"][0]["operations"]] == OPERATIONS
    assert {row["state"] for row in found["settings"]} == {"same", "not compared"}
    assert (found["waits"], found["absent"], found["unknown"]) == ([], [], [])

    project.write(2, defaults=f'environment = {{ DATABASE = "{SECRET}", LEVEL = "x" }}\n',
                  more='[templates.large]\nmemory = "256MB"\n')  # fmt: skip
    text = project.manifest.read_text().replace("[functions.f001]\n", '[functions.f001]\nuse = ["large"]\n')
    project.manifest.write_text(text)
    found = reported(project, cloud, "f001")
    assert found["next"]["reason"] == "memory 128MB → 256MB; environment: +LEVEL"
    assert setting(found, "memory") == ("changed", "256MB", "templates.large", line_of(project, '"256MB"'))
    assert setting(found, "environment.LEVEL") == ("added", "…", "defaults", line_of(project, "LEVEL"))
    assert setting(found, "environment.DATABASE") == ("same", "…", "defaults", line_of(project, "DATABASE"))
    assert setting(found, "timeout") == ("same", "3s", "defaults", line_of(project, 'timeout = "3s"'))
    text = why(project, cloud, found["function_id"]).out  # by its ID
    assert "~  memory                256MB" in text, text
    assert f"deploy.toml:{line_of(project, '256MB')} [templates.large]" in text
    assert SECRET not in text


def test_a_function_that_somebody_has_edited_is_blocked_with_the_ways_out(tmp_path: Path, project: Project) -> None:
    project.write(1)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        deploy(project, cloud)
        (made,) = cloud.versions(project.folder_id)
        sent = body(made["functionId"], description=made["description"], environment={"HOT": SECRET})
        with served.cloud.called_by("ajecolleague"):
            hand = served.cloud.versions.create(sent)
        found = reported(project, cloud, "f000", code=1)
        version_id = hand["metadata"]["functionVersionId"]
        maker = found["now"]["made_by"]
        assert (found["now"]["version_id"], maker["kind"]) == (version_id, "hand")
        assert maker["how"].startswith(f"drift: {version_id} was made by hand")
        assert (maker["account"], maker["operation_id"]) == ("ajecolleague", hand["id"])
        assert found["next"]["action"] == "blocked"
        assert f"--adopt f000@{version_id}" in found["next"]["advice"]
        assert ("environment.HOT", "removed", "live") in [
            (row["key"], row["state"], row["from"]) for row in found["settings"]
        ]
        assert reported(project, cloud, "f000", "--adopt", f"f000@{version_id}")["next"]["action"] == "new version"
        deploy(project, cloud, code=1)
        end = why(project, cloud, "f000")
        assert (end.code, end.out.count("blocked: drift: ")) == (1, 2)  # the next plan and the last run
        assert f"    blocked: {found['next']['reason']}\n      advice: {found['next']['advice']}\n" in end.out


def test_what_failed_last_night_is_reported_with_its_operation_and_what_was_rolled_back(
    tmp_path: Path, project: Project
) -> None:
    project.write(2)
    with embedded(tmp_path / "cloud", durations=NOW, faults=Faults()) as (cloud, served):
        deploy(project, cloud)
        project.write(2, defaults='environment = { LEVEL = "x" }\n')
        served.cloud.faults.failing_functions.add("f001")
        deploy(project, cloud, code=1)
        last, first = reported(project, cloud, "f001")["runs"]
        assert (last["outcome"], last["state"], first["outcome"]) == ("failed", "failed", "deployed")
        (operation,) = last["operations"]
        assert operation["ended"] == "failed"
        assert operation["error"] in last["why"]
        assert run(project.root, "rollback", "--yes", environ=cloud.environ()).code == 0
        found = reported(project, cloud, "f000", code=1)
        back, deployed, _ = found["runs"]
        assert (back["verb"], back["rolls_back"]) == ("rollback", deployed["run_id"])
        assert deployed["rolled_back_by"] == back["run_id"]
        assert found["now"]["made_by"]["verb"] == "rollback"
        assert found["next"]["action"] == "blocked"
        assert "--again" in found["next"]["advice"]
        text = why(project, cloud, "f000").out
        assert f"rolled back by run {back['run_id']}" in text
        assert f"made by run {back['run_id']} (rollback)" in text
        assert f"  why: back to {deployed['base_version_id']}\n" in text


def test_beside_a_live_run_it_says_what_is_waited_for(tmp_path: Path, project: Project) -> None:
    project.write(2)
    with embedded(
        tmp_path / "cloud", durations=Distribution.parse("fixed:0"), quotas=Quotas(operations_per_folder=1)
    ) as (cloud, served):
        deploy(project, cloud)
        served.cloud.last(Distribution.parse("fixed:600"))
        log = project.root / "events.ndjson"
        arguments = ("deploy", "--yes", "--force", "--events", str(log))
        with forked(project.root, *arguments, environ=cloud.environ()) as process:
            wait_for(lambda: log.exists() and log.read_text().count("package_stored") == 2, process)
            wait_for(lambda: "operation_accepted" in log.read_text(), process)
            both = {name: reported(project, cloud, name) for name in ("f000", "f001")}
            (first,), (second,) = sorted((one["waits"] for one in both.values()), key=lambda rows: rows[0]["for"])
            assert (first["for"], second["for"]) == ("operation", "slot")
            assert f"folder {project.folder_id} has 1 of 1 in flight" in second["words"]
            assert {one["runs"][0]["state"] for one in both.values()} == {"running"}
            (held,) = reported(project, cloud, "f001", "--state", str(tmp_path / "elsewhere"))["waits"]
            assert (held["for"], held["run_id"]) == ("lease", second["run_id"])
            assert f"process {process.pid}" in held["who"]
            process.kill()
            process.wait(TIMEOUT_S)


def test_a_function_that_nobody_knows(cloud: Cloud, project: Project) -> None:
    project.write(2)
    deploy(project, cloud, "f000")
    end = why(project, cloud, "f0000")
    assert (end.code, end.out) == (2, "")
    assert 'error: unknown function "f0000"; did you mean "f000"?' in end.err


def test_a_function_that_the_manifest_has_no_more_is_reported_by_what_is_live_and_by_the_journal(
    cloud: Cloud, project: Project
) -> None:
    project.write(2)
    deploy(project, cloud)
    project.write(1)
    found = reported(project, cloud, "f001")
    assert (found["declared"], found["next"], found["settings"]) == (False, None, [])
    assert found["absent"] == ["deploy.toml does not declare it: `deploy` does not change it"]
    assert (found["now"]["made_by"]["kind"], found["runs"][0]["outcome"]) == ("run", "deployed")
    lost = run(project.root, "why", "f001", environ={"ORCHESTRATOR_ENDPOINT": cloud.url})  # no credentials
    assert lost.code == 6
    assert "deployed, version" in lost.out
    assert "unknown: the live state and the next plan: " in lost.out


def test_without_credentials_the_journal_tells_and_the_exit_code_is_that_of_plan(
    cloud: Cloud, project: Project
) -> None:
    project.write(1)
    deploy(project, cloud)
    environ = {"ORCHESTRATOR_ENDPOINT": cloud.url}
    end = run(project.root, "why", "f000", environ=environ)
    assert end.code == run(project.root, "plan", environ=environ).code == 6
    assert ": done\n    create: the function does not exist yet\n    deployed, version " in end.out
    assert "deploy.toml:" in end.out  # where its values come from


def test_another_machine_knows_it_by_the_records_in_the_bucket(cloud: Cloud, project: Project) -> None:
    project.write(1)
    deploy(project, cloud)
    shutil.rmtree(project.state_dir)
    found = reported(project, cloud, "f000")
    assert (found["runs"][0]["elsewhere"], found["runs"][0]["outcome"]) == (True, "deployed")
    assert [(one["call"], one["ended"]) for one in found["runs"][0]["operations"]] == OPERATIONS
    assert found["now"]["made_by"]["run_id"] == found["runs"][0]["run_id"]
    assert run(project.root, "runs", environ={}).out == "no runs yet\n"  # and nothing was written


def test_a_function_with_mistakes_is_reported_with_them(cloud: Cloud, project: Project) -> None:
    project.write(1)
    deploy(project, cloud)
    project.manifest.write_text(project.manifest.read_text() + '\nmemory = "1MB"\n')
    found = reported(project, cloud, "f000", code=2)
    (said,) = found["unknown"]
    assert said.startswith(f"the next plan: deploy.toml:{line_of(project, '1MB')}: functions.f000.memory")
    assert found["now"]["made_by"]["kind"] == "run"


def test_the_next_run_of_a_job(cloud: Cloud, project: Project) -> None:
    job = '[jobs.level]\nrun = "mass_redeploy"\nfunctions = ["f*"]\nenvironment = { LEVEL = "debug" }\n'
    project.write(1, more=job)
    deploy(project, cloud)
    found = reported(project, cloud, "f000", "--job", "level")
    assert (found["next"]["job"], found["next"]["reason"]) == ("level", "environment: +LEVEL")
    assert setting(found, "environment.LEVEL") == ("added", "…", "jobs.level", line_of(project, "LEVEL"))
    project.write(1, more=f"{job}force = true\n")
    assert reported(project, cloud, "f000", "--job", "level")["next"]["reason"].startswith(
        "forced; environment: +LEVEL"
    )
    slip = reported(project, cloud, "f000", "--adopt", "f001@d4e1", code=2)
    assert "there is no function f001" in slip["unknown"][0]
    end = why(project, cloud, "f000", "--job", "levle")
    assert (end.code, 'has no job "levle"' in end.err) == (2, True)
