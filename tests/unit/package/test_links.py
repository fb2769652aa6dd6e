"""Package stores behind links, packages that link to each other, and bounds that end a walk."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import PackageError
from tests.unit.package.trees import code_of, make_tree, scan


def pnpm(folder: Path, *, store: str = "node_modules/.pnpm") -> Path:
    """Create a function that needs `a`, which needs `b`, as pnpm does."""
    make_tree(folder, {
        "index.js": "", f"{store}/a@1/node_modules/a/index.js": "", f"{store}/b@1/node_modules/b/index.js": "",
    })  # fmt: skip
    (folder / store / "a@1/node_modules/b").symlink_to("../../b@1/node_modules/b")
    (folder / "node_modules/a").symlink_to(folder / store / "a@1/node_modules/a")
    return folder


@pytest.mark.parametrize("store", ["node_modules/.pnpm", "node_modules/.store"])
def test_a_store_of_packages_is_reported_with_the_ways_out(tmp_path: Path, store: str) -> None:
    tree = scan(code_of(pnpm(tmp_path / "fn", store=store)))
    assert "node_modules/a/index.js" in tree.paths
    (warning,) = tree.warnings
    assert warning.startswith(f"fn/node_modules/a is a link into a package store (fn/{store}/a@1/node_modules/a,")
    for part in ("b, which it may need, is not beside it", "node-linker=hoisted", "bundle"):
        assert part in warning


def test_a_store_is_no_matter_where_what_is_needed_lies_beside(tmp_path: Path) -> None:
    folder = pnpm(tmp_path / "fn")
    (folder / "node_modules/b").symlink_to(".pnpm/b@1/node_modules/b")
    assert scan(code_of(folder)).warnings == ()
    assert scan(code_of(pnpm(tmp_path / "out"), exclude=("node_modules/",))).warnings == ()


@pytest.mark.parametrize(
    ("manifest", "reported"),
    [('{"dependencies": {"b": "1"}}', True), ('{"dependencies": {"gone": "1"}}', False), ("{}", False), ("[", False)],
)
def test_what_a_package_declares_to_need_decides(tmp_path: Path, manifest: str, reported: bool) -> None:
    folder = pnpm(tmp_path / "fn")
    make_tree(folder, {"node_modules/.pnpm/a@1/node_modules/a/package.json": manifest})
    assert bool(scan(code_of(folder)).warnings) is reported


def test_workspaces_and_linked_programs_are_no_store(tmp_path: Path) -> None:
    make_tree(tmp_path, {
        ".git/HEAD": "", "packages/common/index.js": "", "fn/index.js": "", "fn/node_modules/left/cli.js": "",
        "fn/node_modules/right/index.js": "", "fn/node_modules/.bin/x": "",
    })  # fmt: skip
    (tmp_path / "fn/node_modules/common").symlink_to("../../packages/common")
    (tmp_path / "fn/node_modules/again").symlink_to("left")
    (tmp_path / "fn/node_modules/.bin/left").symlink_to("../left/cli.js")
    assert scan(code_of(tmp_path / "fn")).warnings == ()


def workspace(folder: Path, *, circles: bool) -> None:
    """Create nineteen packages that link to each other: all of them, or only to later ones."""
    names = [f"p{number:02}" for number in range(19)]
    for name in names:
        make_tree(folder / name, {"index.js": "", "package.json": "{}"})
        (folder / name / "node_modules").mkdir()
        for other in names:
            if other > name or (circles and other != name):
                (folder / name / "node_modules" / other).symlink_to(f"../../{other}")


def test_packages_that_link_each_other_end_with_the_links_named(tmp_path: Path) -> None:
    workspace(tmp_path / "packages", circles=False)  # 262,144 paths from the first to the last
    with pytest.raises(PackageError) as caught:
        scan(code_of(tmp_path / "packages/p00", tmp_path))
    assert caught.value.message.startswith("more than 5,000 links to folders would be followed below packages/p00; ")
    assert "links lead most often to packages/p18 (" in caught.value.message
    assert "bundle" in caught.value.advice
    assert scan(code_of(tmp_path / "packages/p00", tmp_path, exclude=("node_modules",))).paths == (
        "index.js", "package.json",
    )  # fmt: skip


def test_packages_that_link_each_other_in_circles_end_with_the_circles_named(tmp_path: Path) -> None:
    workspace(tmp_path / "packages", circles=True)
    with pytest.raises(PackageError) as caught:
        scan(code_of(tmp_path / "packages/p00", tmp_path))
    assert caught.value.message.startswith("1000 files cannot be packed: packages/p00/node_modules/p")
    assert "is a link that loops (to ../../p00)" in caught.value.message


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.package.walk.FILES_MAX", 10)
    folder = make_tree(tmp_path / "fn", {f"{number}.py": "" for number in range(10)})
    assert len(scan(code_of(folder)).paths) == 10
    make_tree(folder, {"one-more.py": ""})
    with pytest.raises(PackageError, match="the package of fn would have more than 10 files"):
        scan(code_of(folder))
