"""The command lines that continue from a run that is not done."""

from __future__ import annotations

from orchestrator.app.session.identity import again_line, line_of, promote_line, resume_line, rollback_line
from orchestrator.errors import Exit
from orchestrator.journal.state import RunState
from orchestrator.model import Deployed
from orchestrator.planning.resume import failed, prunes


def next_lines(run: RunState, back: RunState | None, *, alive: bool = False) -> tuple[str, ...]:
    """Return the command lines that continue from a chain that has ended or was killed, the usual one first. `back`:
    the rollback that took it back. `alive`: a process may be carrying it out.

    | the chain                           | the first line                 | and then            |
    | ---                                 | ---                            | ---                 |
    | has no run yet, or is done          | none                           |                     |
    | is under way                        | none                           |                     |
    | was rolled back                     | none                           |                     |
    | is paused                           | `promote`                      | `rollback` of it    |
    | was killed or interrupted, unless   | `resume`                       | `rollback` of it    |
    | it was given up                     |                                |                     |
    | was stopped by a breach             | its command again, as a new run| `rollback` of it    |
    | has failed functions                | its command with --failed      | `rollback` of it    |

    A rollback is named if the run has changed something, and is neither a prune nor a rollback itself.
    """
    if not run.run_id or back is not None or run.exit_code in (Exit.DONE, Exit.ROLLED_BACK):
        return ()
    if alive and run.ended_at is None:
        return ()
    lines = []
    if run.rollout.paused is not None and not run.given_up:
        lines.append(promote_line(run.run_id))
    elif run.exit_code in (None, Exit.INTERRUPTED) and not run.given_up:
        lines.append(resume_line(run.run_id))
    elif run.breach:
        lines.append(line_of(run.verb, run.identity, run.endpoint))
    elif failed(run):
        lines.append(again_line(run))
    changed = any(
        isinstance(unit.outcome, Deployed) or any(one.outcome == "done" for one in unit.changes)
        for unit in run.units.values()
    )
    if changed and not prunes(run) and not run.rollout.rolls_back and not run.rollout.rollback:
        lines.append(rollback_line(run.run_id))
    return tuple(lines)
