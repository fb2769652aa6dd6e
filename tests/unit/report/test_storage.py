"""What is stored in the bucket, for people and programs, before a prune and after."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import ListedObject
from orchestrator.planning.prune.leftovers import Leftovers, Removed, StoredLeftovers, Total
from orchestrator.report.prunes.storage import storage_json, storage_text
from orchestrator.report.views import StorageView

OLD = tuple(ListedObject(f"functions/{letter}.zip", 1024 * 1024, 0.0) for letter in "abc")
PACKAGES = Leftovers("packages", OLD, {"put in the last 30 days": Total(2, 2048)}, ("1 kept for run R",))
RECORDS = Leftovers("records of runs", (), {})
VIEW = StorageView(StoredLeftovers("packages", (PACKAGES, RECORDS)))
REMOVED = Removed(
    "packages",
    Total(1, 1024 * 1024),
    ["functions/b.zip"],
    {"functions/c.zip": "denied", "functions/d.zip": "denied"},
    7,
)


def test_before_it_goes_it_says_what_is_kept_and_why() -> None:
    assert storage_text(VIEW).splitlines() == [
        "bucket packages:",
        "  packages: 3 of 5 (3.0 MB) to delete (3.0 MB)",
        "    kept: 2 (2.0 KB): put in the last 30 days",
        "    1 kept for run R",
        "    to delete: functions/a.zip (1.0 MB, 1970-01-01T00:00:00.000+00:00)",
        "    to delete: functions/b.zip (1.0 MB, 1970-01-01T00:00:00.000+00:00)",
        "    to delete: functions/c.zip (1.0 MB, 1970-01-01T00:00:00.000+00:00)",
    ]


def test_an_empty_bucket_says_so() -> None:
    empty = StorageView(StoredLeftovers("packages", (RECORDS,)))
    said = "bucket packages: nothing to prune"
    assert storage_text(empty) == storage_text(replace(empty, removed=(Removed("records of runs"),))) == said


def test_many_are_named_where_that_is_asked_for() -> None:
    many = replace(PACKAGES, goes=OLD * 10)
    view = StorageView(StoredLeftovers("packages", (many,)))
    assert "to delete:" not in storage_text(view)
    assert storage_text(replace(view, whole=True)).count("to delete:") == 30


def test_after_it_is_pruned_it_says_what_is_left() -> None:
    view = replace(VIEW, removed=(REMOVED, Removed("records of runs")))
    assert storage_text(view).splitlines() == [
        "bucket packages:",
        "  packages: 1 (1.0 MB) of 5 (3.0 MB) deleted, 4 (2.0 MB) left (computed)",
        "    1 object uploaded again by another run: kept",
        "    7 objects not reached: run `orchestrator prune` again",
        "    not deleted: functions/c.zip and 1 more: denied",
    ]


def test_programs_get_each_object_and_the_figures_before_and_after() -> None:
    found = storage_json(replace(VIEW, removed=(REMOVED,)))
    [packages, records] = found["kinds"]
    assert packages["before"] == {"objects": 5, "size_bytes": 3 * 1024 * 1024 + 2048}
    assert packages["after"] == {"objects": 4, "size_bytes": 2 * 1024 * 1024 + 2048}
    assert [one["object"] for one in packages["goes"]] == [one.key for one in OLD]
    assert packages["kept"] == [{"reason": "put in the last 30 days", "objects": 2, "size_bytes": 2048}]
    assert packages["failed"][0] == {"object": "functions/c.zip", "reason": "denied"}
    assert (packages["put_again"], packages["not_come_to"]) == (["functions/b.zip"], 7)
    assert "deleted" not in records
