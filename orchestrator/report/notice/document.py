"""The document that a notification about a run contains, and when a notification is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Exit, ManifestError, Mistake, OrchestratorError
from orchestrator.journal.events import Breached, Event, RunEnded
from orchestrator.journal.identity import Identity
from orchestrator.journal.rollout_events import RunPaused
from orchestrator.journal.state import RunState
from orchestrator.model import Notify
from orchestrator.report.failures import NAMED_MAX, Cause, causes
from orchestrator.report.history import selection_words, who
from orchestrator.report.records import iso
from orchestrator.report.summary import counts

SCHEMA = "orchestrator/notification/1"
SANDBOX = "sandbox"  # the endpoint of sandbox runs, as the journal remembers it
_CAUSES_MAX = 5
_TEXT_MAX = 600  # characters of a message or a piece of advice


def notice_of(event: Event, state: RunState) -> str:
    """Return which notification an event makes due, "" for none. `state`: of the chain, after the event.

    | the event                                        | the notice  |
    | ---                                              | ---         |
    | too many failures                                | breach      |
    | the run pauses until it is promoted              | paused      |
    | the run ends with exit 5, or it is a rollback    | rolled_back |
    | that ends with exit 0                            |             |
    | the run ends with exit 0                         | done        |
    | the run ends as paused, which was reported       |             |
    | the run ends with any other exit                 | failed      |
    """
    match event:
        case Breached():
            return "breach"
        case RunPaused():
            return "paused"
        case RunEnded(exit_code=code):
            if code == Exit.ROLLED_BACK or (code == Exit.DONE and state.rollout.rolls_back):
                return "rolled_back"
            if code == Exit.DONE:
                return "done"
            return "" if state.rollout.paused is not None and code == Exit.INTERRUPTED else "failed"
    return ""


def notification(kind: str, state: RunState, hook: Notify, *, run_id: str, then: str = "") -> dict[str, Any]:
    """Return the document, as JSON values that are not redacted yet. `run_id`: of the run that sends it, the last of
    its chain; `then`: the next step.
    """
    identity = state.identity
    ended = kind in ("done", "failed", "rolled_back")
    found = causes(state.units.values())
    paused = state.rollout.paused
    return {
        **_about(identity, kind, run_id, state.verb, state.endpoint, state.manifest),
        "started_at": iso(state.chain[0].started_at if state.chain else state.started_at),
        "ended_at": iso(state.ended_at) if ended else None,
        "exit_code": state.exit_code if ended else None,
        "reason": _cut(state.breach or (paused.reason if paused is not None else "") or state.reason),
        "functions": max(state.total, len(state.units)),
        "outcomes": counts(state),
        "causes": [_cause(cause) for cause in found[:_CAUSES_MAX]],
        "more_causes": len(found[_CAUSES_MAX:]),
        "next": then,
        "link": _link(hook, run_id, identity),
    }


@dataclass(frozen=True, slots=True)
class Unstarted:
    """A command that ended with an error before its run began. `began_at`, `ended_at`: seconds since the epoch; `more`:
    what else to know, "" for nothing; `run_id`: of the run that began and did not report its end, "" for none.
    """

    verb: str
    endpoint: str
    identity: Identity
    began_at: float
    ended_at: float
    error: OrchestratorError
    more: str = ""
    run_id: str = ""


def not_started_document(said: Unstarted, hook: Notify) -> dict[str, Any]:
    """Return the document of a command without a run, or without its end: with the keys of `notification`."""
    error, identity = said.error, said.identity
    mistakes = error.mistakes if isinstance(error, ManifestError) else ()
    return {
        **_about(identity, "failed", said.run_id, said.verb, said.endpoint, identity.manifest),
        "started_at": iso(said.began_at),
        "ended_at": iso(said.ended_at),
        "exit_code": int(error.exit),
        "reason": _cut(error.message if said.run_id else f"could not start: {error.message}"),
        "functions": 0,
        "outcomes": {},
        "causes": [_mistake(one) for one in mistakes[:_CAUSES_MAX]],
        "more_causes": len(mistakes[_CAUSES_MAX:]),
        "next": _cut("; ".join(part for part in (error.advice, said.more) if part)),
        "link": _link(hook, said.run_id, identity),
    }


def _about(identity: Identity, kind: str, run_id: str, verb: str, endpoint: str, manifest: str) -> dict[str, Any]:
    """Return the keys that say which run or command it is. `manifest`: its path, if no repository has it."""
    return {
        "schema": SCHEMA,
        "kind": kind,
        "run_id": run_id,
        "verb": verb,
        "job": identity.selection.job,
        "environment": identity.environment,
        "selection": _cut(selection_words(identity, verb)),
        "folders": list(identity.folders),
        "endpoint": endpoint,
        "sandbox": endpoint == SANDBOX,
        "manifest": identity.place or manifest,
        "by": who(identity),
        "commit": identity.commit,
    }


def _link(hook: Notify, run_id: str, identity: Identity) -> str:
    return hook.link.replace("{run}", run_id).replace("{environment}", identity.environment)


def _mistake(mistake: Mistake) -> dict[str, Any]:
    table, _, rest = mistake.key.partition(".")
    function = mistake.function or (rest.partition(".")[0] if table == "functions" else "")
    functions = [function] if function else []
    return {
        "what": "mistake in the manifest",
        "message": _cut(str(mistake)),
        "advice": "",
        "count": len(functions),
        "functions": functions,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "what": cause.what,
        "message": _cut(cause.failure.message),
        "advice": _cut(cause.failure.advice),
        "count": len(cause.units),
        "functions": [unit.key for unit in cause.units[:NAMED_MAX]],
    }


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"
