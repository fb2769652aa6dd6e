"""A run knows its scope: it is resumed, and its failures are selected, only within that."""

from __future__ import annotations

import getpass
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.http.server import Sandbox
from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.objects import ALWAYS, Condition, Objects, RefusedError
from orchestrator.sandbox.memory.quotas import Quotas
from tests.e2e import harness
from tests.e2e.harness import HASTY, Cloud, Project, embedded, run

ONE = Quotas(operations_per_folder=1)  # one Operation at a time
NOW = Distribution.parse("fixed:0")
OTHER = "b1gother000000000000"


def shown(project: Project, *more: str) -> Any:
    return json.loads(run(project.root, "show", *more, "-o", "json").out)


def two_manifests(project: Project) -> None:
    """Write deploy.toml for one folder, and prod.toml for another."""
    project.write(6)
    declared = project.manifest.read_text()
    (project.root / "prod.toml").write_text(declared.replace(project.folder_id, OTHER))


def test_a_run_remembers_what_it_was_about(tmp_path: Path, project: Project) -> None:
    project.write(2)
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (("init", "-q"), ("add", "deploy.toml"), ("commit", "-qm", "one")):
        subprocess.run([*git, *command], cwd=project.root, check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=project.root, check=True, capture_output=True, text=True)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        assert run(project.root, "deploy", "f00*", "--yes", environ=cloud.environ()).code == 0
        found = shown(project)
        assert found["manifest"] == "deploy.toml"
        assert found["manifest_path"] == str(project.manifest)
        assert (found["folders"], len(found["clouds"])) == ([project.folder_id], 1)
        assert found["selection"]["functions"] == ["f00*"]
        assert (found["user"], found["host"]) == (getpass.getuser(), socket.gethostname())
        assert found["commit"] == head.stdout.strip()
        (row,) = json.loads(run(project.root, "runs", "-o", "json").out)["runs"]
        assert {name: row[name] for name in row.keys() & found.keys() - {"outcomes", "functions"}} == {
            name: found[name] for name in row.keys() & found.keys() - {"outcomes", "functions"}
        }
        for text in (run(project.root, "show").out, run(project.root, "runs").out):
            assert all(part in text for part in ("deploy.toml", "f00*", f"@{socket.gethostname()}", head.stdout[:12]))
        subprocess.run([*git, "pack-refs", "--all"], cwd=project.root, check=True)
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        assert shown(project)["commit"] == head.stdout.strip()


def test_the_next_command_can_be_pasted_as_it_is(project: Project) -> None:
    build = f'build = {{ command = "test -e {project.root}/fixed", folder = "." }}'
    project.write(1, more=f'[functions.bad]\nsource = "src/f000"\n{build}\n[rollout]\nmax_failures = 5\n')
    (project.root / "a b").mkdir()
    project.manifest.rename(project.root / "a b" / "my deploy.toml")
    (project.root / "src").rename(project.root / "a b" / "src")
    place = ("-c", "a b/my deploy.toml", "--state", "s t")

    def pasted(end: harness.Ended) -> harness.Ended:
        (line,) = re.findall(r"`(orchestrator [^`]*)`", end.err.splitlines()[-1])
        return run(project.root, *shlex.split(line)[1:], "--yes")

    failed = run(project.root, "deploy", "--sandbox", "--yes", *place)
    assert failed.code == 1
    again = pasted(failed)
    assert "1 function: 1 failed" in again.out, "only what failed is tried again"
    (project.root / "fixed").touch()
    assert pasted(again).code == 0


@pytest.mark.parametrize("plain", [True, False])
def test_resume_takes_the_manifest_that_the_run_had(tmp_path: Path, project: Project, plain: bool) -> None:
    two_manifests(project)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        command = ("deploy", "-c", "prod.toml", "--yes")
        harness.cut_off(project.root, signal.SIGKILL, 4, *command, environ=cloud.environ())
        run_id = shown(project)["run_id"]
        refused = run(project.root, "resume", "-c", "deploy.toml", environ=cloud.environ())
        assert refused.code == 2
        assert f"run `orchestrator resume {run_id}`" in refused.err
        (project.root / "prod.toml").rename(project.root / "moved.toml")
        refused = run(project.root, "resume", environ=cloud.environ())
        assert refused.code == 2
        assert f"`orchestrator resume {run_id} -c FILE`" in refused.err
        if plain:  # the usual command, next to another default manifest
            (project.root / "moved.toml").rename(project.root / "prod.toml")
        where = () if plain else (run_id, "-c", "moved.toml")
        end = run(project.root, "resume", *where, environ=cloud.environ())
        assert end.code == 0, end.err
        assert cloud.functions(project.folder_id) == []
        assert len(cloud.versions(OTHER)) == 6


def failing(project: Project, cloud: Cloud, *command: str, **environ: str) -> None:
    end = run(project.root, *command, "--yes", environ=cloud.environ() | environ)
    assert end.code == 1, end.err


@pytest.mark.parametrize("option", ["--failed", "--undone"])
def test_failures_are_those_of_the_same_manifest(tmp_path: Path, project: Project, option: str) -> None:
    two_manifests(project)
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults) as (cloud, served):
        failing(project, cloud, "deploy")
        failing(project, cloud, "deploy", "-c", "prod.toml")
        served.cloud.faults.failing_functions.clear()
        for verb in ("deploy", "plan"):
            refused = run(project.root, verb, option, *(["--yes"] * (verb == "deploy")), environ=cloud.environ())
            assert refused.code == 2
            assert f"run `orchestrator {verb} -c prod.toml {option} --endpoint {cloud.url}`" in refused.err
        for manifest in ("prod.toml", "deploy.toml"):  # the named manifest
            end = run(project.root, "deploy", "-c", manifest, option, "--yes", "-o", "json", environ=cloud.environ())
            assert end.code == 0, end.err
            assert json.loads(end.out)["outcomes"] == {"deployed": 1}
        assert len(cloud.versions(project.folder_id)) == len(cloud.versions(OTHER)) == 6


def test_a_manifest_with_other_variables_is_about_something_else(tmp_path: Path, project: Project) -> None:
    project.write(4)
    project.manifest.write_text(project.manifest.read_text().replace(project.folder_id, "${STAGE_FOLDER}"))
    dev, prod = {"STAGE_FOLDER": project.folder_id}, {"STAGE_FOLDER": OTHER}
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults, quotas=ONE) as (cloud, served):
        failing(project, cloud, "deploy", **dev)
        served.cloud.faults.failing_functions.clear()
        refused = run(project.root, "deploy", "--failed", "--yes", environ=cloud.environ() | prod)
        assert refused.code == 2
        assert f"it used the folder {project.folder_id}, and this command uses {OTHER}" in refused.err
        project.manifest.write_text(project.manifest.read_text().replace('"3s"', '"4s"'))
        command = ("deploy", "--yes")
        harness.cut_off(project.root, signal.SIGKILL, 1, *command, environ=cloud.environ() | dev)
        refused = run(project.root, "resume", environ=cloud.environ() | prod)
        assert refused.code == 2
        assert "--give-up`" in refused.err
        assert cloud.functions(OTHER) == []
        assert run(project.root, "resume", environ=cloud.environ() | dev).code == 0
        # The variables select among the runs, not only the last one.
        served.cloud.faults.failing_functions.add("f002")
        failing(project, cloud, "deploy", **prod)
        end = run(project.root, "deploy", "--failed", "--yes", environ=cloud.environ() | dev)
        assert (end.code, end.out) == (0, "")
        assert "nothing failed in the last run" in end.err


def test_a_job_keeps_its_parameters_but_for_secret_ones(tmp_path: Path, project: Project) -> None:
    more = '[jobs.all]\nrun = "mass_redeploy"\n'
    project.write(6, more=more)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        command = ("run", "all", "-p", 'environment={LEVEL="x1"}', "--yes")
        harness.cut_off(project.root, signal.SIGKILL, 2, *command, environ=cloud.environ())
        assert shown(project)["selection"]["parameters"] == {"environment": '{LEVEL="x1"}'}
        end = run(project.root, "resume", environ=cloud.environ())
        assert end.code == 0, end.err
        assert {one["environment"]["LEVEL"] for one in cloud.versions(project.folder_id)[6:]} == {"x1"}
        secret = ("run", "all", "-p", 'environment={PASSWORD="qwertz12345"}', "--yes")
        harness.cut_off(project.root, signal.SIGKILL, 2, *secret, environ=cloud.environ())
        assert "qwertz12345" not in json.dumps(shown(project))
        assert b"qwertz12345" not in (project.state_dir / "journal.sqlite3").read_bytes()
        refused = run(project.root, "resume", environ=cloud.environ())
        assert refused.code == 2
        assert "--param 'environment=…'`" in refused.err
        end = run(project.root, "resume", *secret[2:4], environ=cloud.environ())
        assert end.code == 0, end.err


def stored_at(served: Sandbox, key: str) -> bytes:
    found = served.objects.get(harness.BUCKET, key)
    assert found is not None
    return found.read_bytes() if isinstance(found, Path) else found


def elsewhere(project: Project) -> None:
    """Become another machine: its checkout has no state folder."""
    project.state_dir.rename(project.state_dir.with_name(f"gone-{len(list(project.root.iterdir()))}"))


def test_a_machine_without_a_state_folder_reads_the_record_in_the_bucket(tmp_path: Path, project: Project) -> None:
    project.write(8)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        environ = cloud.environ() | HASTY
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        before = {one["id"]: one["functionId"] for one in cloud.versions(project.folder_id)}
        served.cloud.faults.failing_functions.update({"f000", "f001"})
        project.manifest.write_text(project.manifest.read_text().replace('"3s"', '"4s"'))
        assert run(project.root, "deploy", "--yes", environ=environ).code == 1
        run_id = shown(project)["run_id"]
        stored = json.loads(stored_at(served, f"runs/{run_id}.json"))
        planned = [one for one in stored["events"] if one["kind"] == "unit_planned"]
        assert {one["base_version_id"] for one in planned} == before.keys()
        assert all("environment" not in one["before"] or one["before"]["environment"] == [] for one in planned)
        elsewhere(project)
        listed = run(project.root, "runs", "-o", "json", environ=environ)
        assert json.loads(listed.out)["runs"][0]["run_id"] == run_id
        elsewhere(project)
        assert json.loads(run(project.root, "show", "-o", "json", environ=environ).out)["outcomes"]["failed"] == 2
        elsewhere(project)
        served.cloud.faults.failing_functions.clear()
        end = run(project.root, "deploy", "--failed", "--yes", "-o", "json", environ=environ)
        assert end.code == 0, end.err
        assert json.loads(end.out)["outcomes"] == {"deployed": 2}
        project.manifest.write_text(project.manifest.read_text().replace('"4s"', '"5s"'))
        harness.cut_off(project.root, signal.SIGKILL, 3, "deploy", "--yes", environ=environ)
        killed = shown(project)["run_id"]
        elsewhere(project)
        end = run(project.root, "resume", "-o", "json", "--lock-timeout", "60s", environ=environ)
        assert end.code == 0, end.err
        assert json.loads(end.out)["resumes"] == killed
        assert json.loads(end.out)["outcomes"] == {"deployed": 8}
        assert len(cloud.versions(project.folder_id)) == 8 + 6 + 2 + 8


def test_a_run_that_is_named_is_found_whatever_the_path_of_its_manifest(tmp_path: Path, project: Project) -> None:
    project.write(2)
    copy = tmp_path / "copy"
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        shutil.copytree(project.root, copy)
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        project.manifest.write_text(project.manifest.read_text().replace('"3s"', '"4s"'))
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        run_id = shown(project)["run_id"]
        found = run(copy, "show", run_id[:-3], "-o", "json", environ=environ)
        assert json.loads(found.out)["outcomes"] == {"deployed": 2}, found.err
        shutil.rmtree(copy / ".orchestrator")
        refused = run(copy, "promote", run_id, "--yes", environ=environ)
        assert f"run {run_id} is not paused" in refused.err
        shutil.rmtree(copy / ".orchestrator")
        ended = run(copy, "resume", run_id, environ=environ)
        assert (ended.code, "nothing to resume" in ended.err) == (0, True), ended.err
        shutil.rmtree(copy / ".orchestrator")
        back = run(copy, "rollback", run_id, "-c", "deploy.toml", "--dry-run", environ=environ)
        assert back.code == 0, back.err
        back = run(copy, "rollback", run_id, "--yes", environ=environ)
        assert back.code == 0, back.err
        assert f"run {run_id} used {project.manifest}: using it instead of" in back.err
        assert len(cloud.versions(project.folder_id)) == 2 + 2 + 2


# What a command uses on another machine without a journal: where its manifest is the run's, by its place in clones of
# one repository, and where it is another one. `RUN`: the run's ID.
WHOSE_RUN = [
    # command                          same: exit, output                       another: exit, output
    (("runs",), 0, "RUN", 0, "OTHERS"),
    (("runs", "--all"), 0, "RUN", 0, "RUN"),
    (("show",), 0, "run RUN", 2, "OTHERS"),
    (("show", "RUN"), 0, "run RUN", 0, "run RUN"),
    (("show", "nope"), 2, 'there is no run "nope"', 2, "OTHERS"),
    (("why", "f000"), 0, "RUN", 0, "RUN"),
    (("resume",), 0, "nothing to resume", 2, "OTHERS"),
    (("resume", "RUN"), 0, "nothing to resume", 0, "nothing to resume"),
    (("promote",), 2, "no run is paused", 2, "OTHERS"),
    (("rollback", "--dry-run"), 0, "the changes of run RUN", 2, "OTHERS"),
    (("rollback", "RUN", "--dry-run"), 0, "the changes of run RUN", 0, "the changes of run RUN"),
    (("deploy", "--failed", "--dry-run"), 0, "nothing failed in the last run, RUN", 2, "OTHERS"),
]


def test_whose_runs_a_command_speaks_of_on_another_machine(tmp_path: Path, project: Project) -> None:
    project.write(1)
    (project.root / ".git").mkdir()
    clone, other = tmp_path / "clone", tmp_path / "other"
    shutil.copytree(project.root, clone)
    shutil.copytree(project.root, other)
    (other / ".git").rmdir()
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        run_id = shown(project)["run_id"]
        others = (
            f"1 run of other manifests or environments in this bucket: select one by its ID (newest: {run_id});"
            " `orchestrator runs --all` lists them"
        )
        for command, same, says_same, differs, says_differs in WHOSE_RUN:
            for root, code, says in ((clone, same, says_same), (other, differs, says_differs)):
                typed = [word.replace("RUN", run_id) for word in command]
                end = run(root, *typed, environ=cloud.environ())
                assert end.code == code, (command, root.name, end)
                said = others if says == "OTHERS" else says.replace("RUN", run_id)
                assert said in end.out + end.err, (command, root.name, end)
                assert (says == "OTHERS") == (others in end.out + end.err), (command, root.name, end)
                shutil.rmtree(root / ".orchestrator", ignore_errors=True)


def test_a_record_that_cannot_be_written_is_said_and_stops_nobody(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(2)
    whole = Objects.check

    def check(self: Objects, bucket: str, key: str, condition: Condition = ALWAYS) -> None:
        if key.startswith("runs/"):
            raise RefusedError("AccessDenied", "Access Denied")
        whole(self, bucket, key, condition)

    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        with monkeypatch.context() as patch:
            patch.setattr(Objects, "check", check)
            end = run(project.root, "deploy", "--yes", environ=cloud.environ())
        assert end.code == 0, end.err
        assert end.err.count("the record of the run cannot be written, so only this machine can resume it: ") == 1
        assert "2 functions: 2 deployed" in end.out
        served.objects.put(harness.BUCKET, "runs/index.json", b"no JSON")  # the index is written again
        end = run(project.root, "deploy", "--force", "--yes", environ=cloud.environ())
        assert "cannot be written" not in end.err
        assert len(json.loads(stored_at(served, "runs/index.json"))["runs"]) == 1


def test_without_a_bucket_it_is_said_that_this_machine_alone_can_go_on(cloud: Cloud, project: Project) -> None:
    project.write(1)
    project.without_bucket()
    reported = "only this machine can resume the run"
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).err.count(reported) == 1
    assert reported not in run(project.root, "deploy", "--yes", environ=cloud.environ()).err  # nothing to change


def test_what_one_machine_gives_up_no_other_takes_up(tmp_path: Path, project: Project) -> None:
    project.write(6)
    other, third = (("--state", str(tmp_path / name)) for name in ("other", "third"))
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, served):
        environ = cloud.environ()
        harness.cut_off(project.root, signal.SIGKILL, 2, "deploy", "--yes", environ=environ)
        made = len(cloud.versions(project.folder_id))
        assert len(json.loads(run(project.root, "runs", *other, "-o", "json", environ=environ).out)["runs"]) == 1
        end = run(project.root, "resume", "--give-up", environ=environ)
        assert (end.code, end.out) == (0, "")
        assert "warning" not in end.err
        given_up = shown(project)["run_id"]
        assert b"given_up" in stored_at(served, f"runs/{given_up}.json")
        for machine in (other, third):  # one that knew the run, and one that did not
            end = run(project.root, "resume", *machine, environ=environ)
            assert (end.code, end.out) == (0, ""), end.err
            assert "left undone was given up" in end.err
            end = run(project.root, "deploy", "--undone", "--yes", *machine, environ=environ)
            assert (end.code, end.out) == (0, ""), end.err
            assert "left undone was given up: nothing to do" in end.err
        assert len(cloud.versions(project.folder_id)) == made


def test_giving_up_says_so_where_other_machines_are_not_reported(tmp_path: Path, project: Project) -> None:
    project.write(4)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        harness.cut_off(project.root, signal.SIGKILL, 2, "deploy", "--yes", environ=cloud.environ())
    end = run(project.root, "resume", "--give-up", "--start-timeout", "0s", environ=cloud.environ())  # it is gone
    assert (end.code, end.out) == (0, "")
    assert "given up: " in end.err
    assert "other machines may still resume it, since its record could not be written: " in end.err
    end = run(project.root, "resume", environ=cloud.environ())
    assert (end.code, end.out) == (0, "")


def test_what_a_job_left_is_done_with_the_parameters_that_it_had(tmp_path: Path, project: Project) -> None:
    project.write(2, more='[jobs.all]\nrun = "mass_redeploy"\n')
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults) as (cloud, _):
        job = ("run", "all", "--yes", "-o", "json")
        end = run(project.root, *job, "-p", 'environment={LEVEL="x1"}', environ=cloud.environ())
        assert (end.code, json.loads(end.out)["outcomes"]) == (1, {"deployed": 1, "failed": 1})
        end = run(project.root, *job, "--failed", environ=cloud.environ())
        assert (
            f"the parameters of run {json.loads(run(project.root, 'runs', '-o', 'json').out)['runs'][1]['run_id']}"
            in end.err
        )
        assert 'environment={LEVEL="x1"}' in end.err
        assert shown(project)["selection"]["parameters"] == {"environment": '{LEVEL="x1"}'}
        faults.failing_functions.clear()
        end = run(project.root, *job, "--failed", "-p", 'environment={LEVEL="x2"}', environ=cloud.environ())
        assert (end.code, json.loads(end.out)["outcomes"]) == (0, {"deployed": 1})
        assert "using the parameters" not in end.err  # the given values win
        levels = [one["environment"]["LEVEL"] for one in cloud.versions(project.folder_id) if one["status"] == "ACTIVE"]
        assert sorted(levels) == ["x1", "x2"]


def test_a_slip_is_one_where_nothing_has_failed_as_well(tmp_path: Path, project: Project) -> None:
    project.write(2)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        for verb in (("plan",), ("deploy", "--yes")):
            for option in ("--failed", "--undone"):
                end = run(project.root, *verb, option, environ=cloud.environ())
                assert (end.code, "nothing to do" in end.err) == (0, True)
                end = run(project.root, *verb, "f00x", option, environ=cloud.environ())
                assert (end.code, 'no function matches "f00x"' in end.err) == (2, True)


def test_the_plan_of_what_failed_ends_as_its_run_would(tmp_path: Path, project: Project) -> None:
    project.write(4)
    with embedded(tmp_path / "cloud", durations=NOW, quotas=ONE) as (cloud, _):
        harness.cut_off(project.root, signal.SIGKILL, 2, "deploy", "--yes", environ=cloud.environ())
        for verb in (("plan",), ("deploy", "--yes")):
            end = run(project.root, *verb, "--failed", environ=cloud.environ())
            assert end.code == 3
            assert "nothing failed in the last run" in end.err
            assert "continue with" in end.err
