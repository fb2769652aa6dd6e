"""Which functions a command is about: names, globs, labels, files of names."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.model import FunctionSpec, Manifest


def select(manifest: Manifest, patterns: Iterable[str] = (), labels: Iterable[str] = ()) -> dict[str, FunctionSpec]:
    """Choose functions of a manifest. Raises `UsageError`, see `choose`."""
    return choose(manifest.functions, patterns, labels, of=manifest.path.name)


def choose(
    functions: Mapping[str, FunctionSpec], patterns: Iterable[str] = (), labels: Iterable[str] = (), *, of: str
) -> dict[str, FunctionSpec]:
    """Choose functions by key: any of `patterns` (none: all), all of `labels` ("k=v"). `of`: what has them.

    Disabled functions are left out; naming one is an error, as are unknown names and an empty selection.
    Raises `UsageError`.
    """
    patterns = tuple(patterns)
    chosen = _by_pattern(functions, patterns, of) if patterns else dict(functions)
    for label in labels:
        key, sign, value = label.partition("=")
        if not sign:
            raise UsageError(f'"{label}" is no label', advice="write --label key=value")
        chosen = {name: spec for name, spec in chosen.items() if _has_label(spec, key, value)}
    chosen = {key: spec for key, spec in chosen.items() if spec.enabled}
    if not chosen:
        raise UsageError("no function is selected", advice=f"{of} has {_some(functions)}")
    return chosen


def _has_label(spec: FunctionSpec, key: str, value: str) -> bool:
    """Whether a function has a label; one whose labels are written wrongly may have it, and is not left out unseen."""
    return spec.labels.get(key) == value or "labels" in spec.untold


def _by_pattern(functions: Mapping[str, FunctionSpec], patterns: tuple[str, ...], of: str) -> dict[str, FunctionSpec]:
    chosen: dict[str, FunctionSpec] = {}
    for pattern in patterns:
        named = functions.get(pattern)
        found = {pattern: named} if named is not None else _fitting(functions, pattern)
        if not found:
            close = get_close_matches(pattern, functions, n=1)
            raise UsageError(
                f'no function matches "{pattern}"',
                advice=f'did you mean "{close[0]}"?' if close else f"{of} has {_some(functions)}",
            )
        if named is not None and not named.enabled:
            where = f"{named.place.file}:{named.place.line}"
            raise UsageError(f'function "{pattern}" is disabled', advice=f"remove `enabled = false` at {where}")
        chosen |= found
    return {key: spec for key, spec in functions.items() if key in chosen}


def _fitting(functions: Mapping[str, FunctionSpec], pattern: str) -> dict[str, FunctionSpec]:
    return {key: spec for key, spec in functions.items() if fnmatchcase(key, pattern)}


def _some(functions: Mapping[str, FunctionSpec]) -> str:
    names = sorted(key for key, spec in functions.items() if spec.enabled)
    if not names:
        return "no enabled functions"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"


def expanded(patterns: Iterable[str]) -> tuple[str, ...]:
    """Put the names of a file in the place of `@FILE` (one a line, # comments); `@-` is standard input.

    Raises `UsageError`.
    """
    return tuple(name for pattern in patterns for name in (_of_file(pattern[1:]) if pattern[:1] == "@" else [pattern]))


def _of_file(name: str) -> Iterator[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"the list of functions {name} cannot be read: {why}", advice="check @FILE") from error
    found = [stripped for line in text.splitlines() if (stripped := line.partition("#")[0].strip())]
    if not found:
        raise UsageError(f"the list of functions {name} is empty", advice="write a name or a glob on each line")
    yield from found
