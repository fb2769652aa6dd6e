"""A plan for people: what is done to each function and why, in which waves, and how long that takes.

Untrusted text in it was made safe before (`Outlet.value`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.model import (
    Action,
    Bound,
    Failure,
    Plan,
    Prediction,
    Unit,
    WayBack,
    WayBackKind,
)
from orchestrator.planning.reasons import FILES_NAMED
from orchestrator.report.explained.plan_diff import reason_and_settings
from orchestrator.report.plain_text import cells, counted, named, pad
from orchestrator.report.rollout_text import waves_text
from orchestrator.report.unit_words import FAILED, by_cause, word_of
from orchestrator.report.verifying_text import SKIPPED, met_when, then_words
from orchestrator.report.views import PlanView

_FIRST = 20  # changes, and blocked functions, listed before a run; `plan` lists all
_IN_PART = "left alone in part"  # functions that would only partly be rolled back
NAMED = 5  # functions that a wave, or one cause, is about
_GAP = "  "


def plan_text(view: PlanView, *, whole: bool) -> str:
    """Return what will be done and why, one function a line: the `whole` plan, or the beginning of its changes.

    Changes come first, then what is blocked, each sorted by folder and name. Unchanged functions are only counted,
    unless the view is `verbose`.
    """
    units = sorted(view.plan.units, key=lambda unit: (unit.spec.folder_id, unit.key))
    blocked = [unit for unit in units if unit.action is Action.BLOCKED]
    changes = [unit for unit in units if unit.action not in (Action.BLOCKED, Action.UNCHANGED)]
    unchanged = [unit for unit in units if unit.action is Action.UNCHANGED] if view.verbose else []
    most = max(len(units), 1) if whole or view.verbose else _FIRST
    folders = len({unit.spec.folder_id for unit in units}) > 1
    groups = by_cause(blocked)
    alone = [group[0] for group in groups if len(group) == 1]
    alike = [group for group in groups if len(group) > 1]
    lines = list(_rows([*changes[:most], *unchanged, *alone[:most]], folders=folders, verbose=view.verbose))
    lines += [line for group in alike[:most] for line in _one_cause(group, verbose=view.verbose)]
    left_out = len(alone[most:]) + sum(map(len, alike[most:]))
    for what, number in (("", len(changes[most:])), (" blocked", left_out)):
        lines += [f"{_GAP}… and {number} more{what}"] if number else []
    words = Counter(word_of(unit) for unit in units)
    words[_IN_PART] = sum(bool(left_alone(unit)) for unit in units)
    actions = ", ".join(f"{words[word]} {word}" for word in (*map(str, Action), FAILED, _IN_PART) if words[word])
    return "\n".join(
        [
            *environment_head(view.environment, (unit.spec.folder_id for unit in units)),
            *lines,
            *plan_notes(view, verbose=view.verbose, ways_back=True),
            f"plan: {actions or 'nothing to do'}",
        ]
    )


def environment_head(environment: str, folders: Iterable[str] = ()) -> list[str]:
    """Return the line that names the environment; empty where there is none."""
    named = sorted(set(folders) - {""})
    where = f": folder{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""
    return [f"environment {environment}{where}"] if environment else []


def plan_notes(view: PlanView, *, verbose: bool = False, ways_back: bool = False) -> list[str]:
    """Return notes on a plan besides its rows. `ways_back`: for formats whose rows lack them."""
    units = sorted(view.plan.units, key=lambda unit: (unit.spec.folder_id, unit.key))
    return [
        *_packages(units, verbose=verbose),
        *waves_text(view),
        *_met(units, view),
        *(_ways_back(units, verbose=verbose) if ways_back else ()),
        *_undeclared(view),
    ]


def _one_cause(group: Sequence[Unit], *, verbose: bool) -> Iterator[str]:
    """Yield the functions that one cause concerns, then the cause, with the output of a failed build."""
    first = group[0]
    names = named([unit.key for unit in group], None if verbose else NAMED)
    yield f"{_GAP}{counted(len(group), 'function')} {word_of(first)}: {names}: {first.reason}{_advice(first)}"
    yield from _detail(first.failure)


def _advice(unit: Unit) -> str:
    return f"; {unit.failure.advice}" if unit.failure is not None and unit.failure.advice else ""


def _detail(failure: Failure | None) -> Iterator[str]:
    if failure is not None:
        yield from (f"      | {line}".rstrip() for line in failure.detail.splitlines())


def left_alone(unit: Unit) -> str:
    """Return what is left alone of a unit while the rest is rolled back; "" where nothing is."""
    return unit.failure.message if unit.failure is not None and unit.changes else ""


def plan_counts(plan: Plan) -> dict[str, int]:
    """Count the functions of a plan by action, in the order of the actions."""
    counts = Counter(unit.action for unit in plan.units)
    return {str(action): counts[action] for action in Action if counts[action]}


def _rows(units: Sequence[Unit], *, folders: bool, verbose: bool) -> Iterator[str]:
    """Yield a line for each unit, in columns, then the settings that change and the output of a failed build."""
    rows = [_cells(unit, folders=folders) for unit in units]
    widths = [max(cells(cell) for cell in column) for column in zip(*rows, strict=True)]
    widths[-1:] = [max(11, *widths[-1:])] if widths else []
    seen = set[str]()
    for unit, row in zip(units, rows, strict=True):
        failure = unit.failure
        left = f"; {alone}" if (alone := left_alone(unit)) else ""
        columns = [pad(cell, width) for cell, width in zip(row, widths, strict=True)]
        then = f"; {words}" if (words := then_words(unit)) else ""
        reason, lines = reason_and_settings(unit, verbose=verbose)
        yield _GAP + _GAP.join([*columns, f"{reason}{left}{_advice(unit)}{then}"]).rstrip()
        yield from lines
        if failure is not None and failure.detail and failure.detail not in seen:
            seen.add(failure.detail)
            yield from _detail(failure)


def _packages(units: Sequence[Unit], *, verbose: bool) -> Iterator[str]:
    """Yield warnings about the packages that will be uploaded, equal ones once, and what rules exclude from them."""
    sent = [unit for unit in units if verbose or unit.action not in (Action.BLOCKED, Action.UNCHANGED)]
    by_warning: dict[str, list[str]] = {}
    for unit in sent:
        for warning in unit.warnings:
            by_warning.setdefault(warning, []).append(unit.key)
    for warning, keys in by_warning.items():
        yield f"warning: {named(keys, None if verbose else NAMED)}: {warning}"
    without = [(unit.key, unit.tree.left_out) for unit in sent if unit.tree is not None and unit.tree.left_out]
    if verbose:
        signed = [(unit.key, unit.files.signed()) for unit in sent if unit.files is not None]
        yield from (f"files of {key}: {', '.join(names)}" for key, names in signed if len(names) > FILES_NAMED)
        yield from (f"left out of {key}: {', '.join(names)}" for key, names in without)
    elif without:
        count = counted(sum(len(names) for _, names in without), "path")
        of = f"package of {without[0][0]}" if len(without) == 1 else f"packages of {len(without)} functions"
        yield f"left out of the {of}: {count} (--verbose lists them)"


def _cells(unit: Unit, *, folders: bool) -> list[str]:
    spec = unit.spec
    name = f"{unit.key} ({spec.name})" if spec.name not in ("", unit.key) else unit.key
    return [*([spec.folder_id] if folders else []), name, word_of(unit)]


def _met(units: Sequence[Unit], view: PlanView) -> Iterator[str]:
    """Yield when users get the new versions, and where nothing is verified."""
    if view.skips_verification:
        yield SKIPPED
    for words, keys in met_when(units):
        yield f"{named(keys, None if view.verbose else NAMED)}: {words}"


def _ways_back(units: Sequence[Unit], *, verbose: bool) -> Iterator[str]:
    """Yield how to roll back: a count of each way, and names where it is not complete."""
    ways = [(unit, unit.way_back) for unit in units if unit.way_back is not None]
    if not ways:
        return
    counts = Counter(way.kind for _, way in ways if way.is_whole)
    whole = "; ".join(_counted_way(kind, counts[kind]) for kind in WayBackKind if counts[kind])
    yield f"rollback: {whole or 'none would be complete'}"
    by_words: dict[str, list[str]] = {}
    for unit, way in ways:
        if not way.is_whole:
            by_words.setdefault(way_back_words(way), []).append(unit.key)
    for why, keys in by_words.items():
        yield f"{_GAP}{named(keys, None if verbose else NAMED)}: {why}"


def way_back_words(way: WayBack) -> str:
    """Return how one function would be rolled back, or why not completely: "not possible: its code is lost"."""
    return f"{way_words(way.kind)}{f': {way.why}' if way.why else ''}"


def _counted_way(kind: WayBackKind, number: int) -> str:
    if kind is WayBackKind.STAYS:
        they = "they" if number > 1 else "it"
        return f"not possible for {counted(number, 'new function')}; {they} would remain"
    return f"{number} {way_words(kind, number)}"


def way_words(kind: WayBackKind, number: int = 1) -> str:
    """Return how a number of functions would be rolled back: "by copies of the previous versions"."""
    several = number > 1
    return {
        WayBackKind.COPY: f"by {'copies of the previous versions' if several else 'a copy of the previous version'}",
        WayBackKind.TAGS: "by tags and the function's own settings only",
        WayBackKind.NONE: "not possible",
        WayBackKind.STAYS: "is new, and would remain",
    }[kind]


def _undeclared(view: PlanView) -> Iterator[str]:
    several = len(view.undeclared) > 1
    for found in view.undeclared:
        where = f"folder {found.folder_id}" if several else "the folder"
        total, ours = len(found.ours) + found.others, len(found.ours)
        text = f"live in {where}, not in the manifest: {total}"
        if found.others:
            text += f", of which {ours} made by this tool" if ours else ", none known to be made by this tool"
        names = f": {named(one.name for one in found.ours)}" if view.verbose else " (--verbose lists them)"
        yield text + (names if ours else "")


def prediction_text(found: Prediction) -> str:
    """Return the prediction in a few sentences."""
    if not found.functions:
        return "simulated: nothing to do"
    text = f"simulated: {_time(found.seconds)} (p90 {_time(found.p90_s)})"
    if found.bound is not None:
        text += f", {_time(min(found.bound.seconds, found.seconds))} of it limited by {_what(found.bound)}"
    if found.raised is not None:
        text += f"; with {found.raised[0]} it would take {_time(found.raised[1])}"
    text += f"; {found.busy:.1f} Operations at once on average"
    if not found.learned:
        text += "\n  a guess: no run has measured such Operations here yet"
    return "\n".join([text, *(f"{_GAP}{line}" for line in _besides(found))])


def _besides(found: Prediction) -> Iterator[str]:
    """Yield what else takes time, what is not counted, and how long a rollback would take."""
    if found.verified:
        guessed = "" if found.verify_learned else " (a guess: nothing has been verified here yet)"
        yield f"{counted(found.verified, 'function')} verified, {_time(found.verify_each_s)} each{guessed}"
    if found.paused_s:
        yield f"{_time(found.paused_s)} of that is pauses between {found.waves} waves"
    if found.approvals:
        times = "once" if found.approvals == 1 else f"{found.approvals} times"
        yield f"not counted: waiting for approval {times}"
    if found.gates:
        times = "once" if found.gates == 1 else f"{found.gates} times"
        yield f"not counted: the gate runs {times}, {_time(found.gates_most_s)} in total at most"
    if found.rollback_s is not None:
        yield f"rolling back everything would take {_time(found.rollback_s)}"


def _what(bound: Bound) -> str:
    kind, _, name = bound.what.partition(" ")
    if kind in ("folder", "cloud"):
        return f"the {bound.limit:g} operations of {kind} {name}"
    if kind == "verifications":
        return f"{bound.limit:g} verifications at once"
    return f"{bound.limit:g} requests per second" if kind == "requests" else "the longest Operation"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
