"""Bad weather: 503, 429, lost responses, random build failures. The run reports the truth and ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from orchestrator.sandbox.memory.faults import BUILD_FAILED
from tests.e2e.harness import BUCKET, Cloud, Ended, Project, interrupt, run, running, sandbox

COUNT = 30
TRIES = 4


def deploy(project: Project, cloud: Cloud) -> Ended:
    arguments = ("deploy", "--yes", "-o", "json", "--log-level", "error")
    return run(project.root, *arguments, environ=cloud.environ())


@pytest.mark.parametrize("seed", [7])
def test_faults_drawn_from_a_seed(tmp_path: Path, project: Project, seed: int) -> None:
    project.write(COUNT, more="[limits]\nrequests_per_second = 100\n")
    with sandbox(tmp_path, "--faults", str(seed), "--durations", "fixed:0.1") as cloud:
        for _ in range(TRIES):
            end = deploy(project, cloud)
            if end.code == 6:  # the weather outlasted the start timeout: nothing has begun
                continue
            assert end.code in (0, 1, 3), end.err
            functions = json.loads(end.out)["functions"]
            live = {one["version_id"] for one in functions if one["outcome"] in ("deployed", "unchanged")}
            active = {one["id"] for one in versions(cloud, project) if one["status"] == "ACTIVE"}
            assert live <= active
            if end.code == 0:
                break
            for one in functions:
                if one["outcome"] == "failed":
                    assert one["failure"]["message"] == BUILD_FAILED
        assert end.code == 0
        assert len({one["functionId"] for one in versions(cloud, project)}) == len(live) == COUNT
        assert live == active


def versions(cloud: Cloud, project: Project) -> list[dict[str, object]]:
    """Return the versions despite the weather."""
    for _ in range(20):
        try:
            return cloud.versions(project.folder_id)
        except OSError:
            continue
    raise AssertionError("the sandbox answers nothing")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_alone_says_where_it_is_and_ends_with_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "sandbox", "--port", "0", "--bucket", BUCKET) as process:
        assert process.stdout is not None
        line, *reported = [process.stdout.readline() for _ in range(6)]
        assert line.split()[-1].startswith("http://127.0.0.1:")
        interrupt(process, number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert f"YC_SERVICE_ACCOUNT_KEY_FILE={tmp_path / '.orchestrator' / 'sandbox' / 'key.json'}" in reported[1]
    assert f"functions are invoked at {line.split()[-1]}/_invoke/ID" in reported[3]
    assert f"buckets: {BUCKET}" in reported[4]
    assert (tmp_path / ".orchestrator" / "sandbox" / "key.json").exists()


def test_a_port_that_is_taken_is_reported(cloud: Cloud, tmp_path: Path) -> None:
    end = run(tmp_path, "sandbox", "--port", cloud.url.rpartition(":")[2])
    assert end.code == 6
    assert "the sandbox cannot listen on 127.0.0.1:" in end.err
    assert "use another --port" in end.err
