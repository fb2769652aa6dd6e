"""The function that was most likely meant by an unknown name: a similar one, here or in another environment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase


def env_options(environments: Collection[str]) -> str:
    """Return the options, each of which chooses an environment."""
    return " or ".join(f"--env {environment}" for environment in environments)


def near_elsewhere(word: str, names: Iterable[str], elsewhere: Mapping[str, Collection[str]]) -> str:
    """Return which function was most likely meant by a name or glob that matches none here; "" where none is similar.
    `names`: those that exist here; `elsewhere`: as in `choose`.
    """
    there = next((name for name in elsewhere if fnmatchcase(name, word)), "")
    close = there or next(iter(get_close_matches(word, [*names, *elsewhere], n=1)), "")
    if not close or close not in elsewhere:
        return f'did you mean "{close}"?' if close else ""
    where = f"exists only in {', '.join(elsewhere[close])}: choose that with {env_options(elsewhere[close])}"
    return f"{close} {where}" if there else f'did you mean "{close}"? It {where}'
