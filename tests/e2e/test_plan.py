"""`plan`, adoption, and the ways to select."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory.faults import Distribution, Fault, Faults, Trouble
from orchestrator.sandbox.memory.seeded import Seeds
from tests.clouds import body
from tests.e2e.harness import Cloud, Ended, Project, embedded, run


def plan(project: Project, cloud: Cloud, *more: str) -> Ended:
    return run(project.root, "plan", *more, environ=cloud.environ())


def deploy(project: Project, cloud: Cloud, *more: str) -> Ended:
    return run(project.root, "deploy", "--yes", *more, environ=cloud.environ())


def change(project: Project, old: str, new: str) -> None:
    project.manifest.write_text(project.manifest.read_text().replace(old, new))


def test_detailed_exit_codes(cloud: Cloud, project: Project) -> None:
    project.write(2)
    changes = plan(project, cloud, "--detailed-exitcode")
    assert (changes.code, changes.out.count("create")) == (2, 3)  # two functions, and the count
    assert plan(project, cloud).code == 0
    assert cloud.functions(project.folder_id) == []
    assert deploy(project, cloud).code == 0
    none = plan(project, cloud, "--detailed-exitcode")
    assert (none.code, none.out.splitlines()[-1]) == (0, "plan: 2 unchanged")
    change(project, 'source = "src/f001"', 'source = "src/nowhere"')
    assert plan(project, cloud, "--detailed-exitcode", "f001").code == 1
    change(project, "[functions", "[function")
    assert plan(project, cloud, "--detailed-exitcode").code == 1
    assert plan(project, cloud).code == 2


def test_a_plan_leaves_no_run_and_asks_nothing(cloud: Cloud, project: Project) -> None:
    project.write(1)
    assert plan(project, cloud).code == 0
    assert run(project.root, "runs").out == "no runs yet\n"


def test_a_plan_as_data_has_every_function_with_its_reason(cloud: Cloud, project: Project) -> None:
    project.write(2)
    deploy(project, cloud)
    change(project, 'timeout = "3s"', 'timeout = "4s"\nenvironment = { LEVEL = "hidden" }')
    end = plan(project, cloud, "-o", "json")
    found = json.loads(end.out)
    assert found["counts"] == {"new version": 2}
    assert {unit["reason"] for unit in found["units"]} == {"timeout 3s → 4s; environment: +LEVEL"}
    assert "hidden" not in end.out + end.err


def test_nothing_is_taken_from_a_running_function_in_silence(tmp_path: Path, project: Project) -> None:
    project.write(1)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, served):
        made = served.cloud.functions.create({"folderId": project.folder_id, "name": "f000"})
        sent = body(made["metadata"]["functionId"], environment={"DB_URL": "hidden"}, serviceAccountId="aje1")
        served.cloud.versions.create(sent)
        blocked = deploy(project, cloud)
        assert blocked.code == 1
        assert "would remove environment DB_URL; service account aje1" in blocked.out
        assert "--adopt" in blocked.out
        assert len(cloud.versions(project.folder_id)) == 1
        assert plan(project, cloud, "--detailed-exitcode").code == 1
        adopted = deploy(project, cloud, "--adopt")
        assert adopted.code == 0, adopted.err
        assert "\n      - environment     DB_URL\n" in adopted.err
        function_version = next(
            one["id"] for one in cloud.versions(project.folder_id) if "$latest" in one.get("tags", ())
        )
        served.cloud.versions.create(sent | {"environment": {"HOT": "fix"}})
        drift = plan(project, cloud)
        assert "drift: " in drift.out
        assert "would remove its code, which may have been edited; environment HOT" in drift.out
        shown, shown_text = run(project.root, "show", "-o", "json"), run(project.root, "show").out
        latest = next(one["id"] for one in cloud.versions(project.folder_id) if "$latest" in one.get("tags", ()))
        assert f"--adopt f000@{latest}" in drift.out + drift.err
        stale = deploy(project, cloud, "--adopt", f"f000@{function_version}")
        assert (stale.code, f"--adopt names {function_version}, which is no longer live" in stale.out) == (1, True)
        slip = deploy(project, cloud, "--adopt", f"f001@{latest}")
        assert (slip.code, 'there is no function f001; did you mean "f000"?' in slip.err) == (2, True), slip.err
        named = deploy(project, cloud, "--adopt", f"f000@{latest}", "f000")
        assert named.code == 0, named.err
    assert "hidden" not in blocked.out + blocked.err + adopted.err + drift.out + shown.out
    assert "with --adopt" in shown_text
    assert [link["adopt"] for link in json.loads(shown.out)["chain"]] == [["*"]]
    (function,) = json.loads(shown.out)["functions"]
    assert function["before"]["environment"] == ["DB_URL"]  # what was live before, without values
    assert function["before"]["serviceAccountId"] == "aje1"
    assert function["base_version_id"]


def test_a_new_secret_version_is_a_change(tmp_path: Path, project: Project) -> None:
    secret = 'secrets = [{ environment_variable = "TOKEN", name = "db", key = "password" }]\n'
    project.write(1, defaults=secret)
    seeds = Seeds()
    seeds.add_secret(project.folder_id, "db", id="e6q1", version_id="e6v1", keys=["password"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), seeds=seeds) as (cloud, _):
        assert deploy(project, cloud).code == 0
        assert plan(project, cloud, "--detailed-exitcode").code == 0
        seeds.add_secret(project.folder_id, "db", id="e6q1", version_id="e6v2", keys=["password"])
        assert "f000  new version  ~ secrets TOKEN" in plan(project, cloud).out


def test_what_cannot_be_resolved_stops_that_function_alone(cloud: Cloud, project: Project) -> None:
    project.write(2)
    change(project, "[functions.f001]\n", '[functions.f001]\nservice_account = "nobody"\n')
    end = plan(project, cloud)
    assert end.code == 1, end.err
    assert plan(project, cloud, "-o", "json").code == 1
    assert plan(project, cloud, "f000").code == 0
    assert "f001  blocked      folder" in end.out
    assert 'has no service account named "nobody"; correct `service_account`, or give the account' in end.out
    assert "f000  create" in end.out


def test_a_listing_that_breaks_off_is_an_error_and_no_empty_cloud(tmp_path: Path, project: Project) -> None:
    project.write(12)
    faults = Faults()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), faults=faults) as (cloud, served):
        assert deploy(project, cloud).code == 0
        faults.fail_next("listVersions", Trouble(refusal=Fault(Code.PERMISSION_DENIED, "Permission denied")))
        end = deploy(project, cloud)
        assert end.code == 6, end.err
        assert "the live state cannot be read" in end.err
        assert len(served.cloud.versions.list({"folderId": project.folder_id})["versions"]) == 12


def test_failed_selects_what_the_last_run_left_undone(tmp_path: Path, project: Project) -> None:
    project.write(4)
    faults = Faults(failing_functions=["f001", "f002"])
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, _):
        none = deploy(project, cloud, "--failed")
        assert (none.code, none.err.splitlines()[0]) == (
            2,
            "error: there is no run with failures to select",
        )
        assert deploy(project, cloud).code == 1
        faults.failing_functions.clear()
        again = deploy(project, cloud, "--failed")
        assert again.code == 0, again.err
        assert "2 functions: 2 deployed" in again.out
        nothing = deploy(project, cloud, "--failed")
        assert nothing.code == 0
        assert "nothing failed in the last run" in nothing.err


def test_names_may_come_from_a_file(cloud: Cloud, project: Project) -> None:
    project.write(4)
    names = project.root / "names.txt"
    names.write_text("# the first two\nf000\n\nf001  # that one\n")
    assert plan(project, cloud, "@names.txt").out.splitlines()[-1] == "plan: 2 create"
    names.write_text("f00x\n")
    wrong = plan(project, cloud, "@names.txt")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, 'error: no function matches "f00x" (names.txt:1)')
    names.write_text("\n")
    assert "the list of functions names.txt is empty" in plan(project, cloud, "@names.txt").err
    assert "cannot be read: No such file" in plan(project, cloud, "@nowhere.txt").err


def test_a_job_may_be_narrowed(cloud: Cloud, project: Project) -> None:
    project.write(3, more='[jobs.all]\nrun = "mass_redeploy"\n')
    end = run(project.root, "run", "all", "f00[12]", "--dry-run", environ=cloud.environ())
    assert end.out.splitlines()[-1] == "plan: 2 create"
    wrong = run(project.root, "run", "all", "f009", "--dry-run", environ=cloud.environ())
    assert wrong.code == 2
    assert 'no function matches "f009"' in wrong.err


def test_a_runtime_that_the_cloud_does_not_list_is_doubted_before_anything_is_made(
    cloud: Cloud, project: Project
) -> None:
    project.write(2)
    manifest = project.root / "deploy.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("python312", "pyton312"), "utf-8")
    end = plan(project, cloud)
    assert end.code == 0, end.err
    (warning,) = [line for line in end.err.splitlines() if line.startswith("warning: ")]
    assert "the cloud does not list runtime pyton312, which f000 and 1 other would get" in warning
    assert 'did you mean "python312"?' in warning
    manifest.write_text(manifest.read_text("utf-8").replace("pyton312", "python312"), "utf-8")
    assert "warning" not in plan(project, cloud).err


def test_a_plan_says_how_long_it_would_take(cloud: Cloud, project: Project) -> None:
    project.write(6)
    guessed = plan(project, cloud, "--simulate")
    assert guessed.code == 0, guessed.err
    assert "simulated: " in guessed.out
    assert "a guess: no run has measured such Operations" in guessed.out
    assert deploy(project, cloud).code == 0
    known = plan(project, cloud, "--simulate", "--force", "-o", "json")
    found = json.loads(known.out)["simulation"]
    assert (found["functions"], found["learned"]) == (6, True)
    assert 0 < found["seconds"] <= found["p90_s"]
    assert found["bound"]["seconds"] > 0
    assert plan(project, cloud, "--simulate").out.splitlines()[-1] == "simulated: nothing to do"
    refused = run(project.root, "run", "x", "--simulate", environ=cloud.environ())
    assert refused.code == 2
    assert "--simulate requires --dry-run" in refused.err


def test_programs_are_reported_how_many_functions_are_disabled(tmp_path: Path, project: Project) -> None:
    project.write(3)
    project.manifest.write_text(project.manifest.read_text() + "enabled = false\n")
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):

        def reported(*arguments: str) -> Any:
            return json.loads(run(project.root, *arguments, "-o", "json", environ=cloud.environ()).out)

        assert [reported("plan")["disabled"], reported("plan", "f000")["disabled"]] == [1, 0]
        assert reported("deploy", "--yes")["disabled"] == 1
        assert reported("show")["disabled"] == 1
        assert reported("deploy", "f000", "--yes", "--force")["disabled"] == 0
