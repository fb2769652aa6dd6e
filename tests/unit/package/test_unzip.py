from __future__ import annotations

import random
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import PackageError
from orchestrator.package import entry
from tests.unit.package.trees import code_of, make_tree, pack, scan

FILES = {"index.py": "pass", "lib/é.py": "x" * 100, "run.sh": "#!/bin/sh"}


def make_zip(path: Path, files: dict[str, str], *, system: int = 3, modes: dict[str, int] | None = None) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of duplicate names, which some tests need
        for name, content in files.items():
            info = zipfile.ZipInfo(name.rstrip("\t"))
            info.create_system = system
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, content)
    return path


def test_an_untouched_zip_is_sent_as_it_is(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "fn.zip", {"empty/": "", **dict(reversed(FILES.items()))})
    package = pack(code_of(source), tmp_path / "out")
    assert package.path.read_bytes() == source.read_bytes()
    assert package.path.parent == tmp_path / "out"
    assert package.tree_hash == scan(code_of(source)).hash


def test_a_zip_and_the_folder_that_it_was_made_of_have_one_tree_hash(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "fn.zip", FILES, modes={"run.sh": 0o100755})
    folder = make_tree(tmp_path / "fn", FILES)
    (folder / "run.sh").chmod(0o755)
    assert scan(code_of(source)) == scan(code_of(folder))


def test_a_zip_with_rules_or_files_is_packed_again(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "fn.zip", {**FILES, ".git/config": "", "tests/a.py": ""})
    make_tree(tmp_path, {"extra.py": "", "fn/index.py": "pass", "fn/extra.py": ""})
    touched = code_of(source, include=("*.py",), exclude=("lib/", "tests"), files={"extra.py": tmp_path / "extra.py"})
    assert scan(touched).paths == ("extra.py", "index.py")
    package = pack(touched, tmp_path / "out")
    assert package == pack(code_of(tmp_path / "fn"), tmp_path / "out")


def test_a_zip_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"the package of fn\.zip would be empty"):
        pack(code_of(make_zip(tmp_path / "fn.zip", {"empty/": ""})), tmp_path / "out")


def test_links_in_a_zip_are_kept_as_they_are_but_never_packed_again(tmp_path: Path) -> None:
    plain = make_zip(tmp_path / "plain.zip", {"a": "x", "link": "a"}, modes={"link": 0o100777})
    linked = make_zip(tmp_path / "linked.zip", {"a": "x", "link": "a"}, modes={"link": 0o120777})
    assert scan(code_of(linked)).hash != scan(code_of(plain)).hash
    with pytest.raises(PackageError, match=r"link in linked\.zip is a link, which cannot be followed"):
        scan(code_of(linked, exclude=("*.log",)))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("/etc/passwd", "has an absolute path"),
        ("C:/x", "has an absolute path"),
        ("../x", '"." or ".." in its path'),
        ("a/../../x", '"." or ".." in its path'),
        ("a//x", "has an empty part"),
        ("a\\x", "has a backslash"),
        ("a\nx", "has a control character"),
        ("index.py\t", "index.py in fn.zip is included twice"),  # `make_zip` strips the tab
        ("index.py/x", '"index.py" would be a file (index.py in fn.zip) and a folder'),
    ],
)
@pytest.mark.parametrize("exclude", [(), ("nothing",)])
def test_names_that_nobody_should_unpack_are_refused(
    tmp_path: Path, name: str, sentence: str, exclude: tuple[str, ...]
) -> None:
    source = make_zip(tmp_path / "fn.zip", {"index.py": "", name: ""})
    with pytest.raises(PackageError) as caught:
        scan(code_of(source, exclude=exclude))
    assert sentence in caught.value.message


def _not_a_zip(_: bytes) -> bytes:
    return b"PK, they say"


def _encrypted(content: bytes) -> bytes:
    at = content.index(b"PK\1\2")
    return content[: at + 8] + b"\1" + content[at + 9 :]


def _unknown_method(content: bytes) -> bytes:
    at = content.index(b"PK\1\2")
    return content[: at + 10] + struct.pack("<H", 97) + content[at + 12 :]


def _wrong_crc(content: bytes) -> bytes:
    at = content.index(b"PK\1\2")
    return content[: at + 16] + b"\0\0\0\1" + content[at + 20 :]


def _not_utf8(content: bytes) -> bytes:
    return content.replace(b"index.py", b"ind\xffx.py")


def _cut(content: bytes) -> bytes:
    return content[:-30]


def _bomb(content: bytes) -> bytes:
    at = content.index(b"PK\1\2")
    return content[: at + 24] + struct.pack("<I", 3_000_000_000) + content[at + 28 :]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_not_a_zip, "fn.zip is not a valid zip"),
        (_encrypted, "index.py in fn.zip is encrypted"),
        (_unknown_method, "is compressed by method 97, not by deflate"),
        (_wrong_crc, "index.py in fn.zip cannot be read: Bad CRC-32"),
        (_not_utf8, "fn.zip has names that are not UTF-8"),
        (_cut, "fn.zip is not a valid zip"),
        (_bomb, "the package of fn.zip exceeds the cloud's limit of 680MB unpacked"),
    ],
)
def test_bad_zips_are_refused(tmp_path: Path, spoil: Callable[[bytes], bytes], sentence: str) -> None:
    source = make_zip(tmp_path / "fn.zip", {"index.py": "pass"})
    source.write_bytes(spoil(source.read_bytes()))
    for work in (scan, lambda code: pack(code, tmp_path / "out")):
        with pytest.raises(PackageError) as caught:
            work(code_of(source))
        assert sentence in caught.value.message
        assert caught.value.advice


def test_a_zip_that_says_less_than_it_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "UNPACKED_MAX_BYTES", 1000)
    source = make_zip(tmp_path / "fn.zip", {"index.py": "x" * 100_000})
    content = source.read_bytes()
    at = content.index(b"PK\1\2")
    source.write_bytes(content[: at + 24] + struct.pack("<I", 10) + content[at + 28 :])
    with pytest.raises(PackageError, match=r"index\.py in fn\.zip cannot be read: Bad CRC-32"):
        scan(code_of(source))


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(), changes=st.integers(1, 6))
def test_a_damaged_zip_is_read_or_refused_and_never_breaks_the_run(seed: int, changes: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        source = make_zip(Path(name, "fn.zip"), FILES)
        content = bytearray(source.read_bytes())
        for _ in range(changes):
            content[rng.randrange(len(content))] = rng.randrange(256)
        source.write_bytes(content)
        try:
            scan(code_of(source))
        except PackageError as error:
            assert error.message  # noqa: PT017 - either way is right
