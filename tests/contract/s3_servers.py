"""S3 servers on loopback for the ObjectStore contract: the sandbox's, and one that sends scripted answers."""

from __future__ import annotations

import fcntl
import hashlib
import socket
import socketserver
import ssl
import sys
import termios
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import boto3
from aiohttp import web
from anyio.from_thread import start_blocking_portal
from botocore.config import Config

from orchestrator.cloud.keys import StaticKeys
from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.model import Package
from orchestrator.ports import ObjectStore
from orchestrator.sandbox.http.s3 import add_routes
from orchestrator.sandbox.memory.adapters import MemoryObjectStore, Wire
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.objects import Objects

BUCKET = "deploy-packages"
ACCESS_KEY = "YCAJEexampleexampleexample"
SECRET_KEY = "YCMexample-example-example-example-example"
TOKEN = "t1.9euelZexample.example-signature"


class Stores(Protocol):
    """Provides ObjectStores with the bucket `BUCKET`, and lets a test inspect them."""

    def store(self) -> AbstractAsyncContextManager[ObjectStore]: ...
    def sha256(self, key: str) -> str | None: ...
    def keys(self, prefix: str) -> list[str]: ...


@dataclass(frozen=True)
class Memory:
    """The store that simulations use."""

    objects: Objects = field(default_factory=lambda: Objects(None, [BUCKET]))

    @asynccontextmanager
    async def store(self) -> AsyncIterator[ObjectStore]:
        yield MemoryObjectStore(Wire(MemoryCloud(clock=lambda: 0.0), latency_s=0.0), self.objects)

    def sha256(self, key: str) -> str | None:
        body = self.objects.get(BUCKET, key)
        return hashlib.sha256(body).hexdigest() if isinstance(body, bytes) else None

    def keys(self, prefix: str) -> list[str]:
        return [stored.key for stored in self.objects.list(BUCKET, prefix).objects]


@dataclass(frozen=True)
class Service:
    """A running S3 service with the bucket `BUCKET`, which the static keys may use."""

    url: str

    def store(self, access: str = ACCESS_KEY, secret: str = SECRET_KEY) -> S3ObjectStore:
        return S3ObjectStore(self.url, credentials=StaticKeys(access, secret), environ={})

    def sha256(self, key: str) -> str | None:
        """Return the digest of an object's bytes as another client reads them, None if there is no object."""
        client = self._client()
        digest = hashlib.sha256()
        try:
            for chunk in client.get_object(Bucket=BUCKET, Key=key)["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
        except client.exceptions.NoSuchKey:
            return None
        finally:
            client.close()
        return digest.hexdigest()

    def keys(self, prefix: str) -> list[str]:
        client = self._client()
        try:
            return [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
        finally:
            client.close()

    def _client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=self.url, region_name="ru-central1", aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY, config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip


def package(folder: Path, size_bytes: int = 3000, fill: bytes = b"zip") -> Package:
    """Create a file that begins with `fill` and is sparse otherwise."""
    path = folder / f"{size_bytes}-{fill.hex()[:16]}.zip"
    with path.open("wb") as file:
        file.write(fill)
        file.truncate(size_bytes)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Package(path, sha256, size_bytes, "tree")


@contextmanager
def sandbox(folder: Path | None = None, bearer_ok: Callable[[str], bool] = TOKEN.__eq__) -> Iterator[Service]:
    """Serve only the sandbox's S3 routes, from an event loop in a thread."""
    serving = _serving(Objects(folder, [BUCKET]), bearer_ok)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving) as url:
        yield Service(url)


@asynccontextmanager
async def _serving(objects: Objects, bearer_ok: Callable[[str], bool]) -> AsyncIterator[str]:
    app = web.Application()
    add_routes(app, objects, secret_of={ACCESS_KEY: SECRET_KEY}.get, bearer_ok=bearer_ok)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@dataclass
class Scripted:
    """A server that keeps what it was sent and sends the test's answers, byte for byte.

    `read_bytes`: how much of a body it reads before it hangs up (None: all of it). `hang`: it answers nothing until
    this is set.
    """

    answers: list[bytes]
    read_bytes: int | None = None
    continues: bool = True  # sends 100 Continue if requested
    cut: bool = False  # hangs up in the headers of that
    closes: bool = False  # hangs up after each answer
    hang: threading.Event | None = None
    swallow: bool = False  # reads the whole body before it hangs, otherwise nothing of it
    url: str = ""
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)

    def headers(self, number: int = -1) -> dict[str, str]:
        """Return the headers of a request, with names in lower case."""
        lines = self.heads[number].split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name}

    def serve(self, connection: socket.socket, file: BinaryIO) -> bool:
        """Serve one request. False: hang up."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return False
            head += line
        self.heads.append(head.decode().removesuffix("\r\n\r\n"))
        if self.headers().get("expect") and self.cut:
            connection.sendall(b"HTTP/1.1 100 Continue\r\nServer: scri")
            return False
        if self.headers().get("expect") and self.continues:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(self.headers().get("content-length", "0"))
        if self.hang is not None:
            if self.swallow:
                file.read(length)
            elif length:
                _wait_until_it_is_full(connection)
            self.hanging.set()
            self.hang.wait(100)
            return False
        if self.read_bytes is not None:
            file.read(min(self.read_bytes, length))
            return False
        self.bodies.append(file.read(length) if self.continues or "expect" not in self.headers() else b"")
        connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        return not self.closes


def _wait_until_it_is_full(connection: socket.socket) -> None:
    """Wait until no more bytes arrive in the socket's buffer: by then the sender is blocked."""
    counts = [-1]
    while len(counts) < 5 or counts[-1] <= 0 or len(set(counts[-5:])) > 1:
        time.sleep(0.02)
        waiting = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4))
        counts.append(int.from_bytes(waiting, sys.byteorder))


def answer(status: str, body: str = "", *headers: str) -> bytes:
    """Return one HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def refusal(status: str, code: str, *headers: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said so</Message><RequestId>r1</RequestId></Error>"
    return answer(status, body, "Content-Type: application/xml", *headers)


@contextmanager
def scripted(*answers: bytes, tls: ssl.SSLContext | None = None, **how: Any) -> Iterator[Scripted]:
    script = Scripted(list(answers), **how)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), self.request.makefile("rb") as file:
                while script.serve(self.request, file):
                    pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False  # the server waits for them at its end

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            if tls is None:
                return connection, address
            # The handshake happens with the first read, in the connection's own thread.
            return tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    with Server(("127.0.0.1", 0), Handler) as server:
        script.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            if script.hang is not None:
                script.hang.set()
            server.shutdown()
            thread.join()
