"""The live page's server. It listens on loopback only, until it is stopped."""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from typing import Protocol

import anyio
from aiohttp import web

from orchestrator.errors import OrchestratorError, StartError, UsageError
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.html.page import SCRIPTS, STYLES
from orchestrator.ui.followed import FollowedChain, Telling
from orchestrator.ui.guard import HEADERS, HOST, Guard, letting_in

INTERVAL_S = 1.0
_QUIET_S = 15.0  # a silent stream sends a sign of life after this time
_LEAVE_S = 1.0  # the time to finish open requests when the program ends

_OWN = ("talking.js", "live.js", "runs.js", "asking.js", "acting.js", "ui.js", "ui.css")
_KINDS = {"js": "text/javascript", "css": "text/css", "html": "text/html"}


@dataclass(frozen=True, slots=True)
class Answered:
    """A response: its HTTP status, and its text, a JSON document."""

    status: int
    text: Safe


class Verbs(Protocol):
    """The verbs that the page uses. Each returns the document of `--output json`, or its error (422)."""

    async def why(self, function: str) -> Answered: ...
    async def plan(self, patterns: Sequence[str]) -> Answered: ...
    async def jobs(self) -> Answered: ...
    async def board(self, job: str) -> Answered: ...
    async def way_back(self, run: str) -> Answered: ...


@dataclass(frozen=True, slots=True)
class Act:
    """An action on a run that a user requested. `environment`: the name that was typed, "" for none."""

    verb: str
    run: str
    environment: str


class Actions(Protocol):
    """The actions that the page may start. Called in threads; raises `OrchestratorError`."""

    def begin(self, act: Act) -> Safe: ...
    def started(self) -> Safe: ...


@dataclass(frozen=True, slots=True)
class PageSources:
    """The data for the page. `runs` and `follow` are called in threads, and raise `OrchestratorError`.

    `runs`: what `orchestrator runs` prints; `follow`: the chain of a run by its ID, or the beginning of one. `actions`:
    None where the page is read-only.
    """

    outlet: Outlet
    runs: Callable[[], Safe]
    follow: Callable[[str], FollowedChain]
    verbs: Verbs
    actions: Actions | None = None


@dataclass(slots=True)
class _Streams:
    """The chains that pages follow, and the number of pages of each."""

    chains: dict[str, FollowedChain] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)


class PageServer:
    """Serves the page. `closing` is set when all streams must end."""

    def __init__(self, sources: PageSources, guard: Guard) -> None:
        self._sources = sources
        self._guard = guard
        self._streams = _Streams()
        self.closing = anyio.Event()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[letting_in(self._guard)], client_max_size=64 * 1024)
        app.router.add_get("/", partial(_file, "orchestrator.ui.page", "index.html"))
        for folder, names in (("orchestrator.report.html", (*SCRIPTS, *STYLES)), ("orchestrator.ui.page", _OWN)):
            for name in names:
                app.router.add_get(f"/{name}", partial(_file, folder, name))
        app.router.add_get("/favicon.ico", _nothing)
        app.router.add_get("/api/runs", self._runs)
        app.router.add_get("/api/runs/{run}/events", self._events)
        app.router.add_get("/api/why/{function:.+}", self._why)
        app.router.add_get("/api/plan", self._plan)
        app.router.add_get("/api/runs/{run}/rollback", self._way_back)
        app.router.add_get("/api/actions", self._actions)
        app.router.add_post("/api/actions", self._act)
        app.router.add_get("/api/jobs", self._jobs)
        app.router.add_get("/api/jobs/{job}", self._board)
        return app

    async def _runs(self, _request: web.Request) -> web.StreamResponse:
        return await self._answer(self._sources.runs)

    async def _why(self, request: web.Request) -> web.StreamResponse:
        return _given(await self._sources.verbs.why(request.match_info["function"]))

    async def _plan(self, request: web.Request) -> web.StreamResponse:
        patterns = request.query.get("functions", "").split()
        if any(one.lstrip("!").startswith("@") for one in patterns):
            refused = UsageError("the page cannot read @FILE", advice="enter the names, globs or labels themselves")
            return _given(Answered(422, self._error_text(refused)))
        return _given(await self._sources.verbs.plan(patterns))

    async def _jobs(self, _request: web.Request) -> web.StreamResponse:
        return _given(await self._sources.verbs.jobs())

    async def _board(self, request: web.Request) -> web.StreamResponse:
        return _given(await self._sources.verbs.board(request.match_info["job"]))

    async def _way_back(self, request: web.Request) -> web.StreamResponse:
        return _given(await self._sources.verbs.way_back(request.match_info["run"]))

    async def _actions(self, _request: web.Request) -> web.StreamResponse:
        actions, outlet = self._sources.actions, self._sources.outlet
        nothing = {"allowed": False, "actions": []}
        return await self._answer(actions.started if actions is not None else partial(outlet.json, nothing))

    async def _act(self, request: web.Request) -> web.StreamResponse:
        actions = self._sources.actions
        if actions is None:
            refused = UsageError("this page is read-only", advice="start it with `orchestrator ui --allow-actions`")
            return _given(Answered(403, self._error_text(refused)))
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            body = await request.json()
            act = Act(**{name: str(body[name]) for name in ("verb", "run", "environment")})
        except (ValueError, TypeError, KeyError, UnicodeDecodeError):
            raise web.HTTPBadRequest from None
        return await self._answer(partial(actions.begin, act))

    async def _answer(self, document: Callable[[], Safe]) -> web.StreamResponse:
        try:
            text = await anyio.to_thread.run_sync(document)
        except OrchestratorError as error:
            return _given(Answered(422, self._error_text(error)))
        return _given(Answered(200, text))

    def _error_text(self, error: OrchestratorError) -> Safe:
        return self._sources.outlet.json({"error": error.message, "advice": error.advice})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send a run as server-sent events, until the page leaves, the program ends, or the run is gone.

        | event  | when                                         | data                                              |
        | ---    | ---                                          | ---                                               |
        | `run`  | at first, and after each change              | what changed since the ID that the page has       |
        | `gone` | the run cannot be read (any more)            | the error and its advice                          |
        """
        named = request.match_info["run"]
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the page has left
            try:
                await self._send_all(response, named, request.headers.get("Last-Event-ID", ""))
            except OrchestratorError as error:
                await response.write(f"event: gone\ndata: {self._error_text(error)}\n\n".encode())
            await response.write_eof()
        return response

    async def _send_all(self, response: web.StreamResponse, named: str, known_id: str) -> None:
        streams = self._streams
        chain = streams.chains.get(named)
        if chain is None:
            found: FollowedChain = await anyio.to_thread.run_sync(self._sources.follow, named)
            chain = streams.chains.setdefault(named, found)  # another page may have opened it meanwhile
        streams.pages[named] = streams.pages.get(named, 0) + 1
        try:
            await self._send_changes(response, chain, known_id)
        finally:
            streams.pages[named] -= 1
            if not streams.pages[named]:
                del streams.pages[named], streams.chains[named]

    async def _send_changes(self, response: web.StreamResponse, chain: FollowedChain, known_id: str) -> None:
        sent_at = anyio.current_time()
        while not self.closing.is_set():
            update: Telling | None = await anyio.to_thread.run_sync(
                chain.changes_since, known_id, time.time(), INTERVAL_S
            )
            if update is not None:
                await response.write(f"id: {update.id}\nevent: run\ndata: {update.data}\n\n".encode())
                known_id, sent_at = update.id, anyio.current_time()
            elif anyio.current_time() - sent_at > _QUIET_S:
                await response.write(b": still here\n\n")
                sent_at = anyio.current_time()
            with anyio.move_on_after(INTERVAL_S):
                await self.closing.wait()


def _given(answered: Answered) -> web.StreamResponse:
    return web.Response(text=answered.text, status=answered.status, content_type="application/json")


async def _file(folder: str, name: str, _request: web.Request) -> web.StreamResponse:
    text = files(folder).joinpath(*name.split("/")).read_text("utf-8")
    return web.Response(text=text, content_type=_KINDS[name.rpartition(".")[2]])


async def _nothing(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


@asynccontextmanager
async def served_page(server: PageServer, guard: Guard, port: int) -> AsyncIterator[None]:
    """Listen until the block ends. Raises `StartError` where the port cannot be used."""
    runner = web.AppRunner(server.app(), shutdown_timeout=_LEAVE_S, access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await _listen(runner, port)
        guard.port = runner.addresses[0][1]
        yield
    finally:
        server.closing.set()
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        what = "the port is in use" if taken else error.strerror
        raise StartError(
            f"cannot serve the page at {HOST}:{port}: {what}",
            advice="leave out --port to use any free port, or choose another port",
        ) from error
