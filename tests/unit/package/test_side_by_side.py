"""Trees are read in parallel if that is useful, otherwise one after the other."""

from __future__ import annotations

import resource
import threading
from types import SimpleNamespace

import anyio
import pytest

from orchestrator.errors import PackageError
from orchestrator.model import Tree
from orchestrator.package.side_by_side import SideBySide

SMALL = Tree("hash", 1_000, ("index.py", "util.py"))
LARGE = Tree("hash", 10_000_000, ("server",))
BLOCKS = 8


def read(*trees: tuple[Tree, int], most: int = 4, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Read trees one after the other, each with this many blocks from the disk. Returns how many could be read at
    once.
    """
    fetched = 0
    usage = lambda _: SimpleNamespace(ru_inblock=fetched)  # noqa: E731 - of the thread that reads
    monkeypatch.setattr(resource, "getrusage", usage)

    async def main() -> list[float]:
        readers = SideBySide(most)
        found = [readers.at_once]
        for tree, blocks in trees:

            def work(tree: Tree = tree, blocks: int = blocks) -> Tree:
                nonlocal fetched
                fetched += blocks
                return tree

            assert await readers.read(work) == tree
            found.append(readers.at_once)
        return found

    return anyio.run(main)


def test_small_files_in_memory_are_read_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read((SMALL, 0), (SMALL, 0), monkeypatch=monkeypatch) == [1, 1, 1]


def test_what_comes_from_the_disk_is_read_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read((SMALL, BLOCKS), (SMALL, 0), (SMALL, BLOCKS), monkeypatch=monkeypatch) == [1, 4, 1, 4]


def test_large_files_are_read_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read((LARGE, 0), (SMALL, 0), most=2, monkeypatch=monkeypatch) == [1, 2, 1]


def test_as_many_as_said_are_read_and_in_threads() -> None:
    barrier, running, most = threading.Barrier(3, timeout=60), [0], [0]
    lock = threading.Lock()

    def slow() -> Tree:
        assert threading.current_thread() is not threading.main_thread()
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        barrier.wait()  # nothing continues before three are here
        with lock:
            running[0] -= 1
        return LARGE

    async def main() -> None:
        readers = SideBySide(3)
        await readers.read(lambda: LARGE)
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(readers.read, slow)

    anyio.run(main)
    assert most == [3]


def test_what_cannot_be_read_keeps_nobody_from_reading() -> None:
    def broken() -> Tree:
        raise PackageError("broken")

    async def main() -> None:
        readers = SideBySide(2)
        with pytest.raises(PackageError, match="broken"):
            await readers.read(broken)
        assert await readers.read(lambda: SMALL) == SMALL

    anyio.run(main)
