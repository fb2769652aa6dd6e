"""What `import` reads: the functions of folders or of a whole cloud, and the names of the IDs in their settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from orchestrator.app.session.importing.entries import KnownNames
from orchestrator.app.session.planning import cannot_read
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, InterruptedRunError, StartError, UsageError
from orchestrator.function.fields import FUNCTION_FIELDS
from orchestrator.job.inventory import LiveFunction, inventory, matching_live
from orchestrator.model import ChangeKind
from orchestrator.planning.live import read_live
from orchestrator.planning.own import OWN, each_own
from orchestrator.planning.selection import expanded
from orchestrator.report.plain_text import counted
from orchestrator.resilience import policy
from orchestrator.resilience.groups import each

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Found:
    """The live functions that were selected. `left_out`: by name, the functions that cannot be written, and why."""

    functions: tuple[LiveFunction, ...]
    left_out: dict[str, str]


async def folders_to_read(session: Session, folders: Sequence[str], cloud_id: str | None) -> tuple[str, ...]:
    """Return the selected folders, or else the one in the environment. Raises `UsageError`."""
    if cloud_id is not None:
        try:
            found = await session.world.read(partial(session.world.directory.folders_of, cloud_id))
        except CloudError as error:
            raise cannot_read(error) from error
        if not found:
            raise UsageError(
                f"cloud {cloud_id} has no folders that are visible to this account",
                advice="check --cloud, select folders with --folder, or give the account resource-manager.viewer",
            )
        return tuple(sorted({*found, *folders}))
    own = session.request.manifest.cloud.folder_id
    if not folders and own is None:
        raise UsageError(
            "no folder to import from", advice="choose one with --folder ID, or a whole cloud with --cloud ID"
        )
    return tuple(dict.fromkeys(folders)) or (str(own),)


async def find_functions(
    session: Session, folders: Iterable[str], only: Mapping[str, str] = MappingProxyType({})
) -> Found:
    """Read the functions of folders and return those that the options select. `only`: ID → name in the source of the
    import; None for all. Raises `StartError`, `UsageError`.
    """
    options, folders = session.request.options, tuple(folders)
    session.messages.mention(f"reading the live functions of {counted(len(folders), 'folder')}")
    try:
        live = await read_live(session.world, (), whole=folders)
    except CloudError as error:
        raise cannot_read(error) from error
    functions = inventory(replace(session.request.manifest, functions={}, of_others=frozenset()), live, folders)
    left_out = {
        one.name or one.id: "it has no version yet"
        for one in live.by_id.values()
        if live.latest(one.id) is None and one.status != "DELETING"
    }
    if only:
        there = {one.function.id for one in functions}
        functions = tuple(one for one in functions if one.function.id in only)
        left_out = {
            name: "it does not exist, or has no version" for one_id, name in only.items() if one_id not in there
        }
    unready = {one.key: f"it is {one.function.status}" for one in functions if one.function.status != "ACTIVE"}
    functions = tuple(one for one in functions if one.key not in unready)
    if not functions:
        where = f"folder {folders[0]} has" if len(folders) == 1 else f"{counted(len(folders), 'folder')} have"
        raise UsageError(f"{where} no function with a version", advice="choose another one with --folder ID")
    patterns = expanded(options.patterns)
    if not (patterns or options.labels):
        return Found(functions, left_out | unready)
    chosen: Sequence[LiveFunction] = matching_live(functions, patterns, folders) if patterns else functions
    for label in options.labels:
        chosen = matching_live(chosen, [f"label:{label}"], folders)
    return Found(tuple(chosen), {})


@dataclass(frozen=True, slots=True)
class Unread:
    """Settings of functions that cannot be read. `what`: "its scaling policies"; `key`: of the manifest; `why`: in
    words.
    """

    key: str
    what: str
    why: str
    functions: tuple[str, ...]

    @property
    def words(self) -> str:
        """What is not written, and why."""
        more = len(self.functions) - _NAMED_MAX
        names = f"{', '.join(self.functions[:_NAMED_MAX])}{f' and {more} more' if more > 0 else ''}"
        return f"{self.key} of {names}: {self.what} cannot be read: {self.why}"


async def with_own_settings(
    session: Session, functions: Sequence[LiveFunction], desired: Mapping[str, Iterable[ChangeKind]] | None = None
) -> tuple[tuple[LiveFunction, ...], tuple[Unread, ...]]:
    """Read the settings of functions that no listing shows, one call for each: access and scaling. `desired`: by ID;
    None for all.

    Unreadable settings stay open and are returned too, with functions of one cause together. Raises `StartError` where
    the token is not accepted.
    """
    every = dict.fromkeys((one.function.id for one in functions), tuple(OWN))
    desired = every if desired is None else desired
    calls = sum(len([*kinds]) for kinds in desired.values())
    if calls:
        session.messages.mention(f"reading scaling policies and access bindings: {counted(calls, 'call')}")
    try:
        read, failures = await each_own(session.world, {one.function.id: one.function for one in functions}, desired)
    except InterruptedRunError as error:  # the token: there is no run that could be resumed
        raise StartError(f"the live state cannot be read: {error.message}", advice=error.advice) from error
    keys = {one.function.id: one.key for one in functions}
    causes: dict[tuple[ChangeKind, str], list[str]] = {}
    for (function_id, kind), failed in failures.items():
        why = failed.message.replace(function_id, "FUNCTION") if len(failures) > 1 else failed.message
        causes.setdefault((kind, why), []).append(keys[function_id])
    unread = [Unread(_KEYS[kind], OWN[kind], why, tuple(sorted(of))) for (kind, why), of in sorted(causes.items())]
    return tuple(replace(one, function=read[one.function.id]) for one in functions), tuple(unread)


_NAMED_MAX = 5
_KEYS = {row.kind: row.setting for row in FUNCTION_FIELDS if row.kind in OWN}


async def known_names(session: Session, functions: Sequence[LiveFunction]) -> KnownNames:
    """Return the names of the IDs in the settings of functions. An ID without a readable name stays, and is
    mentioned.
    """
    directory = session.world.directory
    with_secrets = {one.function.folder_id for one in functions if one.latest.raw.get("secrets")}
    with_accounts = {one.function.folder_id for one in functions if one.latest.raw.get("serviceAccountId")}
    unread: list[str] = []

    async def ask(what: str, call: Callable[[], Awaitable[Any]], none: Any) -> Any:
        try:
            return await session.world.read(call)
        except CloudError as error:
            if policy.judge(error) is policy.ErrorClass.TOKEN:
                raise cannot_read(error) from error
            unread.append(f"{what}: {error.message}")
            return none

    accounts: dict[tuple[str, str], str] = {}
    secrets: dict[tuple[str, str], str] = {}
    current: dict[str, str] = {}

    async def ask_accounts(folder_id: str) -> None:
        call = partial(directory.service_accounts_of, folder_id)
        accounts.update(_once(folder_id, await ask(f"service accounts of folder {folder_id}", call, ())))

    async def ask_secrets(folder_id: str) -> None:
        call = partial(directory.secrets_of, folder_id)
        secrets.update(_once(folder_id, await ask(f"secrets of folder {folder_id}", call, ())))

    async def ask_newest(secret_id: str) -> None:
        call = partial(directory.latest_secret_version, secret_id)
        current[secret_id] = await ask(f"the newest version of secret {secret_id}", call, "")

    await each(sorted(with_accounts), ask_accounts, at_once=_AT_ONCE)
    await each(sorted(with_secrets), ask_secrets, at_once=_AT_ONCE)
    await each(sorted(_secret_ids(functions)), ask_newest, at_once=_AT_ONCE)
    if unread:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        session.messages.mention(f"some IDs are kept because their names cannot be read: {unread[0]}{more}")
    return KnownNames(accounts, secrets, current)


def _once(folder_id: str, named: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the unique names. A name that occurs twice identifies nothing."""
    named = tuple(named)
    count = Counter(name for name, _ in named)
    return {(folder_id, one_id): name for name, one_id in named if name and count[name] == 1}


def _secret_ids(functions: Iterable[LiveFunction]) -> set[str]:
    found = set()
    for one in functions:
        secrets = one.latest.raw.get("secrets")
        for secret in secrets if isinstance(secrets, list) else ():
            if isinstance(secret, dict) and isinstance(secret.get("id"), str):
                found.add(secret["id"])
    return found
