"""What a run can lose while it runs: its terminal, its disk, a part of its journal, its CPU for a while."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.e2e.harness import (
    TIMEOUT_S,
    Cloud,
    Project,
    count_events,
    cut_off,
    ended,
    forked,
    interrupt,
    run,
    running,
    sandbox,
    terminal,
    wait_for,
)

COUNT = 24
GO_ON = "`orchestrator resume` goes on"


def one_version_each(project: Project, cloud: Cloud) -> None:
    versions = cloud.versions(project.folder_id)
    assert {version["status"] for version in versions} == {"ACTIVE"}
    assert len(versions) == len({version["functionId"] for version in versions}) == COUNT


def journal(project: Project) -> Path:
    return project.state_dir / "journal.sqlite3"


def test_a_terminal_that_is_closed(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    log = project.root / "events.ndjson"
    with terminal(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as screen:
        wait_for(lambda: count_events(log, "operation_accepted") >= 18, screen.process)
        screen.hang_up()
        assert screen.process.wait(TIMEOUT_S) == 3
    shown = run(project.root, "show")
    assert shown.code == 0, shown.err
    assert "stopped by SIGHUP" in shown.out
    end = run(project.root, "resume", environ=cloud.environ())
    assert end.code == 0, end.err
    one_version_each(project, cloud)


def test_a_disk_that_is_full(cloud: Cloud, project: Project) -> None:
    """No file can grow: the kernel's error equals that of a full disk, except for its number."""
    project.write(COUNT)
    project.without_bucket()
    log = project.root / "events.ndjson"
    with running(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= 18, process)
        size = os.path.getsize(f"{journal(project)}-wal")  # noqa: PTH202 - a name made of a path and a suffix
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        end = ended(process)
    assert end.code == 3, end.err
    assert "the journal" in end.err
    assert "cannot be written" in end.err or "disk" in end.err, end.err
    resumed = run(project.root, "resume", environ=cloud.environ())
    assert resumed.code == 0, resumed.err
    one_version_each(project, cloud)


def test_a_state_folder_that_is_removed(cloud: Cloud, project: Project) -> None:
    """Without a bucket, only its lock keeps a second run away, so no further call is sent."""
    project.write(COUNT)
    project.without_bucket()
    log = project.root / "events.ndjson"
    with forked(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= 18, process)
        shutil.rmtree(project.state_dir)
        end = ended(process)
    assert end.code == 3, end.err
    assert "was removed during this run" in end.err
    assert GO_ON not in end.err
    assert "cannot be resumed: `orchestrator deploy --endpoint" in end.err
    assert count_events(log, "operation_accepted") < 2 * COUNT


def test_a_last_record_that_is_damaged(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    cut_off(project.root, signal.SIGKILL, 18, "deploy", "--yes", environ=cloud.environ())
    with sqlite3.connect(journal(project)) as file:
        file.execute("UPDATE events SET data = replace(data, 'f0', 'g0') WHERE seq = (SELECT max(seq) FROM events)")
    file.close()
    refused = run(project.root, "resume", environ=cloud.environ())
    assert refused.code == 6, refused.err
    assert "does not match its checksum" in refused.err
    assert "deploy" in refused.err  # which needs no journal
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err
    one_version_each(project, cloud)


def test_the_journal_of_a_newer_program(cloud: Cloud, project: Project) -> None:
    project.write(COUNT)
    cut_off(project.root, signal.SIGKILL, 18, "deploy", "--yes", environ=cloud.environ())
    with sqlite3.connect(journal(project)) as file:
        file.execute("UPDATE runs SET schema = schema + 1")
    file.close()
    refused = run(project.root, "resume", environ=cloud.environ())
    assert refused.code == 6, refused.err
    assert "was written by a newer orchestrator" in refused.err
    assert "upgrade orchestrator" in refused.err
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err
    one_version_each(project, cloud)


def test_the_journal_of_an_older_program(cloud: Cloud, project: Project) -> None:
    """The older program had learned nothing yet, and knew fewer kinds of events."""
    project.write(COUNT)
    cut_off(project.root, signal.SIGKILL, 18, "deploy", "--yes", environ=cloud.environ())
    with sqlite3.connect(journal(project)) as file:
        file.execute("UPDATE events SET kind = 'of another time' WHERE kind IN ('limit_changed', 'lease_taken')")
        for table in ("knowledge", "verdicts", "begun", "deployed"):
            file.execute(f"DROP TABLE {table}")
        file.execute("DROP INDEX events_of_unit")
        file.execute("PRAGMA user_version = 1")
    file.close()
    end = run(project.root, "resume", environ=cloud.environ())
    assert end.code == 0, end.err
    one_version_each(project, cloud)


@pytest.mark.parametrize("stopped_s", [3.0])
def test_a_process_that_is_stopped_wakes_and_goes_on(tmp_path: Path, project: Project, stopped_s: float) -> None:
    project.write(COUNT)
    log = project.root / "events.ndjson"
    with (
        sandbox(tmp_path, "--durations", "fixed:1") as cloud,
        forked(project.root, "deploy", "--yes", "--events", str(log), environ=cloud.environ()) as process,
    ):
        wait_for(lambda: count_events(log, "operation_accepted") >= 18, process)
        interrupt(process, signal.SIGSTOP)
        time.sleep(stopped_s)  # the length of the stop, not a wait
        interrupt(process, signal.SIGCONT)
        end = ended(process)
        assert end.code == 0, end.err
        one_version_each(project, cloud)
