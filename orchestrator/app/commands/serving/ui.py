"""`ui`: shows the runs as a page in a browser on this machine."""

from __future__ import annotations

import os
import signal
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from orchestrator.app.commands.serving.acting import PageActions
from orchestrator.app.commands.serving.asking import AskedVerbs
from orchestrator.app.session.chains.next_lines import next_lines
from orchestrator.app.session.known_run import known_runs
from orchestrator.app.session.options import RunOptions, read_place, state_dir_of
from orchestrator.errors import Exit, OrchestratorError
from orchestrator.journal.store import open_store
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.json import render_json
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, RunsView
from orchestrator.resilience.groups import ungrouped
from orchestrator.ui.followed import FollowedChain
from orchestrator.ui.guard import Guard
from orchestrator.ui.server import PageServer, PageSources, served_page

_OPEN_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options of the page itself."""

    open_page: bool
    may_act: bool


def ui_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Serve the page until a signal ends it. Raises `StartError` where the port cannot be used."""
    options = replace(read_place("ui", given), sandbox=given["sandbox"])
    messages.outlet.redactor.add_variables(options.parameters)
    with ungrouped(OrchestratorError):
        anyio.run(_serve, options, messages, given["port"], _Wanted(given["open_page"], given["allow_actions"]))
    return CommandResult(Exit.DONE)


async def _serve(options: RunOptions, messages: Messages, port: int, desired: _Wanted) -> None:
    guard = Guard()
    server = PageServer(sources_of(options, messages.outlet, may_act=desired.may_act), guard)
    heeded = [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*heeded) as signals:
        async with served_page(server, guard, port):
            url = f"{guard.address}#token={guard.token}"
            messages.announce(url)
            may = "see your runs"
            may += ", and pause, resume, promote and roll them back" if desired.may_act else ""
            messages.say(f"anyone who has this address can {may}; Ctrl-C stops this page, not the runs")
            with ExitStack() as stack:
                if desired.open_page:
                    await _open(stack.enter_context(door(url, messages.outlet)), messages)
                async for _ in signals:
                    return


@contextmanager
def door(url: str, outlet: Outlet) -> Iterator[str]:
    """Yield the address of a file that redirects to the page and that only this user can read. The arguments of a
    browser, and so a token among them, are visible to every user in the list of processes.
    """
    page = outlet.page(
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="refresh" content="0; url={url}">\n<title>orchestrator</title>\n</html>\n'
    )
    with tempfile.TemporaryDirectory(prefix="orchestrator-ui-") as folder:
        path = Path(folder) / "open.html"
        path.write_text(page, "utf-8")
        yield path.as_uri()


async def _open(url: str, messages: Messages) -> None:
    """Open a graphical browser. A browser for terminals would take over this one, so it is used only where BROWSER
    names it.
    """
    with anyio.move_on_after(_OPEN_S):
        if _has_window() and await anyio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True):
            return
    messages.say("no browser was opened: open the address above")


def _has_window() -> bool:
    try:
        return bool(os.environ.get("BROWSER")) or type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        return False


def sources_of(options: RunOptions, outlet: Outlet, *, may_act: bool = False) -> PageSources:
    """Return the data sources of the page of a state folder."""
    state_dir = state_dir_of(options.config, options.state_dir)

    def runs() -> Safe:
        return render_json(RunsView(known_runs(options)), None, outlet)

    follow = partial(_follow, options.environment, state_dir, outlet)
    actions = PageActions(options, outlet) if may_act else None
    return PageSources(outlet, runs, follow, AskedVerbs(options, outlet), actions)


def _follow(environment: str, state_dir: Path, outlet: Outlet, named: str) -> FollowedChain:
    with open_store(state_dir, read_only=True) as store:
        return FollowedChain(store.find(named, environment), state_dir, outlet, next_lines)
