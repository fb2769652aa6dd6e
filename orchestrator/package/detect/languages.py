"""How a handler is recognized in each language: by the text of a folder's files. None of them is run.

| language | a function is                                                                   | entry point         |
| ---      | ---                                                                             | ---                 |
| Python   | `def handler(`, else a `def` with (event, context)                              | index.handler       |
| Node.js  | an export called handler, else one that takes `event`                           | index.handler       |
| Go       | `func Handler(`, else an exported one with context.Context, http.ResponseWriter | index.Handler       |
| PHP      | `function handler(`, else one with ($event, $context)                           | index.handler       |
| Java     | a class that is a Function, a YcFunction or an HttpServlet                      | com.example.Handler |
| C#       | beside a .csproj, a class with a method FunctionHandler                         | Namespace.Handler   |
| Bash     | handler.sh                                                                      | handler.sh          |
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

READ_MAX_BYTES = 256 * 1024  # per file: handlers are in small files
_NAMED = ("handler", "Handler")
_FIRST = ("index", "main", "handler", "app")  # file names that are searched before others
_BELOW_MAX = 2_000  # limit on source files of a project in deeper folders

_PYTHON = re.compile(r"^(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\([ \t]*(\w+)[^,()\n]*,[ \t]*(\w+)", re.MULTILINE)
_NODE = (
    re.compile(r"\bexports\.(\w+)[ \t]*=[ \t]*(?:async[ \t]*)?(?:function[ \t]*\w*[ \t]*)?\(?[ \t]*(\w*)"),
    re.compile(r"^export[ \t]+(?:async[ \t]+)?function[ \t]+(\w+)[ \t]*\([ \t]*(\w*)", re.MULTILINE),
    re.compile(
        r"^export[ \t]+(?:const|let|var)[ \t]+(\w+)[^=\n]*"
        r"=[ \t]*(?:async[ \t]*)?(?:function[ \t]*\w*[ \t]*)?\(?[ \t]*(\w*)",
        re.MULTILINE,
    ),
)
_NODE_ENDINGS = (".js", ".cjs", ".mjs")
NODE_ENDINGS = (*_NODE_ENDINGS, ".ts")
_BUILT = ("dist/", "build/", "out/")  # where builds put their output
_NODE_RUNTIME = "nodejs22"
_NODE_TABLE = re.compile(r"\bmodule\.exports[ \t]*=[ \t]*\{([^{}]*)\}")
_GO = re.compile(r"^func[ \t]+([A-Z]\w*)[ \t]*\(([^)\n]*)", re.MULTILINE)
_GO_TAKES = re.compile(r"\b(?:context\.Context|http\.ResponseWriter)\b")
_PHP = re.compile(r"\bfunction[ \t]+(\w+)[ \t]*\(([^)\n]*)", re.IGNORECASE)
_JAVA = re.compile(r"\bclass[ \t]+(\w+)[^{;]*\b(?:implements|extends)\b[^{;]*\b(?:Function|YcFunction|HttpServlet)\b")
_JAVA_PACKAGE = re.compile(r"^[ \t]*package[ \t]+([\w.]+)[ \t]*;", re.MULTILINE)
_CLASS = re.compile(r"\bclass[ \t]+(\w+)")
_NAMESPACE = re.compile(r"\bnamespace[ \t]+([\w.]+)")
_FUNCTION_HANDLER = re.compile(r"\bFunctionHandler[ \t]*\(")


@dataclass(frozen=True, slots=True)
class FoundHandler:
    """A handler. `stem`: distinguishes it from others in its folder. `build`: a command that creates what is packed."""

    runtime: str
    entrypoint: str
    stem: str
    build: str = ""


@dataclass(frozen=True, slots=True)
class CandidateFolder:
    """A folder that may contain a function. `names`: of the files in it."""

    path: Path
    names: tuple[str, ...]

    def text(self, name: str) -> str:
        """Return the content of a file; "" if it cannot be read, or if it is too large to be handwritten."""
        path = self.path / name
        try:
            if not path.is_file():  # a pipe would block
                return ""
            with path.open("rb") as file:
                content = file.read(READ_MAX_BYTES + 1)
        except OSError:
            return ""
        return "" if len(content) > READ_MAX_BYTES else content.decode("utf-8", "replace")

    def files(self, *endings: str) -> Iterator[tuple[str, str]]:
        """Yield the files with these endings as stem and text, those that usually contain handlers first."""
        for name in sorted(self.names, key=lambda name: (_rank(name), name)):
            stem, dot, ending = name.rpartition(".")
            if dot and f".{ending}" in endings:
                yield stem, self.text(name)

    def below(self, *endings: str) -> Iterator[str]:
        """Yield the text of files with these endings at any depth, in order of their paths, up to a limit."""
        found = (path for path in self.path.rglob("*") if path.suffix in endings and path.is_file())
        paths = sorted(path for path, _ in zip(found, range(_BELOW_MAX), strict=False))
        yield from (self.text(str(path.relative_to(self.path))) for path in paths)


def _rank(name: str) -> int:
    stem = name.partition(".")[0]
    return _FIRST.index(stem) if stem in _FIRST else len(_FIRST)


# For each function in a text: its name, and whether it looks like a handler despite its name.
Functions = Iterator[tuple[str, bool]]


def _python(text: str) -> Functions:
    yield from ((match[1], (match[2], match[3]) == ("event", "context")) for match in _PYTHON.finditer(text))


def _node(text: str) -> Functions:
    for pattern in _NODE:
        yield from ((match[1], match[2] == "event") for match in pattern.finditer(text))
    for table in _NODE_TABLE.finditer(text):
        yield from ((name, False) for name in re.findall(r"\w+", table[1]))


def _go(text: str) -> Functions:
    yield from ((match[1], bool(_GO_TAKES.search(match[2]))) for match in _GO.finditer(text))


def _php(text: str) -> Functions:
    yield from ((match[1], match[2].replace(" ", "") == "$event,$context") for match in _PHP.finditer(text))


def _in_files(
    folder: CandidateFolder, runtime: str, functions: Callable[[str], Functions], endings: tuple[str, ...]
) -> list[FoundHandler]:
    """Return the handlers in a folder's files: those with a handler's name, else those that look like one."""
    named, similar = list[FoundHandler](), list[FoundHandler]()
    for stem, text in folder.files(*endings):
        if stem.startswith(("test_", "conftest", "setup")) or stem.endswith(("_test", ".test", ".spec", ".d")):
            continue
        for name, is_similar in dict(functions(text)).items():
            called = name in _NAMED
            if called or is_similar:
                found = FoundHandler(runtime, f"{stem}.{name}", stem if called else name)
                (named if called else similar).append(found)
    return named or similar


def _of_python(folder: CandidateFolder) -> list[FoundHandler]:
    return _in_files(folder, "python312", _python, (".py",))


def _of_node(folder: CandidateFolder) -> list[FoundHandler]:
    """Search the file that package.json names, which a build may have to create; else all files."""
    package = read_package_json(folder)
    if isinstance(main := package.get("main"), str) and main:
        stem = posixpath.normpath(main)
        stem = stem.rpartition(".")[0] if f".{stem.rpartition('.')[2]}" in _NODE_ENDINGS else stem
        build = _build_of(package, folder)
        if found := _of_node_file(folder, stem):  # an earlier build's output may be outdated
            return [replace(one, build=build) for one in found] if stem.startswith(_BUILT) else found
        if build and not any((folder.path / f"{stem}{ending}").is_file() for ending in _NODE_ENDINGS):
            return [FoundHandler(_NODE_RUNTIME, f"{stem}.handler", "handler", build)]
    return _in_files(folder, _NODE_RUNTIME, _node, NODE_ENDINGS)


def _of_node_file(folder: CandidateFolder, stem: str) -> list[FoundHandler]:
    """Return the handlers in one file of a package, by its path without the ending."""
    where, _, name = stem.rpartition("/")
    alone = CandidateFolder(folder.path / where, tuple(f"{name}{ending}" for ending in _NODE_ENDINGS))
    prefix = f"{where}/" if where else ""
    found = _in_files(alone, _NODE_RUNTIME, _node, _NODE_ENDINGS)
    return [FoundHandler(one.runtime, f"{prefix}{one.entrypoint}", one.stem) for one in found]


def read_package_json(folder: CandidateFolder) -> Mapping[str, Any]:
    """Parse a folder's package.json; empty if it is missing or broken."""
    try:
        found = orjson.loads(folder.text("package.json") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _build_of(package: Mapping[str, Any], folder: CandidateFolder) -> str:
    scripts = package.get("scripts")
    install = "npm ci" if "package-lock.json" in folder.names else "npm install"
    return f"{install} && npm run build" if isinstance(scripts, dict) and "build" in scripts else ""


def _of_go(folder: CandidateFolder) -> list[FoundHandler]:
    return _in_files(folder, "golang123", _go, (".go",))


def _of_php(folder: CandidateFolder) -> list[FoundHandler]:
    return _in_files(folder, "php82", _php, (".php",))


def _of_java(folder: CandidateFolder) -> list[FoundHandler]:
    """Use the first class of a project, or of a folder of sources without a project."""
    is_project = {"pom.xml", "build.gradle", "build.gradle.kts"} & set(folder.names)
    texts = folder.below(".java") if is_project else (text for _, text in folder.files(".java"))
    for text in texts:
        if (found := _JAVA.search(text)) is not None:
            package = _JAVA_PACKAGE.search(text)
            return [FoundHandler("java21", f"{package[1]}.{found[1]}" if package else found[1], found[1])]
    return []


def _of_dotnet(folder: CandidateFolder) -> list[FoundHandler]:
    if not any(name.endswith(".csproj") for name in folder.names):
        return []
    for text in folder.below(".cs"):
        if (method := _FUNCTION_HANDLER.search(text)) is not None:
            classes = [match[1] for match in _CLASS.finditer(text, 0, method.start())]
            namespace = _NAMESPACE.search(text)
            if classes:
                name = f"{namespace[1]}.{classes[-1]}" if namespace else classes[-1]
                return [FoundHandler("dotnet8", name, classes[-1])]
    return []


def _of_bash(folder: CandidateFolder) -> list[FoundHandler]:
    return [FoundHandler("bash-2204", "handler.sh", "handler")] if "handler.sh" in folder.names else []


LANGUAGES: tuple[Callable[[CandidateFolder], list[FoundHandler]], ...] = (
    _of_python, _of_node, _of_go, _of_php, _of_java, _of_dotnet, _of_bash,
)  # fmt: skip
