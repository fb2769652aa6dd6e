"""Command lines that people can paste: they reach the same runs as the command that prints them.

A resume, say, needs the state folder that was typed. That is like the working folder: one for the whole command,
however deep the code that prints a line.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

CONFIG = "-c"


@dataclass(frozen=True, slots=True)
class Typed:
    """The options that decide where runs are found, as they were typed. `config`: the manifest, "" for the usual one.
    `is_elsewhere`: without it no state folder is found, or another one. `others`: more options, with their values.
    """

    config: str = ""
    is_elsewhere: bool = False
    others: tuple[str, ...] = ()


_TYPED: ContextVar[Typed] = ContextVar("typed", default=Typed())  # noqa: B039 - it is frozen


@contextmanager
def typed_with(typed: Typed) -> Iterator[None]:
    """Remember these options for the command lines that are printed meanwhile."""
    token = _TYPED.set(typed)
    try:
        yield
    finally:
        _TYPED.reset(token)


def command_line(*words: str) -> str:
    """Return a command line of this program, quoted for a shell. A manifest among the words is the one that it
    needs.
    """
    typed = _TYPED.get()
    own = [CONFIG, typed.config] if typed.config and CONFIG not in words else []
    return shlex.join(["orchestrator", *words, *own, *typed.others])


def line_of_run(*words: str, manifest: str = "") -> str:
    """Return a command line about a run that remembers its manifest, which is named only if the run cannot be found
    otherwise. `manifest`: that of the run, where it is not the typed one.
    """
    typed = _TYPED.get()
    own = [CONFIG, manifest or typed.config] if typed.is_elsewhere and CONFIG not in words else []
    return shlex.join(["orchestrator", *words, *own, *typed.others])
