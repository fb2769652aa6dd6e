"""A run as JUnit XML: one test case for each function, for the test reports of GitLab, Jenkins and others.

The shape is that of Jenkins' junit-10.xsd: testsuites, testsuite, testcase, and in it failure, error or skipped.

| the outcome                   | the test case                                         |
| ---                           | ---                                                   |
| deployed, unchanged, pruned   | passed                                                |
| failed, blocked               | failure                                               |
| unknown, inconclusive         | error                                                 |
| cancelled, not ended          | skipped                                               |
| the command could not start   | one test case, named like the verb, in error          |
"""

from __future__ import annotations

import re
from html import escape

from orchestrator.errors import ManifestError, OrchestratorError
from orchestrator.journal.state import RunState
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Blocked, Cancelled, Failed, Failure, Inconclusive, Unknown
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.failures import ids_of
from orchestrator.report.records import NOT_ENDED, iso, name_of

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_NO_XML = re.compile("[\ufffe\uffff]")  # characters that the outlet lets through and XML 1.0 forbids


def junit_of_run(state: RunState, outlet: Outlet) -> Safe:
    """Return a run, with its whole chain. Times are a function's own work, in seconds."""
    state = outlet.value(state)
    environment = state.identity.environment
    cases = [
        _case(unit, environment) for unit in sorted(state.units.values(), key=lambda one: (one.folder_id, one.key))
    ]
    took_s = (state.ended_at or 0.0) - (state.started_at or 0.0) + state.planned_s if state.ended_at else 0.0
    started = (iso(state.started_at) or "").partition(".")[0]
    return outlet.rendered(_document(state.verb, cases, took_s=took_s, started=started, run_id=state.run_id))


def junit_of_error(verb: str, error: OrchestratorError, outlet: Outlet) -> Safe:
    """Return a report that a command could not start, and why."""
    mistakes = [str(mistake) for mistake in error.mistakes] if isinstance(error, ManifestError) else []
    lines = [outlet.line(line) for line in (*mistakes, error.advice) if line]
    name = f"exit {int(error.exit)}"
    end = _end("error", name, outlet.line(error.message), "\n".join(lines))
    return outlet.rendered(_document(verb, [(_open(verb, "orchestrator", 0.0), end, "errors")]))


_Case = tuple[str, str, str]  # start tag, content, and the counter it adds to: failures, errors, skipped or ""


def _case(unit: UnitState, environment: str) -> _Case:
    start = _open(unit.key, ".".join(part for part in (environment, unit.folder_id) if part), unit.work_s)
    name = name_of(unit)
    match unit.outcome:
        case Failed(step, failure):
            kind = failure.kind or str(step)
            return start, _end("failure", kind, f"step {step}: {failure.message}", _failure_text(failure)), "failures"
        case Blocked(reason):
            return start, _end("failure", name, reason), "failures"
        case Unknown(reason, operation_id):
            operation = f"operation {operation_id}" if operation_id else ""
            return start, _end("error", name, reason, operation), "errors"
        case Inconclusive(reason):
            return start, _end("error", name, reason), "errors"
        case Cancelled(reason):
            return start, f"<skipped message={_value(reason)}/>", "skipped"
        case None:
            return start, f"<skipped message={_value(NOT_ENDED)}/>", "skipped"
    return start, "", ""


def _failure_text(failure: Failure) -> str:
    ids = ids_of(failure, failure.operation_id)
    return "\n".join(part for part in (ids, failure.advice, failure.detail) if part)


def _open(name: str, classname: str, seconds: float) -> str:
    return f"<testcase name={_value(name)} classname={_value(classname)} time={_value(f'{seconds:.3f}')}"


def _end(tag: str, kind: str, message: str, text: str = "") -> str:
    return f"<{tag} type={_value(kind)} message={_value(message)}>{_text(text)}</{tag}>"


def _document(name: str, cases: list[_Case], *, took_s: float = 0.0, started: str = "", run_id: str = "") -> str:
    number = {kind: sum(one == kind for _, _, one in cases) for kind in ("failures", "errors", "skipped")}
    counts = f'tests="{len(cases)}" failures="{number["failures"]}" errors="{number["errors"]}"'
    suite = f"name={_value(f'orchestrator {name}')} {counts}"
    lines = [_HEAD, f'<testsuites {suite} time="{took_s:.3f}">']
    at = f" timestamp={_value(started)}" if started else ""
    identity = f" id={_value(run_id)}" if run_id else ""
    lines.append(f'  <testsuite {suite} skipped="{number["skipped"]}" time="{took_s:.3f}"{at}{identity}>')
    lines += [f"    {start}>{inner}</testcase>" if inner else f"    {start}/>" for start, inner, _ in cases]
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"])


def _value(text: str) -> str:
    written = escape(_NO_XML.sub("\ufffd", text)).replace("\n", "&#10;")
    return f'"{written}"'


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text), quote=False)
