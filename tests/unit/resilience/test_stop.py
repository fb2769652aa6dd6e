"""Stops of runs that follow each other: a run's own stop does not stop its rollback, one from outside does."""

from __future__ import annotations

import pytest

from orchestrator.resilience.stop import Stop


@pytest.mark.anyio
async def test_a_breach_does_not_stop_what_follows_on_it() -> None:
    stop = Stop()
    stop.request("too many failures")
    follows = stop.successor()
    assert (follows.reason, stop.called_off) == ("", "")


@pytest.mark.anyio
async def test_what_comes_from_outside_stops_both() -> None:
    stop = Stop()
    stop.request("too many failures")
    follows = stop.successor()
    stop.call_off("interrupted")
    assert (stop.reason, stop.called_off) == ("too many failures", "interrupted")
    assert (follows.reason, follows.called_off) == ("interrupted", "interrupted")
    stop.lose("the lease is lost")
    assert follows.lost == "the lease is lost"
