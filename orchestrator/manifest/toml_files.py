"""Reads the files of a manifest: bytes → TOML → tables. Reports mistakes that are found before any key is checked."""

from __future__ import annotations

import ast
import glob
import os
import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.manifest import locate
from orchestrator.manifest.findings import Findings, closest, dotted
from orchestrator.manifest.locate import KeyPath
from orchestrator.model import Place

_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_TWICE = re.compile(r"Cannot declare (\(.*\)) twice", re.DOTALL)


_NEAR_MAX = 5  # names in a folder that are listed


class SourceFile:
    """One file of a manifest: its text, its TOML, and the lines of its keys."""

    def __init__(self, path: str, text: str = "") -> None:
        self.path = path  # absolute
        self.folder = os.path.dirname(path)  # noqa: PTH120 - joined 5,000 times; strings are cheaper than Paths
        self.shown = shown(path)
        self.text = text
        self.raw: dict[str, Any] = {}

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, otherwise of the nearest table around it, otherwise 0."""
        return locate.nearest(self._lines, path)

    def exact_line(self, path: KeyPath) -> int:
        """Return the line of a key, 0 where it does not exist."""
        return self._lines.get(path, 0)

    def table_line(self, path: KeyPath) -> int:
        """Return the line of [functions.NAME] or [jobs.NAME]."""
        return self._table_lines.get(path) or self.line(path)

    @cached_property
    def root(self) -> Path:
        """The file's folder, the same object for all functions in it."""
        return Path(self.folder)

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        try:
            return locate.lines(self.text)
        except ValueError:  # newer TOML than the scanner supports: report mistakes without lines
            return {}

    @cached_property
    def _table_lines(self) -> dict[KeyPath, int]:
        return locate.table_lines(self.text)


def place_of(path: Path, key: KeyPath, environment: str = "") -> Place:
    """Return the place of a key in a file that was read before; line 0 if it no longer exists. `environment`: the
    chosen one, whose key counts if it has it.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""
    file = SourceFile(str(path), text.replace("\r\n", "\n"))
    return Place(file.shown, file.exact_line(("environments", environment, *key)) or file.line(key))


def shown(path: str) -> str:
    """Return a path as a user would type it: relative to the current folder if it is inside."""
    try:
        here = os.getcwd()  # noqa: PTH109 - strings here, see above
    except OSError:  # the current folder was deleted
        return path
    return os.path.relpath(path, here) if path.startswith(here.rstrip(os.sep) + os.sep) else path


def read_toml(path: str, findings: Findings) -> SourceFile | None:
    """Read and parse a file. Return None, and record a mistake, if that is not possible."""
    file = SourceFile(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        findings.mistake(file, (), "is not UTF-8; save it as UTF-8", line=line)
        return None
    except FileNotFoundError:
        findings.mistake(
            file, (), "no such file; create one with `orchestrator init`, or choose another with --config", line=0
        )
        return None
    except IsADirectoryError:
        findings.mistake(file, (), "is a folder; name the file in it, such as deploy.toml", line=0)
        return None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        findings.mistake(file, (), f"cannot be read: {reason}", line=0)
        return None
    file.text = text.replace("\r\n", "\n")
    return file if _parse(file, findings) else None


def _parse(file: SourceFile, findings: Findings) -> bool:
    try:
        file.raw = tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        message, line = _syntax(error, file.text)
        findings.mistake(file, (), f"is not valid TOML: {message}", line=line)
        return False
    except RecursionError:
        findings.mistake(file, (), "lists or tables are nested too deeply", line=0)
        return False
    except ValueError:  # int() refuses thousands of digits
        findings.mistake(file, (), "is not valid TOML: a number has too many digits", line=0)
        return False
    return True


def _syntax(error: tomllib.TOMLDecodeError, text: str) -> tuple[str, int]:
    """Return the message and line of a syntax error. Python 3.14 has both as attributes, older ones in the text."""
    match = _AT_LINE.search(str(error))
    message = str(error)[: match.start()] if match else str(error)
    line = int(match[1]) if match and match[1] else text.rstrip().count("\n") + 1
    twice = _TWICE.fullmatch(message)
    if twice:
        message = f"[{dotted(ast.literal_eval(twice[1]))}] is defined twice"
    elif message == "Cannot overwrite a value":
        message = "this key is already defined"
    return message[:1].lower() + message[1:], line


class TomlFiles:
    """Reads and parses each file once, for callers that read a manifest several times. A file that could not be read is
    tried again, so that its mistake is reported each time.
    """

    def __init__(self) -> None:
        self._read: dict[str, SourceFile] = {}

    def read(self, path: str, findings: Findings) -> SourceFile | None:
        """Read a file as `read_toml` does, or return what was read before."""
        file = self._read.get(path) or read_toml(path, findings)
        if file is not None:
            self._read[path] = file
        return file


def included(
    file: SourceFile, patterns: list[str], findings: Findings, read: dict[str, str], files: TomlFiles
) -> list[SourceFile]:
    """Read the files that `include` names, each once, sorted per pattern; never the file itself. `read`: the files that
    were read before, and the path of includes to each ("deploy.toml → team.toml"). Files that are found are added.
    """
    paths: dict[str, int] = {}
    for index, pattern in enumerate(patterns):
        for path in _matches(file, index, pattern, findings):
            paths.setdefault(path, index)
    paths.pop(file.path, None)
    way, others = read[file.path], []
    for path, index in paths.items():
        if path in read:
            again = f"{way} → {shown(path)}"
            around = f"{read[file.path]} → ".startswith(f"{read[path]} → ")
            rule = (
                f"files include each other in a cycle: {again}"
                if around
                else f"it is included twice: {read[path]}; {again}"
            )
            findings.mistake(file, ("include", index), rule)
            continue
        found = files.read(path, findings)
        read[path] = f"{way} → {shown(path)}"
        if found is not None:
            others.append(found)
    return others


def _matches(file: SourceFile, index: int, pattern: str, findings: Findings) -> list[str]:
    """Return the files that one pattern of `include` matches. If there are none, that is reported."""
    full = os.path.normpath(os.path.join(file.folder, pattern))  # noqa: PTH118 - globs are text
    if not glob.has_magic(pattern):
        if Path(full).exists():
            return [full]
        findings.mistake(file, ("include", index), f'no such file: "{pattern}"{nearest_there(file.folder, pattern)}')
        return []
    relative = sorted(glob.glob(pattern, root_dir=file.folder, recursive=True))  # noqa: PTH207 - accepts "/abs/*" too
    matches = [os.path.normpath(os.path.join(file.folder, match)) for match in relative]  # noqa: PTH118
    matches = [match for match in matches if not Path(match).is_dir()]
    if not matches:
        rule = f'"{pattern}" matches no file{corrected(nearest_there(file.folder, pattern))}'
        findings.mistake(file, ("include", index), rule)
    return matches


def corrected(hint: str) -> str:
    """Return a hint about a pattern that matches nothing, with what to do unless it asks that already."""
    return hint if hint.endswith("?") else f"{hint}; correct or remove it"


def nearest_there(folder: str, pattern: str) -> str:
    """Return how far a path or glob that leads nowhere exists, and what is there instead."""
    path = Path(folder)
    for part in Path(pattern).parts:
        if glob.has_magic(part) or not (path / part).exists():
            break
        path /= part
    else:
        return ""
    try:
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in path.iterdir())
    except OSError as error:
        return f": {shown(str(path))} cannot be read: {error.strerror}"
    meant = None if glob.has_magic(part) else closest(part, [name.rstrip("/") for name in names])
    if meant is not None:
        return f'; did you mean "{os.path.relpath(path / meant, folder)}"?'
    more = f" and {len(names) - _NEAR_MAX} more" if len(names) > _NEAR_MAX else ""
    where = os.path.relpath(path, folder)
    here = "this file's folder" if where == "." else f'"{where}"'
    return f"; {here} has {', '.join(names[:_NEAR_MAX])}{more}" if names else f"; {here} is empty"
