"""Two machines that share a bucket and deploy the same functions."""

from __future__ import annotations

import getpass
import json
import signal
from pathlib import Path

from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.harness import (
    HASTY,
    Clock,
    Cloud,
    Project,
    count_events,
    embedded,
    ended,
    events,
    forked,
    interrupt,
    run,
    sandbox,
    wait_for,
)

FOLDER = "b1glease0000000000000"
HELD_S = 600.0  # duration of Operations until the first machine is suspended
COUNT = 24  # more than the 15 Operations in flight of a folder: some are requested later


def checkout(root: Path) -> Project:
    root.mkdir()
    return Project(root, FOLDER).write(COUNT)


def test_of_two_machines_one_waits_and_takes_over_from_one_that_fell_asleep(tmp_path: Path) -> None:
    one, two, three = (checkout(tmp_path / name) for name in ("one", "two", "three"))
    log, other_log = one.root / "events.ndjson", two.root / "events.ndjson"
    clock = Clock()
    with (
        embedded(tmp_path / "cloud", durations=Distribution.parse(f"fixed:{HELD_S}"), clock=clock) as (cloud, served),
        forked(one.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ() | HASTY) as process,
    ):
        wait_for(lambda: count_events(log, "operation_accepted") >= 5, process)
        refused = run(two.root, "deploy", "--yes", environ=cloud.environ() | HASTY)
        assert refused.code == 4, refused.err
        assert "another run holds the lock: f0" in refused.err
        assert "held by run 20" in refused.err
        assert f"`orchestrator deploy` of {getpass.getuser()}, process {process.pid} on " in refused.err
        assert "--lock-timeout" in refused.err

        interrupt(process, signal.SIGSTOP)
        served.cloud.last(Distribution.parse("fixed:0.1"))
        clock.forward(HELD_S)  # the Operations of the suspended machine end, with most of its work still to do
        taken = run(two.root, "deploy", "--yes", "--events", str(other_log), environ=cloud.environ() | HASTY)
        assert taken.code == 0, taken.err
        assert "is dead" in taken.err
        assert "another run may have made changes in the meantime: planning again" in taken.err
        before = asked_for(cloud)
        interrupt(process, signal.SIGCONT)
        woken = ended(process)
        assert asked_for(cloud) == before, "a run whose lease was taken over has asked for something"
        assert woken.code == 3, woken.err
        assert "the lease on these functions was taken over, because this run had not renewed it" in woken.err
        (lost,) = (event for event in events(log) if event["kind"] == "lease_lost")
        assert "taken over" in lost["reason"]
        assert [event["fencing"] for event in events(other_log) if event["kind"] == "lease_taken"] == [2]

        again = run(three.root, "deploy", "--yes", environ=cloud.environ() | HASTY)
        assert (again.code, "unchanged" in again.out) == (0, True), again.err
        assert "lease" not in again.err  # nothing to do, so nothing to lock
        versions = cloud.versions(FOLDER)
        assert len(versions) == len({version["functionId"] for version in versions}) == COUNT


def asked_for(cloud: Cloud) -> int:
    """Count the Operations of everyone."""
    return len(cloud.operations(FOLDER))


def test_machines_with_other_functions_go_side_by_side(tmp_path: Path) -> None:
    one, two = (checkout(tmp_path / name) for name in ("one", "two"))
    log = one.root / "events.ndjson"
    with (
        sandbox(tmp_path, "--durations", "fixed:2") as cloud,
        forked(one.root, "deploy", "--yes", "f00?", "--events", str(log), environ=cloud.environ()) as process,
    ):
        wait_for(lambda: count_events(log, "operation_accepted") >= 2, process)
        other = run(two.root, "deploy", "--yes", "f01?", "-o", "json", environ=cloud.environ())
        assert other.code == 0, other.err
        assert json.loads(other.out)["outcomes"] == {"deployed": 10}
        assert ended(process).code == 0
        assert len(cloud.versions(FOLDER)) == 20
