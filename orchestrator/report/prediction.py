"""A prediction in words: how long, bound by what, and what more of that would give."""

from __future__ import annotations

from orchestrator.model import Bound, Prediction


def prediction_text(found: Prediction) -> str:
    """Write a sentence or two."""
    if not found.functions:
        return "simulated: nothing to do"
    text = f"simulated: {_time(found.seconds)} (p90 {_time(found.p90_s)})"
    if found.bound is not None:
        text += f", of which {_time(min(found.bound.seconds, found.seconds))} bound by {_what(found.bound)}"
    if found.raised is not None:
        text += f"; {found.raised[0]} would give {_time(found.raised[1])}"
    text += f"; {found.busy:.1f} Operations at once on average"
    if not found.learned:
        text += "\n  guessed: no run has shown yet how long such Operations take here"
    return text


def _what(bound: Bound) -> str:
    kind, _, name = bound.what.partition(" ")
    if kind in ("folder", "cloud"):
        return f"the {bound.limit:g} operations of {kind} {name}"
    return f"{bound.limit:g} requests per second" if kind == "requests" else "its longest Operation"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
