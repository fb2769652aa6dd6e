"""The same engine rolls a run back: tags first, then copies of what was live before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.journal.events import OperationAccepted, OperationDone, UnitEnded
from orchestrator.model import Deployed, Failed, Step
from orchestrator.version.stamp import read_back_mark, read_stamp
from tests.engine import Bench
from tests.flow.test_run import kinds

HEAD = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
"""
FORMER = HEAD + "".join(
    f'[functions.fun-{n}]\nsource = "src"\ntags = ["stable"]\nlabels = {{ team = "a" }}\n'
    'environment = { LEVEL = "info", OLD = "1" }\ntimeout = "7s"\n'
    for n in range(3)
)
NEWER = HEAD + "".join(
    f'[functions.fun-{n}]\nsource = "newer"\ntags = ["blue", "stable"]\nlabels = {{ team = "b" }}\n'
    'environment = { LEVEL = "warn" }\n'
    for n in range(3)
)
OF_ITSELF = ("id", "createdAt", "tags", "description")  # of a Version: what no other can have


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for number, source in enumerate(("src", "newer")):
        (tmp_path / source).mkdir()
        (tmp_path / source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
    return Bench(tmp_path, durations="fixed:1")


def live(bench: Bench) -> dict[str, Any]:
    """Return what serves, and under which tags, except IDs and descriptions; and the functions' own settings."""
    names = {function["id"]: function for function in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    found: dict[str, Any] = {}
    for version in bench.versions():
        function = names[version["functionId"]]
        seen = {name: value for name, value in version.items() if name not in OF_ITSELF}
        for tag in version.get("tags", ()):
            found[f"{function['name']}:{tag}"] = seen
        found[function["name"]] = (function.get("labels"), function.get("description"))
    return found


def tag_holders(bench: Bench) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(version["functionId"], tag): version for version in bench.versions() for tag in version.get("tags", ())}


def test_everything_is_as_it_was_before(bench: Bench) -> None:
    bench.deploy(FORMER)
    before, holders = live(bench), tag_holders(bench)
    assert kinds(bench.deploy(NEWER)) == {"Deployed": 3}
    assert live(bench) != before
    assert kinds(bench.roll_back(bench.events)) == {"Deployed": 3}
    assert live(bench) == before
    for (function_id, tag), version in tag_holders(bench).items():
        if tag == "stable":
            assert version["id"] == holders[function_id, "stable"]["id"], "not the copy: the very version that held it"
        else:
            was = holders[function_id, tag]["description"]
            assert version["description"].startswith(f"{was} [orchestrator:back:")
            assert read_stamp(version["description"]) == read_stamp(was)


def test_tags_of_all_go_back_before_any_copy_is_made(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    bench.roll_back(bench.events)
    calls = [event.call for event in bench.events if isinstance(event, OperationAccepted)]
    assert calls.index("createVersion") == len(calls) - 3
    assert sorted(calls) == ["createVersion"] * 3 + ["setTag"] * 6 + ["update"] * 3


def test_a_rollback_taken_back_gives_what_was_live_before_it(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    newer = live(bench)
    bench.roll_back(bench.events)
    assert kinds(bench.roll_back(bench.events)) == {"Deployed": 3}
    assert live(bench) == newer


def test_a_second_time_there_is_nothing_to_take_back(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    events = list(bench.events)
    bench.roll_back(events)
    assert kinds(bench.roll_back(events)) == {"Unchanged": 3}


def test_a_created_function_stays(bench: Bench) -> None:
    bench.deploy(NEWER)
    assert kinds(bench.roll_back(bench.events)) == {"Deployed": 3}, "its tags go, which nobody held"
    assert {tag for _, tag in tag_holders(bench)} == {"$latest"}


def test_what_somebody_has_deployed_since_is_left_alone(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    events = list(bench.events)
    latest = next(version for version in bench.versions() if "$latest" in version.get("tags", ()))
    bench.cloud.versions.create(
        {"functionId": latest["functionId"], "runtime": "python312", "entrypoint": "hot.fix", "versionId": latest["id"],
         "resources": {"memory": "134217728"}, "description": "hotfix"}
    )  # fmt: skip
    bench.pass_time(60)
    outcomes = bench.roll_back(events)
    failed = [outcome for outcome in outcomes.values() if isinstance(outcome, Failed)]
    assert kinds(outcomes) == {"Deployed": 2, "Failed": 1}
    assert failed[0].step is Step.READ_BACK
    assert "was deployed since at 20" in failed[0].failure.message
    holders = tag_holders(bench)
    assert holders[latest["functionId"], "$latest"]["entrypoint"] == "hot.fix"
    assert not any(tag == "blue" for _, tag in holders)


def test_a_copy_of_a_stamp_by_hand_is_not_taken_for_the_answer_that_was_lost(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    reported = (OperationAccepted, OperationDone, UnitEnded)
    events = [one for one in bench.events if not (isinstance(one, reported) and one.key == "fun-0")]
    ids = {one["name"]: one["id"] for one in bench.cloud.functions.list({"folderId": "folder"})["functions"]}
    latest = tag_holders(bench)[ids["fun-0"], "$latest"]
    bench.cloud.versions.create(
        {"functionId": ids["fun-0"], "runtime": "python312", "entrypoint": "hot.fix", "versionId": latest["id"],
         "resources": {"memory": "134217728"}, "description": latest["description"]}
    )  # fmt: skip
    bench.pass_time(60)
    bench.roll_back(events)
    assert tag_holders(bench)[ids["fun-0"], "$latest"]["entrypoint"] == "hot.fix"


def test_the_back_mark_is_of_what_was_withdrawn(bench: Bench) -> None:
    bench.deploy(FORMER)
    bench.deploy(NEWER)
    outcomes = bench.roll_back(bench.events)
    assert all(isinstance(outcome, Deployed) for outcome in outcomes.values())
    marks = {
        read_back_mark(version["description"]) for version in bench.versions() if "$latest" in version.get("tags", ())
    }
    assert len(marks) == 1
    assert marks != {""}
