"""Constants of the program by the place that a page gives for them: a file of orchestrator/, and a name in it."""

from __future__ import annotations

from importlib import import_module


def constant(file: str, name: str) -> object:
    """Return a constant. `name`: `MAX_S`, or `Limits.operation_deadline_s` for a default of a class."""
    found: object = import_module(f"orchestrator.{file.removesuffix('.py').replace('/', '.')}")
    *owners, last = name.split(".")
    for owner in owners:
        found = getattr(found, owner)()
    return getattr(found, last)
