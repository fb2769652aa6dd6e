"""The engine's Packager: builds, reads and packs source code, each once per run, off the event loop."""

from __future__ import annotations

import copy
import fcntl
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio
from anyio import from_thread, to_thread

from orchestrator.commands.local import last_lines
from orchestrator.errors import PackageError, StartError
from orchestrator.journal.folder import make_private_folder
from orchestrator.model import Build, Package, SourceCode, Tree
from orchestrator.package import archive
from orchestrator.package.archive import PackageListing
from orchestrator.package.build import FILE, Built, inputs_tree, run_build
from orchestrator.package.digests import DIGESTS, Digests
from orchestrator.package.entry import printable
from orchestrator.package.project import ALONE, Project, Surroundings
from orchestrator.package.side_by_side import SideBySide
from orchestrator.resilience.groups import ungrouped

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_PREFIX = "packages-"
_TELL_S = 5.0  # between two lines about a running build
Tell = Callable[[str], None]


def _silent(_text: str) -> None:
    """Discard the text."""


@dataclass(frozen=True, slots=True)
class Building:
    """A running build. `began_at`: on the event loop's clock. `output`: the end of its output so far."""

    build: Build
    label: str
    began_at: float
    output: bytearray

    def last_line(self) -> str:
        return last_lines(bytes(self.output)).rpartition("\n")[2]


class ZipPackager:
    """Packages are zips in a separate folder below `work_dir`, which is deleted when the context ends, however it ends.
    `threads`: how many trees are packed, and how many builds run, at once. For reading, see `SideBySide`.

    Equal requests are done once: equal `SourceCode` values share one result, or one `PackageError`. Builds in one
    folder run one after another. `tell`: called when a build begins and ends, and from time to time with its progress,
    unless a display (`shown`) shows it from `building`. `environ`: the variables that builds receive. `environment`:
    the chosen one of the manifest, which keeps its builds apart from others.
    """

    def __init__(
        self,
        work_dir: Path,
        *,
        threads: int = 4,
        surroundings: Surroundings = ALONE,
        tell: Tell = _silent,
        shown: bool = False,
        environ: Mapping[str, str] = os.environ,
        environment: str = "",
    ) -> None:
        self._work_dir = work_dir
        self._folder = work_dir
        self._digests = Digests(work_dir / DIGESTS)
        self._surroundings = replace(surroundings, digests=self._digests)
        self._lock = -1  # descriptor of the folder, locked while this process runs
        self._threads = anyio.CapacityLimiter(threads)
        self._reading = SideBySide(threads)
        self._builders = anyio.CapacityLimiter(threads)
        self._build_folders: dict[str, anyio.Lock] = {}
        self._builds: SingleFlight[tuple[str, str], None] = SingleFlight()
        self._unchanged = set[tuple[str, str]]()  # builds that were reported as not running again
        self._inputs: SingleFlight[Build, Tree] = SingleFlight()
        self._built = Built(work_dir / FILE, environment)
        self._environ = environ
        self._tell = tell
        self._shown = shown
        self.building: list[Building] = []
        self._trees: SingleFlight[SourceCode, Tree] = SingleFlight()
        self._packages: SingleFlight[SourceCode, Package] = SingleFlight()

    async def __aenter__(self) -> Self:
        """Create the folder. Raises `StartError` if that fails."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._open, limiter=self._threads)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._close, limiter=self._threads)

    async def build(self, code: SourceCode) -> None:
        """Run the build command, once per distinct (folder, command), unless its inputs and results are unchanged.
        Cancelling kills it with all it started. Progress is reported.

        Raises `PackageError` with the end of the output if it fails.
        """
        build = code.build
        if build is None:
            return
        folder = str(build.folder)
        label = Project.of(code.root).show(folder)

        async def work() -> None:
            async with self._build_folders.setdefault(folder, anyio.Lock()):
                await self._run(build, label)

        if build.inputs and await self._is_made(code, build):
            if (folder, build.command) not in self._unchanged:  # many functions may share one build
                self._unchanged.add((folder, build.command))
                self._tell(f"not built again, its inputs are unchanged: {label}")
            return
        await self._builds.do((folder, build.command), work)

    async def _run(self, build: Build, label: str) -> None:
        running = Building(build, label, anyio.current_time(), bytearray())
        self._tell(f"building {label}: {printable(build.command)}")
        self.building.append(running)
        try:
            with ungrouped(PackageError):
                async with anyio.create_task_group() as group:
                    if not self._shown:
                        group.start_soon(self._report_progress, running)
                    check, output = from_thread.check_cancelled, running.output
                    await to_thread.run_sync(
                        run_build, build, label, self._environ, check, output, limiter=self._builders
                    )
                    group.cancel_scope.cancel()
        finally:
            self.building.remove(running)
        self._tell(f"built {label} in {anyio.current_time() - running.began_at:.1f} s")

    async def _report_progress(self, running: Building) -> None:
        while True:
            await anyio.sleep(_TELL_S)
            took_s, last = anyio.current_time() - running.began_at, running.last_line()
            self._tell(f"building {running.label}: {took_s:.0f} s: {last or '(nothing printed yet)'}")

    async def _hash_of_inputs(self, code: SourceCode, build: Build) -> str:
        read = partial(inputs_tree, build, code.root, from_thread.check_cancelled, self._digests)
        tree = await self._inputs.do(build, lambda: self._reading.read(read))
        return tree.hash

    async def _is_made(self, code: SourceCode, build: Build) -> bool:
        """Return whether a source is as the build of the same inputs left it. Raises `PackageError` for the inputs."""
        made = self._built.made(code, build, await self._hash_of_inputs(code, build))
        if not made:
            return False
        try:
            tree = await self._read(code)
        except PackageError:
            return False
        return tree.hash == made

    async def _read(self, code: SourceCode) -> Tree:
        return await self._reading.read(partial(archive.scan, code, from_thread.check_cancelled, self._surroundings))

    async def scan(self, code: SourceCode) -> Tree:
        """Read the tree without packing it. Raises `PackageError`."""
        tree = await self._trees.do(code, lambda: self._read(code))
        if code.build is not None and code.build.inputs:
            self._built.note(code, code.build, await self._hash_of_inputs(code, code.build), tree.hash)
        return tree

    async def listing(self, code: SourceCode) -> PackageListing:
        """Return each file that `pack` would put into the package. Raises `PackageError`."""
        return await self._in_thread(archive.listing, code, from_thread.check_cancelled, self._surroundings)

    async def pack(self, code: SourceCode) -> Package:
        """Write the zip. Its tree hash is computed from the packed bytes: the caller compares it with the scanned one.

        Raises `PackageError`.
        """
        check, around = from_thread.check_cancelled, self._surroundings
        return await self._packages.do(code, lambda: self._in_thread(archive.pack, code, self._folder, check, around))

    def read(self, package: Package) -> bytes:
        """Return the whole zip, for an inline `content` (≤ 3,670,016 bytes). Raises `PackageError` if it is missing."""
        try:
            return package.path.read_bytes()
        except OSError as error:
            message = f"the package {package.path} cannot be read: {error.strerror}"
            raise PackageError(message, advice="something removed it during the run; deploy again") from error

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        # Cancelling waits for the thread, which notices it at its next chunk and leaves no partial file.
        return await to_thread.run_sync(work, *args, limiter=self._threads)

    def _open(self) -> None:
        try:
            make_private_folder(self._work_dir)
            with _locked(self._work_dir):  # so that no other process takes this folder for abandoned
                _remove_abandoned(self._work_dir)
                self._built.load()
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._work_dir))
                self._lock = os.open(self._folder, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            message = f"packages cannot be written in {self._work_dir}: {error.strerror}"
            raise StartError(message, advice="check that the folder is writable and the disk has free space") from error

    def _close(self) -> None:
        self._built.save()
        self._digests.save()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


@contextmanager
def _locked(folder: Path, mode: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(work_dir: Path) -> None:
    """Remove what killed runs left: folders that no process has locked."""
    for folder in work_dir.glob(f"{_PREFIX}*"):
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):  # locked, or gone already
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class _Flight(Generic[V]):
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    result: list[V] = field(default_factory=list)  # empty until there is one
    error: PackageError | None = None


class SingleFlight(Generic[K, V]):
    """Keeps the result, or the `PackageError`, of each key. If the worker is cancelled, the next waiter starts
    again.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def do(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """Return the result of `work`, done now or before. Raises its `PackageError`, a copy for each caller."""
        flight = self._flights.setdefault(key, _Flight())
        async with flight.lock:
            if not flight.result and flight.error is None:
                try:
                    flight.result.append(await work())
                except PackageError as error:
                    flight.error = error
        if flight.error is not None:
            raise copy.copy(flight.error) from flight.error.__cause__
        return flight.result[0]
