"""A plan that is made on one machine and applied on another: `plan --out`, `deploy --plan`."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import signal
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.planning.saved.note import PlanNote, read_note
from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.harness import BUCKET, HASTY, Cloud, Project, cut_off, embedded, ended, forked, run, sandbox, terminal

ENVIRON = {"LEVEL": "info", "DB_PASSWORD": "hunter2-hunter2"}
DEFAULTS = 'environment = { LEVEL = "${LEVEL}", DB_PASSWORD = "${DB_PASSWORD}" }\n'


def other_machine(project: Project, root: Path) -> Project:
    """Clone a project elsewhere, without what the first machine knows."""
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns(".orchestrator"))
    return Project(root, project.folder_id)


def test_a_plan_of_one_machine_is_carried_out_on_another(tmp_path: Path, project: Project) -> None:
    project.write(3, defaults=DEFAULTS)
    file = str(tmp_path / "plan.json")
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        environ = cloud.environ() | ENVIRON
        assert run(project.root, "deploy", "--yes", "f000", environ=environ).code == 0
        made = run(project.root, "plan", "--out", file, environ=environ)
        assert made.code == 0, made.err
        assert f"apply it with `orchestrator deploy --plan {file}" in made.err
        assert not cloud_has(cloud, project, 2)
        text = Path(file).read_text()
        assert not any(value in text for value in ENVIRON.values() if value != "info")

        other = other_machine(project, tmp_path / "other")
        refused = run(other.root, "deploy", "--plan", file, "--yes", environ=environ | {"LEVEL": "debug"})
        assert refused.code == 2, refused.err
        assert "f000, f001, f002: environment.LEVEL changed" in refused.err
        assert "debug" not in refused.err
        unasked = run(other.root, "deploy", "--plan", file, environ=environ)
        assert (unasked.code, "add --yes" in unasked.err) == (2, True)
        with terminal(other.root, "deploy", "--plan", file, environ=environ) as screen:
            asked = screen.read_until("[y/N]")
            assert f", by plan {json.loads(text)['id']}, made by {getpass.getuser()} on " in asked.replace("\r\n", "")
            screen.send("n\n")
            assert screen.end().code == 1
        shaping = run(other.root, "deploy", "--plan", file, "--force", "f001", environ=environ)
        assert "--plan cannot be combined with FUNCTIONS, --force: a saved plan cannot be changed" in shaping.err
        (other.root / "src").rename(tmp_path / "away")
        lost = run(other.root, "deploy", "--plan", file, "--yes", environ=environ)
        assert "was saved without --upload: it needs the sources of 3 functions, but those of f000" in lost.err
        assert (lost.code, "`orchestrator plan --out FILE --upload`" in lost.err) == (2, True), lost.err
        (tmp_path / "away").rename(other.root / "src")
        assert not cloud_has(cloud, project, 2)

        done = run(other.root, "deploy", "--plan", file, "--yes", "-o", "json", environ=environ)
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert found["outcomes"] == {"unchanged": 1, "deployed": 2}
        assert found["selection"]["plan"] == json.loads(text)["id"]
        assert found["selection"]["plan_made_by"].startswith(f"{getpass.getuser()}@")
        assert found["selection"]["plan_made_at"] == json.loads(text)["made_at"]
        again = run(other.root, "deploy", "--plan", file, "--yes", environ=environ)
        assert (again.code, "3 unchanged" in again.out) == (0, True), again.err
        assert len(cloud.versions(project.folder_id)) == 3


def test_an_uploaded_plan_needs_no_source_and_leaves_alone_what_has_changed(tmp_path: Path, project: Project) -> None:
    project.write(5, defaults=DEFAULTS)
    file, folder_id = str(tmp_path / "plan.json"), project.folder_id
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, served):
        environ = cloud.environ() | ENVIRON
        assert run(project.root, "deploy", "--yes", "f000", "f001", "f002", environ=environ).code == 0
        environ |= {"LEVEL": "debug"}
        made = run(project.root, "plan", "--out", file, "--upload", environ=environ)
        assert (made.code, "storing 5 packages" in made.err) == (0, True), made.err
        saved = json.loads(Path(file).read_text())
        note = served.objects.get(BUCKET, f"plans/{saved['id']}.json")
        assert isinstance(note, Path)
        objects = {unit["package"]["object"] for unit in saved["units"]}
        expires_at = datetime.fromisoformat(saved["expires_at"]).timestamp()
        assert read_note(note.read_bytes()) == PlanNote(saved["id"], expires_at, tuple(sorted(objects)))

        other = other_machine(project, tmp_path / "other")
        shutil.rmtree(other.root / "src")
        function_id = by_name(cloud, folder_id)["f001"]
        (base,) = (one for one in cloud.versions(folder_id) if one["functionId"] == function_id)
        sent = {name: base[name] for name in ("functionId", "runtime", "entrypoint", "resources", "executionTimeout")}
        theirs = sent | {"versionId": base["id"], "environment": {"LEVEL": "trace"}}
        cloud.post("versions", theirs, token=cloud.token())
        gone = next(unit["package"]["object"] for unit in saved["units"] if unit["function"] == "f002")
        assert served.objects.delete(BUCKET, gone)

        looked = run(other.root, "deploy", "--plan", file, "--dry-run", "--simulate", environ=environ)
        assert "simulated: " in looked.out
        assert "reading the live state of 5 functions" in looked.err
        assert "sources" not in looked.err
        assert (looked.code, "changed since the plan was made: version " in looked.out) == (1, True), looked.err
        done = run(other.root, "deploy", "--plan", file, "--yes", "-o", "json", environ=environ)
        assert done.code == 1, done.err
        found = {one["function"]: one for one in json.loads(done.out)["functions"]}
        assert {key: one["outcome"] for key, one in found.items()} == {
            "f000": "deployed", "f001": "blocked", "f002": "failed", "f003": "deployed", "f004": "deployed"
        }  # fmt: skip
        said = r"blocked +changed since the plan was made: version \S+ was made at \S+ \S+ UTC by \S+; check it"
        assert re.search(said, done.err), done.err
        assert found["f002"]["failure"]["advice"] == "plan again with --upload"
        assert len(cloud.versions(folder_id)) == 3 + 1 + 3


def list_runs(project: Project) -> list[str]:
    return [one["run_id"] for one in json.loads(run(project.root, "runs", "-o", "json").out)["runs"]]


def by_name(cloud: Cloud, folder_id: str) -> dict[str, str]:
    return {one["name"]: one["id"] for one in cloud.functions(folder_id)}


def cloud_has(cloud: Cloud, project: Project, count: int) -> bool:
    return len(cloud.functions(project.folder_id)) >= count


def test_a_plan_is_carried_out_once_by_two_at_once_and_after_a_kill(tmp_path: Path, project: Project) -> None:
    project.write(12, defaults=DEFAULTS)
    file = str(tmp_path / "plan.json")
    with sandbox(tmp_path, "--durations", "fixed:0.3") as cloud:
        environ = cloud.environ() | ENVIRON | HASTY
        command = ("deploy", "--plan", file, "--yes")
        made = run(project.root, "plan", "--out", file, "--upload", environ=environ)
        assert made.code == 0, made.err
        shutil.rmtree(project.root / "src")
        other = other_machine(project, tmp_path / "other")

        killed = cut_off(project.root, signal.SIGKILL, 5, *command, environ=environ)
        assert killed.code == -signal.SIGKILL
        shutil.move(file, f"{file}.away")
        lost = run(project.root, "resume", environ=environ)
        assert lost.code == 2, lost.err
        assert f"and nothing else: the plan {file} cannot be read: No such file" in lost.err
        assert "--plan FILE`; without it, plan again" in lost.err
        shutil.move(f"{file}.away", file)
        before = list_runs(project), len(cloud.versions(project.folder_id))
        otherwise = run(project.root, "resume", environ=environ | {"LEVEL": "debug"})
        assert (otherwise.code, "environment.LEVEL changed" in otherwise.err) == (2, True), otherwise.err
        assert (list_runs(project), len(cloud.versions(project.folder_id))) == before
        resumed = cut_off(project.root, signal.SIGKILL, 5, "resume", environ=environ)
        assert resumed.code == -signal.SIGKILL, resumed.err

        with forked(project.root, *command, "--lock-timeout", "60s", environ=environ) as one:
            second = run(other.root, *command, "--lock-timeout", "60s", environ=environ)
            first = ended(one)
        assert (first.code, second.code) == (0, 0), first.err + second.err
        versions = cloud.versions(project.folder_id)
        assert len(versions) == len({one["functionId"] for one in versions}) == 12
        again = run(other.root, *command, environ=environ)
        assert (again.code, "12 unchanged" in again.out) == (0, True), again.err


@pytest.mark.parametrize("upload", [True, False], ids=["uploaded", "of sources"])
def test_a_killed_run_of_a_plan_goes_on_on_a_machine_that_has_its_file_alone(
    upload: bool, tmp_path: Path, project: Project
) -> None:
    """The other machine has the manifest and the variables, but no journal, no sources, and not the plan's old path."""
    project.write(3, defaults=DEFAULTS)
    file, there = str(tmp_path / "plan.json"), str(tmp_path / "elsewhere.json")
    with sandbox(tmp_path, "--durations", "fixed:0.3") as cloud:
        environ = cloud.environ() | ENVIRON | HASTY
        made = run(project.root, "plan", "--out", file, *(["--upload"] if upload else []), environ=environ)
        assert made.code == 0, made.err
        cut_off(project.root, signal.SIGKILL, 2, "deploy", "--plan", file, "--yes", environ=environ)
        (run_id,) = list_runs(project)
        other = other_machine(project, tmp_path / "other")
        shutil.rmtree(other.root / "src")
        project.root.rename(tmp_path / "gone")
        Path(file).rename(there)

        lost = run(other.root, "resume", run_id, environ=environ)
        assert f"continue with its file, wherever it is: `orchestrator resume {run_id} --plan FILE`" in lost.err
        assert (lost.code, "--give-up`" in lost.err) == (2, True), lost.err
        resume = ("resume", run_id, "--plan", there)
        if not upload:
            refused = run(other.root, *resume, environ=environ)
            assert "was saved without --upload: it needs the sources of 3 functions" in refused.err
            assert (refused.code, len(list_runs(other))) == (2, 1), refused.err
            shutil.copytree(tmp_path / "gone" / "src", other.root / "src")
        done = run(other.root, *resume, environ=environ)
        assert (done.code, "3 functions: 3 deployed" in done.out) == (0, True), done.err
        assert len(cloud.versions(project.folder_id)) == 3
        assert f"--plan {there}" in run(other.root, "show", environ=environ).out


def test_a_file_that_is_not_as_it_was_made_is_refused_and_so_is_another_key(tmp_path: Path, project: Project) -> None:
    project.write(1, defaults=DEFAULTS)
    project.without_bucket()
    file, forged = tmp_path / "plan.json", tmp_path / "forged.json"
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        environ = cloud.environ() | ENVIRON
        made = run(project.root, "plan", "--out", str(file), environ=environ)
        assert made.code == 0, made.err
        assert (project.state_dir / "plan.key").stat().st_mode & 0o777 == 0o600
        forged.write_text(file.read_text().replace('"adopt": []', '"adopt": ["*"]'))
        for verb in (("deploy", "--yes", "--plan"), ("show",)):
            refused = run(project.root, *verb, str(forged), environ=environ)
            assert refused.code == 2, refused.err
            assert (
                "was changed after it was saved, so it is not applied: its seal does not match its content"
                in refused.err
            )
        for missing, why in ((tmp_path / "no.json", ": no such file"), (tmp_path, " is a folder")):
            refused = run(project.root, "show", str(missing), environ=environ)
            assert (refused.code, f"{missing}{why}" in refused.err) == (2, True), refused.err
        other = other_machine(project, tmp_path / "other")
        elsewhere = run(other.root, "deploy", "--plan", str(file), "--yes", environ=environ)
        assert elsewhere.code == 2, elsewhere.err
        assert "there is none here" in elsewhere.err
        assert "(--state)" in elsewhere.err
        shown = run(other.root, "show", str(file), environ=environ)
        assert (shown.code, "its key is not here" in shown.err) == (0, True), shown.err
        assert "plan: 1 create" in shown.out
        state = ("--state", str(project.state_dir))
        assert run(other.root, "deploy", "--plan", str(file), "--yes", *state, environ=environ).code == 0
        assert len(cloud.versions(project.folder_id)) == 1


def test_a_paused_plan_is_promoted_as_it_is_and_not_as_the_manifest_is_by_now(tmp_path: Path, project: Project) -> None:
    project.write(3, defaults=DEFAULTS, more='[rollout]\nwaves = [1, "100%"]\npause = "approval"\n')
    file = str(tmp_path / "plan.json")
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        environ = cloud.environ() | ENVIRON
        assert run(project.root, "plan", "--out", file, "--upload", environ=environ).code == 0
        another = str(tmp_path / "another.json")
        assert run(project.root, "plan", "f000", "--out", another, environ=environ).code == 0
        shutil.rmtree(project.root / "src")
        paused = run(project.root, "deploy", "--plan", file, "--yes", environ=environ)
        assert (paused.code, "promote" in paused.err) == (3, True), paused.err
        other = run(project.root, "promote", "--yes", environ=environ | {"LEVEL": "debug"})
        assert "f000, f001, f002: environment.LEVEL changed" in other.err
        assert "does not match what is desired now: 1 difference" in other.err
        assert (other.code, len(cloud.versions(project.folder_id))) == (2, 1), other.err
        shown = run(project.root, "show", environ=environ)
        assert re.search(r"selection +--plan \S+ \(\w{12}, made by \S+@\S+ at 20\S+Z\)", shown.out), shown.out
        left = run(project.root, "deploy", "--plan", file, "--yes", "--dry-run", environ=environ)
        assert "plan: 2 create, 1 unchanged" in left.out

        project.manifest.write_text(f'{project.manifest.read_text()}\n[functions.new]\nsource = "src/f000"\n')
        Path(file).rename(moved := tmp_path / "moved.json")
        lost = run(project.root, "promote", "--yes", environ=environ)
        assert (lost.code, "--plan FILE`; without it" in lost.err) == (2, True), lost.err
        wrong = run(project.root, "promote", "--yes", "--plan", another, environ=environ)
        assert (wrong.code, "another.json is plan" in wrong.err) == (2, True), wrong.err
        done = run(project.root, "promote", "--yes", "--plan", str(moved), environ=environ)
        assert (done.code, "3 functions: 3 deployed" in done.out) == (0, True), done.err
        assert len(cloud.versions(project.folder_id)) == 3
        assert f"--plan {moved}" in run(project.root, "show", environ=environ).out


def test_a_plan_of_what_has_failed_is_about_just_that(tmp_path: Path, project: Project) -> None:
    project.write(3)
    file = str(tmp_path / "plan.json")
    handler = project.root / "src" / "f001" / "index.py"
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        environ = cloud.environ()
        handler.rename(handler.with_name("other.py"))
        assert run(project.root, "deploy", "--yes", environ=environ).code == 1
        handler.with_name("other.py").rename(handler)
        made = run(project.root, "plan", "--failed", "--out", file, environ=environ)
        assert (made.code, made.out.splitlines()[-1]) == (0, "plan: 1 create"), made.err
        other = other_machine(project, tmp_path / "other")
        done = run(other.root, "deploy", "--plan", file, "--yes", environ=environ)
        assert (done.code, "1 function: 1 deployed" in done.out) == (0, True), done.err
        (other.root / "deploy.toml").write_text(
            project.manifest.read_text().replace("[functions.f001]", "[functions.f009]")
        )
        gone = run(other.root, "deploy", "--plan", file, "--yes", environ=environ)
        assert (gone.code, "f001: in the plan, but not in deploy.toml any more" in gone.err) == (2, True), gone.err
