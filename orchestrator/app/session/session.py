"""Everything that a run works with, opened in an order that reports every problem before anything is sent."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio

from orchestrator import __version__
from orchestrator.app.session.identity import reaching_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.bucket import names_an_object, object_store
from orchestrator.app.session.opening.embedded import served_sandbox
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import SANDBOX, address_of, environ_of_commands, storage_of
from orchestrator.cloud.connect import Connection, connect
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.commands.local import LocalCommands
from orchestrator.coordination.local_lock import LocalLock, lock
from orchestrator.engine.knowledge import Knowledge, from_json
from orchestrator.engine.world import World
from orchestrator.errors import JournalError
from orchestrator.journal.digest import EndedRuns
from orchestrator.journal.folder import make_state_dir
from orchestrator.journal.store import open_store
from orchestrator.manifest.variables.given_by import source_of
from orchestrator.model import Build, CloudAddress, FunctionSpec, Manifest, SourceCode
from orchestrator.model.units import as_duration
from orchestrator.package.digests import PACKAGES
from orchestrator.package.packager import ZipPackager
from orchestrator.package.project import Surroundings
from orchestrator.report.display.outlook import Outlook
from orchestrator.report.messages import Messages
from orchestrator.report.views import BuildRow
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.stop import Stop


@dataclass(frozen=True, slots=True)
class Session:
    """What one run works with."""

    request: Request
    connection: Connection
    world: World
    stop: Stop
    run_id: str
    messages: Messages
    endpoint: str  # as in the journal: "sandbox", or the installation's
    locks: Sequence[LocalLock]  # those that the invocation holds so far
    outlook: Outlook
    again: set[str] = field(default_factory=set)  # functions to deploy although they were rolled back
    ended_runs: EndedRuns = field(default_factory=EndedRuns)  # whose records were read
    begun: list[str] = field(default_factory=list)  # the invocation's: runs of which the journal has the first record
    ended: list[str] = field(default_factory=list)  # likewise: those that have reported their end

    def hide(self, specs: Iterable[FunctionSpec]) -> None:
        """Redact the secret values of these functions everywhere, even where the cloud repeats them, and give the CI
        output the places of functions.
        """
        for spec in specs:
            self.messages.outlet.redactor.add_function(spec)
            self.messages.ci.places[spec.key] = spec.place


async def hold_lock(invocation: Invocation, request: Request) -> None:
    """Become the only run of this state folder. Raises `LockHeldError`, `JournalError`."""
    options = request.options
    held = lock(request.state_dir, verb=request.what, timeout_s=options.lock_timeout_s)
    invocation.locks.append(await invocation.stack.enter_async_context(held))


async def open_session(invocation: Invocation, request: Request) -> Session:
    """Connect, and report the warnings of the connection. With --sandbox the lock is held. Raises `StartError`."""
    stack = invocation.stack
    options, manifest, state_dir = request.options, request.manifest, request.state_dir
    make_state_dir(state_dir)
    address, storage = address_of(manifest, options.endpoint), storage_of(manifest, options.bucket)
    clean_endpoint(address.endpoint, check=source_of("--endpoint", options.endpoint))
    if options.sandbox:
        served = await stack.enter_async_context(
            served_sandbox(state_dir, [storage.bucket] if storage.bucket else [], manifest)
        )
        address = CloudAddress(served.endpoint, address.folder_id, address.cloud_id)

    def say_waits(seconds: float, why: str) -> None:  # until a run begins and records them
        invocation.messages.say(f"waiting for {as_duration(round(seconds))}: {why}")

    patience_s = options.start_timeout_s
    connection = await stack.enter_async_context(
        connect(address, request.environ, version=__version__, patience_s=patience_s, waits=say_waits)
    )
    for warning in connection.warnings:
        invocation.messages.warn(warning)
    packager = await open_packager(invocation, request)
    store = None
    if storage.bucket is not None or any(map(names_an_object, manifest.functions.values())):
        store = await stack.enter_async_context(object_store(connection, request.environ))
    world = World(
        functions=connection.functions,
        operations=connection.operations,
        directory=connection.directory,
        store=store,
        packager=packager,
        clock=time.time,
        server_time=connection.client.server_time,
        rng=random.Random(),
        storage=storage,
        limits=manifest.limits,
        cloud_id=address.cloud_id,
        outage=Outage(options.max_outage_s),
        invocations=connection.calls(address.invoke_endpoint),
        commands=LocalCommands(environ_of_commands(manifest)),
        run_id=new_run_id(),
        environment=manifest.environment,
        outlet=invocation.messages.outlet,
    )
    world.outage.waits = say_waits
    endpoint = SANDBOX if options.sandbox else connection.endpoint
    reaching = reaching_of(request.identity.manifest, options.state_dir, endpoint)
    world = replace(world, knowledge=_knowledge(state_dir, endpoint), reaching=reaching)
    return Session(
        request, connection, world, invocation.stop, world.run_id, invocation.messages, endpoint,
        invocation.locks, Outlook(world.knowledge.durations), begun=invocation.begun,
        ended=invocation.ended,
    )  # fmt: skip


async def open_packager(invocation: Invocation, request: Request) -> ZipPackager:
    """Prepare to build and pack, with progress of builds. Raises `StartError`."""
    manifest, messages = request.manifest, invocation.messages
    around = Surroundings.of(manifest.path.parent, (*manifest.files, request.state_dir))
    packages = request.state_dir / PACKAGES
    packager = ZipPackager(
        packages, surroundings=around, tell=messages.mention, shown=messages.is_live,
        environ=environ_of_commands(manifest), environment=manifest.environment,
    )  # fmt: skip
    await invocation.stack.enter_async_context(packager)
    messages.builds = partial(build_rows, packager, manifest)
    return packager


def build_rows(packager: ZipPackager, manifest: Manifest) -> list[BuildRow]:
    """Return the running builds, with the functions that wait for them."""
    now, rows = anyio.current_time(), []
    for one in packager.building:
        waiting = [
            spec.key
            for spec in manifest.functions.values()
            if isinstance(spec.code, SourceCode) and spec.code.build is not None and _same(spec.code.build, one.build)
        ]
        more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        rows.append(BuildRow(f"{waiting[0] if waiting else one.label}{more}", now - one.began_at, one.last_line()))
    return rows


def _same(one: Build, other: Build) -> bool:
    return (one.folder, one.command) == (other.folder, other.command)


def new_run_id() -> str:
    """Return an ID that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


def _knowledge(state_dir: Path, endpoint: str) -> Knowledge:
    try:
        with open_store(state_dir, read_only=True) as store:
            return from_json(store.knowledge(endpoint))
    except JournalError:  # reported where the journal is needed
        return Knowledge()
