"""Which runtime a folder's files ask for: the nearest supported one that is not older, and why.

| language | the files that say a version, the nearest folder first, in this order |
| ---      | ---                                                                   |
| Python   | .python-version, `requires-python` of pyproject.toml                  |
| Node.js  | .nvmrc, .node-version, `engines.node` of package.json                 |
| Go       | the `go` line of go.mod                                               |

| the file says                             | the runtime is                                        |
| ---                                       | ---                                                   |
| a version, or a minimum                   | the nearest supported one that is not older           |
| a version newer than all                  | the default of the language                           |
| no version (`lts/*`, `system`, `<3.12`)   | the default of the language                           |
| nothing: there is no such file            | the default of the language                           |
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.package.detect.languages import CandidateFolder, read_package_json
from orchestrator.version.runtimes import generation, language

# By language, the oldest first (cloud-api#runtimes; 313 and 314 are newer than its table: `plan` asks the cloud).
_SUPPORTED = {"python": ("python312", "python313", "python314"), "nodejs": ("nodejs22",), "golang": ("golang123",)}
_LTS = {"gallium": "16", "hydrogen": "18", "iron": "20", "jod": "22", "krypton": "24"}  # nodejs.org/en/about/releases
_BOUND = re.compile(r"(?<![\w.-])(!=|<=|>=|~=|===?|[<>^~=])?[ \t]*v?([0-9]+(?:\.[0-9]+)*)")
_NOT_LEAST = {"!=", "<=", "<"}
_GO_LINE = re.compile(r"^go[ \t]+(\S+)", re.MULTILINE)
_SHOWN = 60  # maximum number of characters quoted from a file

Says = Callable[[CandidateFolder], str]  # what a file of a folder says about the version, "" for nothing


def _first_line(name: str) -> Says:
    def said(folder: CandidateFolder) -> str:
        lines = (line.partition("#")[0].strip() for line in folder.text(name).splitlines())
        return next(filter(None, lines), "")

    return said


def _requires_python(folder: CandidateFolder) -> str:
    try:
        table: Any = tomllib.loads(folder.text("pyproject.toml")).get("project")
    except ValueError:
        return ""
    found = table.get("requires-python") if isinstance(table, dict) else ""
    return found if isinstance(found, str) else ""


def _engines_node(folder: CandidateFolder) -> str:
    engines = read_package_json(folder).get("engines")
    found = engines.get("node") if isinstance(engines, dict) else ""
    return found if isinstance(found, str) else ""


def _go_line(folder: CandidateFolder) -> str:
    found = _GO_LINE.search(folder.text("go.mod"))
    return found[1] if found else ""


_FILES: dict[str, tuple[tuple[str, Says], ...]] = {
    "python": (
        (".python-version", _first_line(".python-version")), ("requires-python of pyproject.toml", _requires_python),
    ),
    "nodejs": (
        (".nvmrc", _first_line(".nvmrc")), (".node-version", _first_line(".node-version")),
        ("engines.node of package.json", _engines_node),
    ),
    "golang": (("go.mod", _go_line),),
}  # fmt: skip


def runtime_of(folder: Path, root: Path, default: str) -> tuple[str, str]:
    """Choose the runtime of a function in `folder`. Folders above it count, up to `root`. `default`: of its language.

    Returns the runtime, and a sentence with the reason: "" for languages without version files.
    """
    known = language(default)
    if known not in _FILES:
        return default, ""
    for place in (folder, *folder.parents):
        for label, says in _FILES[known]:
            if text := says(CandidateFolder(place, ())):
                where = "" if place == folder else " at the top" if place == root else f" in {place.relative_to(root)}"
                return _fitting(default, f"{label}{where}", text)
        if place == root:
            break
    return default, f"guessed: no version in {', '.join(label for label, _ in _FILES[known])}"


def _fitting(default: str, label: str, text: str) -> tuple[str, str]:
    """Return the nearest supported runtime that is not older than what a file says."""
    says = f"{label} says {text[:_SHOWN]}"
    least = least_version(text)
    if least is None:
        return default, f"guessed: {says}, which names no minimum version"
    for runtime in _SUPPORTED[language(default)]:
        own = generation(runtime)
        if own >= least[: len(own)]:
            is_same = own[: len(least)] == least[: len(own)]
            return runtime, says if is_same else f"{says}; this is the nearest supported one that is not older"
    return default, f"guessed: {says}, and no runtime is that new"


def least_version(text: str) -> tuple[int, ...] | None:
    """Return the minimum version that a text asks for, the lowest of alternatives (`||`); None if it names none.

    `3.11.4`, `v20`, `>=3.9,<3.12`, `^18 || ^20`, `18 - 20`, `20.x`, `lts/iron`
    """
    text = _LTS.get(text.lower().removeprefix("lts/"), text)
    found = []
    for alternative in text.split("||"):
        bounds = _BOUND.findall(alternative.partition(" - ")[0])
        least = [tuple(map(int, number.split("."))) for sign, number in bounds if sign not in _NOT_LEAST]
        found += [max(least)] if least else []
    return min(found, default=None)
