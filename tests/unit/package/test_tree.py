from __future__ import annotations

import os
import socket
import zipfile
from pathlib import Path

import pytest

from orchestrator.errors import PackageError
from orchestrator.model import FileChanges, PackedFiles, SourceCode
from orchestrator.model.packed import file_changes
from tests.unit.package.trees import code_of, make_tree, pack, scan


def refusal(code: SourceCode) -> PackageError:
    with pytest.raises(PackageError) as caught:
        scan(code)
    return caught.value


def test_the_tree_hash_of_a_known_tree(tmp_path: Path) -> None:
    """Golden: another value redeploys every function of every user."""
    folder = make_tree(tmp_path / "fn", {"index.py": "def handler(event, context): ...\n", "lib/é.txt": "", "run": "1"})
    (folder / "run").chmod(0o755)
    tree = scan(code_of(folder))
    assert tree.hash == "2669f5a360e9692faa10acb229301ccbd6526e02339ff43e5303ff1b59c2357a"
    assert tree.paths == ("index.py", "lib/é.txt", "run")
    assert tree.size_bytes == 34


def test_a_file_is_known_again_by_its_content_and_its_executable_bit(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"a": "1", "b": "1", "c": "2"})
    before = scan(code_of(folder)).files.by_path()
    assert before["a"] == before["b"] != before["c"]
    (folder / "a").chmod(0o755)
    (folder / "c").write_text("1")
    after = scan(code_of(folder)).files
    assert file_changes(PackedFiles(tuple(before), "".join(before.values())), after) == FileChanges(("a", "c"))
    (folder / "a").chmod(0o644)
    assert scan(code_of(folder)).files.by_path() == dict.fromkeys("abc", before["a"])


def test_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    names = ["a-b", "a/b", "a0", "B", "é", "\uffff", "\U00010000"]
    tree = scan(code_of(make_tree(tmp_path / "fn", dict.fromkeys(names, ""))))
    assert tree.paths == tuple(sorted(names, key=str.encode))


def test_empty_folders_are_left_out(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    (folder / "empty/deep").mkdir(parents=True)
    assert scan(code_of(folder)).paths == ("index.py",)


def test_a_single_file_lies_under_its_base_name(tmp_path: Path) -> None:
    make_tree(tmp_path, {"fn/index.py": "x"})
    assert scan(code_of(tmp_path / "fn/index.py")).paths == ("index.py",)


@pytest.mark.parametrize("exclude", [(), ("*",)])
def test_an_empty_package_is_refused(tmp_path: Path, exclude: tuple[str, ...]) -> None:
    folder = make_tree(tmp_path / "fn", {"a": ""} if exclude else {})
    error = refusal(code_of(folder, exclude=exclude))
    assert error.message == "the package of fn would be empty"
    assert ".orchestratorignore" in error.advice


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    error = refusal(code_of(tmp_path / "gone"))
    assert error.message == "gone does not exist"


# --- links -----------------------------------------------------------------------------------------------------------


def test_links_inside_the_project_are_followed(tmp_path: Path) -> None:
    make_tree(tmp_path, {".git/HEAD": "", "shared/util.py": "u", "team/fn/index.py": ""})
    (tmp_path / "team/fn/util.py").symlink_to("../../shared/util.py")
    (tmp_path / "team/fn/shared").symlink_to(tmp_path / "shared")
    assert scan(code_of(tmp_path / "team/fn")).paths == ("index.py", "shared/util.py", "util.py")


def test_npm_workspaces_are_followed_to_their_siblings(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            ".git/HEAD": "", "package.json": "{}", "packages/api/index.js": "", "packages/common/index.js": "",
            "packages/common/package.json": "{}", "packages/api/node_modules/left/index.js": "",
        },
    )  # fmt: skip
    (tmp_path / "packages/api/node_modules/common").symlink_to("../../common")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/api").symlink_to("../packages/api")
    assert scan(code_of(tmp_path / "packages/api")).paths == (
        "index.js", "node_modules/common/index.js", "node_modules/common/package.json", "node_modules/left/index.js",
    )  # fmt: skip
    assert "node_modules/api/node_modules/common/index.js" in scan(code_of(tmp_path)).paths


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("gone", "fn/link is a broken link (to gone)"),
        ("index.py/x", "fn/link is a broken link (to index.py/x)"),
        ("link", "fn/link is a link that loops (to link)"),
        (".", "fn/link is a link that loops (to .)"),
        ("../fn", "fn/link is a link that loops (to ../fn)"),
        ("/", "fn/link is a link that leaves the project (to /; the project is {project})"),
        ("../../outside", "fn/link is a link that leaves the project (to ../../outside; the project is {project})"),
        (
            "../../outside/secret",
            "fn/link is a link that leaves the project (to ../../outside/secret; the project is {project})",
        ),
    ],
)
def test_links_that_cannot_be_followed_are_refused_by_name(tmp_path: Path, target: str, sentence: str) -> None:
    make_tree(tmp_path, {"outside/secret": "", "project/fn/index.py": ""})
    folder = tmp_path / "project/fn"
    (folder / "link").symlink_to(target)
    error = refusal(code_of(folder))
    assert error.message == sentence.format(project=os.path.realpath(tmp_path / "project"))
    assert "`exclude`" in error.advice
    assert "`files`" in error.advice
    assert scan(code_of(folder, exclude=("link",))).paths == ("index.py",)
    assert scan(code_of(folder, files={"link": folder / "index.py"})).paths == ("index.py", "link")


def test_a_loop_through_a_folder_above_the_source_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path, {".git/HEAD": "", "fn/index.py": ""})
    (tmp_path / "fn/up").symlink_to("..")
    assert "fn/up/fn is reached again" in refusal(code_of(tmp_path / "fn")).message


def test_a_named_folder_outside_the_project_may_have_links_of_its_own(tmp_path: Path) -> None:
    make_tree(tmp_path, {"project/index.py": "", "libs/a.py": "", "other/b.py": ""})
    (tmp_path / "libs/again.py").symlink_to("a.py")
    code = code_of(tmp_path / "project/index.py", files={"libs": tmp_path / "libs"})
    assert scan(code).paths == ("index.py", "libs/a.py", "libs/again.py")
    (tmp_path / "libs/b.py").symlink_to("../other/b.py")
    assert "libs/b.py is a link that leaves the project" in refusal(code).message


def test_a_source_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path, {"outside/index.py": "", "project/x": ""})
    (tmp_path / "project/fn").symlink_to("../outside")
    error = refusal(code_of(tmp_path / "project/fn"))
    assert error.message.startswith("fn is, or is behind, a link that leaves the project")


# --- odd files -------------------------------------------------------------------------------------------------------


def test_fifos_sockets_and_devices_are_refused_by_name_unless_excluded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    os.mkfifo(folder / "pipe")
    (folder / "null").symlink_to("/dev/null")
    monkeypatch.chdir(folder)  # a socket's path may have only 104 characters
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock")
    error = refusal(SourceCode(folder, Path("/")))
    assert error.message.startswith("3 files cannot be packed: ")
    for sentence in ("null is a device, which", "pipe is a FIFO, which", "sock is a socket, which"):
        assert sentence in error.message
    assert scan(code_of(folder, exclude=("pipe", "sock", "null"))).paths == ("index.py",)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (b"\xff.py", "fn/\\udcff.py has a name that is not UTF-8"),
        (b"a\nb", "fn/a\\nb has a control character in its name"),
        (b"a\\b", "fn/a\\b has a backslash in its name"),
    ],
)
def test_names_that_a_zip_should_not_hold_are_refused(tmp_path: Path, name: bytes, sentence: str) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"")
    assert refusal(code_of(folder)).message == sentence
    assert scan(code_of(folder, include=("*.py",), exclude=("?.py",))).paths == ("index.py",)


def test_unreadable_files_and_folders_are_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "", "key.pem": "", "locked/x": ""})
    scandir, access = os.scandir, os.access

    def no_listing(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    # Tests may run as root, who can read everything.
    monkeypatch.setattr(os, "scandir", no_listing)
    monkeypatch.setattr(os, "access", lambda path, mode, **kw: access(path, mode, **kw) and "key" not in str(path))
    assert refusal(code_of(folder)).message == (
        "2 files cannot be packed: fn/key.pem cannot be read (permission denied);"
        " fn/locked cannot be read (Permission denied)"
    )


def test_ten_mistakes_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    for number in range(12):
        (folder / f"link{number:02}").symlink_to("gone")
    message = refusal(code_of(folder)).message
    assert message.startswith("12 files cannot be packed: fn/link00 is")
    assert "fn/link09" in message
    assert message.endswith("; and 2 more")


# --- files placed over others ----------------------------------------------------------------------------------------


def test_files_are_laid_over_the_source(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            "fn/index.py": "", "fn/config.json": "dev", "fn/common/old.py": "", "libs/common/a.py": "",
            "libs/common/skip.log": "", "libs/common/.orchestratorignore": "*.log", "prod.json": "prod",
        },
    )  # fmt: skip
    files = {"common/": tmp_path / "libs/common", "./config.json": tmp_path / "prod.json"}
    laid = code_of(tmp_path / "fn", exclude=("config.json",), files=files)
    assert scan(laid).paths == ("common/a.py", "common/old.py", "config.json", "index.py")
    assert scan(laid).size_bytes == len("prod")
    assert scan(laid).hash == scan(code_of(tmp_path / "fn", files=files)).hash


def test_a_folder_may_be_laid_at_the_top(tmp_path: Path) -> None:
    make_tree(tmp_path, {"fn/a": "1", "top/a": "22"})
    tree = scan(code_of(tmp_path / "fn", files={".": tmp_path / "top"}))
    assert (tree.paths, tree.size_bytes) == (("a",), 2)


@pytest.mark.parametrize(
    ("laid", "local", "paths"),
    [
        ("common", "lib", {"common/a", "common/b/c"}),
        ("common/", "lib", {"common/a", "common/b/c"}),
        ("./common//", "lib", {"common/a", "common/b/c"}),
        (".", "lib", {"a", "b/c"}),
        ("./", "lib", {"a", "b/c"}),
        ("common", "one.txt", {"common"}),
        ("common/", "one.txt", {"common/one.txt"}),
        ("deep/er/", "one.txt", {"deep/er/one.txt"}),
        ("./common/x.txt", "one.txt", {"common/x.txt"}),
        (".", "one.txt", {"one.txt"}),
        ("./", "one.txt", {"one.txt"}),
    ],
)
def test_files_are_laid_as_cp_lays_them(tmp_path: Path, laid: str, local: str, paths: set[str]) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "lib/a": "", "lib/b/c": "", "one.txt": ""})
    assert set(scan(code_of(tmp_path / "fn", files={laid: tmp_path / local})).paths) == {"index.py", *paths}


@pytest.mark.parametrize(
    ("first", "second", "path"), [("a", "./a", "a"), ("c/", "c/one.txt", "c/one.txt"), (".", "one.txt", "one.txt")]
)
def test_two_lines_for_one_path_are_refused(tmp_path: Path, first: str, second: str, path: str) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "one.txt": ""})
    error = refusal(code_of(tmp_path / "fn", files={first: tmp_path / "one.txt", second: tmp_path / "one.txt"}))
    assert error.message == f'files: "{first}" and "{second}" place files at the same path, "{path}"'


def test_a_file_may_cover_one_of_a_folder_laid_before(tmp_path: Path) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "lib/a": "1", "one.txt": "22"})
    tree = scan(code_of(tmp_path / "fn", files={"lib": tmp_path / "lib", "lib/a": tmp_path / "one.txt"}))
    assert (tree.paths, tree.size_bytes) == (("index.py", "lib/a"), 2)


@pytest.mark.parametrize(("laid", "local"), [("common", "one.py"), ("index.py", "libs")])
def test_a_path_that_is_a_file_and_a_folder_is_refused_naming_both(tmp_path: Path, laid: str, local: str) -> None:
    make_tree(tmp_path, {"fn/common/x.py": "", "fn/index.py": "", "one.py": "", "libs/a.py": ""})
    message = refusal(code_of(tmp_path / "fn", files={laid: tmp_path / local})).message
    assert message.startswith(f'"{laid}" would be a file')
    assert local in message
    assert "fn/" in message


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../x", "a//b", "a\\b", "C:/x", "..", "", "/", "./../x"])
def test_paths_that_lead_out_of_the_package_are_refused(tmp_path: Path, path: str) -> None:
    make_tree(tmp_path, {"fn/index.py": "", "x": ""})
    assert refusal(code_of(tmp_path / "fn", files={path: tmp_path / "x"})).message.startswith("files: ")


def test_a_file_that_vanishes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": ""})
    monkeypatch.setattr("orchestrator.package.walk.open_binary", lambda _path: open(folder / "gone", "rb"))  # noqa: PTH123, SIM115 - as the real one does
    with pytest.raises(PackageError, match=r"fn/index\.py cannot be read: No such file"):
        pack(code_of(folder), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_source_lands_in_a_folder_of_the_package(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "fn", {"index.py": "x", "lib/a.py": "", "notes.md": ""})
    extra = make_tree(tmp_path / "extra", {"b.py": ""})
    moved = scan(code_of(folder, exclude=("*.md",), files={"lib": extra, "app/lib": extra}, into="app"))
    assert moved.paths == ("app/index.py", "app/lib/a.py", "app/lib/b.py", "lib/b.py")
    plain = scan(code_of(folder, exclude=("*.md",)))
    assert scan(code_of(folder, exclude=("*.md",), into="app")).hash != plain.hash
    package = pack(code_of(folder / "index.py", into="app/src"), tmp_path / "out")
    with zipfile.ZipFile(package.path) as archive:
        assert archive.namelist() == ["app/src/index.py"]
    zipped = code_of(package.path, into="more")
    assert scan(zipped).paths == ("more/app/src/index.py",)
    assert "has a control character in its name" in refusal(code_of(folder, into="a\x01")).message
