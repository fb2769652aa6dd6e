"""What the journal and the bucket's records say of runs before a prune, and what remains unknown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from orchestrator.app.session.pruning import known_runs
from orchestrator.app.session.pruning.known_runs import Runs, read_runs_of
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.journal.digest import EndedRuns
from orchestrator.journal.events import Event, RunStarted
from orchestrator.journal.record import RunRecord, encode_index
from orchestrator.journal.store import open_store
from orchestrator.model import Function, Version
from orchestrator.planning.prune.finding import PrunedFunctions
from orchestrator.planning.prune.rule import KnownNeeds, PrunePolicy
from orchestrator.prediction.virtual_time import run
from tests.memory_records import MemoryRecords
from tests.unit.planning.prune.test_prune_past import FAILED, done
from tests.unit.planning.prune.test_prune_past import run as past_run

ENDPOINT = "sandbox"
FOUND = PrunedFunctions(
    {"f": Function("d4e-f", "b1g", "f")},
    {"d4e-f": [Version(f"v{number}", "d4e-f", "ACTIVE", "", None, (), {}) for number in range(20)]},
)


def bucket(runs: Iterable[list[Event]], *, missing: Iterable[str] = (), endpoint: str = ENDPOINT) -> MemoryRecords:
    """Return records of these runs, newest first, with an index."""
    records, rows = MemoryRecords(), []
    for events in runs:
        (started,) = [one for one in events if isinstance(one, RunStarted)]
        rows.append({"run_id": started.run_id, "endpoint": endpoint})
        record = RunRecord()
        for event in events:
            record(event)
        if started.run_id not in missing:
            records.objects[f"p/runs/{started.run_id}.json"] = (record.encode(), "1")
    records.objects["p/runs/index.json"] = (encode_index(rows), "1")
    return records


def known(
    folder: Path,
    records: MemoryRecords | None,
    monkeypatch: pytest.MonkeyPatch,
    *,
    runs: int = 2,
    journal: Iterable[list[Event]] = (),
) -> tuple[KnownNeeds, tuple[str, ...]]:
    """Return what is known of the one function."""
    with open_store(folder) as store:
        for events in journal:
            store.keep(events)

    async def read(call: Callable[[], Awaitable[object]]) -> object:
        return await call()

    world = SimpleNamespace(read=read, storage=SimpleNamespace(prefix="p/"))
    request = SimpleNamespace(state_dir=folder)
    session: Any = SimpleNamespace(world=world, endpoint=ENDPOINT, request=request, ended_runs=EndedRuns())
    monkeypatch.setattr(known_runs, "bucket_records", lambda _: records)

    async def main() -> Runs:
        return await read_runs_of(session, FOUND, PrunePolicy(runs=runs))

    found = run(main)
    return found.known["d4e-f"], found.notes


def test_records_and_the_journal_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs, notes = known(tmp_path, bucket([done(9), done(8)]), monkeypatch, journal=[done(12)])
    assert needs.needed == {"v12", "v11", "v9", "v8", "v7"}
    assert needs.recorded
    assert notes == ()


def test_a_journal_alone_does_not_tell_of_other_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs, notes = known(tmp_path, None, monkeypatch, journal=[done(7), done(8), done(9)])
    assert needs.needed == {"v9", "v8", "v7"}
    assert not needs.recorded
    assert "without a bucket" in notes[0]


def test_a_bucket_without_an_index_has_no_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs, notes = known(tmp_path, MemoryRecords(), monkeypatch)
    assert needs == KnownNeeds()
    assert "has no run records yet" in notes[0]


def test_fewer_runs_than_desired_do_not_tell_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs, notes = known(tmp_path, bucket([done(9)]), monkeypatch)
    assert (needs.recorded, notes) == (False, ())


@pytest.mark.parametrize(("missing", "recorded"), [("R10", False), ("R9", False), ("R8", True)])
def test_a_record_that_is_missing_counts_as_none_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, recorded: bool
) -> None:
    needs, notes = known(tmp_path, bucket([done(10), done(9), done(8), done(7)], missing=[missing]), monkeypatch)
    assert needs.recorded is recorded
    assert f"no record of run {missing}" in notes[0]


def test_records_of_another_installation_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs, _ = known(tmp_path, bucket([done(9), done(8)], endpoint="elsewhere"), monkeypatch)
    assert needs == KnownNeeds()


def test_a_network_that_fails_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def meet(at: str) -> None:
        if at == "before read":
            raise CloudError("no route", call="get object", code=Code.UNAVAILABLE)

    records = bucket([done(9)])
    records.meet = meet
    with pytest.raises(StartError, match="no route"):
        known(tmp_path, records, monkeypatch)


@pytest.mark.parametrize("body", [b"{", orjson.dumps({"schema": 99, "events": []})])
def test_a_record_that_cannot_be_understood_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    records = bucket([done(9), done(8)])
    records.objects["p/runs/R8.json"] = (body, "1")
    with pytest.raises(StartError, match=r"record of run R8 .* cannot be read"):
        known(tmp_path, records, monkeypatch)


def test_runs_that_took_one_up_are_one_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = past_run(7, None, code=None)
    again, other = past_run(9, FAILED, code=1, resumes="R7"), past_run(8, None, code=None, resumes="R7")
    needs, _ = known(tmp_path, bucket([again, other, first, done(5)]), monkeypatch)
    assert needs.needed == {"v9", "v8", "v7", "v6", "v5", "v4"}
    assert needs.left_alone == "run R9 failed at it"


def test_the_run_that_took_up_one_without_a_record_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs, _ = known(tmp_path, bucket([past_run(9, FAILED, code=1, resumes="R1"), done(8), done(7)]), monkeypatch)
    assert needs.left_alone == "run R9 failed at it"
    assert needs.needed == {"v9", "v8", "v7", "v6"}


def test_the_last_run_is_the_last_that_either_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = past_run(10, FAILED, code=1)
    needs, _ = known(tmp_path / "1", bucket([done(9)]), monkeypatch, journal=[failed])
    assert needs.left_alone == "run R10 failed at it"
    needs, _ = known(tmp_path / "2", bucket([done(11), failed]), monkeypatch, journal=[failed])
    assert needs.left_alone == ""


def test_a_record_that_goes_further_than_what_was_read_of_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = [replace(one, recorded=True) if isinstance(one, RunStarted) else one for one in past_run(9, None, code=None)]
    needs, _ = known(tmp_path, bucket([done(9)]), monkeypatch, journal=[cut])
    assert needs.left_alone == ""
