"""What a run was about, how it ended, and which run continued it: for `runs` and `show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import Exit
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.rollout_events import GateEnded
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.journal.taken_back import state_after
from orchestrator.report.plain_text import time_span
from orchestrator.version.adoption import EVERYTHING

_COMMIT = 12  # digits of a commit that are shown
_NAME_MIN = 11  # columns for the name of a fact
_ENDED: dict[int, str] = {Exit.DONE: "done", Exit.INTERRUPTED: "interrupted", Exit.ROLLED_BACK: "rolled back"}


def status(run: RunSummary) -> str:
    """Return "ended", "running", "interrupted" (killed or cut off before its end), or "paused" (until `promote`)."""
    if run.paused:
        return "paused"
    if run.ended_at is not None:
        return "ended"
    return "running" if run.alive and not run.taken_up_by else "interrupted"


def state_word(run: RunSummary) -> str:
    """Return the state of a run. The first row that matches counts.

    | the run                                            | its state   |
    | ---                                                | ---         |
    | waits for `promote`                                | paused      |
    | was rolled back whole, or exits 5                  | rolled back |
    | gives up what its chain has not done               | given up    |
    | has no end, and may be under way                   | running     |
    | has no end, or exits 3; was rolled back, except    | failed      |
    | for what was left alone                            |             |
    | has no end, or exits 3                             | interrupted |
    | exits 0                                            | done        |
    | exits with any other code                          | failed      |
    """
    alive, after = run.alive and not run.taken_up_by, run.after_rollback
    if run.taken_up_by and after != _ENDED[Exit.ROLLED_BACK]:
        after = ""  # what was left alone is shown for the last run of the chain
    return _word(run.exit_code, paused=run.paused, given_up=run.given_up, alive=alive, after=after)


def chain_word(state: RunState, back: RunState | None, *, alive: bool) -> str:
    """Return the state of a chain. `back`: the rollback that took it back, or part of it."""
    code = state.exit_code if state.ended_at is not None else None
    after = state_after(back.exit_code, back.identity) if back is not None else ""
    return _word(code, paused=_is_paused(state, back), given_up=state.given_up, alive=alive, after=after)


def _is_paused(state: RunState, back: RunState | None) -> bool:
    is_over = state.given_up or (back is not None and back.identity.selection.is_whole)
    return state.rollout.paused is not None and not is_over


def _word(exit_code: int | None, *, paused: bool, given_up: bool, alive: bool, after: str) -> str:
    if paused:
        return "paused"
    if after == _ENDED[Exit.ROLLED_BACK]:
        return after
    if given_up:
        return "given up"
    if exit_code is None and alive and not after:
        return "running"
    if exit_code in (None, Exit.INTERRUPTED):
        return after or _ENDED[Exit.INTERRUPTED]
    return _ENDED.get(exit_code, "failed")


def selection_words(identity: Identity, verb: str = "") -> str:
    """Return a selection as it was typed, "" for everything. `verb`: parameters of a prune are options of its own."""
    selection = identity.selection
    parameter = "--" if verb == "prune" else "--param "
    if selection.plan:
        by = f" by {selection.plan_by}" if selection.plan_by else ""
        made = f", made{by} at {selection.plan_at}" if selection.plan_at else ""
        of = f" of commit {selection.plan_commit[:_COMMIT]}" if selection.plan_commit else ""
        return f"--plan {selection.plan_file} ({selection.plan}{made}{of})"
    return " ".join(
        [
            *selection.patterns,
            *(f"--label {label}" for label in selection.labels),
            *([f"--{selection.left_by}"] if selection.left_by else []),
            *(f"{parameter}{name}={value}" for name, value in selection.parameters.items()),
            *(f"--var {name}={value}" for name, value in selection.variables.items()),
        ]
    )


def who(identity: Identity) -> str:
    """Return who started a run, and where: user@host."""
    return "@".join(part for part in (identity.user, identity.host) if part)


def commit_words(identity: Identity) -> str:
    """Return the beginning of a commit."""
    return identity.commit[:_COMMIT]


def identity_json(identity: Identity) -> dict[str, Any]:
    """Return what a run was about as JSON values."""
    selection = identity.selection
    return {
        "manifest_path": identity.manifest,
        "environment": identity.environment,
        "folders": list(identity.folders),
        "clouds": list(identity.clouds),
        "selection": {
            "functions": list(selection.patterns),
            "labels": list(selection.labels),
            "left_by": selection.left_by,
            "job": selection.job,
            "parameters": dict(selection.parameters),
            "variables": dict(selection.variables),
            **_plan_json(selection),
        },
        "user": identity.user,
        "host": identity.host,
        "commit": identity.commit,
    }


def _plan_json(selection: Selection) -> dict[str, str]:
    """Return the saved plan that a run was to execute, and who made it. Empty where there was none."""
    named = {
        "plan": selection.plan,
        "plan_file": selection.plan_file,
        "plan_made_by": selection.plan_by,
        "plan_made_at": selection.plan_at,
        "plan_commit": selection.plan_commit,
    }
    return named if selection.plan else {}


def history_text(state: RunState, back: RunState | None = None, *, alive: bool) -> str:
    """Return how each run of a chain ended, and what it was about. `back`: the rollback that took it back."""
    identity, paused = state.identity, state.rollout.paused
    facts = {
        "manifest": identity.manifest or state.manifest,
        "commit": commit_words(identity),
        "environment": identity.environment,
        "folders": ", ".join(identity.folders),
        "clouds": ", ".join(identity.clouds),
        "endpoint": state.endpoint,
        "verb": state.verb,
        "selection": selection_words(identity, state.verb),
        "by": who(identity),
        "stopped": state.breach,
        "rolls back": f"run {state.rollout.rolls_back}" if state.rollout.rolls_back else "",
        "rolled back": f"by run {back.run_id}" if back is not None else "",
        "paused": paused.reason if paused is not None and _is_paused(state, back) else "",
        "gates": "; ".join(map(_gate_words, state.rollout.gates)),
        "given up": "work that was not done" if state.given_up else "",
    }
    return "\n".join([*_links(state, alive=alive), facts_text(facts)])


def facts_text(facts: Mapping[str, str]) -> str:
    """Return the facts that are not empty, one a line."""
    known = {name: value for name, value in facts.items() if value}
    width = max(_NAME_MIN, *map(len, known)) if known else _NAME_MIN
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in known.items())


def _links(state: RunState, *, alive: bool) -> Iterator[str]:
    for number, link in enumerate(state.chain):
        began = f"{datetime.fromtimestamp(link.started_at, UTC):%Y-%m-%d %H:%M:%S}"
        later = state.chain[number + 1].run_id if number + 1 < len(state.chain) else ""
        if link.ended_at is not None:
            how = f"exit {link.exit_code} after {time_span(link.ended_at - link.started_at)}"
        else:
            how = "running" if alive and not later else "interrupted"
        promoted = f", promoted by {link.by or 'someone'}" if link.approves else ""
        skips = f", without {' and '.join(link.skips)}" if link.skips else ""
        taken = f", resumed by {later}" if later else ""
        yield f"run {link.run_id}  {began} UTC  {how}{promoted}{skips}{_adopting(link.adopt)}{taken}"


def _adopting(adopt: tuple[str, ...]) -> str:
    """Return which live versions a run was allowed to remove settings from."""
    if not adopt:
        return ""
    if EVERYTHING in adopt:
        return ", with --adopt"
    return f", with --adopt {adopt[0]}" if len(adopt) == 1 else f", with --adopt of {len(adopt)} versions"


def _gate_words(gate: GateEnded) -> str:
    return f"wave {gate.wave} {gate.verdict}" if gate.wave else f"new versions {gate.verdict}"
