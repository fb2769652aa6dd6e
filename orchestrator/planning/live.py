"""Reading what is live: whole folders in bulk, or a few functions by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, Function, FunctionSpec, Version, VersionCopy
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState, indexed
from orchestrator.ports import Reading
from orchestrator.resilience.groups import each
from orchestrator.version.stamp import read_stamp

T = TypeVar("T")

FEW = 10  # functions of one folder; up to here a few calls for each are less than all pages of the folder may be
_AT_ONCE = 8


async def read_live(
    world: Reading,
    specs: Iterable[FunctionSpec],
    *,
    whole: Iterable[str] = (),
    runtimes: bool = False,
    history: bool = False,
) -> LiveState:
    """Read what is live of the wanted functions, and of the folders in `whole` everything. `history`: every Version of
    the wanted functions, too.

    Raises `CloudError` where any of it cannot be read: a part of the truth would be taken for an empty cloud.
    """
    reader = _Reader(world, history=history)
    wanted: dict[str, list[FunctionSpec]] = {folder_id: [] for folder_id in whole}
    few: dict[str, list[FunctionSpec]] = {}
    for spec in specs:
        (wanted if spec.folder_id in wanted else few).setdefault(spec.folder_id, []).append(spec)
    many = [*wanted, *(folder_id for folder_id, some in few.items() if len(some) > FEW)]
    read_at = world.server_time()  # before the first call: whatever ended earlier is in the answers
    await each(sorted(many), reader.folder, at_once=_AT_ONCE)
    await each([spec for some in few.values() if len(some) <= FEW for spec in some], reader.one, at_once=_AT_ONCE)
    # Whether a version made by hand came after one of ours shows in the older ones alone.
    whole_too = sorted(reader.foreign - set(many)) if not history else []
    await each(whole_too, reader.folder, at_once=_AT_ONCE)
    await each(sorted({*wanted, *few}), reader.cloud, at_once=_AT_ONCE)
    known = await world.read(world.functions.list_runtimes) if runtimes else ()
    versions = reader.versions.values()
    return indexed(
        reader.functions.values(), versions, clouds=reader.clouds, runtimes=known, read_at=read_at,
        whole=(*many, *whole_too),
    )  # fmt: skip


class _Reader:
    """Collects what was read, by id."""

    def __init__(self, world: Reading, *, history: bool) -> None:
        self._world = world
        self._history = history
        self.functions: dict[str, Function] = {}
        self.versions: dict[str, Version] = {}
        self.clouds: dict[str, str] = {}
        self.foreign: set[str] = set()  # folders of functions whose `$latest` was not made by this tool

    async def folder(self, folder_id: str) -> None:
        functions = self._world.functions
        for function in await self._world.read(partial(functions.list_functions, folder_id)):
            self.functions[function.id] = function
        for version in await self._world.read(partial(functions.list_versions, folder_id)):
            self.versions[version.id] = _kept(version)

    async def one(self, spec: FunctionSpec) -> None:
        function = await self._function(spec)
        if function is None:
            return
        self.functions[function.id] = function
        if self._history:
            listing = partial(self._world.functions.list_versions, spec.folder_id, function_id=function.id)
            self.versions |= {version.id: _kept(version) for version in await self._world.read(listing)}
        latest = await self._version(partial(self._world.functions.version_by_tag, function.id, LATEST))
        if latest is not None and read_stamp(latest.description) is None:
            self.foreign.add(spec.folder_id)
        missing = set(spec.settings.tags) - set(latest.tags if latest is not None else ())
        if isinstance(spec.code, VersionCopy) and spec.code.version_id not in (LATEST, latest.id if latest else ""):
            copied = await self._version(partial(self._world.functions.get_version, spec.code.version_id))
            if copied is None:
                missing.add(spec.code.version_id)  # no id, so perhaps a tag
        for tag in sorted(missing):
            await self._version(partial(self._world.functions.version_by_tag, function.id, tag))

    async def cloud(self, folder_id: str) -> None:
        """Ask which cloud a folder is in; where nobody tells, the folder counts as being in one with all such."""
        found = self._world.cloud_id
        if found is None:
            try:
                found = await self._world.read(partial(self._world.directory.cloud_of, folder_id))
            except CloudError as error:
                if error.code is Code.UNAUTHENTICATED:
                    raise
        self.clouds[folder_id] = found or UNKNOWN_CLOUD

    async def _function(self, spec: FunctionSpec) -> Function | None:
        functions = self._world.functions
        if spec.id is not None:
            found = await self._there(partial(functions.get_function, spec.id))
            return found if found is not None and found.folder_id == spec.folder_id else None
        return await self._world.read(partial(functions.find_function, spec.folder_id, spec.name))

    async def _version(self, call: Callable[[], Awaitable[Version]]) -> Version | None:
        version = await self._there(call)
        if version is not None:
            self.versions[version.id] = version
        return version

    async def _there(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Read one thing; None where there is no such thing."""
        try:
            return await self._world.read(call)
        except CloudError as error:
            if error.code in (Code.NOT_FOUND, Code.INVALID_ARGUMENT):  # a tag is no id, an id no tag
                return None
            raise


def _kept(version: Version) -> Version:
    """Keep of the many old ones only what is ever looked at; whole, they would take 5 KB each."""
    old = version.status == "ACTIVE" and not version.tags
    return replace(version, raw={"runtime": version.raw.get("runtime", "")}) if old else version
