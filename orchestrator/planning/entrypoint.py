"""Checks that a package has the file of its entry point, before the cloud does: that would cost an Operation."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection
from difflib import get_close_matches

_NODE_EXTENSIONS = (".js", ".mjs", ".cjs", ".ts")
_PYTHON_COMPILED = (".pyc", ".so")
# What makes the cloud's builder install or compile something (cloud-api#builder).
INSTALLS = frozenset(("requirements.txt", "package.json", "go.mod", "pom.xml", "composer.json", "build.gradle"))

_ADVICE = "correct `entrypoint`, or see what the package has: `orchestrator package NAME`"
_ADVISED = ("did you mean", "write it as")  # a sentence with one of these says what to do already


def missing_entry(runtime: str, entrypoint: str, paths: Collection[str]) -> tuple[str, str] | None:
    """Return what is wrong with an entry point: ("error" or "warning", a sentence). None if nothing is, or if it cannot
    be checked. `paths`: the names in the package, with "/".

    | a file is missing for | and the package has                       | this is     |
    | ---                   | ---                                       | ---         |
    | Python, bash          | anything                                  | an error    |
    | Node.js               | no package.json, no tsconfig.json         | an error    |
    | Node.js               | one: its scripts may make it in the cloud | a warning   |
    | PHP                   | no composer.json                          | an error    |
    | PHP                   | one: its scripts may make it in the cloud | a warning   |
    | Go                    | no .go file                               | an error    |
    | Go                    | some: its package may be meant            | a warning   |
    | Java, Kotlin, .NET, R | anything: a class is named, not a file    | not checked |
    """
    for prefix, judge in _JUDGES.items():
        if runtime.startswith(prefix):
            sentence, doubt = judge(entrypoint, paths), _doubt(prefix, paths)
            if not sentence:
                return None
            if doubt:
                return "warning", f"{sentence}; {doubt}"
            return "error", sentence if any(words in sentence for words in _ADVISED) else f"{sentence}; {_ADVICE}"
    return None


# By the runtime's prefix: files whose scripts the cloud runs, or which it compiles, before the function is called.
_MADE_BY = {"nodejs": ("package.json", "tsconfig.json"), "php": ("composer.json",)}


def _doubt(language: str, paths: Collection[str]) -> str:
    """Return why a missing file is no error, "" if it is one: the cloud may make it, or a package may be meant."""
    makers = [name for name in _MADE_BY.get(language, ()) if name in paths]
    if makers:
        return f"not an error, because {makers[0]} may make it in the cloud"
    by_package = language == "golang" and any(path.endswith(".go") for path in paths)
    return "not an error, because a Go package may be meant" if by_package else ""


def misspelled_entry(runtime: str, entrypoint: str) -> str:
    """Return what is wrong with an entry point whatever the package has, "" for nothing."""
    module, dot, handler = entrypoint.rpartition(".")
    if runtime.startswith("python") and not (dot and module and handler):
        return f'entrypoint "{entrypoint}" names no function: write it as file.function, such as index.handler'
    return ""


def _python(entrypoint: str, paths: Collection[str]) -> str | None:
    misspelled = misspelled_entry("python", entrypoint)
    if misspelled:
        return misspelled
    module, _, handler = entrypoint.rpartition(".")
    stem = posixpath.normpath(module.replace(".", "/") if not module.startswith("./") else module)
    desired = (f"{stem}.py", f"{stem}/__init__.py")
    compiled = any(path.startswith(f"{stem}.") and path.endswith(_PYTHON_COMPILED) for path in paths)
    if compiled or _found(desired, paths):
        return None
    modules = {_python_module(path): path for path in paths if path.endswith(".py")}
    return _sentence(entrypoint, desired, _suggest(stem, modules, lambda near: f"{near.replace('/', '.')}.{handler}"))


def _python_module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__")


def _bash(entrypoint: str, paths: Collection[str]) -> str | None:
    desired = posixpath.normpath(entrypoint)
    if desired in paths:
        return None
    return _sentence(entrypoint, (desired,), _suggest(desired, {path: path for path in paths}, lambda near: near))


def _by_extension(*extensions: str) -> Callable[[str, Collection[str]], str | None]:
    """Return a check for entry points of the form file.function, where the file has one of the extensions."""

    def judge(entrypoint: str, paths: Collection[str]) -> str | None:
        module, _, handler = entrypoint.rpartition(".")
        if not module:
            return None
        stem = posixpath.normpath(module)
        # A Go entry point may name the package, whose files have any names.
        if (
            extensions == (".go",)
            and posixpath.basename(stem) == "main"
            and any(path.endswith(".go") for path in paths)
        ):
            return None
        desired = tuple(f"{stem}{extension}" for extension in extensions)
        if _found((*desired, *(f"{stem}/index{extension}" for extension in extensions)), paths):
            return None
        # The cloud compiles TypeScript into a folder that the package does not have yet.
        name = posixpath.basename(stem)
        if any(posixpath.basename(path) == f"{name}.ts" for path in paths) and "tsconfig.json" in paths:
            return None
        stems = {posixpath.splitext(path)[0]: path for path in paths if path.endswith(extensions)}
        return _sentence(entrypoint, desired, _suggest(stem, stems, lambda near: f"{near}.{handler}"))

    return judge


def _found(desired: tuple[str, ...], paths: Collection[str]) -> bool:
    return any(path in paths for path in desired)


def _suggest(stem: str, stems: dict[str, str], spell: Callable[[str], str]) -> str:
    """Return what was probably meant: a file of that name in another folder, or one with a similar name."""
    name = posixpath.basename(stem)
    elsewhere = sorted((near for near in stems if posixpath.basename(near) == name), key=lambda near: (len(near), near))
    alike = elsewhere or get_close_matches(stem, sorted(stems), n=1)
    return f'; did you mean "{spell(alike[0])}"?' if alike else ""


def _sentence(entrypoint: str, desired: tuple[str, ...], suggestion: str) -> str:
    return f'entrypoint "{entrypoint}": the package has no {" or ".join(desired)}{suggestion}'


_JUDGES: dict[str, Callable[[str, Collection[str]], str | None]] = {
    "python": _python,
    "bash": _bash,
    "nodejs": _by_extension(*_NODE_EXTENSIONS),
    "golang": _by_extension(".go"),
    "php": _by_extension(".php"),
}


def telling_paths(runtime: str, entrypoint: str, paths: Collection[str]) -> tuple[str, ...]:
    """Return the paths that are enough to check the entry point, and to find out how the package is built."""
    name = posixpath.basename(posixpath.normpath(entrypoint.rpartition(".")[0].replace(".", "/") or entrypoint))
    telling = INSTALLS | {"tsconfig.json"}
    few = tuple(path for path in paths if path in telling or name in path)
    same = _severity(missing_entry(runtime, entrypoint, few)) == _severity(missing_entry(runtime, entrypoint, paths))
    return few if same else tuple(paths)


def _severity(found: tuple[str, str] | None) -> str:
    return found[0] if found is not None else ""
