"""kill -9 of the program at random moments: N functions, N versions, whatever is left of its state folder.

`python -m tests.e2e.test_kills FIRST` continues with other seeds until stopped.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.harness import Cloud, Project, count_events, ended, forked, interrupt, run, sandbox
from tests.long import short_first

FUNCTIONS = 15
EVENTS = 2 * FUNCTIONS  # "operation_accepted" events of a whole run: each function is created, then its version


def killed_and_taken_up(cloud: Cloud, project: Project, seed: int, *, patient: bool = False) -> None:
    """Kill a run up to three times, resume it as the seed says, and check the result.

    `patient`: a lost machine keeps its lease, for which its successor waits half a minute.
    """
    rng = random.Random(seed)
    project.write(FUNCTIONS)
    forgetful = rng.random() < 0.6
    if forgetful and not patient:
        project.without_bucket()
    log = project.root / "events.ndjson"
    command = ["deploy", "--yes"]
    for _ in range(rng.randrange(1, 4)):
        log.unlink(missing_ok=True)
        accepted = rng.randrange(0, EVENTS // 2)
        with forked(project.root, *command, "--events", str(log), environ=cloud.environ()) as process:
            while process.poll() is None and count_events(log, "operation_accepted") < accepted:
                time.sleep(0.01)  # it may end earlier where little was left to do
            interrupt(process, signal.SIGKILL)
            ended(process)
        if forgetful and rng.random() < 0.7 and project.state_dir.exists():
            shutil.rmtree(project.state_dir)  # a CI machine that is gone
            command = ["deploy", "--yes"]
        elif count_events(log, "unit_planned"):
            command = ["resume"]
    run(project.root, *command, environ=cloud.environ())
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, f"seed {seed}: {end.err}"
    versions = cloud.versions(project.folder_id)
    assert len(versions) == FUNCTIONS, f"seed {seed}"
    assert {version["status"] for version in versions} == {"ACTIVE"}, f"seed {seed}"
    assert len({version["functionId"] for version in versions}) == FUNCTIONS, f"seed {seed}"


@pytest.mark.parametrize("seed", short_first(4, range(8)))
def test_a_run_that_is_killed_makes_no_second_version(cloud: Cloud, project: Project, seed: int) -> None:
    killed_and_taken_up(cloud, project, seed)


if __name__ == "__main__":
    for number in count(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), "--durations", "fixed:0.2") as served:
            root = Path(folder) / "project"
            root.mkdir()
            killed_and_taken_up(served, Project(root, "b1gkills0000000000000"), number, patient=number % 4 == 0)
        sys.stderr.write(f"{number}\n")
