"""Resolves names to IDs: service accounts and secrets given by name, and the latest versions of secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from orchestrator.errors import CloudError
from orchestrator.model import NONE_LEFT, AsLive, Failure, Function, FunctionSpec, Secret
from orchestrator.model.live_state import LiveState
from orchestrator.planning.meant import find
from orchestrator.ports import Reading
from orchestrator.resilience import failure, policy
from orchestrator.resilience.groups import each

_NOTHING_LIVE = LiveState()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The specs with IDs in place of names, and those with a name that could not be resolved."""

    specs: dict[str, FunctionSpec] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)


async def resolve_names(world: Reading, specs: Mapping[str, FunctionSpec], live: LiveState = _NOTHING_LIVE) -> Resolved:
    """Resolve service accounts and secrets that are given by name, and the latest versions of secrets. Payloads are
    never read. An unresolved name stops only that function. `live`: what a function leaves as it is live there is not
    looked up. Raises `CloudError` if the token is not accepted.
    """
    resolver = _Resolver(world)
    resolved = Resolved()

    async def resolve(key: str) -> None:
        try:
            resolved.specs[key] = await resolver.spec(specs[key], _left(specs[key], live))
        except _UnresolvedError as error:
            resolved.specs[key] = specs[key]
            resolved.failures[key] = error.failure

    await each(specs, resolve, at_once=8)
    return Resolved({key: resolved.specs[key] for key in specs}, resolved.failures)


def _left(spec: FunctionSpec, live: LiveState) -> AsLive:
    """Return what a function leaves as it is live, and is live."""
    found = find(spec, live) if spec.as_live else None
    there = isinstance(found, Function) and live.latest(found.id) is not None
    return spec.as_live if there else NONE_LEFT


class _UnresolvedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Resolver:
    """Looks each name up once."""

    def __init__(self, world: Reading) -> None:
        self._world = world
        self._known: dict[tuple[str, ...], str | _UnresolvedError | None] = {}
        self._asking: dict[tuple[str, ...], anyio.Lock] = {}

    async def spec(self, spec: FunctionSpec, left: AsLive) -> FunctionSpec:
        settings = spec.settings
        if settings.service_account is not None and not left.has("service_account_id"):
            account = await self._account(spec.folder_id, settings.service_account)
            settings = replace(settings, service_account_id=account, service_account=None)
        if settings.secrets:
            secrets = tuple(
                [
                    secret
                    if left.has("secrets", secret.environment_variable)
                    else await self._secret(spec.folder_id, secret)
                    for secret in settings.secrets
                ]
            )
            settings = replace(settings, secrets=secrets)
        return spec if settings is spec.settings else replace(spec, settings=settings)

    async def _account(self, folder_id: str, name: str) -> str:
        directory = self._world.directory
        found = await self._once(
            ("account", folder_id, name), partial(directory.service_account_by_name, folder_id, name)
        )
        if found is None:
            message = f'folder {folder_id} has no service account named "{name}"'
            raise _UnresolvedError(
                Failure(message, kind="name", advice=("correct `service_account`, or give the account's ID"))
            )
        return found

    async def _secret(self, folder_id: str, secret: Secret) -> Secret:
        directory, secret_id = self._world.directory, secret.id
        if secret_id is None:
            name = secret.name or ""
            secret_id = await self._once(
                ("secret", folder_id, name), partial(directory.secret_by_name, folder_id, name)
            )
            if secret_id is None:
                message = f'folder {folder_id} has no secret named "{name}"'
                raise _UnresolvedError(
                    Failure(message, kind="name", advice="correct the secret's `name`, or give its `id`")
                )
        version_id = secret.version_id
        if version_id in (None, "latest"):
            version_id = await self._once(("version", secret_id), partial(directory.latest_secret_version, secret_id))
        return replace(secret, id=secret_id, name=None, version_id=version_id)

    async def _once(self, key: tuple[str, ...], ask: Callable[[], Awaitable[str | None]]) -> str | None:
        async with self._asking.setdefault(key, anyio.Lock()):
            if key not in self._known:
                try:
                    self._known[key] = await self._world.read(ask)
                except CloudError as error:
                    if policy.judge(error) is policy.ErrorClass.TOKEN:
                        raise
                    self._known[key] = _UnresolvedError(failure.of_call(error))
            found = self._known[key]
            if isinstance(found, _UnresolvedError):
                raise _UnresolvedError(found.failure)
            return found
