"""Default exclusions, how to include a file again, files that may hold secrets, and lines without effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import PackageError
from orchestrator.model import Tree
from orchestrator.package import archive
from orchestrator.package.ignore_rules import LEFT_OUT_ENDINGS, LEFT_OUT_NAMES
from orchestrator.package.project import Surroundings
from tests.unit.package.trees import code_of, make_tree, scan, unhindered


def refusal(
    folder: Path, root: Path | None = None, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> PackageError:
    with pytest.raises(PackageError) as caught:
        scan(code_of(folder, root, include=include, exclude=exclude))
    return caught.value


@pytest.mark.parametrize("name", [*sorted(LEFT_OUT_NAMES), *(f"index.py{ending}" for ending in LEFT_OUT_ENDINGS)])
@pytest.mark.parametrize("place", ["", "lib/"])
def test_each_default_is_left_out_and_brought_back_by_name(tmp_path: Path, name: str, place: str) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "lib/a.py": "", f"{place}{name}": "", "lib/.vscode2": ""})
    tree = scan(code_of(folder))
    assert tree.paths == ("index.py", "lib/.vscode2", "lib/a.py")
    assert tree.left_out == (f"{place}{name}",)
    for line in (f"!{name}", f"!/{place}{name}"):
        assert f"{place}{name}" in scan(code_of(folder, exclude=(line,))).paths
    for line in ("!*", "!*/", "!**", "!lib/"):  # git whitelists begin like this, and do not mean version control
        assert f"{place}{name}" not in scan(code_of(folder, exclude=(line,))).paths


def test_the_reference_lists_every_default() -> None:
    text = (Path(__file__).parents[3] / "docs/packages.md").read_text("utf-8")
    desired = (*LEFT_OUT_NAMES, *(f"*{ending}" for ending in LEFT_OUT_ENDINGS))
    assert [name for name in desired if f"`{name}`" not in text] == []


def test_the_manifest_its_includes_and_the_state_are_left_out(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            "deploy.toml": "", "team/functions.toml": "", "team/other.toml": "", "state/journal.db": "", "index.py": "",
        },
    )  # fmt: skip
    own = (tmp_path / "deploy.toml", tmp_path / "team/functions.toml", tmp_path / "state", tmp_path / "gone")
    around = Surroundings.of(tmp_path, own)

    def taken(*exclude: str) -> Tree:
        return archive.scan(code_of(tmp_path, tmp_path, exclude=exclude), unhindered, around)

    assert taken().paths == ("index.py", "team/other.toml")
    assert taken().left_out == ("deploy.toml", "state/", "team/functions.toml")
    assert "deploy.toml" in taken("!deploy.toml").paths
    assert taken("!/state/").paths == ("index.py", "state/journal.db", "team/other.toml")


def test_an_ignore_file_above_the_source_counts_from_its_own_folder(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            ".orchestratorignore": "*.log\n/team/fn/data\n/data2\n", "team/.orchestratorignore": "!keep.log\n",
            "team/fn/a.log": "", "team/fn/keep.log": "", "team/fn/data/x": "", "team/fn/data2/x": "",
            "team/fn/b/data": "", "libs/l.log": "", "libs/l.py": "",
        },
    )  # fmt: skip
    code = code_of(tmp_path / "team/fn", tmp_path, files={"libs": tmp_path / "libs"})
    assert scan(code).paths == ("b/data", "data2/x", "keep.log", "libs/l.py")
    # An included manifest has its own folder, but files beside deploy.toml count too.
    included = code_of(tmp_path / "team/fn", tmp_path / "team")
    assert "a.log" in scan(included).paths
    assert "a.log" not in archive.scan(included, unhindered, Surroundings.of(tmp_path, ())).paths
    outside = code_of(tmp_path / "team/fn", tmp_path / "libs")
    assert "a.log" in scan(outside).paths


def test_what_the_manifest_names_is_not_left_out_itself(tmp_path: Path) -> None:
    make_tree(tmp_path, {".orchestratorignore": "dist/\n", "dist/index.js": "", "dist/dist/x.js": ""})
    assert scan(code_of(tmp_path / "dist", tmp_path)).paths == ("index.js",)


@pytest.mark.parametrize(
    ("file", "line"), [("fn/.orchestratorignore", 2), (".orchestratorignore", 2), ("fn/lib/.orchestratorignore", 2)]
)
def test_a_bad_line_in_an_ignore_file_is_reported_with_its_place(tmp_path: Path, file: str, line: int) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "fn/lib/x": "", file: "*.log\r\n[z-a]\r\n"})
    assert refusal(tmp_path / "fn", tmp_path).message.startswith(
        f'{file}:{line}: "[z-a]" has a range that goes backwards'
    )


@pytest.mark.parametrize("name", [".env", ".env.local", ".envrc", "lib/.env.production"])
def test_a_file_that_may_hold_secrets_has_to_be_named(tmp_path: Path, name: str) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "lib/a.py": "", name: "", ".env.example": ""})
    rest = (".env.example", "index.py", "lib/a.py")
    unnamed: list[tuple[tuple[str, ...], tuple[str, ...]]] = [((), ()), ((), ("!*",)), (("**", "!*.md"), ())]
    unnamed += [(("/lib/",), ())] if name.startswith("lib/") else []
    for include, exclude in unnamed:
        error = refusal(folder, include=include, exclude=exclude)
        assert error.message == f"fn/{name} may hold secrets, and no rule says whether it belongs in the package"
        assert error.advice == f'write exclude = ["/{name}"] to exclude it, or exclude = ["!/{name}"] to pack it'
    assert scan(code_of(folder, exclude=(f"/{name}",))).paths == rest
    assert scan(code_of(folder, exclude=(".env*", "!.env.example"))).paths == rest
    assert set(scan(code_of(folder, exclude=(f"!/{name}",))).paths) == {name, *rest}
    assert set(scan(code_of(folder, include=("*.py", f"/{name}"))).paths) == {name, "index.py", "lib/a.py"}
    assert scan(code_of(folder, include=("*.py",))).paths == ("index.py", "lib/a.py")
    assert set(scan(code_of(folder, files={name: folder / "index.py"})).paths) == {name, *rest}


def test_a_folder_laid_over_the_source_names_its_own_ignore_file(tmp_path: Path) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "libs/sub/.env": "", "libs/a.py": ""})
    with pytest.raises(PackageError) as caught:
        scan(code_of(tmp_path / "fn", files={"libs": tmp_path / "libs"}))
    assert caught.value.advice == ("add a line to libs/sub/.orchestratorignore: `/.env` excludes it, `!/.env` packs it")
    (tmp_path / "libs/sub/.orchestratorignore").write_text("/.env\n")
    assert scan(code_of(tmp_path / "fn", files={"libs": tmp_path / "libs"})).paths == ("index.py", "libs/a.py")


@pytest.mark.parametrize(
    ("include", "sentence"),
    [
        ("/requirments.txt", 'include: "/requirments.txt" matches no file of fn; did you mean "requirements.txt"?'),
        ("nothing", 'include: "nothing" matches no file of fn'),
        (
            "a.log",
            'include: "a.log" matches no file of fn; a.log is excluded by `exclude`, .orchestratorignore or by default',
        ),
        ("fn/index.py", 'include: "fn/index.py" can never match: it begins with its own folder; write "/index.py"'),
        ("./index.py", 'include: "./index.py" can never match: write "/index.py"'),
    ],
)  # fmt: skip
def test_a_line_of_include_without_effect_is_an_error(tmp_path: Path, include: str, sentence: str) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "requirements.txt": "", "a.log": ""})
    error = refusal(folder, include=("index.py", include), exclude=("*.log",))
    assert (error.message, bool(error.advice)) == (sentence, True)


def test_a_line_of_include_with_wildcards_may_stand_for_other_functions(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "lib/x": ""})
    tree = scan(code_of(folder, include=("*.py", "lib/", "*.json", "!x.py")))
    assert tree.paths == ("index.py", "lib/x")
    assert tree.warnings == ('include: "*.json" matches no file of fn',)
    assert scan(code_of(folder, include=("*.py", "lib/"))).warnings == ()


@pytest.mark.parametrize("line", ["p1/a.env", "!p1/*.py", "/team/p1/lib/", "p1/**"])
def test_a_pattern_that_begins_with_its_own_folder_is_an_error(tmp_path: Path, line: str) -> None:
    folder = make_tree(tmp_path / "team/p1", {"index.py": ""})
    assert "it begins with its own folder; write " in refusal(folder, tmp_path, exclude=(line,)).message
    (folder / line.lstrip("!/").partition("/")[0]).mkdir()  # now it may match
    assert scan(code_of(folder, tmp_path, exclude=(line,))).paths == ("index.py",)


def test_general_lists_pass(tmp_path: Path) -> None:
    lines = ("node_modules/", "tests/", "p1/", "*.md", "**/p1/x", "build/out", "/dist")
    assert scan(code_of(make_tree(tmp_path / "p1", {"index.py": ""}), exclude=lines)).paths == ("index.py",)
