"""The listing of a package: each file, and the rule by which the others are excluded."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

from orchestrator.package.archive import PackedFile, listing, scan
from orchestrator.package.project import Surroundings
from tests.unit.package.trees import code_of, make_tree


def test_each_file_and_each_rule(tmp_path: Path) -> None:
    folder = make_tree(
        tmp_path / "fn",
        {"index.py": "x", "run": "1", "a.md": "", "lib/b.log": "", "lib/.orchestratorignore": "*.log\n", "c.txt": "",
         ".git/HEAD": "", "keep.md": "k", "d/e.txt": ""},
    )  # fmt: skip
    (folder / "run").chmod(0o755)
    (tmp_path / ".orchestratorignore").write_text("c.txt\n")
    code = code_of(folder, exclude=("*.md", "!keep.md"), include=("*.py", "run", "*.md", "lib/**", "*.txt", "!/d/"))
    around = Surroundings.of(tmp_path, ())
    found = listing(code, lambda: None, around)
    assert found.files == tuple(
        PackedFile(name, len(text), mode, hashlib.sha256(text.encode()).hexdigest())
        for name, text, mode in (("index.py", "x", "-"), ("keep.md", "k", "-"), ("run", "1", "x"))
    )
    assert found.left_out == {
        ".git/": "by default",
        "a.md": 'exclude "*.md"',
        "c.txt": '.orchestratorignore "c.txt"',
        "d/e.txt": "not matched by include",
        "lib/.orchestratorignore": "by default",
        "lib/b.log": 'fn/lib/.orchestratorignore "*.log"',
    }
    tree = scan(code, lambda: None, around)
    assert (found.tree.hash, found.tree.paths, found.tree.digests) == (tree.hash, tree.paths, tree.digests)
    assert tuple(found.left_out) == tree.left_out


def test_of_a_zip_as_well(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "fn.zip", "w") as archive:
        for name in ("index.py", "a.md", ".git/HEAD"):
            archive.writestr(name, name)
    code = code_of(tmp_path / "fn.zip")
    assert [one.name for one in listing(code, lambda: None).files] == [".git/HEAD", "a.md", "index.py"]
    found = listing(replace(code, exclude=("*.md",)), lambda: None)
    assert [one.name for one in found.files] == ["index.py"]
    assert found.left_out == {".git/HEAD": "by default", "a.md": 'exclude "*.md"'}
