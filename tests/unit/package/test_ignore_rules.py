from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import PackageError
from tests.unit.package.trees import code_of, make_tree, scan

FILES = (
    "a.log", "build/keep.txt", "build/out.js", "docs/readme.md", "index.py", "lib/a.log", "lib/build/x", "lib/util.py",
    "lib/deep/util.py", "tests/test_a.py",
)  # fmt: skip


def taken(folder: Path, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> set[str]:
    return set(scan(code_of(folder, include=include, exclude=exclude)).paths)


@pytest.mark.parametrize(
    ("exclude", "left_out"),
    [
        ((), set()),
        (("*.log",), {"a.log", "lib/a.log"}),
        (("/*.log",), {"a.log"}),
        (("*.log", "!lib/a.log"), {"a.log"}),
        (("!lib/a.log", "*.log"), {"a.log", "lib/a.log"}),  # the last match decides
        (("build/",), {"build/keep.txt", "build/out.js", "lib/build/x"}),
        (("/build",), {"build/keep.txt", "build/out.js"}),
        (("build/", "!build/keep.txt"), {"build/keep.txt", "build/out.js", "lib/build/x"}),  # its folder is excluded
        (("/build/*", "!build/keep.txt"), {"build/out.js"}),
        (("build*", "!build", "x"), {"lib/build/x"}),
        (("*.txt", "build*", "!build"), {"build/keep.txt"}),  # including a folder again does not include its files
        (("index.py/",), set()),  # applies to folders only
        (("**/util.py",), {"lib/util.py", "lib/deep/util.py"}),
        (("lib/**/util.py",), {"lib/util.py", "lib/deep/util.py"}),
        (("lib/**",), {"lib/a.log", "lib/build/x", "lib/util.py", "lib/deep/util.py"}),
        (("lib/*/",), {"lib/build/x", "lib/deep/util.py"}),
        (("lib/**/",), {"lib/build/x", "lib/deep/util.py"}),
        (("*", "!*/", "!*.py"), {name for name in FILES if not name.endswith(".py")}),
        (("[bd]*s/", "#index.py", "", "  "), {"docs/readme.md"}),
        (("?ests", "[!a].log"), {"tests/test_a.py"}),
    ],
)
def test_exclude_follows_git(tmp_path: Path, exclude: tuple[str, ...], left_out: set[str]) -> None:
    folder = make_tree(tmp_path / "fn", dict.fromkeys(FILES, ""))
    assert taken(folder, exclude=exclude) == set(FILES) - left_out


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("lib/**", "index.py"), (), {"index.py", "lib/a.log", "lib/build/x", "lib/util.py", "lib/deep/util.py"}),
        (("lib",), ("*.log",), {"lib/build/x", "lib/util.py", "lib/deep/util.py"}),
        (("*.py", "!tests/"), (), {"index.py", "lib/util.py", "lib/deep/util.py"}),
        (("lib/*.py",), (), {"lib/util.py"}),
        (("*/build/",), (), {"lib/build/x"}),
        (("/index.py",), (), {"index.py"}),
    ],
)
def test_include_takes_only_these(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: set[str]
) -> None:
    folder = make_tree(tmp_path / "fn", dict.fromkeys(FILES, ""))
    assert taken(folder, include=include, exclude=exclude) == expected


def test_the_ignore_file_is_obeyed_and_left_out(tmp_path: Path) -> None:
    files = {**dict.fromkeys(FILES, ""), ".orchestratorignore": "\ufeff*.log\r\n# notes\r\nbuild/\r\n"}
    assert taken(make_tree(tmp_path / "fn", files)) == {
        "docs/readme.md", "index.py", "lib/util.py", "lib/deep/util.py", "tests/test_a.py",
    }  # fmt: skip


def test_a_nearer_ignore_file_wins(tmp_path: Path) -> None:
    files = {".orchestratorignore": "*.log", "a.log": "", "lib/a.log": "", "lib/.orchestratorignore": "!/a.log"}
    assert taken(make_tree(tmp_path / "fn", files)) == {"lib/a.log"}


def test_the_patterns_of_a_nested_ignore_file_count_from_its_folder(tmp_path: Path) -> None:
    files = {"a/x": "", "a/b/x": "", "x": "", "a/.orchestratorignore": "/x"}
    assert taken(make_tree(tmp_path / "fn", files)) == {"x", "a/b/x"}


def test_exclude_wins_over_ignore_files(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {".orchestratorignore": "*.log", "a.log": "", "b.py": ""})
    assert taken(folder, exclude=("!a.log", "b.py")) == {"a.log"}


def test_what_belongs_to_git_and_to_us_is_left_out_everywhere(tmp_path: Path) -> None:
    files = {
        ".git/config": "", ".gitignore": "", ".orchestrator/journal": "", "index.py": "", "lib/.git": "gitdir: x",
        "lib/.orchestratorignore": "",
    }  # fmt: skip
    folder = make_tree(tmp_path / "fn", files)
    assert taken(folder) == {".gitignore", "index.py"}
    assert taken(folder, exclude=("!.git",)) == {".gitignore", "index.py", ".git/config", "lib/.git"}


def test_a_linked_folder_counts_as_a_folder_for_rules(tmp_path: Path) -> None:
    make_tree(tmp_path, {"modules/x.js": "", "fn/index.js": ""})
    (tmp_path / "fn/node_modules").symlink_to("../modules")
    assert taken(tmp_path / "fn", exclude=("node_modules/", "x")) == {"index.js"}


def test_an_ignored_folder_is_not_looked_into(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "data/x": ""})
    (folder / "data/nowhere").symlink_to("gone")
    assert taken(folder, exclude=("data/",)) == {"index.py"}


def test_a_folder_that_include_cannot_reach_is_not_looked_into(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"dist/a.js": "", "data/x": ""})
    (folder / "data/nowhere").symlink_to("gone")
    assert taken(folder, include=("dist/**", "pack*/x")) == {"dist/a.js"}


@pytest.mark.parametrize("key", ["include", "exclude"])
def test_a_pattern_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    code = code_of(folder, include=("!",)) if key == "include" else code_of(folder, exclude=("!",))
    with pytest.raises(PackageError, match=f'{key}: "!" is not a gitignore pattern'):
        scan(code)


def test_an_ignore_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", ".orchestratorignore": b"\xff"})
    with pytest.raises(PackageError, match=r"fn has an \.orchestratorignore that is not UTF-8"):
        scan(code_of(folder))
