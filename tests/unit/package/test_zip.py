from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import PackageError
from orchestrator.package import archive, entry
from tests.unit.package.trees import code_of, make_tree, pack, scan, unhindered

_NAMES = st.sampled_from(["a", "b", "é", "a.py", "Z", "\U0001f600", "a-b"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_FILES = st.dictionaries(_PATHS, st.tuples(st.binary(max_size=40), st.booleans()), min_size=1, max_size=8).filter(
    lambda files: not any(a != b and b.startswith(f"{a}/") for a in files for b in files)
)


def write(folder: Path, files: dict[str, tuple[bytes, bool]]) -> Path:
    make_tree(folder, {name: content for name, (content, _) in files.items()})
    for name, (_, executable) in files.items():
        (folder / name).chmod(0o755 if executable else 0o644)
    return folder


def test_an_entry_has_fixed_time_mode_and_system_and_no_extras(tmp_path: Path) -> None:
    folder = write(tmp_path / "fn", {"lib/é.py": (b"x" * 1000, False), "run.sh": (b"", True)})
    package = pack(code_of(folder), tmp_path / "out")
    with zipfile.ZipFile(package.path) as made:
        assert made.testzip() is None
        assert made.comment == b""
        seen = [
            (
                info.filename,
                info.date_time,
                info.external_attr >> 16,
                info.create_system,
                info.extra,
                info.compress_type,
            )
            for info in made.infolist()
        ]
        assert made.getinfo("lib/é.py").flag_bits == 0x800  # UTF-8
    then = (1980, 1, 1, 0, 0, 0)
    assert seen == [
        ("lib/é.py", then, 0o100644, 3, b"", zipfile.ZIP_DEFLATED),
        ("run.sh", then, 0o100755, 3, b"", zipfile.ZIP_DEFLATED),
    ]


def test_a_package_says_the_truth_about_its_zip(tmp_path: Path) -> None:
    folder = write(tmp_path / "fn", {"index.py": (b"pass", False)})
    package = pack(code_of(folder), tmp_path / "out")
    content = package.path.read_bytes()
    assert package.size_bytes == len(content)
    assert package.path.name == f"{package.sha256}.zip"
    assert package.sha256 == hashlib.sha256(content).hexdigest()
    assert package.tree_hash == scan(code_of(folder)).hash


def test_umask_times_and_order_change_no_byte(tmp_path: Path) -> None:
    files = {f"{number % 3}/{number}.py": (b"%d" % number, number % 2 == 0) for number in range(20)}
    first = pack(code_of(write(tmp_path / "first", files)), tmp_path / "out")
    before = os.umask(0o077)
    try:
        shuffled = list(files.items())
        random.Random(1).shuffle(shuffled)
        folder = make_tree(tmp_path / "second", {name: content for name, (content, _) in shuffled})
        for name, (_, executable) in shuffled:
            (folder / name).chmod(0o700 if executable else 0o600)
            os.utime(folder / name, (1, 2_000_000_000))
        second = pack(code_of(folder), tmp_path / "out2")
    finally:
        os.umask(before)
    assert second.path.read_bytes() == first.path.read_bytes()


@settings(deadline=None, max_examples=60)
@given(files=_FILES, order=st.randoms(use_true_random=False))
def test_any_order_of_creation_gives_the_same_bytes(files: dict[str, tuple[bytes, bool]], order: random.Random) -> None:
    shuffled = list(files.items())
    order.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = pack(code_of(write(folder / "first", files)), folder / "out1")
        second = pack(code_of(write(folder / "second", dict(shuffled))), folder / "out2")
        assert first.path.read_bytes() == second.path.read_bytes()
        assert (first.sha256, first.tree_hash) == (second.sha256, second.tree_hash)
        assert first.tree_hash == scan(code_of(folder / "first")).hash


@settings(deadline=None, max_examples=60)
@given(files=_FILES, other=_FILES)
def test_different_trees_have_different_hashes(
    files: dict[str, tuple[bytes, bool]], other: dict[str, tuple[bytes, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        hashes = [scan(code_of(write(Path(name, str(at)), tree))).hash for at, tree in enumerate((files, other))]
    assert (hashes[0] == hashes[1]) == (files == other)


@settings(deadline=None, max_examples=60)
@given(files=_FILES, data=st.data())
def test_any_change_of_one_file_changes_the_hash(files: dict[str, tuple[bytes, bool]], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    content, executable = files[name]
    changed = {key: value for key, value in files.items() if key != name}
    kind = data.draw(st.sampled_from(["path", "mode", "content"]))
    if kind == "path":
        changed[f"{name}_"] = files[name]
    else:
        changed[name] = (content, not executable) if kind == "mode" else (content + b"\0", executable)
    with tempfile.TemporaryDirectory() as place:
        trees = [scan(code_of(write(Path(place, str(at)), tree))) for at, tree in enumerate((files, changed))]
    assert trees[0].hash != trees[1].hash


def test_the_limits_are_those_of_the_cloud() -> None:
    assert (entry.ZIPPED_MAX_BYTES, entry.UNPACKED_MAX_BYTES) == (134_217_728, 713_031_680)


@pytest.mark.parametrize("size_bytes", [1000, 1001])
def test_a_tree_over_the_unpacked_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    monkeypatch.setattr(entry, "UNPACKED_MAX_BYTES", 1000)
    folder = make_tree(tmp_path / "fn", {"a": b"x" * 500, "b": b"x" * (size_bytes - 500)})
    if size_bytes == 1000:
        assert scan(code_of(folder)).size_bytes == 1000
        return
    for work in (scan, lambda code: pack(code, tmp_path / "out")):
        with pytest.raises(PackageError, match=r"the package of fn exceeds the cloud's limit of .* unpacked"):
            work(code_of(folder))


def test_a_far_too_large_tree_is_not_read_to_its_end(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {})
    with (folder / "huge").open("wb") as sparse:
        sparse.truncate(2**40)  # reading it completely would take minutes
    with pytest.raises(PackageError, match="limit of 680MB unpacked"):
        scan(code_of(folder))


@pytest.mark.parametrize("name", ["fn", "fn.zip"])
def test_a_zip_over_the_zipped_limit_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    noise = random.Random(1).randbytes(3_000_000)
    make_tree(tmp_path, {"fn/noise": noise})
    with zipfile.ZipFile(tmp_path / "fn.zip", "w") as made:
        made.writestr("noise", noise)
    monkeypatch.setattr(entry, "ZIPPED_MAX_BYTES", 1_000_000)
    with pytest.raises(PackageError, match=f"the package of {name} exceeds the cloud's limit of .* zipped"):
        pack(code_of(tmp_path / name), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    make_tree(tmp_path, {"out": ""})
    with pytest.raises(PackageError, match=r"the package of fn cannot be written in .*: Not a directory"):
        archive.pack(code_of(folder), tmp_path / "out", unhindered)


_PACK_LARGE = """
import sys
from pathlib import Path
from orchestrator.model import SourceCode
from orchestrator.package import archive
source, out = map(Path, sys.argv[1:])
archive.pack(SourceCode(source, source.parent), out, lambda: None)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_100_mb_file_is_packed_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "noise": random.Random(1).randbytes(5_000_000)})
    with (folder / "large").open("wb") as sparse:
        sparse.truncate(100 * 1024 * 1024)
    source = folder
    if kind == "zip":
        source = tmp_path / "fn.zip"
        with zipfile.ZipFile(source, "w") as made:  # stored: the zip itself is large
            made.write(folder / "large", "large")
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", _PACK_LARGE, str(source), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert int(done.stdout) < 120 * 1024  # KB, with the interpreter and all its imports
