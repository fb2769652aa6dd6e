"""One API call over HTTP: the caller, the faults on the way, and the answer with its headers."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import orjson
from aiohttp import web

from orchestrator.errors import Code
from orchestrator.sandbox.http.iam import Tokens
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.cloud_state import Record
from orchestrator.sandbox.memory.faults import HTTP_STATUS, Fault


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a route: IDs from the path, the query, the body (None: there is none), the Idempotency-Key."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    key: str | None
    url: str  # as called, without the query


Act = Callable[[Ask], Record]
Prepare = Callable[[Ask], Awaitable[None]]


async def _nothing(_ask: Ask) -> None:
    """Most calls need no preparation."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method of the API. `name`: its name for faults. `prepare`: does a part of `act` outside the event loop."""

    method: str
    path: str
    name: str
    act: Act
    open: bool = False  # needs no token
    prepare: Prepare = _nothing


class Api:
    """Turns routes into aiohttp handlers. `saved` is called after each call, before its response is sent. `record`: a
    file to which each call is added as a line of JSON, with its query and body and without its token.
    """

    def __init__(
        self,
        cloud: MemoryCloud,
        tokens: Tokens,
        *,
        latency_s: float,
        saved: Callable[[], None],
        rng: random.Random,
        record: Path | None = None,
    ) -> None:
        self._record = record
        self._cloud = cloud
        self._tokens = tokens
        self._latency_s = latency_s
        self._saved = saved
        self._rng = rng

    def add(self, app: web.Application, *routes: Route) -> None:
        """Add routes. The first one that matches a path wins."""
        for route in routes:
            app.router.add_route(route.method, route.path, self._handler(route))

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            request_id = self._new_id()
            try:
                answer = await self._answer(route, request)
            except Fault as fault:
                return self._respond(HTTP_STATUS[fault.code], _error(fault, request_id), request_id)
            if answer is None:
                return cut(request)
            # Only Operations have it.
            interval_s = self._cloud.settings.poll_interval_s if "createdBy" in answer else None
            headers = {"x-operation-poll-interval": str(interval_s)} if interval_s is not None else {}
            return self._respond(200, answer, request_id, headers)

        return handle

    async def _answer(self, route: Route, request: web.Request) -> Record | None:
        """Return the answer. None: the call was carried out, and the answer is lost."""
        raw = await request.read()
        subject = self._cloud.settings.subject if route.open else self._authorize(request)
        trouble = self._cloud.faults.trouble(route.name)
        await anyio.sleep(self._latency_s + trouble.delay_s)
        if trouble.refusal is not None:
            raise trouble.refusal
        ask = Ask(
            request.match_info, request.query, _body(raw), request.headers.get("Idempotency-Key"),
            str(request.url.with_query(None)),
        )  # fmt: skip
        if self._record is not None and not route.open:
            line = {"name": route.name, "method": route.method, "url": ask.url, "query": dict(ask.query)}
            append_line(self._record, line | {"body": ask.body})
        await route.prepare(ask)
        try:
            with self._cloud.called_by(subject):
                answer = route.act(ask)
        finally:
            self._saved()
        return None if trouble.lost else answer

    def _authorize(self, request: web.Request) -> str:
        """Return the subject of the token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise Fault(Code.UNAUTHENTICATED, "Authorization header with a Bearer token is required.")
        subject = self._tokens.subject(token)
        if subject is None:
            raise Fault(Code.UNAUTHENTICATED, "Token is invalid or has expired.")
        return subject

    def _respond(
        self, status: int, body: Record, request_id: str, more: Mapping[str, str] = MappingProxyType({})
    ) -> web.Response:
        headers = {"x-request-id": request_id, "x-server-trace-id": self._new_id(), **more}
        return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append a line of JSON to a file that only its owner can read: it has values of variables."""
    with open(path, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _body(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Fault(Code.INVALID_ARGUMENT, f"Request body is not valid JSON: {error}") from None


def _error(fault: Fault, request_id: str) -> Record:
    info = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id}
    return {**fault.status(), "details": [*fault.details, info]}


def cut(request: web.Request) -> web.Response:
    """Break the connection. The returned value is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
