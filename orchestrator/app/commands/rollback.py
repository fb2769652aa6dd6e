"""`rollback [RUN] [FUNCTIONS]`: undoes what a run has changed, or only these functions of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.app.session.about import as_last
from orchestrator.app.session.back import last_changed, plan_back, plan_past, unbegun_of
from orchestrator.app.session.carry_out import carry_out
from orchestrator.app.session.chain import chain_of
from orchestrator.app.session.chains.finding import find_run, say_where, with_others
from orchestrator.app.session.chosen import request_to_change
from orchestrator.app.session.cut_off import begin, takes_back
from orchestrator.app.session.identity import identity_of, import_line, resume_line, rollback_line
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import ROLLBACK, SANDBOX, RunOptions, read_options, state_dir_of
from orchestrator.app.session.records.fetching import NOT_FETCHED, Fetched, read_runs
from orchestrator.app.session.session import hold_lock, open_session
from orchestrator.app.session.taking_up import (
    Differs,
    Now,
    choice_then,
    difference,
    endpoint_of,
    folders_then,
    manifest_of,
    variables_then,
)
from orchestrator.app.session.typed import parse_time
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.identity import Identity
from orchestrator.journal.runs import RunSummary
from orchestrator.journal.state import RunState
from orchestrator.journal.store import open_store
from orchestrator.journal.taken_back import is_named
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.resume import prunes, to_resume
from orchestrator.planning.selection import expanded
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import named as named_ones
from orchestrator.report.views import CommandResult

_NAMED = 5  # functions in a sentence


def rollback_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `rollback`. Raises `OrchestratorError` where it cannot start."""
    options = read_options(ROLLBACK, given)
    return invoke(replace(options, state_dir=state_dir_of(options.config, options.state_dir)), messages, _rollback)


async def _rollback(invocation: Invocation) -> CommandResult:
    messages, typed = invocation.messages, invocation.options
    with invocation.stop.interruptible():
        named = ""
        if invocation.options.run:
            run = await _named(invocation)
            options = _where(invocation.options, run)
            say_where(messages, run, invocation.options, options)
            invocation, named = replace(invocation, options=options), run.run_id
        else:
            invocation = replace(invocation, options=as_last(invocation.options))
        request = request_to_change(invocation)
        await hold_lock(invocation, request)
        request = replace(request, identity=_about(request))
        begun = begin(invocation, request, run_id=named)
        now = Now(ROLLBACK, endpoint_of(request.options, request.manifest), request.identity, request.state_dir)
        session = await open_session(invocation, request)
        fetched = NOT_FETCHED
        if not request.options.sandbox:  # another machine may have resumed it, or rolled it back
            fetched = await read_runs(session, now, named=named)
        if request.options.since or request.options.to:
            return await carry_out(session, partial(plan_past, session))
        if typed.run:
            run = chain_of(invocation.options, run.run_id)
        else:
            run = _last(now, fetched)
            _check_variables(run, typed, request.options)
        _check(run, now)
        takes_back(request, begun, run.run_id)
    if not request.options.run and run.rollout.rolls_back:
        messages.say(f"nothing to do: the last run that changed something, {run.run_id}, is a rollback")
        if to_resume(run):
            messages.say(f"it is not finished: run `{resume_line(run.run_id)}` to continue")
            return CommandResult(Exit.INTERRUPTED)
        messages.say(f"to restore what was live before it, run `{rollback_line(run.run_id)}`")
        return CommandResult(Exit.DONE)
    if prunes(run):
        raise UsageError(
            f"run {run.run_id} is a prune: deleted versions cannot be restored", advice="deploy the functions again"
        )
    if not touched_by(run) and not unbegun_of(run):
        messages.say(f"nothing to do: run {run.run_id} changed nothing")
        return CommandResult(Exit.DONE)
    identity = replace(request.identity, folders=run.identity.folders or request.identity.folders)
    session = replace(session, request=replace(request, identity=identity))
    not_begun = _named_unbegun(request.options, run)
    result = await carry_out(session, partial(plan_back, session, run, run.apply))
    _say_besides(messages, request, run, not_begun)
    return result


def _say_besides(messages: Messages, request: Request, run: RunState, not_begun: list[str]) -> None:
    """Print what the rollback leaves as it is."""
    if written := _written(request, run):
        messages.warn(written)
    if not_begun:
        does = f"run {run.run_id} had not started {named_ones(not_begun, _NAMED)}"
        then = "; without --dry-run," if request.options.dry_run else ", and"
        messages.say(f"{does}{then} neither `resume` nor a due time of its job starts it")


def _written(request: Request, run: RunState) -> str:
    """Return a sentence that the rollback leaves the manifest as the run wrote it; "" where the run was to write
    nothing.
    """
    if not run.identity.selection.update_manifest:
        return ""
    line = import_line(request.manifest.environment, *request.options.patterns)
    return (
        f"run {run.run_id} wrote its changes into the manifest, and they are still there: the next deploy makes them"
        f" again. `{line} --dry-run` shows the lines; without --dry-run it reverts them"
    )


def _named_unbegun(options: RunOptions, run: RunState) -> list[str]:
    """Return the selected functions that the run left without changing them; all of them where the run changed nothing
    and none is selected.
    """
    if not touched_by(run) and not options.patterns:
        return unbegun_of(run)
    return [key for key in unbegun_of(run) if is_named(key, expanded(options.patterns))]


def _about(request: Request) -> Identity:
    """Return the identity of a rollback, which `resume` uses where it undoes no run."""
    options = request.options
    identity = identity_of(options, request.manifest)
    at = parse_time(options.since, time.time()).isoformat() if options.since else ""
    past = {name: value for name, value in (("since", at), ("to", options.to)) if value}
    return replace(identity, selection=replace(identity.selection, parameters=past))


async def _named(invocation: Invocation) -> RunState:
    """Find the named run and its chain, in the journal or else in the bucket's records."""
    named = invocation.options.run
    return await find_run(invocation, named, lambda store: store.chain_state(store.find(named)))


def _where(options: RunOptions, run: RunState) -> RunOptions:
    """Return the options with the run's own target and manifest. Raises `UsageError` where others were given."""
    if options.endpoint and run.endpoint == SANDBOX:
        raise UsageError(f"run {run.run_id} used the sandbox", advice="remove --endpoint")
    if options.sandbox and run.endpoint != SANDBOX:
        raise UsageError(f"run {run.run_id} used {run.endpoint}", advice="remove --sandbox")
    if not options.config_given:
        options = replace(
            options, config=manifest_of(run, state_dir_of(options.config, options.state_dir)) or options.config
        )
    options = choice_then(run.identity, f"run {run.run_id}", options, rollback_line(run.run_id))
    sandbox = run.endpoint == SANDBOX
    endpoint = options.endpoint or (None if sandbox else run.endpoint)
    return replace(options, sandbox=sandbox, endpoint=endpoint)


def _check_variables(run: RunState, typed: RunOptions, options: RunOptions) -> None:
    """Check that the manifest was read with the variables of the run, which may have been fetched only now. Raises
    `UsageError` with the command to run.
    """
    line = rollback_line(run.run_id)
    if variables_then(run.identity, f"run {run.run_id}", typed, line).variables != options.variables:
        raise UsageError(
            f"the last run that changed something, {run.run_id}, had different variables than the one before",
            advice=f"run `{line}` to use its variables",
        )


def _check(run: RunState, now: Now) -> None:
    """Check that the run can be rolled back from here: by its own manifest, or by one that has all of its folders.

    Raises `UsageError`.
    """
    found = difference(run, now)
    if found is not None and found[0] is Differs.MANIFEST and folders_then(run) <= set(now.identity.folders):
        return
    if found is not None and found[0] is not Differs.FOLDERS:
        raise UsageError(
            f"run {run.run_id} cannot be rolled back here: {found[1]}",
            advice=f"run `{rollback_line(run.run_id)}`",
        )


def _last(now: Now, fetched: Fetched) -> RunState:
    """Return the last run that changed something. Raises `UsageError`."""
    here = (now.endpoint, now.identity.environment)
    with open_store(now.state_dir, read_only=True) as store:
        run = last_changed(store, now)
        if run is not None:
            return run
        others = [one for one in store.runs() if (one.endpoint, one.identity.environment) != here]
    where = f"in the environment {here[1]}" if here[1] else "here"
    error = UsageError(
        f"no run has changed anything {where} yet",
        advice=f"the last run elsewhere{_where_else(others[0], now)}: `{rollback_line(others[0].id)}`"
        if others
        else "",
    )
    raise with_others(error, fetched)


def _where_else(run: RunSummary, now: Now) -> str:
    named = run.identity.environment
    if run.endpoint != now.endpoint or named == now.identity.environment:
        return ""
    return f" (in the environment {named})" if named else " (without an environment)"
