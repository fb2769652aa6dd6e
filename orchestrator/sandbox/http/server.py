"""The memory cloud behind HTTP, on loopback: the API, IAM, the metadata service and Object Storage on one port."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from aiohttp import web

from orchestrator.errors import Code, StartError
from orchestrator.journal.folder import make_private_folder
from orchestrator.sandbox.http import routes, s3
from orchestrator.sandbox.http.api import Api, cut
from orchestrator.sandbox.http.calls_route import PREFIX, add_calls
from orchestrator.sandbox.http.iam import TOKEN_LIFETIME_S, KnownKey, Tokens, credentials_of
from orchestrator.sandbox.http.seeds import let_age, make_functions
from orchestrator.sandbox.http.state_file import StateFile
from orchestrator.sandbox.memory.cloud import MemoryCloud
from orchestrator.sandbox.memory.cloud_state import State
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Distribution, Faults, Trouble
from orchestrator.sandbox.memory.objects import Objects, RefusedError
from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.sandbox.memory.seeded import Seeds
from orchestrator.sandbox.processes.handlers_log import HandlersLog
from orchestrator.sandbox.processes.invoker import invoking
from orchestrator.sandbox.processes.packages import KeptPackages

HANDLERS_LOG = "handlers.ndjson"  # in the state folder
HOST = "127.0.0.1"
_BODY_MAX_BYTES = 64 << 20
_READERS = 2  # threads that read large packages
_METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"

_SLOW_DOWN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
_DENIED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a sandbox. `state_dir` None: everything in memory. `buckets` exist from the start."""

    port: int = 0
    state_dir: Path | None = None
    latency_s: float = 0.0
    durations: Distribution = field(default_factory=Distribution)
    faults: Faults = field(default_factory=Faults)
    quotas: Quotas = field(default_factory=Quotas)
    settings: CloudSettings = field(default_factory=CloudSettings)
    seeds: Seeds = field(default_factory=Seeds)
    seed_files: tuple[Path, ...] = ()
    functions: tuple[Mapping[str, Any], ...] = ()  # that exist from the start, as in seed files
    aged: Mapping[str, str] = field(default_factory=dict)  # version ID → OBSOLETE or GONE
    tokens: Mapping[str, str] = field(default_factory=dict)  # token → its subject; they never expire
    buckets: tuple[str, ...] = ()
    token_lifetime_s: float = TOKEN_LIFETIME_S
    clock: Callable[[], float] = time.time
    record: Path | None = None  # see `Api`


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that is listening. `key`: its authorized key file. `static_key`: its key for Object Storage."""

    url: str
    cloud: MemoryCloud
    objects: Objects
    tokens: Tokens
    key: Mapping[str, str]
    static_key: Mapping[str, str]
    log: HandlersLog

    @property
    def invoke_url(self) -> str:
        """The URL for calls of Functions, without /ID."""
        return self.url + PREFIX


@asynccontextmanager
async def open_sandbox(options: Options) -> AsyncIterator[Sandbox]:
    """Listen until the block ends. Raises `StartError` if the port or the state folder cannot be used."""
    folder, clock = options.state_dir, options.clock
    key, static_key = credentials_of(folder, clock())
    store = StateFile(folder / "sandbox.db") if folder else None
    temporary: Path | None = None
    try:
        temporary = _unpacking_folder(folder)
        rng = random.Random()
        objects = _objects(folder, options.buckets)
        packages = KeptPackages((folder or temporary) / "packages", objects.get)
        cloud = MemoryCloud(
            clock=clock, rng=rng, objects=objects.get, durations=options.durations, quotas=options.quotas,
            settings=options.settings, faults=options.faults, seeds=options.seeds,
            state=State(store.load() if store else ()), keep=packages.keep,
        )  # fmt: skip
        packages.forget_others({str(code.get("sha256")) for code in cloud.state.codes.values()})
        make_functions(cloud, options.functions)
        let_age(cloud, options.aged)
        tokens = Tokens(
            secret=hashlib.sha256(key["private_key"].encode()).digest(),
            clock=clock,
            keys=[KnownKey(key["id"], key["service_account_id"], key["public_key"])],
            lifetime_s=options.token_lifetime_s,
            given=options.tokens,
        )

        def saved() -> None:
            changes = cloud.state.changes()
            if store is not None:
                store.save(changes)

        api = Api(cloud, tokens, latency_s=options.latency_s, saved=saved, rng=rng, record=options.record)
        app = _app(cloud, api, tokens, objects, static_key, clock)
        add_calls(app, cloud, tokens, options.latency_s, options.record)
        log = HandlersLog(clock, folder / HANDLERS_LOG if folder else None)
        async with (
            invoking(temporary, packages, log, tokens.metadata) as invoker,
            _listening(app, options.port) as port,
        ):
            sandbox = Sandbox(f"http://{HOST}:{port}", cloud, objects, tokens, key, static_key, log)
            cloud.serve_calls_at(sandbox.invoke_url)
            cloud.invocations.invoker, cloud.invocations.spawn = invoker, invoker.spawn
            yield sandbox
        cloud.settle()
        saved()
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if store is not None:
            store.close()


def _unpacking_folder(folder: Path | None) -> Path:
    """Create a fresh folder for unpacked code; one that a killed sandbox left is deleted. Raises `StartError`."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="orchestrator-sandbox-"))
    found = folder / "unpacked"
    try:
        shutil.rmtree(found, ignore_errors=True)
        make_private_folder(found)
    except OSError as error:
        raise StartError(
            f"the sandbox's {found} cannot be used: {error.strerror}",
            advice="fix or remove that folder, or use another state folder",
        ) from error
    return found


def _objects(folder: Path | None, buckets: tuple[str, ...]) -> Objects:
    try:
        return Objects(folder / "objects" if folder else None, buckets)
    except RefusedError as error:
        raise StartError(
            f"the sandbox cannot have the buckets {', '.join(buckets)}: {error}",
            advice="use other names with --bucket",
        ) from error
    except OSError as error:
        raise StartError(
            f"the sandbox's objects in {folder} cannot be used: {error.strerror}",
            advice="fix or remove that folder, or use another state folder",
        ) from error


@web.middleware
async def _hung_up(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer nothing to a client that has hung up in its request; aiohttp would log a traceback."""
    try:
        return await handler(request)
    except ConnectionResetError:
        return cut(request)


def _app(
    cloud: MemoryCloud,
    api: Api,
    tokens: Tokens,
    objects: Objects,
    static_key: Mapping[str, str],
    clock: Callable[[], float],
) -> web.Application:
    app = web.Application(client_max_size=_BODY_MAX_BYTES, middlewares=[_hung_up])
    app.router.add_get(_METADATA_PATH, _metadata(tokens))
    api.add(app, *routes.open_routes(tokens), *routes.functions(cloud))
    api.add(app, *routes.versions(cloud, objects, anyio.CapacityLimiter(_READERS)))
    api.add(app, *routes.operations(cloud), *routes.directory(cloud), *routes.unknown())
    s3.add_routes(
        app,
        objects,
        secret_of=lambda key_id: static_key["secret_key"] if key_id == static_key["access_key"] else None,
        bearer_ok=lambda token: tokens.subject(token) is not None,
        fault=_storage_fault(cloud),
        clock=clock,
    )
    return app


def _metadata(tokens: Tokens) -> s3.Handler:
    async def handle(request: web.Request) -> web.Response:
        if request.headers.get("Metadata-Flavor") != "Google":
            raise web.HTTPForbidden(text="Missing Metadata-Flavor:Google header.")
        return web.json_response(tokens.metadata("ajesandboxmachine000"))

    return handle


def _storage_fault(cloud: MemoryCloud) -> s3.Fault:
    """Return the faults of Object Storage, drawn as for any call ("put object", "head bucket") before it is carried
    out.
    """

    async def meet(request: web.Request) -> web.StreamResponse | None:
        what = "object" if request.match_info.get("key") else "bucket"
        trouble: Trouble = cloud.faults.trouble(f"{request.method.lower()} {what}")
        if trouble.delay_s:
            await anyio.sleep(trouble.delay_s)
        if trouble.lost:
            return cut(request)
        if trouble.refusal is None:
            return None
        status, text = (403, _DENIED) if trouble.refusal.code is Code.PERMISSION_DENIED else (503, _SLOW_DOWN)
        response = web.Response(status=status, text=text, content_type="application/xml")
        response.force_close()  # the body was not read
        return response

    return meet


@asynccontextmanager
async def _listening(app: web.Application, port: int) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            site = web.TCPSite(runner, HOST, port)
            await site.start()
        except OSError as error:
            raise StartError(
                f"the sandbox cannot listen on {HOST}:{port}: {error.strerror}", advice="use another --port"
            ) from error
        yield int(runner.addresses[0][1])
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
