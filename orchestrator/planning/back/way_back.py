"""The way back of each unit: what a rollback could restore, worked out before anything is changed.

This reads the available runtimes, and the secrets and service accounts of the live Versions. What this account may not
read counts as available.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from shlex import quote as quoted

from orchestrator.errors import CloudError, Code
from orchestrator.model import (
    LATEST,
    Action,
    ChangeKind,
    Failure,
    Plan,
    Secret,
    SecretVersion,
    Settings,
    Unit,
    Version,
    WayBack,
    WayBackKind,
)
from orchestrator.model.live_state import LiveState
from orchestrator.ports import Reading
from orchestrator.resilience import failure
from orchestrator.resilience.groups import each
from orchestrator.version.copy import settings_of, unknown_values, unreadable_fields
from orchestrator.version.history import EMPTY, histories
from orchestrator.version.stamp import read_back_mark, read_stamp

NO_WAY_BACK = "no way back"  # the kind of failure
_AT_ONCE = 8


async def with_ways_back(
    world: Reading, plan: Plan, live: LiveState, *, demanded: bool = False, agreed: Container[str] = ()
) -> Plan:
    """Add to each changing unit how it could be rolled back. `demanded`: block what could not be rolled back
    completely, except for functions in `agreed`, by key or name. Raises `InterruptedRunError` if the token is not
    accepted.
    """
    bases = {unit.key: base for unit in plan.units if (base := _base(unit, live)) is not None}
    known = _Known()
    if bases:
        await known.read(world, live, bases.values())
    units = (replace(unit, way_back=_way_back(unit, bases.get(unit.key), known)) for unit in plan.units)
    return Plan(tuple(_demanded(unit, agreed) if demanded else unit for unit in units))


def _base(unit: Unit, live: LiveState) -> Version | None:
    """Return the Version that a unit's new one replaces."""
    makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
    return live.latest(unit.function_id) if makes and unit.function_id is not None else None


def _way_back(unit: Unit, base: Version | None, known: _Known) -> WayBack | None:
    """Return how a unit can be rolled back.

    | the unit                                      | its way back                |
    | ---                                           | ---                         |
    | changes nothing                               |                             |
    | creates the Function, or its first Version    | stays                       |
    | moves only tags, or changes only own settings | tags only: this is complete |
    | replaces a Version that can be made again     | copy                        |
    | replaces any other Version                    | tags only or none, and why  |
    """
    kinds = {change.kind for change in unit.changes} - {ChangeKind.VERIFY}
    if not kinds:
        return None
    if ChangeKind.FUNCTION in kinds or (ChangeKind.VERSION in kinds and base is None):
        return WayBack(WayBackKind.STAYS)
    if base is None:
        return WayBack(WayBackKind.TAGS)
    why = next(known.missing(base), "")
    if not why:
        return WayBack(WayBackKind.COPY)
    tags = any(tag != LATEST for change in unit.changes for tag in change.before)
    return WayBack(WayBackKind.TAGS if tags else WayBackKind.NONE, why)


def _demanded(unit: Unit, agreed: Container[str]) -> Unit:
    way = unit.way_back
    if way is None or way.is_whole or unit.action is Action.BLOCKED or unit.key in agreed or unit.spec.name in agreed:
        return unit
    refused = Failure(
        f"it could not be rolled back completely ({way.kind}): {way.why}",
        kind=NO_WAY_BACK,
        advice=f"deploy it anyway with --no-way-back {quoted(unit.key)}, or leave it out",
    )
    return replace(unit, action=Action.BLOCKED, reason=refused.message, failure=refused, changes=())


class _Known:
    """What was read about runtimes, secrets and accounts."""

    def __init__(self) -> None:
        self._runtimes: tuple[str, ...] = ()
        self._secrets: dict[str, dict[str, SecretVersion] | None] = {}  # None: the secret does not exist
        self._gone: set[str] = set()  # IDs of service accounts
        self._clouds_own: set[tuple[str, str]] = set()  # unknown fields and their values

    async def read(self, world: Reading, live: LiveState, bases: Iterable[Version]) -> None:
        bases = list(bases)
        self._clouds_own = _clouds_own(bases, live)
        self._runtimes = live.runtimes
        if not self._runtimes:
            with suppress(CloudError):
                self._runtimes = await world.read(world.functions.list_runtimes)
        settings = [settings_of(base) for base in bases]
        secrets = {secret.id for one in settings for secret in one.secrets if secret.id}
        accounts = {account for one in settings for account in _accounts(one)}

        async def secret(secret_id: str) -> None:
            try:
                versions = await world.read(partial(world.directory.secret_versions, secret_id))
            except CloudError as error:
                failure.unless_token(error)
                if error.code is Code.NOT_FOUND:
                    self._secrets[secret_id] = None
            else:
                self._secrets[secret_id] = {version.id: version for version in versions}

        async def account(account_id: str) -> None:
            try:
                if await world.read(partial(world.directory.service_account, account_id)) is None:
                    self._gone.add(account_id)
            except CloudError as error:
                failure.unless_token(error)

        await each(sorted(secrets), secret, at_once=_AT_ONCE)
        await each(sorted(accounts), account, at_once=_AT_ONCE)

    def missing(self, base: Version) -> Iterator[str]:
        """Yield the reasons why a Version could not be made again as it is."""
        if not base.is_active:
            yield f"the live version {base.id} is {base.status}"
        if unreadable := unreadable_fields(base.raw):
            yield f"settings of {base.id} cannot be read: {', '.join(unreadable)}"
        values = unknown_values(base.raw)
        if unknown := [
            name for name in sorted(values) if any((name, one) not in self._clouds_own for one in values[name])
        ]:
            yield f"{base.id} has settings that this program does not know: {', '.join(unknown)}"
        if self._runtimes and base.runtime not in self._runtimes:
            yield f"the cloud no longer makes versions with runtime {base.runtime}"
        settings = settings_of(base)
        yield from filter(None, map(self._secret, settings.secrets))
        yield from (f"service account {one} was deleted" for one in _accounts(settings) if one in self._gone)

    def _secret(self, secret: Secret) -> str:
        """Return why a new Version could not use a secret, "" if it could or nothing is known."""
        versions = self._secrets.get(secret.id or "", {})
        if versions is None:
            return f"secret {secret.id} was deleted"
        if not versions or not secret.version_id:
            return ""
        version = versions.get(secret.version_id)
        if version is not None and version.is_active:
            return ""
        status = version.status if version is not None else "deleted"
        return f"version {secret.version_id} of secret {secret.id} is {status}"


def _clouds_own(bases: Iterable[Version], live: LiveState) -> set[tuple[str, str]]:
    """Return the fields that this program does not know and did not send: those of its own Versions, except copies by a
    rollback, which were sent them. A new Version has them too.
    """
    ours = [base for base in bases if read_stamp(base.description) and not read_back_mark(base.description)]
    found = [(base, values) for base in ours if (values := unknown_values(base.raw))]
    known = histories(live) if found else {}
    return {
        (name, value)
        for base, values in found
        if known.get(base.function_id, EMPTY).doubt(base) is None
        for name in values
        for value in values[name]
    }


def _accounts(settings: Settings) -> Iterator[str]:
    if settings.service_account_id:
        yield settings.service_account_id
    yield from settings.named_service_accounts.values()
    invocation = settings.async_invocation
    if invocation is not None:
        for one in (invocation, invocation.success, invocation.failure):
            if one.service_account_id:
                yield one.service_account_id
