"""Which function was meant by a name that fits none here: one that is like it, here or in another environment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase


def env_options(environments: Collection[str]) -> str:
    """Write the options of which one chooses an environment that has something."""
    return " or ".join(f"--env {environment}" for environment in environments)


def near_elsewhere(word: str, names: Iterable[str], elsewhere: Mapping[str, Collection[str]]) -> str:
    """Say which function was most likely meant by a name, or a glob, that fits none here; "" where none is like it.
    `names`: those that exist here; `elsewhere`: as in `choose`.
    """
    there = next((name for name in elsewhere if fnmatchcase(name, word)), "")
    close = there or next(iter(get_close_matches(word, [*names, *elsewhere], n=1)), "")
    if not close or close not in elsewhere:
        return f'did you mean "{close}"?' if close else ""
    where = f"exists in {', '.join(elsewhere[close])} alone: choose it with {env_options(elsewhere[close])}"
    return f"{close} {where}" if there else f'did you mean "{close}"? It {where}'
