"""Kept digests of files: always the same as reading the files, whatever happens to them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from orchestrator.errors import PackageError
from orchestrator.model import Build, SourceCode, Tree
from orchestrator.package import archive, digests, entry, walk
from orchestrator.package.digests import DIGESTS, SETTLED_NS, UNUSED_DAYS_MAX, Digests
from orchestrator.package.ignore_rules import IGNORE_FILE
from orchestrator.package.packager import ZipPackager
from orchestrator.package.project import Surroundings
from tests.unit.package.trees import code_of, make_tree, scan, unhindered

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
NOW_NS = 1_000_000_000 * SECOND_NS
SEEDS = 40


def status(
    size: int = 1, mtime_ns: int = 0, ctime_ns: int = 0, ino: int = 1, mode: int = 0o100644, dev: int = 1
) -> os.stat_result:
    times = {"st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns}
    return os.stat_result((mode, ino, dev, 1, 0, 0, size, 0, 0, 0), times)


class Disk:
    """A folder on a file system with its own clock, which ticks every `tick_ns`. It starts long ago, so that the real
    clock has no effect.
    """

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root = root
        self.rng = rng
        self.now_ns = NOW_NS
        self.tick_ns = rng.choice([1, 4_000_000, SECOND_NS, 2 * SECOND_NS])
        self._times: dict[int, tuple[int, int]] = {}  # mtime and ctime, by inode
        self.files = [root / "a.py", root / "b.py", root / "one" / "c.py", root / "two" / "c.py"]
        for path in self.files:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.write(path)
        (root / "link.py").symlink_to("a.py")
        (root / "folder").symlink_to("one")

    def seen(self, real: os.stat_result) -> os.stat_result:
        mtime_ns, ctime_ns = self._times[real.st_ino]
        return status(real.st_size, mtime_ns, ctime_ns, real.st_ino, real.st_mode, real.st_dev)

    def _changed(self, path: Path, mtime_ns: int | None = None) -> None:
        ticked_ns = self.now_ns // self.tick_ns * self.tick_ns
        ino = path.stat().st_ino
        written_ns = ticked_ns if mtime_ns is None else mtime_ns
        self._times[ino] = (written_ns, ticked_ns)

    def write(self, path: Path, *, keep_mtime: bool = False) -> None:
        kept_ns = self._times[path.stat().st_ino][0] if keep_mtime else None
        path.write_text(self.rng.choice(["AAAA", "BBBB", "CCCC", "DD"]))
        self._changed(path, kept_ns)

    def replace(self, path: Path) -> None:
        new = path.with_name("new")
        new.write_text(self.rng.choice(["AAAA", "BBBB"]))
        self._changed(new)
        new.replace(path)

    def swap(self, path: Path, other: Path) -> None:
        kept = {one: self._times[one.stat().st_ino][0] for one in (path, other)}
        path.rename(self.root / "swapped")
        other.rename(path)
        (self.root / "swapped").rename(other)
        self._changed(path, kept[other])
        self._changed(other, kept[path])

    def lead(self, link: str, *targets: str) -> None:
        (self.root / link).unlink()
        (self.root / link).symlink_to(self.rng.choice(targets))

    def chmod(self, path: Path) -> None:
        path.chmod(self.rng.choice([0o644, 0o755]))
        self._changed(path, self._times[path.stat().st_ino][0])

    def step(self) -> None:
        """Do something to one of the files, or let time pass."""
        path, other = self.rng.sample(self.files, 2)
        deeds: list[Callable[[], object]] = [
            lambda: self.write(path),
            lambda: self.write(path, keep_mtime=True),
            lambda: self.replace(path),
            lambda: self.swap(path, other),
            lambda: self._changed(path, self.rng.choice([NOW_NS, self.now_ns, self.now_ns + DAY_NS])),  # touch
            lambda: self.chmod(path),
            lambda: self.lead("link.py", "a.py", "b.py"),
            lambda: self.lead("folder", "one", "two"),
        ]
        self.rng.choice(deeds)()
        self.now_ns += self.rng.choice([0, 0, 1, 3_000_000, SECOND_NS, 3 * SECOND_NS, SETTLED_NS + 3 * SECOND_NS])


class OnDisk(Digests):
    """Digests of files by the times of the disk."""

    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(path, lambda: disk.now_ns)
        self._disk = disk
        self.hits = 0

    def known(self, path: str, status: os.stat_result) -> bytes | None:
        digest = super().known(path, self._disk.seen(status))
        self.hits += digest is not None
        return digest

    def note(self, path: str, before: os.stat_result, after: os.stat_result, digest: bytes, began_ns: int) -> None:
        super().note(path, self._disk.seen(before), self._disk.seen(after), digest, began_ns)


def read_trees(root: Path, kept: Path, seed: int) -> Iterator[tuple[Tree, Tree, int]]:
    """Yield the tree by kept digests and as really read, after each of several edits, and how many digests were
    known.
    """
    disk = Disk(root / str(seed), random.Random(seed))
    code = code_of(disk.root, root)
    for _ in range(30):
        known = OnDisk(disk, kept / str(seed))
        found = archive.scan(code, unhindered, Surroundings(digests=known))
        known.save()
        yield found, archive.scan(code, unhindered), known.hits
        disk.step()


def disagreements(root: Path, kept: Path) -> Iterator[tuple[int, Tree, Tree]]:
    for seed in range(SEEDS):
        for found, real, _ in read_trees(root, kept, seed):
            if found != real:
                yield seed, found, real


def test_what_is_kept_is_what_is_there(tmp_path: Path) -> None:
    """Edits of the same size, within one tick of the clock, with the mtime put back; renames; links with new
    targets.
    """
    hits = 0
    for seed in range(SEEDS):
        for found, real, known in read_trees(tmp_path / "project", tmp_path, seed):
            assert found == real, seed
            hits += known
    assert hits > SEEDS * 30  # of six files in each: it was useful


_key = digests._key


def _without(**fields: int) -> Callable[[str, os.stat_result], bytes]:
    """Return a `_key` that ignores a part of a file's stat."""

    def key(path: str, reported: os.stat_result) -> bytes:
        seen = {
            "size": reported.st_size, "mtime_ns": reported.st_mtime_ns, "ctime_ns": reported.st_ctime_ns,
            "ino": reported.st_ino, "mode": reported.st_mode,
        } | fields  # fmt: skip
        return _key(path, status(**seen))

    return key


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        pytest.param("SETTLED_NS", -1, id="a file is believed that has just changed"),
        pytest.param("SETTLED_NS", SECOND_NS, id="a file is believed before the coarsest clock has ticked"),
        pytest.param("_key", _without(ctime_ns=0), id="no ctime"),
        pytest.param("_key", _without(ctime_ns=0, mtime_ns=0), id="no times"),
    ],
)
def test_it_is_noticed_where_a_part_of_the_rule_is_missing(
    name: str, mutant: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, name, mutant)
    assert next(disagreements(tmp_path / "project", tmp_path), None) is not None


def kept(path: Path, *files: str, at_ns: int = NOW_NS) -> Digests:
    """Keep digests of files that have not changed for long."""
    made = Digests(path / DIGESTS, lambda: at_ns)
    for name in files:
        made.known(name, status())
        made.note(name, status(), status(), name.encode().rjust(32), at_ns)
    made.save()
    return made


def known(path: Path, *files: str, at_ns: int = NOW_NS) -> list[bool]:
    found = Digests(path / DIGESTS, lambda: at_ns)
    reported = [found.known(name, status()) for name in files]
    assert all(one in (None, name.encode().rjust(32)) for name, one in zip(files, reported, strict=True))
    found.save()
    return [one is not None for one in reported]


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    made = Digests(tmp_path / DIGESTS, lambda: NOW_NS)
    for number, after in enumerate([status(size=2), status(mtime_ns=1), status(ctime_ns=1), status(ino=2)]):
        made.note(f"{number}", status(), after, bytes(32), NOW_NS)
        assert made.known(f"{number}", status()) is made.known(f"{number}", after) is None
    made.note("same", status(), status(), bytes(32), NOW_NS)
    assert made.known("same", status()) == bytes(32)


def test_what_is_no_file_is_not_kept(tmp_path: Path) -> None:
    made = Digests(tmp_path / DIGESTS, lambda: NOW_NS)
    fifo = status(mode=0o010644)
    made.note("a", fifo, fifo, bytes(32), NOW_NS)
    assert made.known("a", fifo) is None


def test_a_file_system_whose_clock_is_behind_does_not_make_files_seem_old(tmp_path: Path) -> None:
    ahead_ns = 20 * SECOND_NS
    made = Digests(tmp_path / DIGESTS, lambda: time.time_ns() + ahead_ns)
    now_ns = made.now_ns()
    for name, age_ns in (("young", ahead_ns + SETTLED_NS - SECOND_NS), ("old", ahead_ns + SETTLED_NS + 60 * SECOND_NS)):
        reported = status(ctime_ns=now_ns - age_ns)
        made.note(name, reported, reported, bytes(32), now_ns)
    made.save()
    found = Digests(tmp_path / DIGESTS)
    assert found.known("young", status(ctime_ns=now_ns - ahead_ns - SETTLED_NS + SECOND_NS)) is None
    assert found.known("old", status(ctime_ns=now_ns - ahead_ns - SETTLED_NS - 60 * SECOND_NS)) == bytes(32)


def test_the_file_is_private_and_nothing_else_stays(tmp_path: Path) -> None:
    kept(tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == [DIGESTS]
    assert (tmp_path / DIGESTS).stat().st_mode & 0o777 == 0o600
    assert known(tmp_path, "a", "b") == [True, False]


BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut off": lambda data: data[:-1],
    "cut off at a record": lambda data: data[:-50],
    "a bit is another": lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
    "something behind it": lambda data: data + b"x" * 50,
    "of another program": lambda data: data.replace(b"digests 1", b"digests 2"),
    "nothing of it": lambda _: b"{}",
}


@pytest.mark.parametrize("damage", BREAKS.values(), ids=BREAKS)
def test_a_broken_file_is_thrown_away(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    kept(tmp_path, "a", "b")
    file = tmp_path / DIGESTS
    file.write_bytes(damage(file.read_bytes()))
    assert known(tmp_path, "a", "b") == [False, False]
    kept(tmp_path, "b")
    assert known(tmp_path, "a", "b") == [False, True]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    kept(tmp_path, "a")
    (tmp_path / "state" / DIGESTS).symlink_to(tmp_path / DIGESTS)
    assert known(tmp_path / "state", "a") == [False]


def test_where_there_is_no_folder_nothing_is_kept(tmp_path: Path) -> None:
    kept(tmp_path / "absent", "a")
    assert not list(tmp_path.iterdir())


def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "FILES_MAX", 3)
    kept(tmp_path, "old-1", "old-2", "old-3", at_ns=NOW_NS - 2 * DAY_NS)
    kept(tmp_path, "new-1", "new-2")
    assert known(tmp_path, "new-1", "new-2") == [True, True]
    assert sum(known(tmp_path, "old-1", "old-2", "old-3")) == 1
    kept(tmp_path, *(f"same-{number}" for number in range(5)))
    first = known(tmp_path, *(f"same-{number}" for number in range(5)))
    kept(tmp_path, *(f"same-{number}" for number in range(5)))
    assert known(tmp_path, *(f"same-{number}" for number in range(5))) == first


def test_what_nobody_asks_for_goes(tmp_path: Path) -> None:
    kept(tmp_path, "used", "unused")
    for days in range(0, UNUSED_DAYS_MAX + 10, 5):
        assert known(tmp_path, "used", at_ns=NOW_NS + days * DAY_NS) == [True]
    kept(tmp_path, "another", at_ns=NOW_NS + (UNUSED_DAYS_MAX + 5) * DAY_NS)
    assert known(tmp_path, "used", "unused", "another") == [True, False, True]


def _unread(path: str | Path) -> NoReturn:
    if str(path).endswith(IGNORE_FILE):  # rules are read again each time
        raise FileNotFoundError(path)
    raise AssertionError(f"{path} is read")


def test_a_run_reads_no_file_that_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the sources nor the declared inputs of a build are read, and the build does not run."""
    monkeypatch.setattr(digests, "SETTLED_NS", -SECOND_NS)  # as if the files had not changed for long
    files = {"web/src/a.js": "a", "plain/index.py": "x", "plain/__pycache__/index.pyc": "formerly packed", "one.py": ""}
    root = make_tree(tmp_path / "project", files)
    build = Build("echo ran >> ../ran.log; mkdir -p dist; cp src/a.js dist/a.js", root / "web", ("src/**",))
    codes = (
        SourceCode(root / "web/dist", root, build), code_of(root / "plain", root),
        code_of(root / "plain", root, files={"lib": root / "web/src"}), code_of(root / "one.py", root),
    )  # fmt: skip

    def run() -> list[Tree]:
        async def main() -> list[Tree]:
            async with ZipPackager(tmp_path / "state") as packager:
                for code in codes:
                    await packager.build(code)
                return [await packager.scan(code) for code in codes]

        return anyio.run(main)

    first = run()
    monkeypatch.setattr(walk, "open_binary", _unread)
    with pytest.raises(AssertionError, match="is read"):
        scan(codes[1])
    assert run() == run() == first
    assert first[1].former_hash
    assert (root / "ran.log").read_text() == "ran\n"
    (root / "plain/index.py").write_text("y")
    with pytest.raises(AssertionError, match=r"index\.py is read"):
        run()


def test_what_is_known_still_counts_for_the_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", -SECOND_NS)
    code = code_of(make_tree(tmp_path / "fn", {"a.py": "x" * 100}))
    around = Surroundings(digests=Digests(tmp_path / DIGESTS))
    archive.scan(code, unhindered, around)
    monkeypatch.setattr(entry, "UNPACKED_MAX_BYTES", 99)
    with pytest.raises(PackageError, match="exceeds the cloud's limit"):
        archive.scan(code, unhindered, around)


def test_a_package_is_made_of_what_is_read(tmp_path: Path) -> None:
    """If kept digests were ever wrong, the zip and its hash would still match each other."""
    code = code_of(make_tree(tmp_path / "fn", {"a.py": "x"}))
    file = tmp_path / "fn" / "a.py"
    wrong = Digests(tmp_path / DIGESTS, lambda: time.time_ns() + 60 * SECOND_NS)
    wrong.note(str(file), file.stat(), file.stat(), bytes(32), wrong.now_ns())
    around = Surroundings(digests=wrong)
    assert archive.scan(code, unhindered, around).hash != scan(code).hash
    (tmp_path / "out").mkdir()
    assert archive.pack(code, tmp_path / "out", unhindered, around).tree_hash == scan(code).hash
    assert archive.listing(code, unhindered, around).tree == scan(code)
