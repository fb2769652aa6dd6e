"""The hash of a tree by the rules before defaults: trees that were packed by them are recognized."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.package import archive
from orchestrator.package.project import Surroundings
from tests.unit.package.trees import code_of, make_tree, pack, scan, unhindered

FILES = {"index.py": "1", "lib/a.py": "2"}


def plain(tmp_path: Path, files: dict[str, str]) -> str:
    return scan(code_of(make_tree(tmp_path / "else/where", files))).hash


def test_a_tree_that_no_new_rule_concerns_has_no_former_hash(tmp_path: Path) -> None:
    folder = make_tree(
        tmp_path / "fn", {**FILES, ".git/HEAD": "", ".orchestrator/x": "", ".orchestratorignore": "*.log"}
    )
    tree = scan(code_of(folder, exclude=("*.md", "!lib/")))
    assert (tree.former_hash, tree.since_then) == ("", ())


@pytest.mark.parametrize("name", ["__pycache__/a.pyc", ".DS_Store", "lib/.vscode/settings.json", "a.py~"])
def test_the_defaults(tmp_path: Path, name: str) -> None:
    folder = make_tree(tmp_path / "fn", {**FILES, name: "x"})
    tree = scan(code_of(folder))
    assert tree.since_then == (name,)
    # A renamed file, which no default concerns, would have another hash. So it is computed from the known format.
    everything = scan(code_of(folder, exclude=(f"!{name.split('/')[-2] if '/' in name else name}",)))
    assert name in everything.paths
    assert tree.former_hash == everything.hash


def test_the_manifest_went_in_and_a_state_folder_of_another_name_is_nobodys(tmp_path: Path) -> None:
    make_tree(tmp_path / "fn", {**FILES, "deploy.toml": "x", "state/journal": "x"})
    around = Surroundings.of(tmp_path / "fn", (tmp_path / "fn/deploy.toml", tmp_path / "fn/state"))
    tree = archive.scan(code_of(tmp_path / "fn"), unhindered, around)
    assert tree.paths == ("index.py", "lib/a.py")
    assert tree.former_hash == plain(tmp_path, {**FILES, "deploy.toml": "x"})


def test_ignore_files_above_did_not_count_and_classes_matched_nothing(tmp_path: Path) -> None:
    make_tree(tmp_path, {".orchestratorignore": "*.md\n", "fn/a.md": "", "fn/1.txt": "", "fn/index.py": ""})
    tree = scan(code_of(tmp_path / "fn", exclude=("[[:digit:]].txt",)))
    assert tree.paths == ("index.py",)
    assert tree.former_hash == plain(tmp_path, {"a.md": "", "1.txt": "", "index.py": ""})


def test_a_file_laid_into_a_folder_took_its_name(tmp_path: Path) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "a.txt": "x"})
    tree = scan(code_of(tmp_path / "fn", files={"common/": tmp_path / "a.txt"}))
    assert tree.paths == ("common/a.txt", "index.py")
    assert tree.former_hash == plain(tmp_path, {"common": "x", "index.py": ""})


def test_git_that_is_brought_back_did_not_go_in(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {**FILES, ".git/HEAD": "x"})
    tree = scan(code_of(folder, exclude=("!.git",)))
    assert (tree.since_then, tree.former_hash) == ((".git/HEAD",), plain(tmp_path, FILES))


def test_large_leftovers_are_not_read_for_it(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", FILES)
    (folder / ".idea").mkdir()
    with (folder / ".idea/large").open("wb") as sparse:
        sparse.truncate(17 * 1024 * 1024)
    assert scan(code_of(folder)).former_hash == ""


def test_links_in_what_is_left_out_are_nobodys_mistake(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {**FILES, ".idea/x": ""})
    (folder / ".idea/gone").symlink_to("nowhere")
    (folder / ".vscode").symlink_to("/")
    assert scan(code_of(folder)).paths == ("index.py", "lib/a.py")
    assert pack(code_of(folder), tmp_path / "out").tree_hash == scan(code_of(folder)).hash
