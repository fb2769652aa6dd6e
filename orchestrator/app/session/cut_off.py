"""Commands that were killed while they planned: recorded before, reported by verbs that resume a former run.

| a command without a run ended        | exit     | its row | reported by `resume`, --failed, --undone      |
| ---                                  | ---      | ---     | ---                                           |
| killed; its machine went down        | -        | stays   | yes, until a run of the same scope or more    |
| stopped by a signal, an outage       | 3        | stays   | yes                                           |
| could not start; another run held it | 4, 6     | stays   | yes, with the cause                           |
| usage error; the prompt was declined | 1, 2     | goes    | no                                            |
| started a run                        | any      | goes    | no: the run itself is                         |
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from orchestrator.app.session.chains.still_left import is_whole
from orchestrator.app.session.identity import line_of
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import ROLLBACK, RUN, RunOptions, state_dir_of
from orchestrator.app.session.taking_up import Differs, Now, difference, endpoint_of
from orchestrator.coordination.local_lock import lock
from orchestrator.errors import Exit, InterruptedRunError, OrchestratorError
from orchestrator.journal.events import RunStarted
from orchestrator.journal.identity import Identity
from orchestrator.journal.kept.begun import Begun
from orchestrator.journal.run_journal import RunJournal
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.model.command_line import line_of_run

_FORCE = "--force"


def begin(invocation: Invocation, request: Request, *, run_id: str = "") -> int:
    """Record that a command begins to plan, until it has a run or ends by itself. Does nothing for a dry run. `run_id`:
    the run that a rollback undoes. Return the ID of the row.
    """
    return 0 if request.options.dry_run else invocation.stack.enter_context(_written(request, run_id))


def takes_back(request: Request, number: int, run_id: str) -> None:
    """Record which run a rollback undoes that has begun to plan."""
    if number:
        line, identity = _about(request, run_id)
        with open_store(request.state_dir) as store:
            store.begun_is_about(number, line, identity)


def _about(request: Request, run_id: str) -> tuple[str, Identity]:
    """Return the command line that starts a command again, and its scope."""
    options, identity = request.options, request.identity
    if run_id:
        selection = identity.selection
        parameters = {**selection.parameters, RUN: run_id}
        identity = replace(identity, selection=replace(selection, parameters=parameters))
    endpoint = endpoint_of(options, request.manifest)
    return line_of(options.verb, identity, endpoint, *([_FORCE] if options.force else [])), identity


@contextmanager
def _written(request: Request, run_id: str) -> Iterator[int]:
    verb, endpoint = request.options.verb, endpoint_of(request.options, request.manifest)
    line, identity = _about(request, run_id)
    with open_store(request.state_dir) as store:
        number = store.begin(Begun(time.time(), verb, endpoint, line, identity))
    try:
        yield number
    except OrchestratorError as error:
        with open_store(request.state_dir) as store:
            if error.exit in (Exit.FAILED, Exit.USAGE):
                store.forget_begun([number])
            elif error.exit != Exit.INTERRUPTED:
                store.begun_ended(number, error.message)
        raise
    with open_store(request.state_dir) as store:
        store.forget_begun([number])


def start_run(store: Store, started: RunStarted, options: RunOptions) -> RunJournal:
    """Write the first record of a run. It replaces killed commands that this run makes up for."""
    if started.resumes:
        return store.start_run(started)
    state_dir = state_dir_of(options.config, options.state_dir)
    now = Now(started.verb, started.endpoint, started.identity, state_dir)
    made_up = [one.id for one in store.begun() if _covers(now, one, forced=options.force, back=started.rolls_back)]
    return store.start_run(started, begun=made_up)


def _covers(now: Now, then: Begun, *, forced: bool, back: str = "") -> bool:
    """Return whether a command has at least the scope of another one. `back`: the run that it rolls back."""
    selection, was = now.identity.selection, then.identity.selection
    parameters = dict(was.parameters)
    if now.verb != then.verb or (now.verb == ROLLBACK and parameters.pop(RUN, back) != back):
        return False
    return (
        _is_same(now, then)
        and dict(selection.parameters) == parameters
        and dict(selection.variables) == dict(was.variables)
        and (forced or _FORCE not in then.line.split())
        and (
            is_whole(now.identity)
            or (selection.patterns, selection.labels, selection.left_by) == (was.patterns, was.labels, was.left_by)
        )
    )


def _is_same(now: Now, then: Begun) -> bool:
    found = difference(RunState(verb=then.verb, endpoint=then.endpoint, identity=then.identity), now)
    # A rollback has the folders of its run, which are known after planning.
    return found is None or (found[0] is Differs.FOLDERS and now.verb == then.verb == ROLLBACK)


def check_not_cut_off(options: RunOptions, now: Now) -> None:
    """Check that no later command of the verb was killed while planning, before --failed or --undone select from runs.

    Raises `InterruptedRunError`.
    """
    verb = "deploy" if now.verb == "plan" else now.verb
    with open_store(now.state_dir, read_only=True) as store:
        for one in store.begun():
            again = _covers(now, one, forced=options.force)
            if one.verb == verb and _is_same(now, one) and not again:
                raise InterruptedRunError(_sentence(one), advice=f"run it again, or {_forget()}")


async def check_resume(invocation: Invocation, *, giving_up: bool) -> bool:
    """Check that the last command started a run, before that run is resumed. Return whether a killed command was
    forgotten with --give-up.

    Raises `InterruptedRunError` where it was killed, `LockHeldError` where it may be planning now.
    """
    options = invocation.options
    state_dir = state_dir_of(options.config, options.state_dir)
    if not _of_the_last(options):
        return False
    async with lock(state_dir, timeout_s=options.lock_timeout_s, verb="resume"):  # a command that plans holds it
        found = _of_the_last(options)
        if found and giving_up:
            with open_store(state_dir) as store:
                store.forget_begun(one.id for one in found)
            for one in found:
                invocation.messages.say(f"forgotten: `{one.line}`, which was killed while planning")
            return True
    if found:
        older = f"resume an older run by its ID: `{line_of_run('resume', 'RUN')}`"
        raise InterruptedRunError(_sentence(found[0]), advice=f"run it again, or {_forget()}; {older}")
    return False


def _forget() -> str:
    return f"forget it with `{line_of_run('resume', '--give-up')}`"


def _of_the_last(options: RunOptions) -> list[Begun]:
    """Return the commands that were killed while planning after the last run, or that had its scope: in the chosen
    environment, if any.
    """
    state_dir = state_dir_of(options.config, options.state_dir)
    with open_store(state_dir, read_only=True) as store:
        named = options.environment
        begun = [one for one in store.begun() if one.identity.is_in(named)]
        runs = (run for run in store.runs() if run.identity.is_in(named)) if begun else ()
        last = next(iter(runs), None)
    if last is None:
        return begun
    now = Now(last.verb, last.endpoint, last.identity, state_dir)
    return [one for one in begun if one.at > last.started_at or _is_same(now, one)]


def _sentence(one: Begun) -> str:
    how = f"ended before its run started ({one.why})" if one.why else "was killed while planning"
    return f"a later `{one.line}` {how}: nothing was sent"
