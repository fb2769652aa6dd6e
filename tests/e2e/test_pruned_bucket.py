"""What `prune` removes from the bucket, by the storage's clock, and what deploys and rollbacks find then."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.http.server import Sandbox
from orchestrator.sandbox.memory.faults import Distribution, Fault, Trouble
from tests.e2e.harness import BUCKET, Cloud, Ended, Project, embedded, run

DAY_S = 86_400.0
NOW = Distribution.parse("fixed:0")
PRUNE = ("prune", "--yes", "-o", "json")


def packages(served: Sandbox) -> set[str]:
    return {one.key for one in served.objects.list(BUCKET).objects if re.fullmatch(r"[0-9a-f]{64}\.zip", one.key)}


def days_pass(served: Sandbox, days: float) -> None:
    """Make everything in the bucket this many days older."""
    for one in served.objects.list(BUCKET).objects:
        body = served.objects.get(BUCKET, one.key)
        assert isinstance(body, Path)
        served.objects.put(BUCKET, one.key, body.read_bytes(), modified_at=one.modified_at - days * DAY_S)


def ages(served: Sandbox) -> list[int]:
    """Return the age of each package in days."""
    return sorted(
        round((time.time() - one.modified_at) / DAY_S)
        for one in served.objects.list(BUCKET).objects
        if one.key.endswith(".zip")
    )


def ran(project: Project, cloud: Cloud, *words: str) -> Ended:
    end = run(project.root, *words, environ=cloud.environ())
    assert end.code == 0, end.err
    return end


def kind(end: Ended, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in json.loads(end.out)["storage"]["kinds"] if one["kind"] == name)
    return found


def test_packages_go_once_nothing_needs_them(tmp_path: Path, project: Project) -> None:
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        project.write(2)
        ran(project, cloud, "deploy", "--yes")
        first = packages(served)
        days_pass(served, 16)
        (project.root / "src" / "f000" / "index.py").write_text("def handler(event, context):\n    return 'new'\n")
        ran(project, cloud, "deploy", "--yes", "--force")  # f001 uses the existing package
        assert ages(served) == [0, 0, 16]
        days_pass(served, 20)

        shown = ran(project, cloud, "prune", "--dry-run", "-o", "json")
        [gone] = kind(shown, "packages")["goes"]
        assert gone["object"] in first
        assert packages(served) > {gone["object"]}
        pruned = ran(project, cloud, *PRUNE)
        assert kind(pruned, "packages")["deleted"]["objects"] == 1
        assert ages(served) == [20, 20]
        assert "packages: nothing" not in pruned.err

        days_pass(served, 20)
        ran(project, cloud, *PRUNE, "--only", "packages")
        assert packages(served) == set()
        ran(project, cloud, "rollback", "--yes")  # a version keeps its own code
        assert len(cloud.versions(project.folder_id)) == 6
        ran(project, cloud, "deploy", "--yes", "--force", "--again", "f000,f001")
        assert len(packages(served)) == 2


def test_a_run_that_was_stopped_keeps_its_packages_until_it_is_given_up(tmp_path: Path, project: Project) -> None:
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        project.write(2, more='[rollout]\ncanary = ["f000"]\npause = "approval"\n')
        paused = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
        run_id = json.loads(paused.out)["run_id"]
        assert paused.code == 3
        days_pass(served, 40)
        kept = kind(run(project.root, *PRUNE, "--only", "packages", environ=cloud.environ()), "packages")
        assert (kept["after"]["objects"], len(packages(served))) == (1, 1)
        assert f"kept for run {run_id}" in kept["held"][0]
        ran(project, cloud, "resume", run_id, "--give-up")
        ran(project, cloud, *PRUNE, "--only", "packages")
        assert packages(served) == set()


def test_what_cannot_be_read_or_deleted_is_reported(tmp_path: Path, project: Project) -> None:
    denied = Trouble(Fault(Code.PERMISSION_DENIED, "denied"))
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        project.write(3)
        ran(project, cloud, "deploy", "--yes")
        days_pass(served, 31)
        served.cloud.faults.fail_next("get bucket", denied)
        unread = run(project.root, *PRUNE, environ=cloud.environ())
        assert unread.code == 6
        assert "so nothing in it is deleted" in unread.err
        assert len(packages(served)) == 3

        served.cloud.faults.fail_next("delete object", *[denied] * 3)
        refused = run(project.root, "prune", "--yes", "--only", "packages", environ=cloud.environ())
        assert refused.code == 1
        assert "storage.editor" in refused.out
        assert len(packages(served)) == 3


def test_what_is_no_function_s_goes_with_no_function(cloud: Cloud, project: Project) -> None:
    project.write(1)
    for words, said in (
        (("f000", "--only", "packages"), "--only packages cannot be combined with FUNCTIONS"),
        (("--only", "images"), '--only: unknown kind "images"'),
    ):
        end = run(project.root, "prune", "--dry-run", *words, environ=cloud.environ())
        assert (end.code, said in end.err) == (2, True)
    project.without_bucket()
    end = run(project.root, "prune", "--dry-run", "--only", "records", environ=cloud.environ())
    assert (end.code, "there is no bucket to prune" in end.err) == (2, True)
