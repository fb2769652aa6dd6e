"""Calls of Functions over HTTP, on a separate path whose first character no bucket name can have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
from aiohttp import web
from multidict import CIMultiDict

from orchestrator.model import LATEST
from orchestrator.sandbox.http.api import append_line, cut
from orchestrator.sandbox.http.iam import Tokens
from orchestrator.sandbox.invocation.calls import FunctionCall, Pairs
from orchestrator.sandbox.invocation.service import INVOKE
from orchestrator.sandbox.memory.cloud import MemoryCloud

PREFIX = "/_invoke"


def add_calls(app: web.Application, cloud: MemoryCloud, tokens: Tokens, latency_s: float, record: Path | None) -> None:
    """Serve `PREFIX/{functionId}` for every method. `record`: a file that each call is added to, as in `Api`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await anyio.sleep(latency_s)
        if record is not None:
            line = {"name": INVOKE, "method": request.method, "url": str(request.url.with_query(None))}
            append_line(record, line | {"query": dict(request.query), "body": body.decode("utf-8", "replace")})
        subject, refusal = _subject(request, tokens)
        reply = await cloud.invocations.invoke(
            FunctionCall(
                request.match_info["id"], request.query.get("tag", LATEST), request.query.get("integration", ""),
                request.method, _pairs(request.headers), _pairs(request.query), body, subject, refusal,
                request.remote or "127.0.0.1",
            )
        )  # fmt: skip
        if reply.lost:
            return cut(request)
        return web.Response(status=reply.status, headers=CIMultiDict(reply.headers), body=reply.body)

    app.router.add_route("*", f"{PREFIX}/{{id}}", handle)


def _pairs(fields: Mapping[str, str]) -> Pairs:
    return tuple((str(name), value) for name, value in fields.items())


def _subject(request: web.Request, tokens: Tokens) -> tuple[str, str]:
    """Return the token's subject, or "" and why the token is not valid."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        return "", "Authorization header with a Bearer token is required (the sandbox makes no API keys)"
    subject = tokens.subject(token)
    return (subject, "") if subject else ("", "Token is invalid or has expired")
