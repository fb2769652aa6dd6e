"""The displays of a run, the confirmation before it, and its events as a file of JSON lines for programs."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, BinaryIO

import anyio

from orchestrator.engine.bus import Listener
from orchestrator.errors import DeclinedError, InterruptedRunError, OrchestratorError, StartError, UsageError
from orchestrator.journal.event_json import outcome_name, to_dict
from orchestrator.journal.events import SCHEMA, Event, RunEnded, RunStarted, UnitEnded
from orchestrator.journal.state import RunState
from orchestrator.redaction.outlet import Outlet
from orchestrator.report.display.console import draw_builds, progress
from orchestrator.report.display.outlook import Outlook
from orchestrator.report.logs import LogListener
from orchestrator.report.messages import Messages
from orchestrator.report.streams import may_colour, write_message
from orchestrator.resilience.groups import ungrouped

_PROGRESS_S = 10.0


class Question(Enum):
    """What to confirm: the verb, what did not happen after a no, and the effect."""

    DEPLOY = ("Deploy", "not deployed", "this changes functions")
    ROLL_BACK = ("Roll back", "not rolled back", "this changes functions")
    RESUME = ("Resume", "not resumed", "this changes functions")
    PROMOTE = ("Promote", "not promoted", "this changes functions")
    WRITE = ("Write", "not written", "this changes files")
    PRUNE = ("Delete permanently", "not pruned", "this permanently deletes old versions, or the data of runs")


async def confirm(messages: Messages, what: str, *, yes: bool, to: Question, protected: str = "") -> None:
    """Show what is about to be done, and ask for confirmation. `protected`: the name of an environment that must be
    typed to confirm, where there is a terminal.

    Raises `UsageError` where there is no terminal to ask on, `DeclinedError` for a no, `InterruptedRunError` where the
    terminal gives no answer.
    """
    question, none, does = to.value
    if protected and may_ask():
        named = f"{what}. {question}? The environment is protected. Type its name to confirm:"
        if (await _line(messages, named, none)).strip() != protected:
            raise DeclinedError(f"{none}: nothing was sent")
        return
    if yes:
        return
    if not may_ask():
        raise UsageError(f"{does}, and there is no terminal to ask on", advice="add --yes")
    if not await answered_yes(messages, f"{what}. {question}?", none):
        raise DeclinedError(f"{none}: nothing was sent")


def show_diff(messages: Messages, diff: str) -> None:
    """Show a unified diff on standard error, in colours where they are supported."""
    if messages.log is not None or not may_colour(sys.stderr):
        for line in diff.splitlines() if messages.log is not None else ():
            messages.say(line)
        if messages.log is None:
            write_message(messages.outlet.lines(diff))
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.text import Text  # noqa: PLC0415 - only where there is a terminal

    styles = {"+": "green", "-": "red", "@": "cyan"}
    console = Console(file=sys.stderr, soft_wrap=True, highlight=False, markup=False, emoji=False, force_terminal=True)
    for line in messages.outlet.lines(diff).splitlines():
        console.print(Text(line, style=styles.get(line[:1], "")))


def may_ask() -> bool:
    """Return whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def answered_yes(messages: Messages, question: str, otherwise: str) -> bool:
    """Ask on the terminal. Raises `InterruptedRunError`, which says `otherwise`, where there is no answer."""
    return (await _line(messages, f"{question} [y/N]", otherwise)).strip().lower() in ("y", "yes")


async def _line(messages: Messages, question: str, otherwise: str) -> str:
    write_message(messages.outlet.line(f"{question} "), end="")
    await anyio.wait_readable(sys.stdin)  # a reading thread could not be interrupted
    answer = sys.stdin.readline()
    if not answer:
        raise InterruptedRunError(f"{otherwise}: nothing was sent")
    return answer


def answered(messages: Messages, question: str, otherwise: str) -> str:
    """Ask for a text on the terminal, in a command that does nothing else meanwhile. Raises `InterruptedRunError`,
    which says `otherwise`, where there is no answer.
    """
    write_message(messages.outlet.line(f"{question} "), end="")
    line = sys.stdin.readline()
    if not line:
        raise InterruptedRunError(otherwise)
    return line.strip()


@asynccontextmanager
async def builds_shown(messages: Messages) -> AsyncIterator[None]:
    """Show the running builds where standard error is a live display."""
    if not messages.is_live:
        messages.ci.group("Reading the live state, building and packing", folded=False)
        try:
            yield
        finally:
            messages.ci.end_group()
        return
    with ungrouped(OrchestratorError):
        async with anyio.create_task_group() as group:
            group.start_soon(draw_builds, sys.stderr, messages.builds, messages.outlet)
            try:
                yield
            finally:
                group.cancel_scope.cancel()


@asynccontextmanager
async def displays(
    messages: Messages,
    run_id: str,
    state: RunState,
    *,
    units: int,
    events: str | None,
    outlook: Outlook,
    follows: bool = False,
) -> AsyncIterator[list[Listener]]:
    """Show progress, write logs and the event file `events` during a run of so many functions. `follows`: the run
    continues another one, which has created the event file.
    """
    display = progress(
        sys.stderr, total=units, state=state, outlet=messages.outlet, outlook=outlook, builds=messages.builds
    )
    listeners: list[Listener] = [
        messages.ci,
        LogListener(run_id, brief=messages.brief, each_failure=not messages.is_live),
        outlook,
        display,
    ]
    if events is not None:
        listeners.append(EventFile(events, run_id, messages.outlet, follows=follows, lost=messages.incomplete.append))
    async with anyio.create_task_group() as group:
        if messages.log is not None:
            group.start_soon(_log_progress, messages, state, units)
        else:
            group.start_soon(display.run)
        try:
            yield listeners
        finally:
            group.cancel_scope.cancel()


async def _log_progress(messages: Messages, state: RunState, units: int) -> None:
    while not state.rollout.rollback:
        await anyio.sleep(_PROGRESS_S)
        messages.log.info("progress", ended=state.ended, functions=units, outcomes=dict(state.outcomes))


class EventFile:
    """A listener that writes to a file, or to stdout for "-". The file is created or emptied, unless the run `follows`
    another one.

    Each line has `schema` (raised when a field changes its meaning, not when a field or kind is added), `run_id` and
    the event. Raises `StartError` where the file cannot be created, `OSError` for a line that cannot be written.
    """

    def __init__(
        self,
        target: str,
        run_id: str,
        outlet: Outlet,
        *,
        follows: bool = False,
        lost: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._target = target
        self._lost = lost  # called with the reason why the file is incomplete
        self._run_id = run_id
        self._outlet = outlet
        self._outcomes: dict[str, str] = {}
        self._started: RunStarted | None = None
        self._own = target != "-"
        try:
            self._file: BinaryIO = _appending(target, empty=not follows) if self._own else sys.stdout.buffer
        except OSError as error:
            raise StartError(
                f"cannot write the event file {target}: {error.strerror}", advice="name another file with --events"
            ) from error

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, UnitEnded):
            self._outcomes[event.key] = outcome_name(event.outcome)
        self._write(to_dict(event))
        if isinstance(event, RunEnded):
            self._write(self._summary(event))
            self.close()

    def close(self) -> None:
        """Close the file. stdout stays open. Closing twice is harmless."""
        if self._own:
            self._file.close()

    def _summary(self, ended: RunEnded) -> dict[str, Any]:
        started = self._started
        return {
            "kind": "summary",
            "at": ended.at,
            "exit_code": ended.exit_code,
            "reason": ended.reason,
            "functions": started.units if started is not None else len(self._outcomes),
            "seconds": round(ended.at - started.at + started.planned_s, 3) if started is not None else None,
            "outcomes": dict(Counter(self._outcomes.values())),
            **({"environment": started.identity.environment} if started and started.identity.environment else {}),
        }

    def _write(self, data: dict[str, Any]) -> None:
        line = {"schema": SCHEMA, "run_id": self._run_id} | data | {"schema": SCHEMA}
        try:
            self._file.write(f"{self._outlet.json(line)}\n".encode())
            self._file.flush()  # nothing is lost when the run is killed
        except OSError as error:
            self._lost(f"the event file {self._target} is incomplete: {error.strerror}")
            raise


def _appending(target: str, *, empty: bool) -> BinaryIO:
    """Open a file for appending, since two runs may write to it in turn. `empty`: empty it first."""

    def opened(path: str, flags: int) -> int:
        return os.open(path, flags | (os.O_TRUNC if empty else 0), 0o666)

    return open(target, "ab", opener=opened)
