"""The way back of each unit, planned with the way forth: what a rollback could do, seen before anything is changed.

What is read: the runtimes that Versions can be made with, and the secrets and service accounts of the Versions that are
live now. What nobody tells, for lack of a right, counts as there.
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
    """Say of each unit that changes something how that could be taken back. `demanded`: what could not be taken back
    whole is blocked, but for functions that are `agreed` to, by key or name.

    Raises `InterruptedRunError` where the token is not accepted.
    """
    bases = {unit.key: base for unit in plan.units if (base := _base(unit, live)) is not None}
    known = _Known()
    if bases:
        await known.read(world, live, bases.values())
    units = (replace(unit, way_back=_way_back(unit, bases.get(unit.key), known)) for unit in plan.units)
    return Plan(tuple(_demanded(unit, agreed) if demanded else unit for unit in units))


def _base(unit: Unit, live: LiveState) -> Version | None:
    """Give the Version that a unit's new one is to take the place of."""
    makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
    return live.latest(unit.function_id) if makes and unit.function_id is not None else None


def _way_back(unit: Unit, base: Version | None, known: _Known) -> WayBack | None:
    """Say how a unit comes back.

    | the unit                                        | its way back                    |
    | ---                                             | ---                             |
    | changes nothing                                 |                                 |
    | creates the Function, or its first Version      | stays                           |
    | moves tags or own settings alone                | tags only, which is all of it   |
    | makes a Version in place of one that can be made again | copy                     |
    | makes a Version in place of any other one       | tags only or none, and why      |
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
        f"it could not be rolled back whole ({way.kind}): {way.why}",
        kind=NO_WAY_BACK,
        advice=f"deploy it all the same with --no-way-back {quoted(unit.key)}, or leave it out",
    )
    return replace(unit, action=Action.BLOCKED, reason=refused.message, failure=refused, changes=())


class _Known:
    """What was read of runtimes, secrets and accounts."""

    def __init__(self) -> None:
        self._runtimes: tuple[str, ...] = ()
        self._secrets: dict[str, dict[str, SecretVersion] | None] = {}  # None: there is no such secret
        self._gone: set[str] = set()  # ids of service accounts
        self._clouds_own: set[tuple[str, str]] = set()  # unknown fields, and their values

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
        """Say why a Version could not be made again as it is."""
        if not base.is_active:
            yield f"{base.id}, which is live, is {base.status}"
        if unreadable := unreadable_fields(base.raw):
            yield f"settings of {base.id} cannot be read: {', '.join(unreadable)}"
        values = unknown_values(base.raw)
        if unknown := [
            name for name in sorted(values) if any((name, one) not in self._clouds_own for one in values[name])
        ]:
            yield f"{base.id} has settings that this program does not know: {', '.join(unknown)}"
        if self._runtimes and base.runtime not in self._runtimes:
            yield f"versions with runtime {base.runtime} cannot be made any more"
        settings = settings_of(base)
        yield from filter(None, map(self._secret, settings.secrets))
        yield from (f"service account {one} is gone" for one in _accounts(settings) if one in self._gone)

    def _secret(self, secret: Secret) -> str:
        """Say why a new Version could not name a secret, "" where it could or nobody tells."""
        versions = self._secrets.get(secret.id or "", {})
        if versions is None:
            return f"secret {secret.id} is gone"
        if not versions or not secret.version_id:
            return ""
        version = versions.get(secret.version_id)
        if version is not None and version.is_active:
            return ""
        return (
            f"version {secret.version_id} of secret {secret.id} is {version.status if version is not None else 'gone'}"
        )


def _clouds_own(bases: Iterable[Version], live: LiveState) -> set[tuple[str, str]]:
    """Find the fields that this program does not know and did not send: those of Versions that it has made itself, but
    for a rollback's copies, which are sent them. A new Version gets them as well.
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
