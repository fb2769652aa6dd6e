"""Reads the live state: whole folders in bulk, or a few functions one by one. Finds what is live and not declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Container, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, Function, FunctionSpec, Undeclared, Version, VersionCopy
from orchestrator.model.live_state import UNKNOWN_CLOUD, LiveState, indexed
from orchestrator.model.of_others import is_of_others
from orchestrator.ports import Reading
from orchestrator.resilience.groups import each
from orchestrator.version.history import history_of, is_of_job
from orchestrator.version.stamp import read_stamp

T = TypeVar("T")

FEW = 10  # functions of one folder: up to here a few calls for each may be fewer than all pages of the folder
LISTED_MAX = 500  # functions of a folder: up to here it is read whole, to find out who made those that are not declared
_AT_ONCE = 8
# Fields of former Versions to keep, beyond the one before a job's: for boards, for what the cloud fills in beside a
# network, for the size that a prune frees.
_KEPT = ("runtime", "connectivity", "imageSize")


async def read_live(
    world: Reading,
    specs: Iterable[FunctionSpec],
    *,
    whole: Iterable[str] = (),
    listed: Iterable[str] = (),
    runtimes: bool = False,
    fresh: bool = False,
    kept: Container[str] = (),
    left: Iterable[FunctionSpec] = (),
) -> LiveState:
    """Read the live state of the desired functions, with all their Versions: the older ones show who made the live one.

    Folders in `whole` are read completely. For those in `listed`, only the existing Functions are found, with the
    `$latest` of undeclared ones as far as that is cheap. `fresh`: read `$latest` by its tag too, since a listing may
    lag behind. `kept`: IDs of former Versions to keep whole, beyond the fields that every plan uses. For functions that
    leave settings as they are live, and for those in `left`, these settings are kept of each Version: their differences
    show who changed them.

    Raises `CloudError` if any of it cannot be read, because a partial answer would be taken for an empty cloud.
    """
    specs = tuple(specs)
    left = [spec for spec in (*specs, *left) if spec.as_live]
    reader, whole, listed = _Reader(world, kept, left, fresh=fresh), set(whole), set(listed)
    desired: dict[str, list[FunctionSpec]] = {folder_id: [] for folder_id in sorted(whole | listed)}
    for spec in specs:
        desired.setdefault(spec.folder_id, []).append(spec)
    few = {folder_id: some for folder_id, some in desired.items() if len(some) <= FEW and folder_id not in whole}
    many = desired.keys() - few.keys()
    read_at = world.server_time()  # before the first call, so that the answers include everything that ended earlier
    await each(sorted(many), reader.folder, at_once=_AT_ONCE)
    await each(sorted(few.keys() & listed), lambda one: reader.listing(one, few[one]), at_once=_AT_ONCE)
    some = [spec for folder_id in few if folder_id not in reader.doubtful for spec in few[folder_id]]
    await each(some, reader.one, at_once=_AT_ONCE)
    whole_too = sorted(reader.doubtful)
    await each(whole_too, reader.folder, at_once=_AT_ONCE)
    await each(sorted(desired), reader.cloud, at_once=_AT_ONCE)
    known = await world.read(world.functions.list_runtimes) if runtimes else ()
    versions = reader.versions.values()
    return indexed(
        reader.functions.values(), versions, clouds=reader.clouds, runtimes=known, read_at=read_at,
        whole=(*many, *whole_too), listed=(*many, *whole_too, *reader.listed),
    )  # fmt: skip


class _Reader:
    """Collects what was read, by ID."""

    def __init__(self, world: Reading, kept: Container[str], left: Iterable[FunctionSpec], *, fresh: bool) -> None:
        self._world = world
        self._whole_ids = kept
        self._left_ids = {spec.id for spec in left if spec.id is not None}  # of Functions
        self._left_names = {(spec.folder_id, spec.name) for spec in left if spec.id is None}
        self._fresh = fresh
        self.functions: dict[str, Function] = {}
        self.versions: dict[str, Version] = {}
        self.clouds: dict[str, str] = {}
        self.listed: dict[str, tuple[Function, ...]] = {}  # folder → all its Functions
        self.doubtful: set[str] = set()  # folders that must be read whole although few of their functions are desired

    async def folder(self, folder_id: str) -> None:
        functions = self._world.functions
        for function in await self._world.read(partial(functions.list_functions, folder_id)):
            self._found(function)
        for version in await self._world.read(partial(functions.list_versions, folder_id)):
            self.versions[version.id] = self._kept(version)

    def _found(self, function: Function) -> None:
        self.functions[function.id] = function
        if (function.folder_id, function.name) in self._left_names:
            self._left_ids.add(function.id)

    async def listing(self, folder_id: str, desired: Iterable[FunctionSpec]) -> None:
        """Find out which Functions exist, and which Version of the undeclared ones is live.

        If there are more than a few, reading the folder whole takes fewer calls. If there are very many, their Versions
        are not read.
        """
        functions = self._world.functions
        found = self.listed[folder_id] = await self._world.read(partial(functions.list_functions, folder_id))
        for function in found:
            self._found(function)
        names, ids = {spec.name for spec in desired if spec.id is None}, {spec.id for spec in desired}
        others = [function for function in found if function.name not in names and function.id not in ids]

        async def look(function: Function) -> None:
            with suppress(CloudError):  # not needed for this run, so it does not stop it
                await self._version(partial(functions.version_by_tag, function.id, LATEST))

        if len(others) <= FEW:
            await each(others, look, at_once=_AT_ONCE)
        elif len(found) <= LISTED_MAX:
            self.doubtful.add(folder_id)

    async def one(self, spec: FunctionSpec) -> None:
        function = await self._function(spec)
        if function is None:
            return
        self._found(function)
        functions = self._world.functions
        await self._versions_of(function)
        if self._fresh:
            await self._version(partial(functions.version_by_tag, function.id, LATEST))
        copied = spec.code.version_id if isinstance(spec.code, VersionCopy) else LATEST
        known = [version for version in self.versions.values() if version.function_id == function.id]
        if copied not in {LATEST, *(one.id for one in known), *(tag for one in known for tag in one.tags)}:
            await self._version(partial(functions.get_version, copied))  # it may belong to another Function

    async def _versions_of(self, function: Function) -> None:
        listing = partial(self._world.functions.list_versions, function.folder_id, function_id=function.id)
        found = await self._world.read(listing)
        latest = next((one for one in found if LATEST in one.tags and is_of_job(one)), None)
        before = history_of(found, latest).before_job(latest) if latest is not None else None
        self.versions |= {version.id: version if version is before else self._kept(version) for version in found}

    def _kept(self, version: Version) -> Version:
        """Return an old Version with only the fields that are ever used. Whole, each of the many would take 5 KB."""
        old = version.status in ("ACTIVE", "OBSOLETE") and not version.tags and version.id not in self._whole_ids
        old = old and version.function_id not in self._left_ids
        kept = {name: version.raw[name] for name in _KEPT if name in version.raw}
        return replace(version, raw=kept) if old else version

    async def cloud(self, folder_id: str) -> None:
        """Read which cloud a folder is in. If that cannot be read, all such folders count as one cloud."""
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
        listed = self.listed.get(spec.folder_id)
        if listed is not None:
            return next((one for one in listed if (one.id == spec.id if spec.id else one.name == spec.name)), None)
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
        """Read one object, None if it does not exist."""
        try:
            return await self._world.read(call)
        except CloudError as error:
            # a tag is no ID, and an ID need not have the form of a tag (cloud-api#fields)
            if error.code in (Code.NOT_FOUND, Code.INVALID_ARGUMENT):
                return None
            raise


def undeclared(
    declared: Iterable[FunctionSpec], live: LiveState, of_others: Collection[tuple[str, ...]] = ()
) -> tuple[Undeclared, ...]:
    """Return the undeclared Functions, folder by folder, where all Functions of a folder were read. `declared`:
    including disabled ones. `of_others`: those that other environments declare, see `Manifest`.

    Only Functions whose live Version has our stamp may belong to this manifest.
    """
    declared = tuple(declared)
    ids = {spec.id for spec in declared}
    names = {(spec.folder_id, spec.name) for spec in declared if spec.id is None}
    found = []
    for folder_id in sorted({spec.folder_id for spec in declared} & live.listed):
        left = [
            function
            for function in live.by_id.values()
            if function.folder_id == folder_id
            and function.id not in ids
            and (folder_id, function.name) not in names
            and function.status != "DELETING"
            and not is_of_others(function, of_others)
        ]
        latest = {function.id: live.latest(function.id) for function in left}
        ours = [f for f in left if (v := latest[f.id]) is not None and read_stamp(v.description) is not None]
        if left:
            by_name = tuple(sorted(ours, key=lambda function: function.name))
            found.append(Undeclared(folder_id, by_name, len(left) - len(ours)))
    return tuple(found)
