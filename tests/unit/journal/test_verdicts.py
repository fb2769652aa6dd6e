"""Verdicts outlive the runs that found them, separately for each installation; earlier journals get them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from orchestrator.journal import folder
from orchestrator.journal.events import RunEnded, RunStarted
from orchestrator.journal.kept.verdicts import KnownVerdict
from orchestrator.journal.rollout_events import VersionVerified
from orchestrator.journal.store import Store, open_store
from orchestrator.model import Verdict

DAY_S = 86_400.0


def started(run_id: str, endpoint: str = "https://cloud", at: float = 1.0) -> RunStarted:
    return RunStarted(at, run_id, "deploy", endpoint, "deploy.toml", 1, "0.1.0")


def found(at: float, verdict: Verdict, reason: str = "", version_id: str = "v1") -> VersionVerified:
    return VersionVerified(at, "f", version_id, verdict, reason)


def write(journal: Store, run_id: str, *events: VersionVerified, endpoint: str = "https://cloud") -> None:
    run = journal.start_run(started(run_id, endpoint))
    for event in events:
        run.append(event)
    run.append(RunEnded(9.0, 0))


def test_the_last_verdict_of_a_version_is_known_of_its_installation_alone(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        write(journal, "one", found(2.0, Verdict.FAILED, "boom"), found(3.0, Verdict.PASSED))
        write(journal, "two", found(4.0, Verdict.FAILED, "boom", "v2"))
        write(journal, "other", found(5.0, Verdict.FAILED), endpoint="sandbox")
    with open_store(tmp_path, read_only=True) as journal:
        assert journal.verdicts("https://cloud", ["v1", "v2", "v3"]) == {
            "v1": KnownVerdict(Verdict.PASSED, "", "one"),
            "v2": KnownVerdict(Verdict.FAILED, "boom", "two"),
        }
        assert journal.verdicts("sandbox", ["v1", *map(str, range(2000))]) == {
            "v1": KnownVerdict(Verdict.FAILED, "", "other")
        }


def test_an_older_verdict_that_comes_later_changes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        write(journal, "one", found(5.0, Verdict.PASSED))
        journal.learn_verdicts(
            "https://cloud", "elsewhere", [found(2.0, Verdict.FAILED, "", one) for one in ("v1", "v2")]
        )
        known = journal.verdicts("https://cloud", ["v1", "v2"])
        assert {key: one.run_id for key, one in known.items()} == {"v1": "one", "v2": "elsewhere"}


def test_pruning_runs_leaves_verdicts(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        for number in range(300):
            write(journal, f"run-{number}", found(2.0, Verdict.PASSED, "", f"v{number}"))
        assert journal.prune(1000 * DAY_S)
        assert len(journal.verdicts("https://cloud", [f"v{number}" for number in range(300)])) == 300


def test_a_former_journal_gets_the_verdicts_that_its_runs_have(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        write(journal, "one", found(2.0, Verdict.FAILED, "boom"), found(3.0, Verdict.PASSED))
    path = tmp_path / folder.FILE
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE verdicts")
    for later in ("begun", "deployed"):
        connection.execute(f"DROP TABLE {later}")
    connection.execute("DROP INDEX events_of_unit")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    with open_store(tmp_path, read_only=True) as journal:
        assert journal.verdicts("https://cloud", ["v1"]) == {"v1": KnownVerdict(Verdict.PASSED, "", "one")}
