"""The packages of versions: stored by their digests while the sandbox may need them, unpacked when called."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import anyio

from orchestrator.journal.folder import make_private_folder, open_private
from orchestrator.sandbox.invocation.work import NotRunError
from orchestrator.sandbox.memory.builder import UNPACKED_MAX_BYTES, Objects

UNPACKED_MAX = 32  # versions that are unpacked at the same time


class KeptPackages:
    """Packages as files named by their SHA-256. A package stays even if the bucket's object is deleted."""

    def __init__(self, folder: Path, objects: Objects) -> None:
        make_private_folder(folder)
        self._folder = folder
        self._objects = objects

    def path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.zip"

    def keep(self, sha256: str, source: dict[str, Any]) -> None:
        """Store the package in `content` or `package` of a createVersion body."""
        path = self.path(sha256)
        if path.exists():
            return
        package = source.get("package")
        found = source["content"] if package is None else self._objects(package["bucketName"], package["objectName"])
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        if isinstance(found, Path):
            try:
                os.link(found, part)  # a stored object's file never changes
            except OSError:
                shutil.copyfile(found, part)
        elif found is not None:
            with open(part, "wb", opener=open_private) as file:
                file.write(found)
        part.replace(path)

    def forget_others(self, digests: Collection[str]) -> None:
        """Delete what no version needs any more."""
        needed = {self.path(digest) for digest in digests}
        for path in self._folder.iterdir():
            if path not in needed:
                path.unlink()


class Unpacked:
    """The unpacked code of the versions that were called last, each in its own folder."""

    def __init__(self, packages: KeptPackages, folder: Path, in_use: Callable[[], Collection[str]]) -> None:
        self._packages = packages
        self._folder = folder
        self._in_use = in_use
        self._known = OrderedDict[str, Path]()
        self._lock = anyio.Lock()

    async def of(self, version_id: str, sha256: str) -> Path:
        """Return the folder of a version's code. Raises `NotRunError` if its package was not stored, or is damaged."""
        async with self._lock:
            if version_id not in self._known:
                path, folder = self._packages.path(sha256), self._folder / version_id
                if not sha256 or not path.exists():
                    raise NotRunError(
                        f"The sandbox has not stored the package of version {version_id}: deploy it again"
                    )
                try:
                    await anyio.to_thread.run_sync(_unpack, path, folder)
                except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise NotRunError(f"The package of version {version_id} cannot be unpacked: {error}") from None
                self._known[version_id] = folder
            self._known.move_to_end(version_id)
            self._let_go()
            return self._known[version_id]

    def _let_go(self) -> None:
        idle = [version_id for version_id in self._known if version_id not in self._in_use()]
        for version_id in idle[: max(0, len(self._known) - UNPACKED_MAX)]:
            if version_id != next(reversed(self._known)):
                shutil.rmtree(self._known.pop(version_id), ignore_errors=True)


def _unpack(path: Path, folder: Path) -> None:
    """Unpack with executable bits, but never outside the folder or beyond the cloud's limit. Links become files."""
    folder.mkdir(mode=0o700)
    left = UNPACKED_MAX_BYTES
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with_bits = entry.external_attr >> 16
            target = Path(archive.extract(entry, folder))
            if entry.is_dir():
                continue
            left -= target.stat().st_size
            if left < 0:
                raise ValueError("it is larger than it says")
            if with_bits & stat.S_IXUSR:
                target.chmod(0o700)
