"""Ctrl-Z during a live region."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

import pytest

from orchestrator.report.display.suspension import Suspension


class Screen:
    """A live region that notes what is done to it."""

    def __init__(self) -> None:
        self.done = list[str]()

    def stop(self) -> None:
        self.done.append("stop")

    def start(self) -> None:
        self.done.append("start")


@pytest.mark.parametrize("ignored", [False, True])
def test_the_region_is_wiped_before_the_process_stops_and_drawn_again(
    ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(os, "kill", lambda _process, number: screen.done.append(signal.Signals(number).name))
    former = signal.signal(signal.SIGTSTP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with Suspension(cast("Any", screen)) as suspension:
            assert not suspension.happened()
            if not ignored:
                signal.raise_signal(signal.SIGTSTP)
            assert suspension.happened() is not ignored
            assert not suspension.happened()
        assert signal.getsignal(signal.SIGTSTP) is (signal.SIG_IGN if ignored else signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGTSTP, former)
    assert screen.done == ([] if ignored else ["stop", "SIGTSTP", "start"])
