"""Parsing of option values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from orchestrator.errors import UsageError
from orchestrator.manifest.variables.given_by import as_given
from orchestrator.model.units import duration
from orchestrator.version.adoption import EVERYTHING, Adoption, adoption_of

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


def is_on(variable: str) -> bool:
    """Return whether an environment variable of a flag is set, for verbs without that flag."""
    return os.environ.get(variable, "").lower() in (*_YES, "t", "y")


def typed_names(option: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return names of functions, given one by one or separated by commas."""
    names = tuple(dict.fromkeys(name.strip() for text in given for name in text.split(",")))
    if "" in names:
        raise UsageError(f"{option} has an empty name", advice=f"write {option} NAME, or {option} NAME,NAME")
    return names


def typed_adoption(given: Iterable[str]) -> Adoption:
    """Parse --adopt. In ORCHESTRATOR_ADOPT, 1, true, yes and on mean the bare option; 0, false, no and off mean
    nothing.
    """
    texts = [EVERYTHING if text.lower() in _YES else text for text in given if text.lower() not in _NO]
    try:
        return adoption_of(texts)
    except ValueError as error:
        raise UsageError(
            f"--adopt: {error}", advice="copy the option from the plan; to adopt everything, put --adopt last"
        ) from error


def with_adoption(args: list[str]) -> list[str]:
    """Give --adopt its value: the argument that follows, or "everything" at the end and before another option. Where a
    name follows, it could be a value or a selection, with different losses: it becomes the value, and the value check
    rejects it.
    """
    found: list[str] = []
    for number, arg in enumerate(args):
        if found[-1:] == ["--adopt"]:
            given = not arg.startswith("-")
            found[-1] = f"--adopt={arg if given else EVERYTHING}"
            if given:
                continue
        if arg == "--":
            return [*found, *args[number:]]
        found.append(arg)
    return [f"--adopt={EVERYTHING}" if arg == "--adopt" else arg for arg in found]


def typed_parameter(text: str) -> tuple[str, str]:
    """Parse --param NAME=VALUE. Raises `UsageError`."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f'"{text}" is not a parameter', advice="write --param NAME=VALUE")
    return name.strip(), value


def seconds(option: str, text: str) -> float:
    """Parse the duration of an option. Raises `UsageError`."""
    try:
        return duration(float(text) if _NUMBER.fullmatch(text) else text)
    except ValueError as error:
        raise UsageError(f"{as_given(option, text)}: {error}") from error


def parse_time(text: str, now_s: float) -> datetime:
    """Parse a time: ISO 8601, in UTC where it has no zone, or an age ("2h"). Raises `UsageError`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return datetime.fromtimestamp(now_s - duration(text), UTC)
        except ValueError as error:
            raise UsageError(
                f"{as_given('--since', text)}: not a time",
                advice='write 2026-03-01T03:00:00Z, or "2h" for two hours ago',
            ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
