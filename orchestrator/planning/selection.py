"""Selects the functions of a command or a job. The same grammar is used everywhere:

    NAME            a function by its name        GLOB               those whose names match, as in auth-*
    label:KEY=VALUE those that have the label     !…                 excludes any of these
    @FILE           the patterns of a file, one per line, # comments; @- is standard input

Several patterns add up, then those with ! are excluded. If all have !, they exclude from all functions.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Self, TextIO

from orchestrator.errors import Mistake, NotHereError, UsageError
from orchestrator.manifest.environments.near import env_options, near_elsewhere
from orchestrator.manifest.toml_files import place_of
from orchestrator.model import FunctionSpec, Manifest, Rollout

_LABEL = "label:"
_NAMED_MAX = 5


class Listed(str):
    """A pattern from a file of names. `place`: its file and line."""

    __slots__ = ("place",)
    place: str

    def __new__(cls, pattern: str, place: str) -> Self:
        """Return a pattern with its place."""
        made = super().__new__(cls, pattern)
        made.place = place
        return made


@dataclass(frozen=True, slots=True)
class Selectable:
    """What selects a function. `disabled_at`: where it is disabled, "" if it is enabled. `any_label`: its labels are
    not known, so it may have any.
    """

    names: tuple[str, ...]
    labels: Mapping[str, str]
    disabled_at: str = ""
    any_label: bool = False


def select(manifest: Manifest, patterns: Iterable[str] = (), labels: Iterable[str] = ()) -> dict[str, FunctionSpec]:
    """Return the selected functions of a manifest. Raises `UsageError`, see `choose`."""
    return choose(manifest.functions, patterns, labels, of=manifest.path.name, elsewhere=manifest.elsewhere)


def choose(
    functions: Mapping[str, FunctionSpec],
    patterns: Iterable[str] = (),
    labels: Iterable[str] = (),
    *,
    of: str,
    known: Collection[str] = (),
    elsewhere: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> dict[str, FunctionSpec]:
    """Return the functions that match `patterns` (none: all) and have all of `labels` ("k=v"). `of`, `known`: see
    `matching`. `elsewhere`: functions that do not exist in this environment, and the environments that have them.

    Disabled functions are left out. An empty selection is an error. Raises `UsageError`.
    """
    selectable = {key: selectable_of(spec) for key, spec in functions.items()}
    patterns = tuple(patterns)
    if name := next((one for one in patterns if one in elsewhere and one not in functions), ""):
        raise _not_here(name, elsewhere[name])
    chosen = matching(selectable, patterns, of=of, known=known, elsewhere=elsewhere)
    for label in labels:
        chosen = [key for key in chosen if _has_label(selectable[key], label, "--label key=value")]
    if not chosen:
        raise UsageError("no function is selected", advice=f"{of} has {_some(selectable)}")
    return {key: functions[key] for key in chosen}


def _not_here(name: str, environments: Collection[str]) -> NotHereError:
    return NotHereError(
        name,
        f'function "{name}" does not exist here: its `only` says {", ".join(environments)}',
        advice=f"choose its environment, {env_options(environments)}, or leave it out",
    )


def selectable_of(spec: FunctionSpec) -> Selectable:
    """Return what selects a function of the manifest: its key and its labels."""
    place = "" if spec.enabled else f"{spec.place.file}:{spec.place.line}"
    return Selectable((spec.key,), spec.labels, place, any_label="labels" in spec.unstated)


def canary_mistakes(manifest: Manifest) -> tuple[Mistake, ...]:
    """Return a mistake for each pattern of [rollout] canary that matches nothing: with a typo, the first wave would
    begin without a canary.
    """
    rule = lost_canary(manifest, manifest.rollout.canary)
    place = place_of(manifest.path, ("rollout", "canary"), manifest.environment) if rule else None
    return (Mistake(place.file, place.line, "rollout.canary", rule),) if place is not None else ()


def lost_canary(manifest: Manifest, canary: Iterable[str]) -> str:
    """Return which patterns match no function of the manifest; "" if all match, or if it declares no function."""
    things = {key: selectable_of(spec) for key, spec in manifest.functions.items()}
    try:
        if things:
            matching(things, canary, of=manifest.path.name)
    except UsageError as error:
        return f"{error.message}; {error.advice}"
    return ""


def require_promote(specs: Iterable[FunctionSpec], rollout: Rollout) -> None:
    """Check that a run in two phases has tags to move in the second one. Raises `UsageError`."""
    if lacking := _without_promote(specs, rollout):
        raise UsageError(
            f"two_phase needs `promote` on every function of the run: {lacking}",
            advice='write for example promote = ["stable"], or select functions that have it',
        )


def two_phase_mistakes(manifest: Manifest) -> tuple[Mistake, ...]:
    """Return a mistake if a run of all functions in two phases lacks tags to move for some of them."""
    specs = [spec for spec in manifest.functions.values() if spec.enabled and not spec.mistakes]
    lacking = _without_promote(specs, manifest.rollout)
    place = place_of(manifest.path, ("rollout", "two_phase"), manifest.environment) if lacking else None
    rule = f'needs `promote` on every function: {lacking}; write for example promote = ["stable"]'
    return (Mistake(place.file, place.line, "rollout.two_phase", rule),) if place is not None else ()


def _without_promote(specs: Iterable[FunctionSpec], rollout: Rollout) -> str:
    """Return the functions that have no tag for the second of two phases; "" for none, or if there is one phase."""
    lacking = sorted(spec.key for spec in specs if rollout.two_phase and not spec.promote)
    more = f" and {len(lacking) - _NAMED_MAX} more" if len(lacking) > _NAMED_MAX else ""
    names = f"{', '.join(lacking[:_NAMED_MAX])}{more}"
    return f"{names} {'has' if len(lacking) == 1 else 'have'} none" if lacking else ""


def matching(
    things: Mapping[str, Selectable],
    patterns: Iterable[str],
    *,
    of: str,
    what: str = "function",
    known: Collection[str] = (),
    elsewhere: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[str]:
    """Return the keys of what the patterns select, in the order of `things`, without disabled ones.

    A pattern that matches nothing is an error, and so is the name of something disabled. `of`: where these come from,
    for advice. `known`: names that may be excluded (`!NAME`) although they do not exist here, like those `elsewhere`:
    see `choose`. Raises `UsageError`.
    """
    named = dict[str, set[str]]()
    for key, thing in things.items():
        for name in thing.names:
            named.setdefault(name, set()).add(key)
    desired, left_out, lost = set[str](), set[str](), list[str]()
    for pattern in (patterns := tuple(patterns)):
        negated, bare = pattern.startswith("!"), pattern.removeprefix("!")
        found = named.get(bare) or {key for key, thing in things.items() if _fits(thing, bare, sure=negated)}
        if negated:
            left_out |= found
            found = found or {name for name in (*known, *elsewhere) if fnmatchcase(name, bare)}
        else:
            _refuse_disabled(things, named.get(bare, ()), pattern)
            desired |= found
        if not found:
            lost.append(pattern)
    if lost:
        raise _lost(lost, things, what, of, elsewhere)
    if all(pattern.startswith("!") for pattern in patterns):
        desired = set(things)
    desired -= left_out
    return [key for key, thing in things.items() if key in desired and not thing.disabled_at]


def fitting(things: Mapping[str, Selectable], patterns: Iterable[str]) -> set[str]:
    """Return the keys of what the patterns select, as `matching` does. A pattern that matches nothing is no error."""
    named = {name: key for key, thing in things.items() for name in thing.names}
    desired, left_out, patterns = set[str](), set[str](), tuple(patterns)
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        found = (
            {named[bare]} if bare in named else {key for key, thing in things.items() if _fits(thing, bare, sure=True)}
        )
        (left_out if pattern.startswith("!") else desired).update(found)
    if patterns and all(pattern.startswith("!") for pattern in patterns):
        desired = set(things)
    return desired - left_out


def _fits(thing: Selectable, pattern: str, *, sure: bool) -> bool:
    """Return whether a label or a glob matches. `sure`: only if the labels are known."""
    if pattern.startswith(_LABEL):
        return _has_label(thing, pattern.removeprefix(_LABEL), f"{_LABEL}key=value", sure=sure)
    return any(fnmatchcase(name, pattern) for name in thing.names)


def _has_label(thing: Selectable, label: str, written: str, *, sure: bool = False) -> bool:
    """Return whether this has a label, KEY=VALUE. If its labels are invalid it may have it, and is not excluded
    silently, unless `sure`. `written`: how a label is given here. Raises `UsageError`.
    """
    key, sign, value = label.partition("=")
    if not sign:
        raise UsageError(f'"{label}" is not a label', advice=f"write {written}")
    return thing.labels.get(key) == value or (thing.any_label and not sure)


def _refuse_disabled(things: Mapping[str, Selectable], keys: Iterable[str], pattern: str) -> None:
    for key in keys:
        if things[key].disabled_at:
            advice = f"remove `enabled = false` at {things[key].disabled_at}"
            raise UsageError(f'function "{pattern}" is disabled', advice=advice)


def _lost(
    patterns: list[str],
    things: Mapping[str, Selectable],
    what: str,
    of: str,
    elsewhere: Mapping[str, Collection[str]],
) -> UsageError:
    """Return the error for patterns that match nothing: where they are written, and what was most likely meant by the
    first.
    """
    said = [
        f'"{pattern}"' + (f" ({pattern.place})" if isinstance(pattern, Listed) else "")
        for pattern in patterns[:_NAMED_MAX]
    ]
    more = f" and {len(patterns) - _NAMED_MAX} more" if len(patterns) > _NAMED_MAX else ""
    names = [name for thing in things.values() for name in thing.names]
    advice = near_elsewhere(patterns[0].removeprefix("!"), names, elsewhere) or f"{of} has {_some(things)}"
    return UsageError(f"no {what} matches {', '.join(said)}{more}", advice=advice)


def _some(things: Mapping[str, Selectable]) -> str:
    names = sorted(key for key, thing in things.items() if not thing.disabled_at)
    if not names:
        return "no enabled functions"
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"{', '.join(names[:_NAMED_MAX])}{more}"


def expanded(patterns: Iterable[str], folder: Path = Path()) -> tuple[str, ...]:
    """Replace `@FILE` by the patterns of the file, or `!@FILE`, which excludes them. `folder`: for a relative FILE.
    Raises `UsageError`.
    """
    return tuple(found for pattern in patterns for found in _expanded(pattern, folder))


def _expanded(pattern: str, folder: Path) -> Iterator[str]:
    if pattern.startswith("@"):
        yield from _of_file(pattern[1:], folder)
    elif pattern.startswith("!@"):
        yield from (Listed(f"!{found}", found.place) for found in _of_file(pattern[2:], folder))
    else:
        yield pattern


@cache
def _all_of(stream: TextIO) -> str:
    """Return the whole content of a stream, which is read once even if a plan is made again."""
    return stream.read()


def _of_file(name: str, folder: Path) -> Iterator[Listed]:
    try:
        text = _all_of(sys.stdin) if name == "-" else Path(folder, name).read_text("utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"the list of functions {name} cannot be read: {why}", advice=f"check @{name}") from error
    found = [
        Listed(stripped, f"{name}:{number}")
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1)
        if (stripped := line.partition("#")[0].strip())
    ]
    if not found:
        raise UsageError(f"the list of functions {name} is empty", advice="write one name or glob per line")
    yield from found
