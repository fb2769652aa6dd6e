"""`import --update`: updates the manifest from the live state, after showing the changes and a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import unified_diff

from orchestrator.app.session.choosing import selected
from orchestrator.app.session.chosen import require_environment
from orchestrator.app.session.importing.reading import known_names, with_own_settings
from orchestrator.app.session.importing.updating import (
    FileChange,
    Rewriting,
    changed_files,
    live_slots,
    rewriting,
    write_all,
    write_slots,
)
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import read_surveyed
from orchestrator.app.session.planning import cannot_read
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.errors import CloudError, Exit
from orchestrator.job.inventory import LiveFunction
from orchestrator.manifest.writing.changes import LeftAlone
from orchestrator.model import ChangeKind, Failure, FunctionSpec, VersionCopy
from orchestrator.planning.live import read_live
from orchestrator.planning.meant import find
from orchestrator.planning.names import Resolved, resolve_names
from orchestrator.planning.own import declared_kinds
from orchestrator.report.display.displays import Question, confirm, show_diff
from orchestrator.report.plain_text import counted
from orchestrator.report.views import CommandResult, RewriteView
from orchestrator.version.stamp import read_stamp


async def update_manifest(invocation: Invocation) -> CommandResult:
    """Write the live settings of the selected functions into the files that declare them. Raises
    `OrchestratorError`.
    """
    options = invocation.options
    with invocation.stop.interruptible():
        request, survey = read_surveyed(invocation, has_sources=False)
        require_environment(options, request.manifest)
        specs = selected(request)
        if options.sandbox:
            await hold_lock(invocation, request)
        session = await open_session(invocation, request)
        session.hide(specs.values())
        made = rewriting(survey)
        resolved, functions = await _live(session, specs, made)
        names = await known_names(session, functions)
        redactor = session.messages.outlet.redactor
        for one in functions:
            slots, left = live_slots(resolved.specs[one.key], one)
            made.left += left
            write_slots(made, one.key, slots, specs[one.key], names, redactor.hides)
        files = changed_files(made, shared=False)
    view = rewrite_view(made, files)
    show_changes(session, view)
    if not files or options.dry_run:
        return CommandResult(Exit.DONE, view)
    with invocation.stop.interruptible():
        what = f"{counted(len(view.functions), 'function')} in {', '.join(one.shown for one in files)}"
        await confirm(session.messages, what, yes=options.yes, to=Question.WRITE)
    write_all(files)
    return CommandResult(Exit.DONE, replace(view, written=True))


async def _live(
    session: Session, specs: Mapping[str, FunctionSpec], made: Rewriting
) -> tuple[Resolved, list[LiveFunction]]:
    """Read the live state of functions, and resolve the names that they declare. Functions without a version are
    skipped.
    """
    session.messages.mention(f"reading the live state of {counted(len(specs), 'function')}")
    try:
        live = await read_live(session.world, specs.values())
        resolved = await resolve_names(session.world, specs)
    except CloudError as error:
        raise cannot_read(error) from error
    functions: list[LiveFunction] = []
    desired: dict[str, frozenset[ChangeKind]] = {}
    for key, spec in resolved.specs.items():
        found = find(spec, live)
        latest = live.latest(found.id) if found is not None and not isinstance(found, Failure) else None
        if failure := resolved.failures.get(key):
            made.left.append(LeftAlone(key, (), failure.message))
        elif found is None or isinstance(found, Failure):
            why = found.message if found is not None else f"folder {spec.folder_id} has no such function yet"
            made.left.append(LeftAlone(key, (), why))
        elif latest is None:
            made.left.append(LeftAlone(key, (), "it has no version yet"))
        else:
            functions.append(LiveFunction(key, found, latest, spec))
            desired[found.id] = declared_kinds(spec)
            if not isinstance(spec.code, VersionCopy) and read_stamp(latest.description) is None:
                why = f"version {latest.id} was made by hand: it is not known whether its code is that of the source"
                made.left.append(LeftAlone(key, ("source",), why))
    read, unread = await with_own_settings(session, functions, desired)
    for one in unread:
        made.left += [LeftAlone(key, (one.key,), f"{one.what} cannot be read: {one.why}") for key in one.functions]
    return resolved, [*read]


def rewrite_view(made: Rewriting, files: Iterable[FileChange]) -> RewriteView:
    """Return the view of the changes."""
    return RewriteView(
        {one.shown: _diff(one) for one in files},
        tuple(sorted({change.function for change in made.changes})),
        tuple(dict.fromkeys(left_words(one) for one in made.left)),
        dict(sorted(made.variables.items())),
    )


def left_words(one: LeftAlone) -> str:
    """Return what is skipped, and why."""
    what = ".".join((one.function, *one.slot))
    return f"{what} is skipped: {one.why}{f' at {one.place}' if one.place else ''}"


def _diff(one: FileChange) -> str:
    lines = unified_diff(one.before.splitlines(), one.after.splitlines(), one.shown, one.shown, lineterm="")
    return "\n".join(lines)


def show_changes(session: Session, view: RewriteView) -> None:
    """Show the changes before the prompt, and what is skipped."""
    messages = session.messages
    messages.outlet.redactor.protect(view.words())
    for diff in view.diffs.values():
        show_diff(messages, diff)
    for name, what in view.variables.items():
        messages.say(f"to set: {name} ({what})")
    for left in view.left:
        messages.warn(left)
