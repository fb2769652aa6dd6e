"""The list of deployed Functions outlives the runs that deployed them; earlier journals get it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from orchestrator.journal import folder
from orchestrator.journal.events import Event, OperationAccepted, RunEnded, UnitEnded, UnitPlanned
from orchestrator.journal.kept.deployed import DeployedByRun, StampedFunction
from orchestrator.journal.store import Store, open_store
from orchestrator.model import Action, Deployed, Outcome, Unchanged, Unknown
from orchestrator.model.live_state import Replaced
from tests.runs import started

CLOUD = "https://api.cloud.yandex.net"
GOLDEN = Path(__file__).parents[2] / "golden" / "state"


def planned(action: str = Action.VERSION, function_id: str = "d4e-1", name: str = "fun") -> UnitPlanned:
    return UnitPlanned(1.0, "key", name, "folder", function_id, action, "", "", "")


def accepted(function_id: str = "d4e-1", version_id: str = "v1") -> OperationAccepted:
    return OperationAccepted(2.0, "key", "createVersion", "op", function_id, version_id)


def ended(outcome: Outcome) -> UnitEnded:
    return UnitEnded(3.0, "key", outcome)


def write(journal: Store, run_id: str, *events: Event) -> None:
    run = journal.start_run(started(run_id))
    for event in events:
        run.append(event)
    run.append(RunEnded(9.0, 0))


def live(function_id: str, name: str = "fun", version_id: str = "v9") -> StampedFunction:
    return StampedFunction("folder", name, function_id, version_id)


@pytest.mark.parametrize(
    ("events", "known"),
    [
        ([planned(), accepted(), ended(Deployed("v1"))], "d4e-1"),
        ([planned(), ended(Deployed("v1"))], "d4e-1"),  # resumed: it was accepted before
        ([planned(Action.CREATE, ""), accepted("d4e-2"), ended(Deployed("v1"))], "d4e-2"),
        ([planned(Action.CREATE, ""), ended(Deployed("v1"))], None),
        ([planned(), accepted(), ended(Unknown("op"))], None),
        ([planned(), ended(Unchanged("v1"))], None),  # decided again: another user's may be the desired one
        ([planned(Action.RETAG), ended(Deployed("v1"))], None),  # says nothing about a Version
        ([planned(Action.UPDATE), ended(Deployed("v1"))], None),
        ([accepted(), ended(Deployed("v1"))], None),
    ],
)
def test_a_function_is_deployed_once_it_has_a_version_of_ours(events: list[Event], known: str | None) -> None:
    watch = DeployedByRun()
    found = [one.function_id for event in events if (one := watch(event)) is not None]
    assert found == ([known] if known else [])


def test_another_function_under_a_known_name_is_somebody_elses(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        write(journal, "one", planned(), accepted(), ended(Deployed("v1")))
        write(journal, "two", planned(function_id="d4e-7", name="other"), ended(Deployed("v7")))
        write(journal, "three", planned(function_id="d4e-8"), accepted("d4e-8", "v8"))  # killed before its end
    table = {
        live("d4e-1"): None,
        live("d4e-2"): Replaced("d4e-1", "one"),
        live("d4e-2", "unknown"): None,  # nothing was deployed under that name
        live("d4e-7"): None,  # renamed: it was deployed under another name
        live("d4e-8", version_id="v8"): None,  # requested by a run whose end is not known
        live("d4e-8", version_id="v9"): Replaced("d4e-1", "one"),
    }
    with open_store(tmp_path, read_only=True) as journal:
        for one, former in table.items():
            assert journal.replaced(CLOUD, [one]) == ({one.function_id: former} if former else {}), one
        assert journal.replaced("sandbox", [live("d4e-2")]) == {}


def test_the_last_one_under_a_name_is_reported(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        for number in (1, 2, 3):
            run = planned(function_id=f"d4e-{number}"), UnitEnded(3.0 + number, "key", Deployed(f"v{number}"))
            write(journal, f"run-{number}", *run)
        assert journal.replaced(CLOUD, [live("d4e-9")]) == {"d4e-9": Replaced("d4e-3", "run-3")}
        assert journal.replaced(CLOUD, [live("d4e-1"), live("d4e-2")]) == {}


def test_pruning_runs_leaves_what_was_deployed(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        write(journal, "first", planned(), accepted(), ended(Deployed("v1")))
        for number in range(300):
            write(journal, f"run-{number:03}")
        assert "first" in journal.prune(1e12)
        assert journal.replaced(CLOUD, [live("d4e-2")]) == {"d4e-2": Replaced("d4e-1", "first")}


def test_a_former_journal_gets_what_its_runs_have_deployed(tmp_path: Path) -> None:
    with open_store(tmp_path) as journal:
        write(journal, "one", planned(), accepted(), ended(Deployed("v1")))
        write(journal, "two", planned(Action.CREATE, "", "new"), accepted("d4e-2", "v2"), ended(Deployed("v2")))
        write(journal, "three", planned(function_id="d4e-3", name="cut"), accepted("d4e-3", "v3"))
        write(journal, "four", planned(Action.RETAG, "d4e-4", "tag"), ended(Deployed("v4")))
    path = tmp_path / folder.FILE
    connection = sqlite3.connect(path)
    rows = "SELECT * FROM deployed ORDER BY name"
    kept = connection.execute(rows).fetchall()
    assert [row[2:4] for row in kept] == [("fun", "d4e-1"), ("new", "d4e-2")]
    connection.execute("DROP TABLE deployed")
    connection.execute("DROP INDEX events_of_unit")
    connection.execute("PRAGMA user_version = 4")
    connection.commit()
    connection.close()
    with open_store(tmp_path, read_only=True):
        assert sqlite3.connect(path).execute(rows).fetchall() == kept


def test_the_golden_journal_gets_what_its_runs_have_deployed(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    with open_store(tmp_path):
        pass
    found = sqlite3.connect(tmp_path / folder.FILE).execute("SELECT name, function_id FROM deployed").fetchall()
    assert len(found) == len(dict(found)) > 5
