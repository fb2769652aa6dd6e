"""A small HTTP server on loopback that answers what a test says, and keeps its requests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
from aiohttp import web
from anyio.abc import SocketStream

from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.http import HttpClient
from orchestrator.cloud.tokens import FixedToken, TokenSource
from orchestrator.cloud.transport import open_transport

VERSION = "1.2.3"
SERVICES = ("serverless-functions", "operation", "iam", "resource-manager", "quota-manager", "lockbox", "storage")


@dataclass(frozen=True)
class Seen:
    """A request as it was received. `target` is raw, as on the wire, `path` its part before the question mark."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any
    connection: int


Handler = Callable[[Seen], web.Response | Awaitable[web.Response]]


@dataclass
class Server:
    url: str
    port: int
    seen: list[Seen] = field(default_factory=list)


def answer(json: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(json), status=status, headers=headers, content_type="application/json")


@asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    async def handle(request: web.BaseRequest) -> web.Response:
        content = await request.read()
        seen = Seen(
            method=request.method,
            target=request.raw_path,
            path=request.raw_path.partition("?")[0],
            query=dict(request.query),
            headers=request.headers.copy(),
            body=orjson.loads(content) if content else None,
            connection=id(request.transport),
        )
        server.seen.append(seen)
        result = handler(seen)
        return result if isinstance(result, web.Response) else await result

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server = Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", port)
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_serving(talk: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that answers with what `talk` writes, HTTP or not."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            await talk(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


def endpoints_at(url: str) -> Endpoints:
    return Endpoints(url, dict.fromkeys(SERVICES, url))


def listing(server_url: str, services: tuple[str, ...] = SERVICES) -> web.Response:
    """Return the response of discovery if all services have one address."""
    address = server_url.partition("://")[2]
    return answer({"endpoints": [{"id": service, "address": address} for service in services]})


@asynccontextmanager
async def client_of(
    url: str, tokens: TokenSource | None = None, clock: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[HttpClient]:
    async with open_transport({}, version=VERSION, clock=clock) as transport:
        yield HttpClient(transport, endpoints_at(url), tokens or FixedToken("t1.secret-token", "YC_IAM_TOKEN"))
