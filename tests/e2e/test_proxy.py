"""A bad network between real processes: each Version once, and a true result at the end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.harness import Cloud, Ended, Project, count_events, ended, events, forked, run, sandbox, wait_for
from tests.e2e.proxy import Network, between
from tests.long import short_first

COUNT = 20
FOLDER = "b1gnetwork00000000000"
DEPLOY = ("deploy", "--yes", "--start-timeout", "30s")


def seen_to_the_end(project: Project, environ: dict[str, str], cloud: Cloud, first: Ended) -> None:
    """Resume a run through the same network until nothing is left; check that the cloud has one Version of each."""
    end = first
    for _ in range(6):
        if end.code == 0:
            break
        assert end.code in (3, 6), f"{end.code}: {end.err}"  # interrupted, or it could not even start
        end = run(project.root, *(("resume",) if end.code == 3 else DEPLOY), environ=environ)
    assert end.code == 0, end.err
    versions = cloud.versions(FOLDER)
    assert {version["status"] for version in versions} == {"ACTIVE"}
    assert len(versions) == len({version["functionId"] for version in versions}) == COUNT


@pytest.mark.parametrize("seed", short_first(2, range(4)))
def test_connections_that_are_cut_delayed_and_truncated(tmp_path: Path, project: Project, seed: int) -> None:
    project = Project(project.root, FOLDER).write(COUNT)
    with (
        sandbox(tmp_path, "--durations", "fixed:0.3") as cloud,
        between(cloud.url, Network(seed)) as network,
    ):
        environ = cloud.environ() | {"ORCHESTRATOR_ENDPOINT": network.url}
        first = run(project.root, *DEPLOY, environ=environ)
        seen_to_the_end(project, environ, cloud, first)
        assert {"answers cut", "requests cut", "truncated"} & network.done.keys(), "nothing has happened to the traffic"


def test_a_run_waits_while_the_network_is_down(tmp_path: Path, project: Project) -> None:
    project = Project(project.root, FOLDER).write(COUNT)
    log = project.root / "events.ndjson"
    with (
        sandbox(tmp_path, "--durations", "fixed:1") as cloud,
        between(cloud.url, Network(1, 0.0, 0.0, 0.0, 0.0)) as network,
    ):
        environ = cloud.environ() | {"ORCHESTRATOR_ENDPOINT": network.url}
        with forked(project.root, *DEPLOY, "--events", str(log), environ=environ) as process:
            wait_for(lambda: count_events(log, "operation_accepted") >= 8, process)
            network.down = True
            wait_for(lambda: count_events(log, "outage_began") == 1, process)
            time.sleep(2.0)  # the outage, not a wait
            network.down = False
            end = ended(process)
        assert end.code == 0, end.err
        assert "the cloud does not respond: the run waits" in end.err
        (over,) = (event for event in events(log) if event["kind"] == "outage_ended")
        assert over["seconds"] > 2.0
        seen_to_the_end(project, environ, cloud, end)


def test_a_network_that_does_not_come_back_leaves_a_run_to_resume(tmp_path: Path, project: Project) -> None:
    project = Project(project.root, FOLDER).write(COUNT)
    log = project.root / "events.ndjson"
    with (
        sandbox(tmp_path, "--durations", "fixed:1") as cloud,
        between(cloud.url, Network(1, 0.0, 0.0, 0.0, 0.0)) as network,
    ):
        environ = cloud.environ() | {"ORCHESTRATOR_ENDPOINT": network.url}
        command = (*DEPLOY, "--max-outage", "4s", "--events", str(log))
        with forked(project.root, *command, environ=environ) as process:
            wait_for(lambda: count_events(log, "operation_accepted") >= 8, process)
            network.down = True
            end = ended(process)
        assert end.code == 3, end.err
        assert "the cloud has not responded for" in end.err
        network.down = False
        seen_to_the_end(project, environ, cloud, end)
