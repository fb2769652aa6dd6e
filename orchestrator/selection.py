"""Which functions of a manifest a command is about: names, globs, labels."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from orchestrator.errors import UsageError
from orchestrator.model import FunctionSpec, Manifest


def select(manifest: Manifest, patterns: Iterable[str] = (), labels: Iterable[str] = ()) -> dict[str, FunctionSpec]:
    """Choose functions by key: any of `patterns` (none: all), all of `labels` ("k=v").

    Disabled functions are left out; naming one is an error, as are unknown names and an empty selection.
    Raises `UsageError`.
    """
    patterns = tuple(patterns)
    chosen = _by_pattern(manifest, patterns) if patterns else dict(manifest.functions)
    for label in labels:
        key, sign, value = label.partition("=")
        if not sign:
            raise UsageError(f'"{label}" is no label', advice="write --label key=value")
        chosen = {name: spec for name, spec in chosen.items() if spec.labels.get(key) == value}
    chosen = {key: spec for key, spec in chosen.items() if spec.enabled}
    if not chosen:
        raise UsageError("no function is selected", advice=f"{manifest.path.name} has {_some(manifest)}")
    return chosen


def _by_pattern(manifest: Manifest, patterns: tuple[str, ...]) -> dict[str, FunctionSpec]:
    chosen: dict[str, FunctionSpec] = {}
    for pattern in patterns:
        found = {
            key: spec for key, spec in manifest.functions.items() if key == pattern or fnmatchcase(key, pattern)
        }  # fmt: skip
        if not found:
            close = get_close_matches(pattern, manifest.functions, n=1)
            raise UsageError(
                f'no function matches "{pattern}"',
                advice=f'did you mean "{close[0]}"?' if close else f"{manifest.path.name} has {_some(manifest)}",
            )
        named = manifest.functions.get(pattern)
        if named is not None and not named.enabled:
            where = f"{named.place.file}:{named.place.line}"
            raise UsageError(f'function "{pattern}" is disabled', advice=f"remove `enabled = false` at {where}")
        chosen |= found
    return {key: spec for key, spec in manifest.functions.items() if key in chosen}


def _some(manifest: Manifest) -> str:
    names = sorted(key for key, spec in manifest.functions.items() if spec.enabled)
    if not names:
        return "no enabled functions"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"
