"""`rollback` of the installed program, and the automatic rollback of a breach, compared with the cloud."""

from __future__ import annotations

import json
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.memory.faults import Distribution, Faults
from tests.e2e import harness
from tests.e2e.harness import HASTY, Clock, Cloud, Project, embedded, run
from tests.long import short_first

COUNT = 8
ROLLOUT = '[rollout]\nwaves = [3, 6, "100%"]\nmax_failures = 0\non_breach = "rollback"\n'
OF_ITSELF = ("id", "createdAt", "tags", "description")  # of a Version: unique to it


def live(cloud: Cloud, folder_id: str) -> dict[str, Any]:
    """Return the live versions and their tags without IDs and descriptions, and the functions' own settings."""
    names = {function["id"]: function for function in cloud.functions(folder_id)}
    found: dict[str, Any] = {}
    for version in cloud.versions(folder_id):
        function = names[version["functionId"]]
        seen = {name: value for name, value in version.items() if name not in OF_ITSELF}
        seen["hash"] = function["name"], version.get("imageSize")
        for tag in version.get("tags", ()):
            found[f"{function['name']}:{tag}"] = seen
        found[function["name"]] = (function.get("labels"), function.get("description"))
    return found


def change(project: Project, level: str) -> None:
    """Give each function other settings, tags and labels."""
    project.write(COUNT, more=ROLLOUT, defaults=f'environment = {{ LEVEL = "{level}" }}\ntags = ["stable"]\n')
    text = project.manifest.read_text("utf-8")
    project.manifest.write_text(
        text.replace("[functions.f", f'[templates.x]\nlabels = {{ level = "{level}" }}\n[functions.f', 1).replace(
            'source = "src', 'use = ["x"]\nsource = "src'
        )
    )


def test_what_a_breach_takes_back_is_as_it_was(tmp_path: Path, project: Project) -> None:
    faults = Faults()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, _):
        change(project, "info")
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        before = live(cloud, project.folder_id)
        change(project, "warn")
        faults.failing_functions.add("f004")
        end = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
        assert end.code == 5, end.err
        assert live(cloud, project.folder_id) == before
        assert json.loads(end.out)["exit_code"] == 5
        made = [one for one in cloud.versions(project.folder_id) if "[orchestrator:back:" in one["description"]]
        assert {len(one["tags"]) for one in made} == {1}
        back, forth, *_ = json.loads(run(project.root, "runs", "-o", "json").out)["runs"]
        assert (back["verb"], back["exit_code"], forth["exit_code"]) == ("rollback", 0, 5)
        again = run(project.root, "rollback", environ=cloud.environ())
        assert (again.code, "is a rollback" in again.err) == (0, True)
        assert run(project.root, "resume", environ=cloud.environ()).code == 5
        faults.failing_functions.clear()
        end = run(project.root, "deploy", "--yes", environ=cloud.environ())
        assert end.code == 1, "what was rolled back is withdrawn"


@pytest.mark.parametrize(
    ("number", "lost"),
    short_first(1, [(signal.SIGINT, False), (signal.SIGKILL, False), (signal.SIGKILL, True)]),
    ids=["Ctrl-C", "killed", "killed, and the machine lost"],
)
def test_a_rollback_that_is_cut_off_is_gone_on_with(
    tmp_path: Path, project: Project, number: signal.Signals, lost: bool
) -> None:
    faults = Faults()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), faults=faults) as (cloud, _):
        environ = cloud.environ() | HASTY
        change(project, "info")
        assert run(project.root, "deploy", "--yes", environ=environ).code == 0
        before = live(cloud, project.folder_id)
        change(project, "warn")
        faults.failing_functions.add("f004")
        log = project.root / "events.ndjson"
        with harness.forked(project.root, "deploy", "--yes", "--events", str(log), environ=environ) as process:
            harness.wait_for(lambda: _accepted_by_rollback(log) >= 4, process)
            harness.interrupt(process, number)
            assert harness.ended(process).code in (3, -signal.SIGKILL)
        assert live(cloud, project.folder_id) != before
        if lost:
            shutil.rmtree(project.state_dir)
        end = run(project.root, "resume", "--lock-timeout", "40s", environ=environ)
        assert end.code == 5, end.err
        assert live(cloud, project.folder_id) == before


def _accepted_by_rollback(log: Path) -> int:
    found = harness.events(log)
    back = [event["run_id"] for event in found if event["kind"] == "run_started"][1:]
    return sum(event["kind"] == "operation_accepted" and event["run_id"] in back for event in found)


def test_a_rollback_that_somebody_began_is_gone_on_with_as_well(tmp_path: Path, project: Project) -> None:
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1")) as (cloud, _):
        change(project, "info")
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        before = live(cloud, project.folder_id)
        change(project, "warn")
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        harness.cut_off(project.root, signal.SIGKILL, 8, "rollback", "!f007", "--yes", environ=cloud.environ())
        again = run(project.root, "rollback", environ=cloud.environ())
        assert (again.code, "continue" in again.err) == (3, True)
        end = run(project.root, "resume", environ=cloud.environ())
        assert end.code == 0, end.err
        after = live(cloud, project.folder_id)
        assert {name for name in before if before[name] != after[name]} == {"f007", "f007:$latest", "f007:stable"}


def test_a_version_and_a_time_to_go_back_to(tmp_path: Path, project: Project) -> None:
    clock = Clock()
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1"), clock=clock) as (cloud, _):
        change(project, "info")
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        before = live(cloud, project.folder_id)
        clock.forward(10.0)
        since = datetime.fromtimestamp(clock(), UTC).isoformat()
        clock.forward(10.0)
        former = {one["functionId"]: one["id"] for one in cloud.versions(project.folder_id)}
        change(project, "warn")
        assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
        function = next(one for one in cloud.functions(project.folder_id) if one["name"] == "f000")
        to = ("rollback", "f000", "--to", former[function["id"]], "--yes")
        assert run(project.root, *to, environ=cloud.environ()).code == 0
        after = live(cloud, project.folder_id)
        assert after["f000:$latest"] == before["f000:$latest"]
        assert after["f000:stable"] != before["f000:stable"], "tags stay"
        end = run(project.root, "rollback", "--since", since, "--yes", environ=cloud.environ())
        assert end.code == 0, end.err
        after = live(cloud, project.folder_id)
        assert {name: one for name, one in after.items() if ":" in name} == {
            name: one for name, one in before.items() if ":" in name
        }
        twice = run(project.root, "rollback", "--since", since, "-o", "json", environ=cloud.environ())
        assert json.loads(twice.out)["outcomes"] == {"unchanged": COUNT}
