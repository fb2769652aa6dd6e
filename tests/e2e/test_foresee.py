"""What a plan foresees, with the real program and a sandbox close to its quota."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.sandbox.memory.seeded import Seeds
from tests.e2e.harness import Project, embedded, run

SECRET = 'secrets = [{ environment_variable = "TOKEN", name = "db", key = "tokn" }]\n'


def test_quotas_keys_and_sizes_are_said_before_anything_is_sent(tmp_path: Path, project: Project) -> None:
    project.write(6, more='[rollout]\nwaves = [1, "100%"]\nmax_failures = 0\n')
    project.without_bucket()
    project.manifest.write_text(
        project.manifest.read_text().replace("[functions.f001]\n", f"[functions.f001]\n{SECRET}")
    )
    (project.root / "src" / "f002" / "data.bin").write_bytes(bytes(range(256)) * 100_000)  # 25 MB that barely compress
    seeds = Seeds()
    seeds.add_secret(project.folder_id, "db", id="e6q1", version_id="e6v1", keys=["token"])
    options = {"durations": Distribution.parse("fixed:0"), "quotas": Quotas(functions_per_cloud=4), "seeds": seeds}
    with embedded(tmp_path / "cloud", **options) as (cloud, _):
        made = run(project.root, "deploy", "f000", "--yes", environ=cloud.environ())
        assert made.code == 0, made.err
        plan = run(project.root, "plan", environ=cloud.environ())
        assert plan.code == 1, plan.err
        assert (
            "the plan creates 4 new functions, but cloud sandbox-cloud has room for 3 (quota: 4, used: 1)" in plan.out
        )
        assert 'f001  blocked      version e6v1 of secret e6q1 has no key "tokn": it has token' in plan.out
        assert plan.out.splitlines()[-1] == "plan: 3 create, 1 unchanged, 2 blocked"
        waves = ["2 waves; stops at the first failure", "  wave 1: 1 function: f002"]
        assert plan.out.splitlines()[-5:-1] == [
            *waves,
            "  wave 2: 2 functions: f003, f004",
            "rollback: not possible for 3 new functions; they would remain",
        ]
        assert len(cloud.functions(project.folder_id)) == 1
        end = run(project.root, "deploy", "--yes", environ=cloud.environ())
        assert (end.code, end.out.splitlines()[-1].partition(" in ")[0]) == (
            1,
            "6 functions: 1 unchanged, 3 deployed, 2 blocked",
        )


def test_what_is_not_in_the_manifest_any_more_is_reported(tmp_path: Path, project: Project) -> None:
    project.write(4)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, served):
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        served.cloud.functions.create({"folderId": project.folder_id, "name": "theirs"})
        project.write(2)
        plan = run(project.root, "plan", environ=cloud.environ())
        assert plan.code == 0, plan.err
        assert plan.out.splitlines() == [
            "live in the folder, not in the manifest: 3, of which 2 made by this tool (--verbose lists them)",
            "plan: 2 unchanged",
        ]
        named = run(project.root, "plan", "-v", environ=cloud.environ())
        assert "not in the manifest: 3, of which 2 made by this tool: f002, f003\n" in named.out
        assert named.out.count("  unchanged  ") == 2
        found = json.loads(run(project.root, "plan", "-o", "json", environ=cloud.environ()).out)["undeclared"]
        assert [(one["others"], [f["name"] for f in one["functions"]]) for one in found] == [(1, ["f002", "f003"])]
        assert "not in the manifest" not in run(project.root, "plan", "f000", environ=cloud.environ()).out


def test_a_cloud_that_the_folder_is_not_in_is_refused(tmp_path: Path, project: Project) -> None:
    project.write(1)
    declared = project.manifest.read_text()
    wrong = declared.replace("[cloud]\n", '[cloud]\ncloud_id = "b1gwrong"\n')
    settings = CloudSettings(clouds={project.folder_id: "b1gown"})
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0"), settings=settings) as (cloud, _):
        project.manifest.write_text(wrong)
        said = f"it is b1gwrong, and folder {project.folder_id} is in cloud b1gown; correct it, or remove it"
        for command in (("plan",), ("deploy", "--yes")):
            end = run(project.root, *command, environ=cloud.environ())
            assert (end.code, end.out) == (2, "")
            assert f"deploy.toml:2: cloud.cloud_id: {said}" in end.err
        assert cloud.functions(project.folder_id) == []
        project.manifest.write_text(declared)
        end = run(project.root, "plan", environ=cloud.environ() | {"YC_CLOUD_ID": "b1gwrong"})
        assert end.code == 2
        assert f"YC_CLOUD_ID is b1gwrong, and folder {project.folder_id} is in cloud b1gown" in end.err
        right = cloud.environ() | {"YC_CLOUD_ID": "b1gown"}
        end = run(project.root, "deploy", "--yes", environ=right)
        assert end.code == 0
        assert "taken as it is" not in end.err
