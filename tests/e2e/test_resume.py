"""`resume` of the installed program after a kill, a Ctrl-C and an outage, and what it does not touch."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.sandbox.memory.faults import Distribution, Fate, Faults
from orchestrator.sandbox.memory.quotas import Quotas
from tests.e2e import harness
from tests.e2e.harness import Clock, Cloud, Ended, Project, embedded, ended, forked, interrupt, run, wait_for

COUNT = 30
SLOTS = 15  # Operations in flight of a folder
HELD_S = 600.0  # duration of the Operations that a test holds
ONE = Quotas(operations_per_folder=1)  # one Operation at a time


def cut_off(project: Project, cloud: Cloud, after: int, number: signal.Signals, *arguments: str) -> Ended:
    """Start a run and end it with a signal once some Operations were accepted."""
    return harness.cut_off(project.root, number, after, *(arguments or ("deploy", "--yes")), environ=cloud.environ())


def resume(project: Project, cloud: Cloud, *more: str) -> Ended:
    return run(project.root, "resume", "-o", "json", *more, environ=cloud.environ())


def outcomes(end: Ended) -> dict[str, int]:
    found: dict[str, int] = json.loads(end.out)["outcomes"]
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_run_that_was_cut_off_is_taken_up(cloud: Cloud, project: Project, number: signal.Signals) -> None:
    project.write(COUNT)
    cut_off(project, cloud, 20, number)
    end = resume(project, cloud)
    assert end.code == 0, end.err
    assert json.loads(end.out)["schema"] == "orchestrator/result/1"
    assert set(outcomes(end)) == {"deployed"}
    versions = cloud.versions(project.folder_id)
    assert len(versions) == COUNT
    assert len({version["functionId"] for version in versions}) == COUNT
    again = resume(project, cloud)
    assert (again.code, again.out) == (0, "")
    assert "nothing to resume" in again.err
    first = json.loads(run(project.root, "runs", "-o", "json").out)["runs"][-1]["run_id"]
    once_more = resume(project, cloud, first)
    assert (once_more.code, once_more.out) == (0, "")
    assert f"run {first} was resumed by run " in once_more.err
    assert "nothing to resume" in once_more.err
    assert len(cloud.versions(project.folder_id)) == COUNT


def test_what_a_forced_run_left_undone_is_forced_as_well(tmp_path: Path, project: Project) -> None:
    project.write(COUNT)
    clock, force = Clock(), ("deploy", "--force", "--yes")
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), clock=clock) as (cloud, served):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        served.cloud.last(Distribution.parse(f"fixed:{HELD_S}"))  # the slots stay full until the signal is sent
        ended = harness.cut_off(
            project.root, signal.SIGTERM, SLOTS, *force, environ=cloud.environ(), then=lambda: clock.forward(HELD_S)
        )
        assert ended.code == 3, ended.err
        served.cloud.last(Distribution.parse("fixed:0"))
        clock.forward(HELD_S)  # and what began before the signal arrived ends too
        end = run(project.root, "deploy", "--undone", "--yes", environ=cloud.environ())
        assert end.code == 0, end.err
        per_function = Counter(version["functionId"] for version in cloud.versions(project.folder_id))
    assert set(per_function.values()) == {2}
    assert len(per_function) == COUNT


def test_after_a_failed_run_resume_says_what_does_go_on(tmp_path: Path, project: Project) -> None:
    project.write(2)
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 1
        end = resume(project, cloud)
    assert (end.code, end.out) == (1, "")  # like the run itself
    assert "1 function failed: retry with `orchestrator deploy --failed --endpoint " in end.err


def test_a_resumed_run_that_is_killed_is_resumed(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    cut_off(project, cloud, 10, signal.SIGKILL)
    cut_off(project, cloud, 8, signal.SIGKILL, "resume")
    end = resume(project, cloud)
    assert end.code == 0, end.err
    assert len(cloud.versions(project.folder_id)) == COUNT
    first, second, third = json.loads(run(project.root, "runs", "-o", "json").out)["runs"][::-1]
    shown = json.loads(run(project.root, "show", third["run_id"], "-o", "json").out)
    assert shown["resumes"] == second["run_id"] != first["run_id"]
    assert shown["verb"] == "deploy"


def test_failed_means_the_functions_whatever_the_manifest_calls_them_now(tmp_path: Path, project: Project) -> None:
    project.write(3)
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults) as (cloud, served):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 1
        served.cloud.faults.failing_functions.clear()
        declared = project.manifest.read_text()
        project.manifest.write_text(declared.replace("[functions.f001]", '[functions.mailer]\nname = "f001"'))
        end = run(project.root, "deploy", "--failed", "--yes", "-o", "json", environ=cloud.environ())
        assert end.code == 0, end.err
        assert [(one["function"], one["name"]) for one in json.loads(end.out)["functions"]] == [("mailer", "f001")]
        # The key now belongs to a Function that was not part of the run.
        served.cloud.faults.failing_functions.add("f001")
        project.manifest.write_text(declared.replace('"3s"', '"4s"'))
        assert run(project.root, "deploy", "f001", "--yes", environ=cloud.environ()).code == 1
        project.manifest.write_text(declared.replace("[functions.f001]", '[functions.f001]\nname = "another"'))
        end = run(project.root, "deploy", "--failed", "--yes", environ=cloud.environ())
        assert end.code == 2
        assert "what failed is not part of the selection: " in end.err
        assert "another" not in {one["name"] for one in cloud.functions(project.folder_id)}


def test_what_has_changed_since_is_left_to_deploy(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    cut_off(project, cloud, 20, signal.SIGKILL)
    project.manifest.write_text(project.manifest.read_text().replace('timeout = "3s"', 'timeout = "4s"'))
    end = resume(project, cloud)
    assert end.code == 1, end.err
    found = json.loads(end.out)
    reasons = {one["outcome_reason"] for one in found["functions"] if one["outcome"] == "blocked"}
    (reason,) = reasons
    assert reason.startswith("its settings or its source have changed since the run began; run `plan` to see what ")
    made = len(cloud.versions(project.folder_id))
    assert made + found["outcomes"]["blocked"] >= COUNT
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0


def test_a_function_that_somebody_else_deployed_since_is_left_alone(tmp_path: Path, project: Project) -> None:
    project.write(4)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    project.manifest.write_text(project.manifest.read_text().replace('timeout = "3s"', 'timeout = "4s"'))
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:3"), quotas=ONE) as (cloud, served):
        served.cloud.faults.failing_functions.add("f000")
        cut_off(project, cloud, 1, signal.SIGKILL)
        ids = {one["id"]: one["name"] for one in cloud.functions(project.folder_id)}
        versions = Counter(one["functionId"] for one in cloud.versions(project.folder_id))
        victim = max((one for one in ids if versions[one] == 1), key=ids.__getitem__)  # nothing requested yet
        (before,) = [one for one in cloud.versions(project.folder_id) if one["functionId"] == victim]
        body = {name: before[name] for name in ("functionId", "runtime", "entrypoint", "resources")}
        served.cloud.active.quotas = Quotas()
        served.cloud.faults.settle_next("createVersion", Fate(duration_s=0.0))
        served.cloud.versions.create(body | {"versionId": before["id"], "executionTimeout": "9s"})
        end = resume(project, cloud)
    assert end.code == 1, end.err
    by_name = {one["function"]: one for one in json.loads(end.out)["functions"]}
    assert by_name[ids[victim]]["outcome"] == "blocked"
    assert "has taken $latest since the run began" in by_name[ids[victim]]["outcome_reason"]
    assert by_name["f000"]["outcome"] == "failed"  # the accepted call is followed to its end, whatever that is


def test_what_is_not_in_the_manifest_any_more_is_followed_all_the_same(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    cut_off(project, cloud, COUNT // 2, signal.SIGKILL)
    project.write(1)
    end = resume(project, cloud)
    assert end.code == 1, end.err
    found = json.loads(end.out)["functions"]
    reported = {one["function"]: one for one in found}
    assert {one.get("outcome_reason", "") for one in found if one["outcome"] == "blocked"} == {
        "deploy.toml no longer includes it"
    }
    for one in found:
        if one["outcome"] == "deployed":
            assert one["version_id"]
    assert reported


@pytest.mark.parametrize("left_on", ["", "f003"], ids=["all disabled", "all but one"])
def test_what_is_disabled_by_now_is_followed_and_not_deployed(tmp_path: Path, project: Project, left_on: str) -> None:
    project.write(4)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:2"), quotas=ONE) as (cloud, _):
        cut_off(project, cloud, 2, signal.SIGKILL)  # a Function, and the first of the versions
        for name in {f"f{number:03}" for number in range(4)} - {left_on}:
            declared = f"[functions.{name}]\n"
            project.manifest.write_text(project.manifest.read_text().replace(declared, f"{declared}enabled = false\n"))
        end = resume(project, cloud)
        functions = {one["id"]: one["name"] for one in cloud.functions(project.folder_id)}
        made = {functions[one["functionId"]] for one in cloud.versions(project.folder_id)}
    assert end.code == 1, end.err
    found = {one["function"]: one for one in json.loads(end.out)["functions"]}
    blocked = {name: one["outcome_reason"] for name, one in found.items() if one["outcome"] == "blocked"}
    assert set(blocked.values()) == {"deploy.toml no longer includes it"}
    assert made == found.keys() - blocked.keys()
    assert not left_on or left_on in made
    assert len(blocked) >= 2


def test_a_job_is_resumed(tmp_path: Path, project: Project) -> None:
    project.write(COUNT, more='[jobs.all]\nrun = "scheduled"\n')
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.3")) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        cut_off(project, cloud, 12, signal.SIGKILL, "run", "all", "--yes")
        end = resume(project, cloud)
        assert end.code == 0, end.err
        assert set(outcomes(end)) == {"deployed"}
        assert len(cloud.versions(project.folder_id)) == 2 * COUNT  # forced: one more of each, not two


def test_a_sandbox_run_is_resumed_in_the_sandbox(project: Project) -> None:
    project.write(4)
    harness.cut_off(project.root, signal.SIGKILL, 6, "deploy", "--sandbox")
    wrong = run(project.root, "resume", "--endpoint", "http://127.0.0.1:1")
    assert wrong.code == 2
    assert "used the sandbox" in wrong.err
    end = run(project.root, "resume")
    assert end.code == 0, end.err


def test_a_run_at_another_endpoint_is_not_resumed_here(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    cut_off(project, cloud, 5, signal.SIGKILL)
    environ = cloud.environ() | {"ORCHESTRATOR_ENDPOINT": "http://127.0.0.1:9"}
    end = run(project.root, "resume", environ=environ)
    assert end.code == 2
    assert f"used {cloud.url}" in end.err


@pytest.mark.parametrize(("given", "message"), [("nope", 'there is no run "nope"'), ("last", "no runs yet")])
def test_runs_that_are_not_there(project: Project, cloud: Cloud, given: str, message: str) -> None:
    project.write(1)
    if given == "nope":
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    end = run(project.root, "resume", given, environ=cloud.environ())
    assert end.code == 2
    assert message in end.err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_deploy_that_was_cut_off_while_it_planned_is_not_forgotten(
    tmp_path: Path, project: Project, number: signal.Signals
) -> None:
    project.write(2)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        before = project.manifest.read_text()
        building = project.root / "building"
        slow = f'build = {{ command = "touch {building}; exec sleep 60" }}\n'
        project.manifest.write_text(before.replace("[defaults]\n", f"[defaults]\n{slow}"))
        with forked(project.root, "deploy", "--yes", environ=cloud.environ()) as process:
            wait_for(building.exists, process)
            interrupt(process, number)
            assert ended(process).code == (3 if number == signal.SIGINT else -number)
        for line in (["resume"], ["deploy", "--failed", "--yes"], ["deploy", "--undone", "--yes"]):
            end = run(project.root, *line, environ=cloud.environ())
            assert end.code == 3, (line, end.err)
            assert "a later `orchestrator deploy --endpoint" in end.err
            assert "was killed while planning: nothing was sent" in end.err
        project.manifest.write_text(before.replace('timeout = "3s"', 'timeout = "4s"'))
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        assert run(project.root, "resume", environ=cloud.environ()).code == 0
