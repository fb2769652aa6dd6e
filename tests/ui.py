"""The live page's server, as `orchestrator ui` starts it, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.app.commands.serving.ui import sources_of
from orchestrator.app.session.options import RunOptions
from orchestrator.journal.events import Event, RunStarted
from orchestrator.journal.run_journal import RunJournal
from orchestrator.journal.store import Store, open_store
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.ui.guard import Guard
from orchestrator.ui.server import Actions, PageServer, Verbs, served_page


@dataclass(frozen=True, slots=True)
class Page:
    """Its address, and the token that gives access."""

    address: str
    token: str

    @property
    def url(self) -> str:
        return f"{self.address}#token={self.token}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@asynccontextmanager
async def served(
    state_dir: Path, port: int = 0, *, verbs: Verbs | None = None, actions: Actions | None = None, token: str = ""
) -> AsyncIterator[Page]:
    """Serve the page of a state folder until the block ends. `token`: of an earlier start, "" for a new one."""
    guard = Guard()
    guard.token = token or guard.token
    options = RunOptions("ui", state_dir.parent / "deploy.toml", state_dir)
    sources = sources_of(options, Outlet(Redactor()))
    sources = replace(sources, verbs=verbs or sources.verbs, actions=actions)
    async with served_page(PageServer(sources, guard), guard, port):
        yield Page(guard.address, guard.token)


@dataclass
class Writer:
    """A run that is written to a journal in pieces, as another process would."""

    state_dir: Path
    store: Store = field(init=False)
    journal: RunJournal = field(init=False)

    def __post_init__(self) -> None:
        self.store = open_store(self.state_dir)

    def write(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, RunStarted):
                self.journal = self.store.start_run(event)
            else:
                self.journal.append(event)
