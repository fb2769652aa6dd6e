"""Reads the files of a manifest: bytes → TOML → tables, and the mistakes before any key is looked at."""

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


_NEAR_MAX = 5  # names that are told of a folder


class SourceFile:
    """One file of a manifest: its text, its TOML, and where keys stand in it."""

    def __init__(self, path: str, text: str = "") -> None:
        self.path = path  # absolute
        self.folder = os.path.dirname(path)  # noqa: PTH120 - joined 5,000 times; strings are cheaper than Paths
        self.shown = shown(path)
        self.text = text
        self.raw: dict[str, Any] = {}

    def line(self, path: KeyPath) -> int:
        """The line of a key, else of the nearest table around it, else 0."""
        return locate.nearest(self._lines, path)

    def exact_line(self, path: KeyPath) -> int:
        """The line of a key, 0 where it is not there."""
        return self._lines.get(path, 0)

    def table_line(self, path: KeyPath) -> int:
        """The line of [functions.NAME] or [jobs.NAME]."""
        return self._table_lines.get(path) or self.line(path)

    @cached_property
    def root(self) -> Path:
        """Give its folder, the same for all functions in it."""
        return Path(self.folder)

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        try:
            return locate.lines(self.text)
        except ValueError:  # newer TOML than the scanner knows: a mistake without a line beats none
            return {}

    @cached_property
    def _table_lines(self) -> dict[KeyPath, int]:
        return locate.table_lines(self.text)


def place_of(path: Path, key: KeyPath, environment: str = "") -> Place:
    """Find where a key stands in a file that was read before; line 0 where it is not there any more. `environment`: the
    one that is chosen, whose key counts where it has it.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""
    file = SourceFile(str(path), text.replace("\r\n", "\n"))
    return Place(file.shown, file.exact_line(("environments", environment, *key)) or file.line(key))


def shown(path: str) -> str:
    """A path as a user would type it: relative to the current folder where it lies in there."""
    try:
        here = os.getcwd()  # noqa: PTH109 - strings here, see above
    except OSError:  # the current folder is gone
        return path
    return os.path.relpath(path, here) if path.startswith(here.rstrip(os.sep) + os.sep) else path


def read_toml(path: str, findings: Findings) -> SourceFile | None:
    """Read and parse a file; None, with a mistake noted, where that cannot be done."""
    file = SourceFile(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        findings.mistake(file, (), "is not UTF-8; save it as UTF-8", line=line)
        return None
    except FileNotFoundError:
        findings.mistake(file, (), "no such file; --config names another", line=0)
        return None
    except IsADirectoryError:
        findings.mistake(file, (), "is a folder; name the file in it (deploy.toml, say)", line=0)
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
    """The message and line of a syntax error; Python 3.14 gives both as attributes, older ones in the text only."""
    match = _AT_LINE.search(str(error))
    message = str(error)[: match.start()] if match else str(error)
    line = int(match[1]) if match and match[1] else text.rstrip().count("\n") + 1
    twice = _TWICE.fullmatch(message)
    if twice:
        message = f"[{dotted(ast.literal_eval(twice[1]))}] stands twice"
    elif message == "Cannot overwrite a value":
        message = "this key has a value already"
    return message[:1].lower() + message[1:], line


class TomlFiles:
    """Reads and parses files, each once: for who looks at a manifest several times. What nobody could read is tried
    again, so that its mistake is told each time.
    """

    def __init__(self) -> None:
        self._read: dict[str, SourceFile] = {}

    def read(self, path: str, findings: Findings) -> SourceFile | None:
        """Do as `read_toml` does, or give what was read before."""
        file = self._read.get(path) or read_toml(path, findings)
        if file is not None:
            self._read[path] = file
        return file


def included(
    file: SourceFile, patterns: list[str], findings: Findings, read: dict[str, str], files: TomlFiles
) -> list[SourceFile]:
    """Read the files that `include` names, each once, sorted per pattern; never the file itself. `read`: the files that
    were read before, and by which way each came in ("deploy.toml → team.toml"); those that are found are added.
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
                f"files include each other in a circle: {again}"
                if around
                else f"two ways lead to it: {read[path]}; {again}"
            )
            findings.mistake(file, ("include", index), rule)
            continue
        found = files.read(path, findings)
        read[path] = f"{way} → {shown(path)}"
        if found is not None:
            others.append(found)
    return others


def _matches(file: SourceFile, index: int, pattern: str, findings: Findings) -> list[str]:
    """Find the files that one pattern of `include` names; that there is none is told."""
    full = os.path.normpath(os.path.join(file.folder, pattern))  # noqa: PTH118 - globs are text
    if not glob.has_magic(pattern):
        if Path(full).exists():
            return [full]
        findings.mistake(file, ("include", index), f'no such file: "{pattern}"{nearest_there(file.folder, pattern)}')
        return []
    relative = sorted(glob.glob(pattern, root_dir=file.folder, recursive=True))  # noqa: PTH207 - takes "/abs/*" too
    matches = [os.path.normpath(os.path.join(file.folder, match)) for match in relative]  # noqa: PTH118
    matches = [match for match in matches if not Path(match).is_dir()]
    if not matches:
        rule = f'"{pattern}" matches no file{nearest_there(file.folder, pattern)}; correct it, or take it out'
        findings.mistake(file, ("include", index), rule)
    return matches


def nearest_there(folder: str, pattern: str) -> str:
    """Say how far a path or glob that leads nowhere goes, and what is there instead."""
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
        return f": {shown(str(path))} cannot be looked into: {error.strerror}"
    meant = None if glob.has_magic(part) else closest(part, [name.rstrip("/") for name in names])
    if meant is not None:
        return f'; did you mean "{os.path.relpath(path / meant, folder)}"?'
    more = f" and {len(names) - _NEAR_MAX} more" if len(names) > _NEAR_MAX else ""
    where = os.path.relpath(path, folder)
    here = "this file's folder" if where == "." else f'"{where}"'
    return f"; {here} has {', '.join(names[:_NEAR_MAX])}{more}" if names else f"; {here} is empty"
