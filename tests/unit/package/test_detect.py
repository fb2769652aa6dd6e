"""Functions that are found in a folder: what counts as a handler, their names, and what is not packed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.manifest.load import load
from orchestrator.manifest.writing.scaffold import scaffold_text
from orchestrator.package.detect import finding
from orchestrator.package.detect.finding import FoundFunctions, detect_functions
from orchestrator.package.detect.languages import READ_MAX_BYTES
from orchestrator.package.detect.runtime_choice import least_version

PACKAGE = '{"main": "./dist/index.js", "scripts": {"build": "tsc"}}'
JAVA = "package com.example;\npublic class Hello\n  implements Function<String, String> {}"
CSHARP = "namespace A.B;\nclass Other {}\npublic class Handler {\n  public string FunctionHandler(string s) => s;\n}"
# The files of one folder, and what is found there: runtime, entry point.
FOLDERS: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "python": ({"index.py": "def handler(event, context):\n  pass"}, [("python312", "index.handler")]),
    "python, async and typed": (
        {"a.py": "async def handler(event: dict[str, int], context: object) -> None: ..."},
        [("python312", "a.handler")],
    ),
    "python by its parameters": (
        {"convert.py": "def to_json(event, context): ...\ndef helper(a, b): ...\ndef to_csv(event, context): ..."},
        [("python312", "convert.to_json"), ("python312", "convert.to_csv")],
    ),
    "a handler beats what looks like one": (
        {"a.py": "def run(event, context): ...", "b.py": "def handler(e, c): ..."}, [("python312", "b.handler")]
    ),
    "python without a handler": ({"index.py": "def main():\n  pass\n# def handler(event, context)"}, []),
    "a test is no function": ({"test_x.py": "def handler(event, context): ..."}, []),
    "a method is no function": ({"x.py": "class A:\n    def handler(self, event): ..."}, []),
    "node": ({"index.js": "module.exports.handler = async function (event) {}"}, [("nodejs22", "index.handler")]),
    "node, a module": ({"index.mjs": "export const handler = async (event) => 1"}, [("nodejs22", "index.handler")]),
    "node, a function": ({"main.ts": "export async function handler(event: any) {}"}, [("nodejs22", "main.handler")]),
    "node, a table": ({"app.js": "module.exports = { handler, other }"}, [("nodejs22", "app.handler")]),
    "node by its parameter": ({"app.js": "exports.resize = (event) => 1"}, [("nodejs22", "app.resize")]),
    "node, no handler": ({"gulpfile.js": "exports.build = series(clean)", "package.json": "{}"}, []),
    "node, its main": (
        {"package.json": '{"main": "lib/run"}', "lib/run.js": "exports.handler = 1", "index.js": "exports.handler = 2"},
        [("nodejs22", "lib/run.handler")],
    ),
    "node, a main that is to be built": ({"package.json": PACKAGE}, [("nodejs22", "dist/index.handler")]),
    "node, in src": (
        {"package.json": "{}", "src/index.js": "exports.handler = 1"}, [("nodejs22", "src/index.handler")]
    ),
    "node, package.json broken": (
        {"package.json": "{", "a.js": "exports.handler = 1"}, [("nodejs22", "a.handler")]
    ),
    "go": ({"go.mod": "module x", "index.go": "func Handler(x string) {}"}, [("golang123", "index.Handler")]),
    "go by its parameters": (
        {"main.go": "func Run(ctx context.Context) {}\nfunc Help() {}"}, [("golang123", "main.Run")]
    ),
    "php": ({"index.php": "<?php\nfunction handler($event, $context) {}"}, [("php82", "index.handler")]),
    "php by its parameters": ({"a.php": "<?php\nfunction run($event, $context) {}"}, [("php82", "a.run")]),
    "java": ({"pom.xml": "", "src/main/java/com/example/Hello.java": JAVA}, [("java21", "com.example.Hello")]),
    "java, one file": ({"Handler.java": "public class Handler extends HttpServlet {}"}, [("java21", "Handler")]),
    "java, no handler": ({"pom.xml": "", "A.java": "class A {}"}, []),
    "c#": ({"A.csproj": "", "src/F.cs": CSHARP}, [("dotnet8", "A.B.Handler")]),
    "c#, no project": ({"F.cs": CSHARP}, []),
    "bash": ({"handler.sh": "#!/bin/bash"}, [("bash-2204", "handler.sh")]),
    "bash, another script": ({"build.sh": "#!/bin/bash"}, []),
}  # fmt: skip


def search(root: Path, files: dict[str, str]) -> FoundFunctions:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return detect_functions(root, "deploy.toml")


@pytest.mark.parametrize("case", FOLDERS)
def test_what_counts_as_a_handler(tmp_path: Path, case: str) -> None:
    files, meant = FOLDERS[case]
    found = search(tmp_path, {f"fun/{name}": text for name, text in files.items()}).functions
    assert [(one.handler.runtime, one.handler.entrypoint) for one in found if one.source == "fun"] == meant
    if len(meant) == 1:
        assert [one.name for one in found] == ["fun"]


HANDLER = "def handler(event, context): ..."


def names(found: FoundFunctions) -> dict[str, str]:
    return {one.name: one.source for one in found.functions}


def test_functions_are_called_after_their_folders(tmp_path: Path) -> None:
    files = (
        "a/x y/i.py",
        "b/X_y/i.py",
        "cat/src/i.py",
        "1st/i.py",
        "z/i.py",
        "two/one.py",
        "two/2.py",
        "dog/src/app/i.py",
    )
    assert names(search(tmp_path, dict.fromkeys(files, HANDLER))) == {
        "fn-1st": "1st", "x-y": "a/x y", "b-x-y": "b/X_y", "cat": "cat/src", "dog": "dog/src/app", "two-2": "two",
        "two-one": "two", "z-fn": "z",
    }  # fmt: skip
    assert names(search(tmp_path / "two", {})) == {"two-2": ".", "two-one": "."}


def test_what_is_below_a_function_or_not_ours_is_not_looked_into(tmp_path: Path) -> None:
    files = ("f/i.py", "f/g/i.py", ".h/i.py", "node_modules/m/i.py", "v/lib/i.py", "o/i.py", "tests/i.py")
    made = {**dict.fromkeys(files, HANDLER), "v/pyvenv.cfg": "", "o/deploy.toml": "", "deploy.toml": ""}
    (tmp_path / "link").symlink_to(tmp_path / "o")
    found = search(tmp_path, made)
    assert (names(found), found.other_projects, found.cut_off) == ({"f-fn": "f"}, ("o",), False)


JS, DEPENDS = "exports.handler = 1", '{"dependencies": {"a": "1"}}'
REQUIRED = {"requirements.txt": "a"}
# The files of a project, and of each function: name → source, entry point, added files.
LAYOUTS: dict[str, tuple[dict[str, str], dict[str, tuple[str, str, dict[str, str]]]]] = {
    "src/*": (
        {"src/one/index.py": HANDLER, "src/two/index.js": JS},
        {"one": ("src/one", "index.handler", {}), "two": ("src/two", "index.handler", {})},
    ),
    "src/* of a package": (
        {"package.json": DEPENDS, "src/one/index.js": JS, "src/two/index.ts": "export const handler = 1"},
        {"one": (".", "src/one/index.handler", {}), "two": (".", "src/two/index.handler", {})},
    ),
    "src/functions/* of a package": (
        {"package.json": '{"type": "module"}', "src/functions/one.js": JS, "src/functions/two.js": JS},
        {"one": (".", "src/functions/one.handler", {}), "two": (".", "src/functions/two.handler", {})},
    ),
    "functions/*/src": (
        {"functions/one/package.json": "{}", "functions/one/src/run.js": JS, "functions/two/src/i.py": HANDLER},
        {"one": ("functions/one", "src/run.handler", {}), "two": ("functions/two/src", "i.handler", {})},
    ),
    "a package without main": (
        {"api/package.json": "{}", "api/src/index.js": JS, "api/src/other.js": JS},
        {"api-index": ("api", "src/index.handler", {}), "api-other": ("api", "src/other.handler", {})},
    ),
    "a package.json of tools only": (
        {"package.json": '{"devDependencies": {"a": "9"}}', "one/i.js": JS, "two/i.js": f'require("../lib/a");{JS}'},
        {"one": ("one", "i.handler", {}), "two": (".", "two/i.handler", {})},
    ),
    "packages of their own": (
        {"package.json": DEPENDS, "src/one/package.json": "{}", "src/one/i.js": JS, "src/two/i.py": HANDLER},
        {"one": ("src/one", "i.handler", {}), "two": ("src/two", "i.handler", {})},
    ),
    "workspaces": (
        {
            "package.json": '{"workspaces": ["packages/*"], "dependencies": {"a": "1"}}', "tools/i.js": JS,
            "packages/one/package.json": DEPENDS, "packages/one/src/i.js": JS, "packages/lib/package.json": "{}",
        },
        {"one": ("packages/one", "src/i.handler", {}), "tools": ("tools", "i.handler", {})},
    ),
    "workspaces beside a handler": (
        {
            "package.json": '{"workspaces": {"packages": ["./packages/*"]}}', "index.js": JS, "lib/i.js": JS,
            "packages/one/i.js": JS,
        },
        {"top": (".", "index.handler", {}), "one": ("packages/one", "i.handler", {})},
    ),
    "broken workspaces": (
        {"package.json": '{"workspaces": 1, "type": "module"}', "one/i.js": JS}, {"one": (".", "one/i.handler", {})}
    ),
    "requirements.txt above": (
        REQUIRED | {"functions/one/i.py": "import util\n" + HANDLER},
        {"one": ("functions/one", "i.handler", {"requirements.txt": "requirements.txt"})},
    ),
    "requirements.txt, the nearest": (
        REQUIRED | {"one/requirements.txt": "", "one/src/i.py": HANDLER, "z/requirements.txt": "", "z/i.py": HANDLER},
        {"one": ("one/src", "i.handler", {"requirements.txt": "one/requirements.txt"}), "z-fn": ("z", "i.handler", {})},
    ),
    "requirements.txt, imports by the path": (
        REQUIRED | {"src/one/i.py": f"from src.l import a\n{HANDLER}", "src/two/i.py": f"from .a import b\n{HANDLER}"},
        {"one": (".", "src.one.i.handler", {}), "two": (".", "src.two.i.handler", {})},
    ),
    "requirements.txt, a path that nothing can import": (
        REQUIRED | {"a-b/i.py": f"from . import c\n{HANDLER}"},
        {"a-b": ("a-b", "i.handler", {"requirements.txt": "requirements.txt"})},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYOUTS)
def test_what_lies_above_a_handler_goes_with_it(tmp_path: Path, case: str) -> None:
    files, meant = LAYOUTS[case]
    found = search(tmp_path / "top", files).functions
    assert {one.name: (one.source, one.handler.entrypoint, dict(one.files)) for one in found} == meant


PYTHON, NODE, GO = (
    {f"f/{name}": text}
    for name, text in (("i.py", HANDLER), ("i.js", "exports.handler = 1"), ("i.go", "func Handler(x string) {}"))
)
NEAREST = "; this is the nearest supported one that is not older"
# The files, the runtime of the one function, and how the reason ends.
RUNTIMES: dict[str, tuple[dict[str, str], str, str]] = {
    "said": (PYTHON | {"f/.python-version": "# ours\n3.12.4\n"}, "python312", ".python-version says 3.12.4"),
    "older": (PYTHON | {".python-version": "3.9"}, "python312", f".python-version at the top says 3.9{NEAREST}"),
    "newer than the default": (
        PYTHON | {"f/pyproject.toml": '[project]\nrequires-python = ">3.12.9, >=3.13, !=3.14.1"'},
        "python313", "!=3.14.1",
    ),
    "newer than all": (PYTHON | {".python-version": "4.1"}, "python312", "says 4.1, and no runtime is that new"),
    "no least": (
        PYTHON | {"pyproject.toml": '[project]\nrequires-python = "<3.12"'}, "python312",
        "which names no minimum version",
    ),
    "nothing": (
        PYTHON | {".nvmrc": "18", "pyproject.toml": "["}, "python312",
        "guessed: no version in .python-version, requires-python of pyproject.toml",
    ),
    "the nearest file": (
        NODE | {".nvmrc": "24", "f/package.json": '{"engines": {"node": "18 - 20"}}'}, "nodejs22",
        f"engines.node of package.json says 18 - 20{NEAREST}",
    ),
    "a code name": (NODE | {".nvmrc": "lts/jod"}, "nodejs22", ".nvmrc at the top says lts/jod"),
    "no version": (NODE | {".nvmrc": "lts/*"}, "nodejs22", "says lts/*, which names no minimum version"),
    "broken engines": (NODE | {"f/package.json": '{"engines": 22}'}, "nodejs22", "engines.node of package.json"),
    "go": (GO | {"go.mod": "module x\n\ngo 1.21.3\n"}, "golang123", f"go.mod at the top says 1.21.3{NEAREST}"),
    "no file tells": ({"f/handler.sh": "", ".nvmrc": "22"}, "bash-2204", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNTIMES)
def test_the_runtime_is_what_the_files_ask_for(tmp_path: Path, case: str) -> None:
    files, runtime, why = RUNTIMES[case]
    (found,) = search(tmp_path, files).functions
    assert found.handler.runtime == runtime
    assert found.runtime_why.endswith(why)
    assert bool(found.runtime_why) == bool(why)


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("v20.11.0", (20, 11, 0)), (">=3.9,<3.12", (3, 9)), ("^22 || ^18", (18,)), ("20.x", (20,)), ("~=3.11", (3, 11)),
        (">= 18 < 21", (18,)), ("3.13-dev", (3, 13)), ("20.0.0-rc.1", (20, 0, 0)), ("system", None),
        ("pypy3.9-7.3", None), ("*", None), ("lts/Iron", (20,)), ("==3.12.*", (3, 12)),
    ],
)  # fmt: skip
def test_the_least_version_of_a_range(text: str, least: tuple[int, ...] | None) -> None:
    assert least_version(text) == least


def test_a_search_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert search(tmp_path, {"a/b/c/d/e/f/i.py": HANDLER}).functions[0].source == "a/b/c/d/e/f"
    found = search(tmp_path, {"x/b/c/d/e/f/g/i.py": HANDLER})
    assert (len(found.functions), found.cut_off) == (1, True)
    monkeypatch.setattr(finding, "FOLDERS_MAX", 4)
    assert search(tmp_path, {}).cut_off
    assert search(tmp_path, {"y/i.py": HANDLER + " " * READ_MAX_BYTES}).cut_off  # too large to be searched


def test_secrets_and_what_is_installed_are_not_packed(tmp_path: Path) -> None:
    files = {
        "f/index.js": "exports.handler = 1", "f/package.json": "{}", "f/node_modules/a/.env": "", "f/.env": "",
        "f/.env.example": "", "f/conf/.env.local": "", "f/vendor/a.php": "",
    }  # fmt: skip
    found = search(tmp_path, files).functions
    assert [one.exclude for one in found] == [("/.env", "/conf/.env.local", "/node_modules/")]


def test_a_source_of_many_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[Path]()

    def look(folder: Path) -> set[str]:
        looked.append(folder)
        return {"/.env"}

    monkeypatch.setattr(finding, "_not_packed", look)
    found = search(tmp_path, {"package.json": DEPENDS, "src/one/i.js": JS, "src/two/i.js": JS}).functions
    assert ([one.exclude for one in found], looked) == ([("/.env",)] * 2, [tmp_path / "."])


def test_what_a_build_installs_is_not_packed_either(tmp_path: Path) -> None:
    (found,) = search(tmp_path, {"f/package.json": PACKAGE, "f/package-lock.json": "{}"}).functions
    assert (found.handler.build, found.exclude) == ("npm ci && npm run build", ("/node_modules/",))
    (found,) = search(tmp_path, {"f/dist/index.js": "exports.handler = 1"}).functions
    assert found.handler.build == "npm ci && npm run build"  # existing output may be old
    files = {"f/package.json": PACKAGE.replace("./dist", "lib"), "f/lib/index.js": "exports.handler = 1"}
    (found,) = search(tmp_path, files).functions
    assert (found.handler.build, found.handler.entrypoint, found.exclude) == ("", "lib/index.handler", ())


def test_an_unreadable_folder_has_no_function(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f").chmod(0)
    if os.access(tmp_path / "f", os.R_OK):
        pytest.skip("this user may read everything")
    assert search(tmp_path, {}).functions == ()


def test_the_text_is_a_manifest_that_says_just_that(tmp_path: Path) -> None:
    keys = {"source": ".", "runtime": "python312", "entrypoint": "index.handler"}
    functions: dict[str, dict[str, Any]] = {
        "one": keys | {"exclude": ["/.env"]},
        "two": keys | {"build": {"command": 'echo "${X}"'}},
        "three": keys | {"entrypoint": "a.b", "runtime": "bash-2204"},
    }
    path = tmp_path / "deploy.toml"
    path.write_text(text := scaffold_text(functions, "", ""))
    assert 'entrypoint = "index.handler"' in text.split("[functions.one]")[0]
    found = load(path, {"YC_FOLDER_ID": "b1g"})
    made = {key: (one.settings.runtime, one.settings.entrypoint) for key, one in found.functions.items()}
    assert made == {key: (one["runtime"], one["entrypoint"]) for key, one in functions.items()}
    assert {one.folder_id for one in found.functions.values()} == {"b1g"}
    assert found.storage.bucket is None
    why = {"one": "said\nhere", "two": "said\nhere", "three": "guessed"}
    path.write_text(text := scaffold_text(functions, "", "", why))
    assert text.count('runtime = "python312"   # said here') == 1
    assert 'runtime = "bash-2204"   # guessed' in text
    path.write_text(text := scaffold_text(functions, "", "", why | {"two": "other", "three": "said\nhere"}))
    assert "# python312: other\n[functions.two]" in text
    assert load(path, {"YC_FOLDER_ID": "b1g"}).functions.keys() == functions.keys()
    path.write_text(text := scaffold_text({"one": keys}, 'b"1', "packages"))
    assert "[defaults]" in text
    found = load(path, {})
    assert (found.functions["one"].folder_id, found.storage.bucket) == ('b"1', "packages")
