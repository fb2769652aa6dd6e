from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.errors import PackageError, StartError
from orchestrator.model import Package, SourceCode, Tree
from orchestrator.package import archive
from orchestrator.package.digests import DIGESTS
from orchestrator.package.packager import ZipPackager
from orchestrator.ports import Packager
from tests.unit.package.trees import code_of, make_tree

TREE = Tree("hash", 1, ("index.py",))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def left_in(work_dir: Path) -> list[Path]:
    """What remains but digests: these are kept of files that are some seconds old, as they are on a slow machine."""
    return [path for path in work_dir.iterdir() if path.name != DIGESTS]


def test_it_is_the_packager_of_the_engine(tmp_path: Path) -> None:
    packager: Packager = ZipPackager(tmp_path)
    assert packager


def test_a_package_is_there_until_the_context_ends(tmp_path: Path) -> None:
    make_tree(tmp_path / "fn", {"index.py": "pass"})
    work_dir = tmp_path / "deep/work"
    seen: list[Package] = []

    async def main() -> None:
        async with ZipPackager(work_dir) as packager:
            code = code_of(tmp_path / "fn")
            tree, package = await packager.scan(code), await packager.pack(code)
            assert tree.hash == package.tree_hash
            assert packager.read(package) == package.path.read_bytes()
            seen.append(package)

    anyio.run(main)
    assert seen[0].path.is_relative_to(work_dir)
    assert left_in(work_dir) == []


def test_other_files_of_the_work_folder_stay(tmp_path: Path) -> None:
    make_tree(tmp_path / "work", {"mine.txt": "", "packages-of-mine.txt": ""})

    async def main() -> None:
        async with ZipPackager(tmp_path / "work"):
            pass

    anyio.run(main)
    assert sorted(path.name for path in files_below(tmp_path / "work")) == ["mine.txt", "packages-of-mine.txt"]


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    make_tree(tmp_path / "work/packages-dead", {"x.zip": "", "y.part": ""})
    make_tree(tmp_path / "fn", {"index.py": ""})

    async def main() -> None:
        async with ZipPackager(tmp_path / "work") as first:
            package = await first.pack(code_of(tmp_path / "fn"))
            async with ZipPackager(tmp_path / "work"):
                pass
            assert files_below(tmp_path / "work") == [package.path]

    anyio.run(main)


def test_a_work_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    make_tree(tmp_path, {"work": ""})

    async def main() -> None:
        async with ZipPackager(tmp_path / "work"):
            pass

    with pytest.raises(StartError, match="packages cannot be written in"):
        anyio.run(main)


def test_a_package_that_somebody_removed_is_reported(tmp_path: Path) -> None:
    package = Package(tmp_path / "gone.zip", "", 0, "")
    with pytest.raises(PackageError, match=r"gone\.zip cannot be read"):
        ZipPackager(tmp_path).read(package)


def test_equal_values_are_packed_once_and_different_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SourceCode] = []

    def counted(code: SourceCode, _check: Callable[[], None], _around: object) -> Tree:
        asked.append(code)
        return TREE

    monkeypatch.setattr(archive, "scan", counted)
    same, other = code_of(tmp_path / "fn"), code_of(tmp_path / "fn", exclude=("x",))

    async def main() -> None:
        async with ZipPackager(tmp_path) as packager, anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(packager.scan, code_of(tmp_path / "fn"))
            tasks.start_soon(packager.scan, other)

    anyio.run(main)
    assert sorted(asked, key=repr) == sorted([same, other], key=repr)


def test_a_mistake_is_shared_too(tmp_path: Path) -> None:
    async def main() -> list[PackageError]:
        errors = []
        async with ZipPackager(tmp_path) as packager:
            for _ in range(2):
                try:
                    await packager.scan(code_of(tmp_path / "gone"))
                except PackageError as error:
                    errors.append(error)
                make_tree(tmp_path / "gone", {"index.py": ""})  # too late: this run has its answer
        return errors

    first, second = anyio.run(main)
    assert (first.message, first.advice) == (second.message, second.advice)


def test_work_is_done_in_threads_and_in_no_more_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, running, most = threading.Lock(), [0], [0]
    barrier = threading.Barrier(2, timeout=60)

    def slow(code: SourceCode, *_: object) -> Package:
        assert threading.current_thread() is not threading.main_thread()
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        barrier.wait()  # nothing continues before two are here
        with lock:
            running[0] -= 1
        return Package(code.source, "sha256", 1, "hash")

    monkeypatch.setattr(archive, "pack", slow)

    async def main() -> None:
        async with ZipPackager(tmp_path, threads=2) as packager, anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(packager.pack, code_of(tmp_path / str(number)))

    anyio.run(main)
    assert most == [2]


def test_the_loop_goes_on_while_a_tree_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(_code: SourceCode, _check: Callable[[], None], _around: object) -> Tree:
        assert go_on.wait(60)
        return TREE

    monkeypatch.setattr(archive, "scan", slow)

    async def main() -> None:
        async with ZipPackager(tmp_path) as packager, anyio.create_task_group() as tasks:
            tasks.start_soon(packager.scan, code_of(tmp_path / "fn"))
            await anyio.wait_all_tasks_blocked()
            go_on.set()  # only a free loop gets here

    anyio.run(main)


def test_a_cancelled_first_caller_does_not_poison_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Event] = [threading.Event()]
    calls: list[int] = []

    def work(_code: SourceCode, check: Callable[[], None], _around: object) -> Tree:
        calls.append(1)
        begun[0].set()
        while len(calls) == 1:
            check()
        return TREE

    monkeypatch.setattr(archive, "scan", work)
    results: list[Tree] = []

    async def main() -> None:
        code = code_of(tmp_path / "fn")
        async with ZipPackager(tmp_path) as packager, anyio.create_task_group() as tasks:
            first = anyio.CancelScope()

            async def impatient() -> None:
                with first:
                    await packager.scan(code)

            async def patient() -> None:
                results.append(await packager.scan(code))

            tasks.start_soon(impatient)
            await anyio.to_thread.run_sync(begun[0].wait, 30)
            for _ in range(3):
                tasks.start_soon(patient)
            await anyio.wait_all_tasks_blocked()
            first.cancel()

    anyio.run(main)
    assert results == [TREE] * 3
    assert len(calls) == 2


def test_cancelling_a_pack_leaves_no_half_written_file(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {})
    with (folder / "large").open("wb") as sparse:
        sparse.truncate(600 * 1024 * 1024)  # takes seconds to pack

    async def main() -> None:
        async with ZipPackager(tmp_path / "work") as packager:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(packager.pack, code_of(folder))
                while not any(  # noqa: ASYNC110 - a thread creates the file, and sets no event
                    path.stat().st_size for path in files_below(tmp_path / "work")
                ):
                    await anyio.sleep(0.002)
                tasks.cancel_scope.cancel()
            assert files_below(tmp_path / "work") == []

    anyio.run(main)


def test_the_work_folder_is_cleared_when_the_whole_run_is_cancelled(tmp_path: Path) -> None:
    make_tree(tmp_path / "fn", {"index.py": ""})

    async def main() -> None:
        with anyio.CancelScope() as run:
            async with ZipPackager(tmp_path / "work") as packager:
                await packager.pack(code_of(tmp_path / "fn"))
                run.cancel()
                await anyio.sleep_forever()

    anyio.run(main)
    assert left_in(tmp_path / "work") == []


def test_an_error_of_the_body_comes_through_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZipPackager(tmp_path):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        anyio.run(main)
