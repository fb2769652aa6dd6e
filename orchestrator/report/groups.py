"""Failures in full: equal ones once, with everything that is needed to act on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.journal.event_json import outcome_name
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Blocked, Failed, Failure, Unknown
from orchestrator.report.plain_text import counted, harmless
from orchestrator.report.redact import redact

NAMED_MAX = 10  # functions named in a group
# What differs between equal errors: ids of the cloud (20 characters), UUIDs, hashes, numbers.
_IDS = re.compile(r"\b(?:[a-z0-9]{20}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,64}|\d+(?:\.\d+)?)\b")


@dataclass(frozen=True, slots=True)
class _Told:
    """One unit's failure, unknown end or block."""

    unit: UnitState
    what: str  # outcome, kind, step
    failure: Failure


def blocks(units: Iterable[UnitState]) -> list[str]:
    """Write a block of text for each kind of failure, the most frequent last. Also for what is unknown or blocked."""
    groups: dict[tuple[str, str], list[_Told]] = {}
    for unit in units:
        told = _told(unit)
        if told is not None:
            groups.setdefault((told.what, _shape(told)), []).append(told)
    return [_block(group) for group in sorted(groups.values(), key=len)]


def _told(unit: UnitState) -> _Told | None:
    outcome = unit.outcome
    match outcome:
        case Failed(step, failure):
            kind = f", {failure.kind}" if failure.kind else ""
            return _Told(unit, f"failed in step {step}{kind}", failure)
        case Unknown(reason, operation_id):
            return _Told(unit, outcome_name(outcome), Failure(reason, operation_id=operation_id))
        case Blocked(reason):
            return _Told(unit, outcome_name(outcome), Failure(reason))
    return None


def _shape(told: _Told) -> str:
    """What equal errors have in common: the message without ids, numbers and the function's own name."""
    message = told.failure.message
    for name in sorted({told.unit.key, told.unit.name} - {""}, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", message)
    return _IDS.sub("…", message)


def _block(group: list[_Told]) -> str:
    first = group[0]
    failure = first.failure
    named = ", ".join(told.unit.key for told in group[:NAMED_MAX])
    more = f" and {len(group) - NAMED_MAX} more" if len(group) > NAMED_MAX else ""
    lines = [
        f"{counted(len(group), 'function')} {first.what}: {named}{more}",
        *_indented(redact(failure.message)),
    ]
    for told in group[:NAMED_MAX]:
        ids = _ids(told)
        if ids:
            lines.append(f"    {told.unit.key}: {ids}" if len(group) > 1 else f"    {ids}")
    if failure.advice:
        lines += _indented(f"advice: {redact(failure.advice)}")
    if failure.detail:
        of = f" (of {first.unit.key})" if len({told.failure.detail for told in group}) > 1 else ""
        lines += [f"    detail{of}:", *_indented(redact(failure.detail), "      | ")]
    return "\n".join(lines)


def _ids(told: _Told) -> str:
    failure = told.failure
    operations = [failure.operation_id] if failure.operation_id else list(told.unit.operations)[-1:]
    facts = {
        "operation": operations[0] if operations else "",
        "HTTP": str(failure.http_status or ""),
        "request id": failure.request_id,
        "server trace id": failure.server_trace_id,
        "client request id": failure.client_request_id,
    }
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value)


def _indented(text: str, by: str = "    ") -> list[str]:
    return [f"{by}{line}".rstrip() for line in harmless(text).splitlines()]
