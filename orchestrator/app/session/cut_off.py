"""Commands that were cut off while they planned: written down before, told by whatever takes a former run up.

| a command without a run ended        | exit     | its row | told by `resume`, --failed, --undone          |
| ---                                  | ---      | ---     | ---                                           |
| killed; its machine went down        | -        | stays   | yes, until as much or more got to a run of it |
| stopped by a signal, an outage       | 3        | stays   | yes                                           |
| could not start; another run held it | 4, 6     | stays   | yes, with what had ended it                   |
| refused as typed; somebody said no   | 1, 2     | goes    | no                                            |
| got to its run                       | any      | goes    | no: the run itself is                         |
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

_FORCE = "--force"
_GIVE_UP = "`orchestrator resume --give-up` forgets it"


def begin(invocation: Invocation, request: Request, *, run_id: str = "") -> int:
    """Write down that a command begins to plan, until it has a run or has ended by itself. Nothing for a dry run.
    `run_id`: of the run that a rollback takes back. Gives the row's id.
    """
    return 0 if request.options.dry_run else invocation.stack.enter_context(_written(request, run_id))


def takes_back(request: Request, number: int, run_id: str) -> None:
    """Say of a rollback that has begun which run it takes back."""
    if number:
        line, identity = _about(request, run_id)
        with open_store(request.state_dir) as store:
            store.begun_is_about(number, line, identity)


def _about(request: Request, run_id: str) -> tuple[str, Identity]:
    """Give the line to type to begin a command again, and what it is about."""
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
    """Write a run's first record, in place of the commands that were cut off before and are made up for by it."""
    if started.resumes:
        return store.start_run(started)
    state_dir = state_dir_of(options.config, options.state_dir)
    now = Now(started.verb, started.endpoint, started.identity, state_dir)
    made_up = [one.id for one in store.begun() if _covers(now, one, forced=options.force, back=started.rolls_back)]
    return store.start_run(started, begun=made_up)


def _covers(now: Now, then: Begun, *, forced: bool, back: str = "") -> bool:
    """Say whether a command is about all that another one was about. `back`: the run that it takes back."""
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
    # A rollback has the folders of the run that it takes back, which are known once it plans.
    return found is None or (found[0] is Differs.FOLDERS and now.verb == then.verb == ROLLBACK)


def check_not_cut_off(options: RunOptions, now: Now) -> None:
    """See that no later command of the verb was cut off, before --failed or --undone speak of the runs there are.

    Raises `InterruptedRunError`.
    """
    verb = "deploy" if now.verb == "plan" else now.verb
    with open_store(now.state_dir, read_only=True) as store:
        for one in store.begun():
            again = _covers(now, one, forced=options.force)
            if one.verb == verb and _is_same(now, one) and not again:
                raise InterruptedRunError(_told(one), advice=f"type it again, or {_GIVE_UP}")


async def check_resume(invocation: Invocation, *, giving_up: bool) -> bool:
    """See that the last command got to a run, before that is taken up. Whether it was forgotten with --give-up.

    Raises `InterruptedRunError` where it was cut off, `LockHeldError` where it may be planning now.
    """
    options = invocation.options
    state_dir = state_dir_of(options.config, options.state_dir)
    if not _of_the_last(options):
        return False
    async with lock(state_dir, timeout_s=options.lock_timeout_s, verb="resume"):  # whoever plans holds it
        found = _of_the_last(options)
        if found and giving_up:
            with open_store(state_dir) as store:
                store.forget_begun(one.id for one in found)
            for one in found:
                invocation.messages.say(f"forgotten: `{one.line}`, which was cut off while it planned")
            return True
    if found:
        older = "an older run is taken up by its id: `orchestrator resume RUN`"
        raise InterruptedRunError(_told(found[0]), advice=f"type it again, or {_GIVE_UP}; {older}")
    return False


def _of_the_last(options: RunOptions) -> list[Begun]:
    """Give the commands that were cut off after the last run, or were about the same as it: in the environment that
    was named, where one was.
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


def _told(one: Begun) -> str:
    how = f"ended before it had a run ({one.why})" if one.why else "was cut off while it planned"
    return f"a later `{one.line}` {how}: nothing was sent"
