"""The counts of the live region over whole runs: every function is counted once, and no slot is in use at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.journal.state import RunState
from orchestrator.model import Limits, Rollout
from orchestrator.report.display.live_counts import LiveCounts
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Faults
from tests.engine import Bench, quotas_of, sources

WAVES = (2, "50%", "100%")


@pytest.mark.parametrize(
    ("rollout", "waves"),
    [
        (Rollout(), []),
        (Rollout(waves=WAVES), [2, 8, 10]),
        (Rollout(waves=WAVES, max_failures=0), [2, 8]),
        (Rollout(waves=WAVES, two_phase=True), []),
    ],
)
def test_each_function_is_counted_once_all_the_time(tmp_path: Path, rollout: Rollout, waves: list[int]) -> None:
    failing = {"f005"} if rollout.max_failures == 0 else set[str]()
    bench = Bench(
        tmp_path, faults=Faults(failing_functions=failing), quotas=quotas_of(Limits(operations_per_folder=3)),
        settings=CloudSettings(quota_manager=False),
    )  # fmt: skip
    bench.deploy(sources(tmp_path, 20), rollout=rollout)
    state = RunState()
    counts, sizes = LiveCounts(state), dict[int, int]()
    for event in bench.events:
        state.apply(event)
        counts(event)
        if isinstance(event, WaveStarted):
            sizes[event.number] = event.units
        for wave, size in sizes.items():
            assert sum(sum(row.values()) for row in counts.rows[wave].values()) == size
        assert all(count >= 0 for rows in counts.rows.values() for row in rows.values() for count in row.values())
        assert all(use.used >= 0 for use in counts.quotas.values())
    assert list(sizes.values()) == waves
    assert not counts.working
    assert not any(use.used for use in counts.quotas.values())
    assert sum(use.refused for use in counts.quotas.values()) > 0
