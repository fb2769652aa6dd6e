"""Real Python is called before it counts as deployed, with the installed program and its own sandbox."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.e2e.harness import TIMEOUT_S, Cloud, Ended, Project, count_events, events, forked, run, wait_for

VERIFY = """verify = { payload = { n = 1 }, expect = { n = 2 }, safe = true }
promote = ["stable"]
"""


def write(project: Project, returned: str) -> None:
    project.write(1, defaults=VERIFY)
    (project.root / "src" / "f000" / "index.py").write_text(f"def handler(event, context):\n    {returned}\n")


def deploy(project: Project, cloud: Cloud, *more: str) -> tuple[Ended, dict[str, Any]]:
    end = run(project.root, "deploy", "--yes", "-o", "json", *more, environ=cloud.environ())
    (row,) = json.loads(end.out)["functions"]
    return end, row


def tags(project: Project, cloud: Cloud) -> dict[str, set[str]]:
    return {version["id"]: set(version.get("tags", ())) for version in cloud.versions(project.folder_id)}


@pytest.mark.parametrize("lost", ["nothing", "journal"])
def test_a_version_is_called_before_it_is_promoted(cloud: Cloud, project: Project, lost: str) -> None:
    write(project, "return {'n': event['n'] + 1, 'more': True}")
    end, first = deploy(project, cloud)
    assert (end.code, first["outcome"], first["verdicts"][0]["verdict"]) == (0, "deployed", "passed"), end.err
    assert tags(project, cloud) == {first["version_id"]: {"$latest", "orc-a", "stable"}}
    if lost == "journal":
        shutil.rmtree(project.state_dir)  # the record in the bucket shows that it has passed
    end, again = deploy(project, cloud)
    assert (end.code, again["outcome"]) == (0, "unchanged"), end.err

    write(project, "raise RuntimeError('a secret of the handler')")
    end, second = deploy(project, cloud)
    assert (end.code, second["outcome"], second["failed_step"]) == (1, "failed", "verify")
    assert "RuntimeError" in second["failure"]["message"]
    made = second["verdicts"][0]["version_id"]
    assert tags(project, cloud) == {first["version_id"]: {"orc-a", "stable"}, made: {"$latest", "orc-b"}}

    if lost == "journal":
        shutil.rmtree(project.state_dir)
    plan = run(project.root, "plan", environ=cloud.environ())
    assert f"{made} failed its verification in run " in plan.out
    assert "then verified by a call, then stable moves" in plan.out
    end, skipped = deploy(project, cloud, "--no-verify")
    assert (end.code, skipped["outcome"]) == (0, "deployed"), end.err
    assert json.loads(end.out)["skips"] == ["verification"]
    assert tags(project, cloud)[made] == {"$latest", "orc-b", "stable"}
    end, third = deploy(project, cloud)
    assert (end.code, third["outcome"]) == (
        1,
        "failed",
    )  # a version that has not passed is verified again
    assert len(tags(project, cloud)) == 2


def test_a_command_verifies_without_our_credentials(cloud: Cloud, project: Project) -> None:
    project.write(1)
    smoke = project.root / "smoke.sh"
    smoke.write_text(
        '#!/bin/sh\necho "$ORCHESTRATOR_FUNCTION $ORCHESTRATOR_TAG $YC_SERVICE_ACCOUNT_KEY_FILE"\n'
        'test -n "$ORCHESTRATOR_VERSION_ID" && exit 9\n'
    )
    smoke.chmod(0o755)
    text = project.manifest.read_text() + 'verify = { command = ["./smoke.sh"] }\n'
    project.manifest.write_text(text)
    end, row = deploy(project, cloud)
    assert end.code == 1
    assert row["failure"]["message"].endswith("./smoke.sh failed with exit status 9: f000 orc-a")
    shown = run(project.root, "show", "last")
    assert "failed" in shown.out
    assert "verified" in shown.out


def test_a_run_that_is_killed_while_it_verifies_is_taken_up_with_the_same_version(
    cloud: Cloud, project: Project
) -> None:
    write(project, "__import__('time').sleep(1); return {'n': 2}")
    log = project.root / "events.ndjson"
    with forked(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as process:
        wait_for(lambda: any(one["kind"] == "step_started" and one["step"] == "verify" for one in events(log)), process)
        process.kill()
        process.wait(TIMEOUT_S)
    (made,) = tags(project, cloud)
    end = run(project.root, "resume", "-o", "json", environ=cloud.environ())
    (row,) = json.loads(end.out)["functions"]
    assert (end.code, row["outcome"], row["version_id"]) == (0, "deployed", made), end.err
    assert [one["verdict"] for one in row["verdicts"]] == ["passed"]
    assert tags(project, cloud) == {made: {"$latest", "orc-a", "stable"}}


def test_a_run_of_two_phases_that_is_killed_between_them_only_moves_its_tags(cloud: Cloud, project: Project) -> None:
    gate = project.root / "gate.sh"
    gate.write_text("#!/bin/sh\ntouch asked\ntest -e go || exec sleep 60\n")
    gate.chmod(0o755)
    project.write(2, defaults=VERIFY, more='[rollout]\ntwo_phase = true\ngate = { command = ["./gate.sh"] }\n')
    calls = project.root / "calls"
    for name in ("f000", "f001"):
        code = f"def handler(event, context):\n    open({str(calls)!r}, 'a').write('x')\n    return {{'n': 2}}\n"
        (project.root / "src" / name / "index.py").write_text(code)
    log, later = project.root / "events.ndjson", project.root / "later.ndjson"
    with forked(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as process:
        wait_for((project.root / "asked").exists, process)
        process.kill()
        process.wait(TIMEOUT_S)
    assert (count_events(log, "version_verified"), calls.read_text()) == (2, "xx")
    made = tags(project, cloud)
    assert list(made.values()) == [{"$latest", "orc-a"}] * 2
    (project.root / "go").touch()
    (project.root / "asked").unlink()
    end = run(project.root, "resume", "--events", str(later), environ=cloud.environ())
    assert end.code == 0, end.err
    assert (project.root / "asked").exists(), "the gate is asked again"
    assert (count_events(later, "version_verified"), calls.read_text()) == (0, "xx")
    assert {one["call"] for one in events(later) if one["kind"] == "operation_accepted"} == {"setTag"}
    assert tags(project, cloud) == {version_id: {"$latest", "orc-a", "stable"} for version_id in made}
