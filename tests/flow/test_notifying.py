"""Who is notified beside a run: at once, all at the same time, and at its end for a bounded time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import orjson
import pytest

from orchestrator.app.session.notices.notifying import notified
from orchestrator.app.session.notices.sending import CALLED_OFF_S, END_S
from orchestrator.journal.events import Breached, Event
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.state import RunState
from orchestrator.model import Notify
from orchestrator.ports import CommandEnd, CommandRequest
from orchestrator.prediction.virtual_time import run
from orchestrator.report.messages import Messages
from orchestrator.resilience.stop import Stop
from tests.published import published
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, started

EVERYTHING = ("failed", "breach", "rolled_back", "paused", "done")


class Commands:
    """Commands with a duration, which is the name of their program: "5", "60"."""

    def __init__(self) -> None:
        self.reported: list[tuple[float, str, str]] = []
        self.bodies: list[bytes] = []

    async def run(self, request: CommandRequest) -> CommandEnd:
        self.reported.append((anyio.current_time(), request.command[0], request.facts["ORCHESTRATOR_NOTICE"]))
        self.bodies.append(request.stdin)
        await anyio.sleep(float(request.command[0]))
        if request.command[0] == "2":
            raise RuntimeError("a mistake of ours")
        return CommandEnd(
            int(request.command[0] in ("1", "3")), "no\nroute" + "e" * int(request.command[0] == "3") * 999, 0.0
        )


def reported(
    events: list[Event], *seconds: str, follows: bool = False, called_off: bool = False
) -> tuple[list[tuple[float, str, str]], list[str], float]:
    """Run with hooks of these durations in seconds. Returns what they were sent and when, what was lost, how long the
    end took.
    """
    commands, messages, state = Commands(), Messages(), RunState()
    hooks = tuple(Notify(one, EVERYTHING, command=(one,), folder=Path()) for one in seconds)
    session: Any = SimpleNamespace(
        request=SimpleNamespace(
            options=SimpleNamespace(follows=follows), manifest=SimpleNamespace(notify=hooks, environment=""), environ={}
        ),
        world=SimpleNamespace(commands=commands, clock=lambda: 0.0),
        messages=messages, run_id=RUN_ID,
    )  # fmt: skip

    async def main() -> float:
        session.stop = Stop()
        async with notified(session, state) as listeners:
            for event in events:
                state.apply(event)
                for listener in listeners:
                    listener(event)
                await anyio.sleep(1)
            if called_off:
                session.stop.call_off("interrupted")
            began = anyio.current_time()
        return anyio.current_time() - began

    took_s = run(main)
    assert {published(orjson.loads(body)) for body in commands.bodies} <= {"notification"}
    return commands.reported, messages.incomplete, took_s


RUN: list[Event] = [started(), *deployment("auth", outcome=failed())]


def test_each_is_reported_at_once_and_a_slow_one_holds_up_nobody() -> None:
    breached, paused = Breached(STARTED_AT, "too many", "pause"), RunPaused(STARTED_AT, "approve it")
    found, lost, _ = reported([started(), breached, paused], "0", "20")
    assert [(hook, kind) for _, hook, kind in found] == [
        ("0", "breach"), ("20", "breach"), ("0", "paused"), ("20", "paused"),
    ]  # fmt: skip
    assert found[2][0] - found[0][0] == pytest.approx(1)
    assert lost == []


@pytest.mark.parametrize(("called_off", "bound_s"), [(False, END_S), (True, CALLED_OFF_S)])
def test_what_takes_too_long_delays_the_end_so_far_and_is_said(called_off: bool, bound_s: float) -> None:
    _, lost, took_s = reported([*RUN, ended(1)], "0", "600", called_off=called_off)
    assert took_s == pytest.approx(bound_s, abs=0.5)
    assert lost == [f"notify.600 was not notified of failed: not accepted within {bound_s:g}s"]


def test_a_command_that_fails_is_said_with_its_last_line_and_not_run_again() -> None:
    found, lost, _ = reported([*RUN, ended(1)], "1")
    assert len(found) == 1
    assert lost == ["notify.1 was not notified of failed: the command ended with exit status 1: route"]


def test_a_run_that_follows_on_another_tells_nobody() -> None:
    assert reported([*RUN, ended(0)], "0", follows=True)[0] == []


def test_a_mistake_of_this_program_in_one_fails_nothing_and_is_reported() -> None:
    _, lost, _ = reported([*RUN, ended(1)], "0", "2")
    assert lost == ["notify.2 was not notified of failed: this program failed: RuntimeError: a mistake of ours"]


def test_a_long_line_of_a_command_is_cut_off() -> None:
    _, (lost,), _ = reported([*RUN, ended(1)], "3")
    assert len(lost) < 400
