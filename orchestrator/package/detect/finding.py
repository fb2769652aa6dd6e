"""Finds functions in a folder: folders with handlers, and the files in them that must not be packed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.package.detect.languages import LANGUAGES, CandidateFolder, FoundHandler
from orchestrator.package.detect.layouts import Above, Placed, workspace_tops
from orchestrator.package.detect.runtime_choice import runtime_of
from orchestrator.package.ignore_rules import LEFT_OUT_NAMES, may_hold_secrets

FOLDERS_MAX = 5_000
DEPTH_MAX = 6
# Folders that never contain functions; hidden folders are skipped too.
_NOT_LOOKED_INTO = LEFT_OUT_NAMES | {
    "node_modules", "vendor", "venv", "site-packages", "dist", "build", "target", "bin", "obj", "test", "tests",
    "testdata", "docs", "layers",
}  # fmt: skip
# What package managers create, and the cloud creates again from the declared dependencies.
_MADE = {"node_modules": "package.json", "venv": "", ".venv": "", "vendor": "composer.json"}
_INSTALLED = "/node_modules/"
_SAYS_NOTHING = frozenset({"src", "app", "code", "function", "functions", "handler", "handlers", "lambda", "lambdas"})
_NAME_LEAST, _NAME_MOST = 3, 63


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """A function in a folder. `source`: relative to where the search began, "." for that folder. `exclude`: patterns of
    what must not be packed. `runtime_why`: why this runtime, "" if no file names a version in its language. `files`:
    the path in the package → the file to place there, relative like `source`.
    """

    name: str
    source: str
    handler: FoundHandler
    exclude: tuple[str, ...] = ()
    runtime_why: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundFunctions:
    """The result of a search, ordered by path. `other_projects`: folders with their own manifest. `cut_off`: some
    folders were not searched, because there were too many or they were too deep.
    """

    functions: tuple[FoundFunction, ...]
    other_projects: tuple[str, ...] = ()
    cut_off: bool = False


def detect_functions(root: Path, manifest: str) -> FoundFunctions:
    """Search `root`. A folder with a handler is a function, and no folder below it is one. `manifest`: the file name of
    manifests, which start separate projects.
    """
    found = list[tuple[str, Placed, bool]]()
    others, pending, seen, cut_off = list[str](), [(root, 0, Above())], 0, False
    while pending:
        folder, depth, above = pending.pop()
        seen += 1
        files, folders = _listed(folder)
        label = os.path.relpath(folder, root)
        if depth and manifest in files:
            others.append(label)
            continue
        candidate = CandidateFolder(folder, tuple(files))
        handlers = _handlers(candidate)
        found += [(label, above.place(candidate, handler), len(handlers) > 1) for handler in handlers]
        if handlers:  # folders below belong to the function, except packages of a workspace
            tops = workspace_tops(candidate)
            folders = [name for name in folders if name in tops]
        if depth == DEPTH_MAX or seen + len(pending) + len(folders) > FOLDERS_MAX:
            cut_off = cut_off or bool(folders)
            continue
        above = above.with_folder(candidate)
        pending += [(folder / name, depth + 1, above) for name in reversed(folders)]
    return FoundFunctions(tuple(_named(root, sorted(found, key=lambda one: one[0]))), tuple(sorted(others)), cut_off)


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of a folder's files, and of the folders to search. Links are not followed."""
    files, folders = list[str](), list[str]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file():
                    files.append(entry.name)
                elif entry.is_dir(follow_symlinks=False) and not (
                    entry.name in _NOT_LOOKED_INTO
                    or entry.name.startswith(".")
                    or (Path(entry.path) / "pyvenv.cfg").exists()
                ):
                    folders.append(entry.name)
    except OSError:  # nothing in it could be packed
        return [], []
    return sorted(files), sorted(folders)


def _handlers(folder: CandidateFolder) -> list[FoundHandler]:
    return next((found for look in LANGUAGES if (found := look(folder))), [])


def _named(root: Path, found: list[tuple[str, Placed, bool]]) -> Iterator[FoundFunction]:
    """Name the functions after their folders. Several functions of one folder are also named after their file or
    handler.
    """
    taken, not_packed = set[str](), dict[str, set[str]]()
    for label, placed, is_one_of_many in found:
        handler, source = placed.handler, os.path.relpath(placed.source, root)
        parts = _meaningful_parts(root, label)
        own = [handler.stem] if is_one_of_many else []
        names = [_name([*parts[-number:], *own]) for number in range(1, len(parts) + 1)]
        if own and parts[-1].lower() in _SAYS_NOTHING:
            names.insert(0, _name(own))
        name = next((one for one in names if one not in taken), "")
        number = 2
        while not name or name in taken:
            name = f"{names[0][: _NAME_MOST - 4]}-{number}"
            number += 1
        taken.add(name)
        built = {_INSTALLED} if handler.build else set[str]()  # the first install may happen in a build
        runtime, why = runtime_of(root / label, root, handler.runtime)
        if source not in not_packed:  # functions of one package share it
            not_packed[source] = _not_packed(root / source)
        exclude = tuple(sorted(not_packed[source] | built))
        files = {inside: os.path.relpath(file, root) for inside, file in placed.files.items()}
        yield FoundFunction(name, source, replace(handler, runtime=runtime), exclude, why, files)


def _meaningful_parts(root: Path, source: str) -> list[str]:
    """Return the names on the path to a source, without meaningless ones at its end: app/src is app."""
    parts = [root.name, *(Path(source).parts if source != "." else ())]
    while len(parts) > 2 and parts[-1].lower() in _SAYS_NOTHING:
        parts.pop()
    return parts[1:] or parts


def _name(parts: list[str]) -> str:
    """Return a name that the cloud accepts: lower-case letters, digits and hyphens, starting with a letter."""
    text = re.sub("[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    if not text[:1].isalpha():
        text = f"fn-{text}".strip("-")
    if len(text) < _NAME_LEAST:
        text = f"{text}-fn"
    return text[:_NAME_MOST].strip("-")


def _not_packed(folder: Path) -> set[str]:
    """Return patterns of what must not, or need not, be packed: developers' secrets, installed packages."""
    patterns = {
        f"/{name}/" for name, beside in _MADE.items() if (folder / name).is_dir() and (folder / beside).exists()
    }
    for number, (path, folders, files) in enumerate(os.walk(folder)):
        if number == FOLDERS_MAX:
            break
        folders[:] = [name for name in folders if name not in _MADE and name not in LEFT_OUT_NAMES]
        inside = os.path.relpath(path, folder)
        prefix = "" if inside == "." else f"{inside}/"
        patterns |= {f"/{prefix}{name}" for name in files if may_hold_secrets(name)}
    return patterns
