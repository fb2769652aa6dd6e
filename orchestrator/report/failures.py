"""What failed, is unknown or blocked in a run, in full: equal failures once, with all functions that they concern."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import SERVES_ENDS, Blocked, Failed, Failure, Step, Unknown
from orchestrator.report.plain_text import counted, named
from orchestrator.report.rolled_back import copy_of

NAMED_MAX = 10  # functions named in a group
_ACCEPTED = (Step.TRACK, Step.READ_BACK)  # the steps in which the cloud has accepted an Operation
# Parts that differ between otherwise equal errors: cloud IDs (20 characters), UUIDs, hashes, numbers.
_IDS = re.compile(r"\b(?:[a-z0-9]{20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,64}|\d+(?:\.\d+)?)\b")


def failures(state: RunState, back: RunState | None = None) -> str:
    """Return what failed, is unknown or blocked, in full: equal errors once, with the functions that they concern.
    `back`: the rollback that took the run back, so that other Versions serve now.
    """
    return "\n\n".join(blocks(state.units.values(), serving_since(back)))


def serving_since(back: RunState | None) -> dict[str, str]:
    """Return the copies that serve since a rollback, by the key of their Function."""
    units = back.units.items() if back is not None else ()
    return {key: copy for key, unit in units if (copy := copy_of(unit))}


@dataclass(frozen=True, slots=True)
class UnitFailure:
    """One unit's failure, unknown end or block."""

    unit: UnitState
    what: str  # outcome, kind, step
    failure: Failure


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some functions failed, or are unknown or blocked. `failure`: that of the first function."""

    what: str  # outcome, kind, step: "failed in step create, INVALID_ARGUMENT"
    failure: Failure
    units: tuple[UnitState, ...]


def causes(units: Iterable[UnitState], serving: Mapping[str, str] = MappingProxyType({})) -> list[Cause]:
    """Return the causes of failures, the most frequent first. `serving`: see `blocks`."""
    groups = sorted(grouped(units, serving), key=len, reverse=True)
    return [Cause(group[0].what, group[0].failure, tuple(failed.unit for failed in group)) for group in groups]


def blocks(units: Iterable[UnitState], serving: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return a block of text for each cause of failed, unknown or blocked units, the most frequent last.
    `serving`: Versions that have replaced those that the units made, by the units' keys.
    """
    return [_block(group) for group in grouped(units, serving)]


def grouped(units: Iterable[UnitState], serving: Mapping[str, str] = MappingProxyType({})) -> list[list[UnitFailure]]:
    """Group units that failed, are unknown or blocked for the same reason, the most frequent group last."""
    groups: dict[tuple[str, str], list[UnitFailure]] = {}
    for unit in units:
        found = failure_of(unit, serving.get(unit.key, ""))
        if found is not None:
            groups.setdefault((found.what, _shape(found)), []).append(found)
    return sorted(groups.values(), key=len)


def failure_of(unit: UnitState, serves: str) -> UnitFailure | None:
    """Return a unit's failure, unknown end or block, None where it has none. `serves`: the copy that serves since."""
    outcome = unit.outcome
    match outcome:
        case Failed(step, failure, rolled_back_to):
            failure = since_rollback(failure, serves or rolled_back_to)
            return UnitFailure(unit, _failed_what(step, failure.kind), failure)
        case Unknown(reason, operation_id):
            return UnitFailure(unit, outcome_name(outcome), Failure(reason, operation_id=operation_id))
        case Blocked(reason):
            return UnitFailure(unit, outcome_name(outcome), Failure(reason))
    return None


def _failed_what(step: Step, kind: str) -> str:
    """Return in which step a unit failed, and what kind of failure it was. The kind alone where it implies the step."""
    if step is Step.VERIFY and kind == "verification":
        return "failed verification"
    return f"failed in step {step}{f', {kind}' if kind else ''}"


def cause_of(unit: UnitState) -> tuple[str, str] | None:
    """Return why a unit failed or is unknown, in short, preceded by the part that equal failures share. None where it
    has not failed.
    """
    if isinstance(unit.outcome, Blocked) or (found := failure_of(unit, "")) is None:
        return None
    where = f"{unit.outcome.step}: " if isinstance(unit.outcome, Failed) else f"{found.what}: "
    return f"{found.what} {_shape(found)}", f"{where}{found.failure.message}"


def since_rollback(failure: Failure, serves: str) -> Failure:
    """Return the failure, with the Version that serves now where that has changed since."""
    if not serves:
        return failure
    parts = [part for part in failure.advice.split("; ") if part and not part.endswith(SERVES_ENDS)]
    return replace(failure, advice="; ".join([*parts, f"rolled back since then: version {serves} now serves $latest"]))


def _shape(failed: UnitFailure) -> str:
    """Return what equal errors have in common: the message without IDs, numbers and the function's own name."""
    message = failed.failure.message
    for name in sorted({failed.unit.key, failed.unit.name} - {""}, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", message)
    return without_ids(message)


def without_ids(text: str) -> str:
    """Return a text without the parts that differ between equal errors: cloud IDs, UUIDs, hashes, numbers."""
    return _IDS.sub("…", text)


def _block(group: list[UnitFailure]) -> str:
    first = group[0]
    failure = first.failure
    names = named([failed.unit.key for failed in group], NAMED_MAX)
    lines = [f"{counted(len(group), 'function')} {first.what}: {names}", *_said(group, lambda one: one.message)]
    for failed in group[:NAMED_MAX]:
        ids = ids_of(failed.failure, failed.failure.operation_id or last_operation(failed.unit))
        if ids:
            lines.append(f"    {failed.unit.key}: {ids}" if len(group) > 1 else f"    {ids}")
    lines += _said(group, lambda one: one.advice, "advice")
    if failure.detail:
        of = f" (of {first.unit.key})" if len({failed.failure.detail for failed in group}) > 1 else ""
        lines += [f"    detail{of}:", *_indented(failure.detail, "      | ")]
    return "\n".join(lines)


def _said(group: list[UnitFailure], text_of: Callable[[Failure], str], label: str = "") -> list[str]:
    texts: dict[str, list[str]] = {}
    for failed in group:
        texts.setdefault(text_of(failed.failure), []).append(failed.unit.key)
    return said_lines(texts, label)


def said_lines(texts: Mapping[str, Sequence[str]], label: str = "") -> list[str]:
    """Return a text that all functions share once, and texts that differ one by one: people may need to type an ID.
    `texts`: each with the functions that it is of.
    """
    if len(texts) == 1:
        (text,) = texts
        return _indented(f"{label}: {text}" if label else text) if text else []
    lines = list[str]()
    for text, keys in list(texts.items())[:NAMED_MAX]:
        whose = f"{label} for {named(keys, NAMED_MAX)}" if label else named(keys, NAMED_MAX)
        lines += _indented(f"{whose}: {text}") if text else []
    if len(texts) > NAMED_MAX:
        lines.append(f"    and {len(texts) - NAMED_MAX} more")
    return lines


def ids_of(failure: Failure, operation_id: str) -> str:
    """Return the IDs that the cloud knows a failure by, in one line."""
    facts = {
        "operation": operation_id,
        "HTTP": str(failure.http_status or ""),
        "request id": failure.request_id,
        "server trace id": failure.server_trace_id,
        "client request id": failure.client_request_id,
    }
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value)


def last_operation(unit: UnitState) -> str:
    """Return the Operation that an outcome is about: that of the last change that was requested. "" where its call was
    refused or never sent: the Operations of earlier changes have not failed.
    """
    if isinstance(unit.outcome, Failed) and unit.outcome.step not in _ACCEPTED:
        return ""
    asked_for = [change.operations for change in unit.changes if change.requests or change.operations]
    return next(reversed(asked_for[-1]), "") if asked_for else ""


def _indented(text: str, by: str = "    ") -> list[str]:
    return [f"{by}{line}".rstrip() for line in text.splitlines()]
