"""Frames of the live region: compared exactly, and never larger than the window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.journal.condition_events import LongWait, OutageBegan, OutageEnded
from orchestrator.journal.events import OperationDone, UnitEnded
from orchestrator.journal.rollout_events import GateBegan, PauseBegan
from orchestrator.model import Cancelled, Deployed
from orchestrator.report.display.frame import HeadPart, head, shared
from orchestrator.report.display.live_counts import LiveCounts
from orchestrator.report.plain_text import cells
from orchestrator.report.views import BuildRow
from tests.unit.report.scene import Scene, second_wave

# ruff: noqa: E501 - frames stand as they are seen
FRAMES = {
    (200, 60): """\
19/60 (49 %); 17 deployed, 2 failed; 5 waiting for a slot, 7 versions being created; wave 2 of 3; 36 a minute; 32.1 s; about 1 min 33 s left
  wave 2 of 3       done  failed  running  queued  to do  slots  refused
  b1gfolder-a          4       1        2       2      0   2/15        1
  b1gfolder-b          4       0        3       1      1   3/15
  b1gfolder-c          3       1        2       2      1   2/10
  all folders         11       2        7       5      2
  cloud b1gcloud-1                                         5/20        1
  slowest  function-0019  9.1 s  version being created
           function-0020  7.8 s  version being created
           function-0021  6.5 s  version being created
           function-0022  5.2 s  version being created
  failed   function-0014 and 1 more: track: memory of function-0000 is over the quota
""",
    (80, 24): """\
19/60 (49 %); 17 deployed, 2 failed; wave 2 of 3; about 1 min 33 s left
  wave 2 of 3       done  failed  running  queued  to do  slots  refused
  b1gfolder-a          4       1        2       2      0   2/15        1
  b1gfolder-b          4       0        3       1      1   3/15
  b1gfolder-c          3       1        2       2      1   2/10
  all folders         11       2        7       5      2
  cloud b1gcloud-1                                         5/20        1
  slowest  function-0019  9.1 s  version being created
           function-0020  7.8 s  version being created
           function-0021  6.5 s  version being created
           function-0022  5.2 s  version being created
  failed   function-0014 and 1 more: track: memory of function-0000 is over th…
""",
    (40, 10): """\
19/60 (49 %); 2 failed; wave 2 of 3
  wave 2 of 3  failed  to do  slots
  b1gfolder-a       1      0   2/15
  b1gfolder-b       0      1   3/15
  b1gfolder-c       1      1   2/10
  all folders       2      2
  slowest  function-0019  9.1 s  versi…
           function-0020  7.8 s  versi…
  failed   function-0014 and 1 more: t…
""",
    (20, 3): """\
19/60 (49 %); 2 fa…
failed func…014 an…
""",
}  # fmt: skip


def texts(scene: Scene, width: int, height: int) -> list[str]:
    return [line.text for line in scene.shown.region(width, height)]


@pytest.mark.parametrize("window", FRAMES)
def test_a_frame_by_the_size_of_the_window(window: tuple[int, int]) -> None:
    assert "\n".join(texts(second_wave(), *window)) + "\n" == FRAMES[window]


@given(st.integers(1, 220), st.integers(1, 70), st.sampled_from(["", "漢字" * 30, "e\u0301" * 90]))
def test_no_frame_is_larger_than_the_window(width: int, height: int, name: str) -> None:
    scene = second_wave(60, [BuildRow(f"{name} and 2 more", 12.0, f"npm {name}")] * 9)
    scene.hear(OutageBegan(scene.now, f"no answer {name}"))
    lines = texts(scene, width, height)
    assert 1 <= len(lines) <= max(1, height - 1)
    assert all(cells(line) < max(2, width) for line in lines)


def test_a_frame_is_as_large_for_5000_functions_as_for_60() -> None:
    assert len(texts(second_wave(5000), 200, 60)) == len(texts(second_wave(60), 200, 60))


def test_the_wave_counts_every_function_once() -> None:
    scene = second_wave(300)
    counts: LiveCounts = scene.shown._counts
    for number, sizes in ((1, 6), (2, 147)):
        rows = counts.rows[number].values()
        assert sum(sum(row.values()) for row in rows) == sizes
        assert all(count >= 0 for row in rows for count in row.values())


def test_what_a_stop_cancels_of_later_waves_is_in_none() -> None:
    scene = second_wave()
    for key in [key for key, unit in scene.state.units.items() if unit.outcome is None]:
        scene.hear(UnitEnded(scene.now, key, Cancelled("interrupted")))
    counts: LiveCounts = scene.shown._counts
    assert sum(row["cancelled"] for row in counts.rows[2].values()) == 14
    assert sum(row["cancelled"] for row in counts.rows[0].values()) == 27


def test_an_outcome_that_reading_back_replaces_is_counted_once_and_its_cause_is_gone() -> None:
    scene = second_wave()
    failed = [key for key, unit in scene.state.units.items() if unit.outcome and not isinstance(unit.outcome, Deployed)]
    assert any("function-0014 and 1 more: track" in line for line in texts(scene, 200, 60))
    for key in failed:
        scene.hear(UnitEnded(scene.now, key, Deployed("v", read_back=True)))
    assert not any("failed" in line for line in texts(scene, 200, 60))


def test_slots_follow_the_operations_that_are_not_done() -> None:
    scene = second_wave()
    before = [line.split() for line in texts(scene, 200, 60) if line.startswith("  b1gfolder-b")]
    (key,) = [key for key in list(scene.state.running) if scene.folder[key] == "b1gfolder-b"][:1]
    for _ in range(2):  # reported again
        scene.hear(OperationDone(scene.now, key, f"operation of {key}", 2.0))
    after = [line.split() for line in texts(scene, 200, 60) if line.startswith("  b1gfolder-b")]
    assert (before[0][6], after[0][6]) == ("3/15", "2/15")


def test_what_the_run_waits_for_is_reported_with_a_countdown() -> None:
    scene = second_wave()
    scene.hear(LongWait(scene.now, 30.0, "too many requests"))
    scene.now += 5
    assert texts(scene, 120, 24)[1] == "retrying in 25.0 s: too many requests"
    scene.hear(OutageBegan(scene.now, "connection refused"))
    scene.now += 2
    assert texts(scene, 120, 24)[1] == "the cloud has not responded for 2.0 s: connection refused"
    scene.hear(OutageEnded(scene.now, 2.0), PauseBegan(scene.now, 2, 90.0))
    scene.now += 60
    assert texts(scene, 120, 24)[1].endswith("(30.0 s left)")
    assert "30.0 s left" in texts(scene, 120, 2)[0], "where there is one line only, it says so"
    scene.now += 31
    assert not texts(scene, 120, 24)[1].startswith("pause")
    scene.hear(GateBegan(scene.now, 2))
    assert texts(scene, 120, 24)[1] == "gate running for wave 2"


def test_the_rate_is_that_of_the_last_minute() -> None:
    scene = second_wave()
    assert "; 36 a minute; " in texts(scene, 200, 24)[0]
    scene.now += 100
    assert "a minute" not in texts(scene, 200, 24)[0]


def test_of_many_folders_those_that_are_done_are_left_out_first() -> None:
    assert [line.split()[0] for line in texts(second_wave(), 80, 7)[1:5]] == ["wave", "b1gfolder-a", "…", "slowest"]


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (40, "3/9 (33 %); 2 done, 1 failed; 7.0 s"),
        (34, "3/9 (33 %); 2 done, 1 failed"),
        (25, "3/9 (33 %); 1 failed"),
        (15, "3/9 (33 %); 1 …"),
        (4, "3/9…"),
    ],
)
def test_the_head_gives_up_what_is_needed_least(width: int, said: str) -> None:
    assert (
        head([HeadPart(0, "3/9 (33 %)"), HeadPart(5, "2 done, 1 failed", "1 failed"), HeadPart(7, "7.0 s")], width)
        == said
    )


def test_rows_are_shared_so_that_no_block_is_a_head_alone() -> None:
    desired = {"notices": 1, "table": 9, "slowest": 4, "failed": 3, "builds": 0}
    for height in range(20):
        rows = shared(desired, height)
        assert sum(rows.values()) == min(height, 17) or (height, rows["table"]) == (3, 0)
        assert rows["table"] != 1
