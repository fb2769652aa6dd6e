"""A whole prune, killed at any step and resumed, deletes all that was agreed to, in the cloud and in the bucket. The
common input of both judgements is read once.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import Exit
from orchestrator.journal.digest import EndedRuns
from orchestrator.journal.record import RunRecord
from orchestrator.model import ListedObject
from orchestrator.planning.saved.note import PlanNote
from orchestrator.sandbox.memory.faults import Faults, Rates
from tests.engine import BUCKET
from tests.long import short_first
from tests.runs import whole_run
from tests.simulation.prunes import PruneBench
from tests.simulation.test_rollouts import Story

FUNCTIONS, DEPLOYMENTS = 2, 4
STEPS = 280  # events and calls, more than any has
DAY_S = 86_400.0
# One in each part: while it plans, begins, deletes Versions, deletes from the bucket, ends.
EARLY = [10, 60, 94, 108, 150, 199, 220, 233, 260, 267]


def deployed(root: Path) -> PruneBench:
    """Deploy several times, long ago. A saved plan has expired too."""
    bench = PruneBench(root, faults=Faults(Rates(), seed=1), seed=1, durations="fixed:3")
    story = Story(bench, random.Random(1), FUNCTIONS, set(), set(), set(), two_phase=False)
    bench.verified = story.verified
    for number in range(DEPLOYMENTS):
        story.revision = dict.fromkeys(story.keys, number)
        story.write()
        assert bench.deploy_now() == Exit.DONE, bench.said
        bench.pass_time(100.0)
    bench.objects.put(
        BUCKET, "functions/plans/p0.json", PlanNote("p0", bench.now(), ()).encode(), modified_at=bench.now()
    )
    bench.pass_time(40 * DAY_S)
    return bench


def left(bench: PruneBench) -> tuple[int, list[str]]:
    """Return how many Versions there are, and which objects of the bucket a prune concerns."""
    keys = [one.key for one in bench.objects.list(BUCKET, limit=1000).objects]
    return len(bench.versions()), [key for key in keys if key.endswith(".zip") or "/plans/" in key]


def test_undisturbed_it_takes_all(tmp_path: Path) -> None:
    bench = deployed(tmp_path)
    assert left(bench)[0] == FUNCTIONS * DEPLOYMENTS
    assert len(left(bench)[1]) == FUNCTIONS * DEPLOYMENTS + 1
    bench.die_after = STEPS
    assert bench.prune_now(1, 1) == Exit.DONE, bench.said
    assert left(bench) == (2 * FUNCTIONS, [])


@pytest.mark.parametrize("step", short_first(len(EARLY), [*EARLY, *(n for n in range(1, STEPS) if n not in EARLY)]))
def test_resume_does_all_that_was_agreed_to(step: int, tmp_path: Path) -> None:
    bench = deployed(tmp_path)
    bench.die_after = step
    code = bench.prune_now(1, 1)
    if code is None:
        code = bench.resume_now()
        if code != Exit.DONE:  # killed before all of its plan was stored: nothing was sent
            said = "".join(bench.said)
            assert "was killed before the plan of" in said or "while planning: nothing was sent" in said, said
            assert "orchestrator prune" in said, "the line to type"
            assert bench.prune_now(1, 1) == Exit.DONE, bench.said
    assert left(bench) == (2 * FUNCTIONS, [])
    assert bench.resume_now() == Exit.DONE, bench.said  # nothing is left to resume
    assert not bench.started, bench.said


def test_what_was_too_young_when_it_was_agreed_to_stays(tmp_path: Path) -> None:
    bench = deployed(tmp_path)
    young = f"functions/{'a' * 64}.zip"
    bench.objects.put(BUCKET, young, b"zip", modified_at=bench.now() - 29 * DAY_S)
    bench.die_after = EARLY[4]
    assert bench.prune_now(1, 1) is None
    bench.pass_time(5 * DAY_S)
    assert bench.resume_now() == Exit.DONE, bench.said
    assert left(bench) == (2 * FUNCTIONS, [young])
    assert bench.prune_now(1, 1) == Exit.DONE
    assert left(bench)[1] == []


def test_a_version_that_the_manifest_names_anywhere_stays(tmp_path: Path) -> None:
    bench = deployed(tmp_path)
    (oldest, *_) = [one["id"] for one in bench.versions()]
    manifest = tmp_path / "deploy.toml"
    manifest.write_text(f'{manifest.read_text()}\n# version_id = "{oldest}"\n')
    assert bench.prune_now(1, 1) == Exit.DONE, bench.said
    assert left(bench)[0] == 2 * FUNCTIONS + 1
    assert oldest in [one["id"] for one in bench.versions()]


def test_the_record_of_a_run_that_has_ended_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = deployed(tmp_path)
    runs = sorted(run_id for chain in bench.seen.values() for run_id in chain.runs)
    reads, whole = list[str](), bench.records.read

    async def read(key: str) -> tuple[bytes, str] | None:
        reads.append(key)
        return await whole(key)

    monkeypatch.setattr(bench.records, "read", read)
    assert bench.prune_now(1, 1) == Exit.DONE, bench.said
    of_runs = [key.removeprefix("functions/runs/").removesuffix(".json") for key in reads if "/runs/2" in key]
    assert sorted(of_runs) == runs


def test_the_record_of_a_run_that_has_not_ended_is_looked_at_again() -> None:
    ended, killed = whole_run("f", run_id="R1"), whole_run("f", run_id="R2")[:-1]
    known, listed = EndedRuns(), dict[str, ListedObject]()
    for name, events in (("ended", ended), ("killed", killed)):
        record = RunRecord()
        for event in events:
            record(event)
        known.take(name, record.encode())
        listed[name] = ListedObject(name, len(record.encode()), 7.0)
    digest = known.of(listed["ended"])
    assert digest is not None
    assert (digest.run.id, digest.written_at) == ("R1", 7.0)
    assert known.of(listed["killed"]) is None
    assert known.of(replace(listed["ended"], size_bytes=1)) is None  # someone has replaced it
