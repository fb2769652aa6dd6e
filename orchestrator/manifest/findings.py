"""Collects all mistakes and warnings of a manifest, each once, at its place, with suggestions for unknown words."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.errors import ManifestError, Mistake
from orchestrator.manifest.locate import KeyPath
from orchestrator.model import FunctionSpec

_BARE = re.compile("[A-Za-z0-9_-]+")
_NAMED_FUNCTIONS = 3  # functions named per shared mistake


class Located(Protocol):
    """A file of the manifest, as far as its places are concerned."""

    @property
    def shown(self) -> str:
        """The file as the user would type it."""
        ...

    def line(self, path: KeyPath) -> int: ...


@dataclass(frozen=True, slots=True)
class _Finding:
    file: Located
    path: KeyPath
    rule: str
    line: int | None  # None: that of the path
    stops_all: bool = False


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as people write it: functions.x.secrets[0].key."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False))
    return text


class Findings:
    """Mistakes and warnings. The same finding about many functions is kept once, with the functions' names."""

    def __init__(self) -> None:
        self._mistakes: dict[_Finding, list[str]] = {}
        self._warnings: dict[_Finding, list[str]] = {}

    def mistake(
        self,
        file: Located,
        path: KeyPath,
        rule: str,
        *,
        line: int | None = None,
        function: str | None = None,
        stops_all: bool = False,
    ) -> None:
        """Record a mistake. `function`: the one that it concerns, if the path does not show it. `stops_all`: it is not
        known which functions it concerns, so it stops every run.
        """
        functions = self._mistakes.setdefault(_Finding(file, path, rule, line, stops_all), [])
        if function is not None:
            functions.append(function)

    def warning(self, file: Located, path: KeyPath, rule: str, *, function: str | None = None) -> None:
        """Record something that is allowed but should be known."""
        functions = self._warnings.setdefault(_Finding(file, path, rule, None), [])
        if function is not None:
            functions.append(function)

    def placed(self) -> Iterator[tuple[KeyPath, Mistake]]:
        """Yield every mistake with its path, () where it stops all. One that concerns many functions comes once for
        each.
        """
        for finding, functions in self._mistakes.items():
            for function in functions or [""]:
                yield () if finding.stops_all else finding.path, _placed(finding, function)

    def mistakes(self) -> tuple[Mistake, ...]:
        """Return all mistakes, in the order of files and lines."""
        return together(mistake for _, mistake in self.placed())

    def warnings(self) -> tuple[str, ...]:
        """Return all warnings as sentences with their place, in the order of files and lines."""
        warnings = (
            _placed(finding, function)
            for finding, functions in self._warnings.items()
            for function in functions or [""]
        )
        return tuple(str(warning) for warning in together(warnings))


def _placed(finding: _Finding, function: str) -> Mistake:
    line = finding.file.line(finding.path) if finding.line is None else finding.line
    return Mistake(finding.file.shown, line, dotted(finding.path), finding.rule, function)


def together(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Merge equal mistakes, with the functions that they concern, in the order of files and lines."""
    concerned: dict[Mistake, list[str]] = {}
    for mistake in mistakes:
        concerned.setdefault(replace(mistake, function=""), []).append(mistake.function)
    said = (
        replace(mistake, rule=mistake.rule + _concerned([name for name in functions if name]))
        for mistake, functions in concerned.items()
    )
    return tuple(sorted(said))


def require_sound(specs: Iterable[FunctionSpec]) -> None:
    """Raise `ManifestError` if any of these functions, which are to be part of a run, has mistakes."""
    mistakes = together(mistake for spec in specs for mistake in spec.mistakes)
    if mistakes:
        raise ManifestError(mistakes)


def _concerned(functions: list[str]) -> str:
    if not functions:
        return ""
    names = ", ".join(functions[:_NAMED_FUNCTIONS])
    more = len(functions) - _NAMED_FUNCTIONS
    return f" (concerns {names}{f' and {more} more' if more > 0 else ''})"


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Names that the API (in snake_case), other tools or habit have for our keys.
_OTHER_NAMES = {
    "execution_timeout": "timeout",
    "env": "environment",
    "env_vars": "environment",
    "tag": "tags",
    "log_options": "log",
    "logging": "log",
    "log_group_id": "group_id",
    "async_invocation_config": "async_invocation",
    "async": "async_invocation",
    "retries_count": "retries",
    "success_target": "success",
    "failure_target": "failure",
    "metadata_options": "metadata",
    "resources": "memory",
    "handler": "entrypoint",
    "service_account": "service_account_id",
    "subnet_id": "subnet_ids",
    "network": "connectivity",
    "bucket_name": "bucket",
    "bucket_id": "bucket",
    "object_name": "object",
    "mount_point_name": "name",
    "template": "use",
    "extends": "use",
    "function": "functions",
    "default": "defaults",
    "path": "source",
    "code": "source",
    "ignore": "exclude",
}


def closest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the known word that was most likely meant: another spelling, another name, or a typo."""
    candidates = list(known)
    plain = _HUMP.sub("_", word).replace("-", "_").lower()
    lower = {candidate.lower(): candidate for candidate in candidates}
    if plain in lower:
        return lower[plain]
    if _OTHER_NAMES.get(plain) in candidates:
        return _OTHER_NAMES[plain]
    matches = difflib.get_close_matches(plain, list(lower), n=1, cutoff=likeness)
    return lower[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "x"?`, or ""."""
    match = closest(word, known)
    return f'; did you mean "{match}"?' if match else ""
