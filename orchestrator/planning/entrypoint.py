"""Looks for the file of an entry point in a package, before the cloud does: there it costs an operation to learn."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection
from difflib import get_close_matches

_NODE_EXTENSIONS = (".js", ".mjs", ".cjs", ".ts")
_PYTHON_COMPILED = (".pyc", ".so")
# What makes the cloud's builder install or compile something (cloud-api §1.4).
INSTALLS = frozenset(("requirements.txt", "package.json", "go.mod", "pom.xml", "composer.json", "build.gradle"))


def missing_entry(runtime: str, entrypoint: str, paths: Collection[str]) -> tuple[str, str] | None:
    """Tell what is wrong with an entry point: ("error" or "warning", a sentence); None where nothing is, or where it
    cannot be told.

    Only Python's and bash's rules are certain enough for an error. Java, Kotlin, .NET and R name a class or a
    function, not a file. `paths` are the names in the package, with "/".
    """
    for prefix, (severity, judge) in _JUDGES.items():
        if runtime.startswith(prefix):
            sentence = judge(entrypoint, paths)
            return (severity, sentence) if sentence else None
    return None


def misspelled_entry(runtime: str, entrypoint: str) -> str:
    """Say what is wrong with an entry point whatever is in the package, "" where that tells nothing."""
    module, dot, handler = entrypoint.rpartition(".")
    if runtime.startswith("python") and not (dot and module and handler):
        return f"entrypoint {entrypoint!r} names no function: write it as file.function, such as index.handler"
    return ""


def _python(entrypoint: str, paths: Collection[str]) -> str | None:
    misspelled = misspelled_entry("python", entrypoint)
    if misspelled:
        return misspelled
    module, _, handler = entrypoint.rpartition(".")
    stem = posixpath.normpath(module.replace(".", "/") if not module.startswith("./") else module)
    wanted = (f"{stem}.py", f"{stem}/__init__.py")
    compiled = any(path.startswith(f"{stem}.") and path.endswith(_PYTHON_COMPILED) for path in paths)
    if compiled or _found(wanted, paths):
        return None
    modules = {_python_module(path): path for path in paths if path.endswith(".py")}
    return _sentence(entrypoint, wanted, _suggest(stem, modules, lambda near: f"{near.replace('/', '.')}.{handler}"))


def _python_module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__")


def _bash(entrypoint: str, paths: Collection[str]) -> str | None:
    wanted = posixpath.normpath(entrypoint)
    if wanted in paths:
        return None
    return _sentence(entrypoint, (wanted,), _suggest(wanted, {path: path for path in paths}, lambda near: near))


def _by_extension(*extensions: str) -> Callable[[str, Collection[str]], str | None]:
    """Judge entry points of the form file.function, where the file has one of the extensions."""

    def judge(entrypoint: str, paths: Collection[str]) -> str | None:
        module, _, handler = entrypoint.rpartition(".")
        if not module:
            return None
        stem = posixpath.normpath(module)
        # Go may be told the package, whose files have any names.
        if (
            extensions == (".go",)
            and posixpath.basename(stem) == "main"
            and any(path.endswith(".go") for path in paths)
        ):
            return None
        wanted = tuple(f"{stem}{extension}" for extension in extensions)
        if _found((*wanted, *(f"{stem}/index{extension}" for extension in extensions)), paths):
            return None
        # TypeScript is compiled by the cloud, into a folder that the package does not have yet.
        name = posixpath.basename(stem)
        if any(posixpath.basename(path) == f"{name}.ts" for path in paths) and "tsconfig.json" in paths:
            return None
        stems = {posixpath.splitext(path)[0]: path for path in paths if path.endswith(extensions)}
        return _sentence(entrypoint, wanted, _suggest(stem, stems, lambda near: f"{near}.{handler}"))

    return judge


def _found(wanted: tuple[str, ...], paths: Collection[str]) -> bool:
    return any(path in paths for path in wanted)


def _suggest(stem: str, stems: dict[str, str], spell: Callable[[str], str]) -> str:
    """Find what was probably meant: a file of that name in another folder, else one that is spelled alike."""
    name = posixpath.basename(stem)
    elsewhere = sorted((near for near in stems if posixpath.basename(near) == name), key=lambda near: (len(near), near))
    alike = elsewhere or get_close_matches(stem, sorted(stems), n=1)
    return f"; did you mean {spell(alike[0])!r}?" if alike else ""


def _sentence(entrypoint: str, wanted: tuple[str, ...], suggestion: str) -> str:
    return f"entrypoint {entrypoint!r}: the package has no {' or '.join(wanted)}{suggestion}"


_JUDGES: dict[str, tuple[str, Callable[[str, Collection[str]], str | None]]] = {
    "python": ("error", _python),
    "bash": ("error", _bash),
    "nodejs": ("warning", _by_extension(*_NODE_EXTENSIONS)),
    "golang": ("warning", _by_extension(".go")),
    "php": ("warning", _by_extension(".php")),
}


def telling_paths(runtime: str, entrypoint: str, paths: Collection[str]) -> tuple[str, ...]:
    """Leave of a package's names those that tell as much of its entry point, and of how it is built, as all of them."""
    name = posixpath.basename(posixpath.normpath(entrypoint.rpartition(".")[0].replace(".", "/") or entrypoint))
    telling = INSTALLS | {"tsconfig.json"}
    few = tuple(path for path in paths if path in telling or name in path)
    same = bool(missing_entry(runtime, entrypoint, few)) == bool(missing_entry(runtime, entrypoint, paths))
    return few if same else tuple(paths)
