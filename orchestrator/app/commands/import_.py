"""`import`: writes a manifest of the live state."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.app.session.importing.entries import Entries, entries_of
from orchestrator.app.session.importing.reading import (
    find_functions,
    folders_to_read,
    known_names,
    with_own_settings,
)
from orchestrator.app.session.importing.terraform import read_state
from orchestrator.app.session.importing.update import update_manifest
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import read_options, sandbox_environ, state_dir_of
from orchestrator.app.session.session import Session, hold_lock, open_session
from orchestrator.errors import Exit, UsageError
from orchestrator.manifest import sections
from orchestrator.manifest.writing.document import document
from orchestrator.manifest.writing.manifest_file import write_manifest
from orchestrator.model import Limits, Manifest, Rollout, Storage
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, ImportView


@dataclass(frozen=True, slots=True)
class Importing:
    """What is imported, and where to. `out` is None for stdout. `replace`: overwrite an existing file. `state`: the
    Terraform state that names the functions and their declared settings.
    """

    folders: tuple[str, ...] = ()
    cloud_id: str | None = None
    out: Path | None = None
    replace: bool = False
    update: bool = False
    state: Path | None = None


def import_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `import`. Raises `OrchestratorError` where it cannot start."""
    given = dict(given)
    dry_run = given.pop("dry_run")
    asked = Importing(
        tuple(given.pop("folders")),
        given.pop("cloud_id"),
        given.pop("out"),
        given.pop("replace"),
        given.pop("update"),
        given.pop("terraform"),
    )
    check_asked(asked, dry_run=dry_run, typed=bool(given.get("variables")), patterns=given.get("functions", ()))
    options = read_options("import", {**given, "dry_run": dry_run})
    return invoke(options, messages, update_manifest if asked.update else partial(_import, asked))


def check_asked(asked: Importing, *, dry_run: bool, typed: bool, patterns: Sequence[str] = ()) -> None:
    """Check that the options fit together. Raises `UsageError`."""
    alone = {
        "--folder": asked.folders, "--cloud": asked.cloud_id, "--out": asked.out, "--replace": asked.replace,
        "--from": asked.state,
    }  # fmt: skip
    given = [option for option, value in alone.items() if value]
    if asked.update and given:
        raise UsageError(
            f"--update works on the functions of the manifest and cannot be combined with {', '.join(given)}",
            advice="select functions by name, or choose another manifest with -c FILE",
        )
    names = [one for one in patterns if not one.removeprefix("!").startswith(("@", "label:"))]
    if not asked.update and (no_names := [one for one in names if "/" in one or "." in one]):
        raise UsageError(
            f"{no_names[0]}: no function has such a name; import reads live functions",
            advice="give names of functions or globs; read a Terraform state with --from FILE",
        )
    if asked.state is not None and (
        other := [*(["--folder"] if asked.folders else []), *(["--cloud"] if asked.cloud_id else [])]
    ):
        raise UsageError(
            f"--from determines the folders and cannot be combined with {other[0]}", advice="select functions by name"
        )
    if typed and not asked.update:
        raise UsageError("--var requires --update", advice="remove it: without --update no manifest is read")
    if dry_run and not asked.update:
        raise UsageError("--dry-run requires --update", advice="remove it: without --out the manifest is only printed")
    check_target(asked)


def check_target(asked: Importing) -> None:
    """Check that the target file can be written, before anything is read. Raises `UsageError`."""
    out = asked.out
    if out is None:
        return
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder", advice="name a file in it: --out deploy.toml")
    if out.exists() and not asked.replace:
        raise UsageError(
            f"--out {out}: the file exists already",
            advice="choose another file, overwrite it with --replace, or update it with `import --update`",
        )
    folder = Path(os.path.realpath(out)).parent
    if not folder.is_dir():
        raise UsageError(f"--out {out}: there is no folder {folder}", advice="create it, or choose another file")


async def _import(asked: Importing, invocation: Invocation) -> CommandResult:
    declared = read_state(asked.state) if asked.state is not None else ()
    session = await open_unmanifested(invocation)
    with invocation.stop.interruptible():
        of_state = tuple(sorted({one.folder_id for one in declared}))
        folders = await folders_to_read(session, asked.folders or of_state, asked.cloud_id)
        found = await find_functions(session, folders, only={one.id: one.address for one in declared})
        desired = {one.id: one.own_kinds for one in declared} if declared else None
        functions, unread = await with_own_settings(session, found.functions, desired)
        names = await known_names(session, functions)
    by_id = {one.id: one for one in declared}
    chosen = {one.key: by_id[one.function.id] for one in functions} if declared else {}
    made = entries_of(
        functions, names, session.messages.outlet.redactor.hides, pinned=bool(declared),
        tables={key: one.table for key, one in chosen.items()} or None,
        hints={key: one.code for key, one in chosen.items()},
    )  # fmt: skip
    left_out = {**made.left_out, **found.left_out}
    not_read = tuple(one.words for one in unread)
    text = manifest_text(made, left_out, not_read)
    view = ImportView(
        text=text,
        file=str(asked.out) if asked.out is not None else "",
        functions=tuple(entry.key for entry in made.entries),
        folders=folders,
        variables={one.name: one.what for one in made.variables},
        notes=made.notes,
        left_out=left_out,
        unread=not_read,
        words_of=tuple(_words(made)),
    )
    if asked.out is not None:
        write_manifest(asked.out, text)
    tell(session, view)
    return CommandResult(Exit.DONE, view)


async def open_unmanifested(invocation: Invocation) -> Session:
    """Open a session without a manifest, from the environment and the options."""
    options = invocation.options
    state_dir = state_dir_of(options.config, options.state_dir)
    environ: Mapping[str, str] = os.environ
    if options.sandbox:
        environ = sandbox_environ(environ, key_file=state_dir / "sandbox" / "key.json")
    cloud = sections.cloud(None, environ)
    manifest = Manifest(options.config, cloud, Storage(), Limits(), Rollout(), {}, {})
    with invocation.stop.interruptible():
        request = Request(options, environ, state_dir, manifest)
        if options.sandbox:
            await hold_lock(invocation, request)
        return await open_session(invocation, request)


def manifest_text(made: Entries, left_out: Mapping[str, str], unread: Sequence[str] = ()) -> str:
    """Return the manifest of functions, with comments on what it cannot express. `unread`: what could not be read."""
    folders = sorted({entry.folder_id for entry in made.entries})
    cloud = {"folder_id": folders[0]} if len(folders) == 1 else {}
    head = [
        "The live state, as found by `orchestrator import`. The code of each function stays as it is until",
        'you replace its version_id by a source: source = "functions/NAME"',
    ]
    if made.variables:
        head += ["", "Set these variables: their values look like secrets and are not written here."]
        head += [f"  {one.name}  {one.what}" for one in made.variables]
    if unread:
        head += ["", "Not declared here, so the live settings are kept:", *(f"  {words}" for words in unread)]
    tail = [f"skipped: {key}: {why}" for key, why in sorted(left_out.items())]
    return document(made.entries, cloud=cloud, head=head, tail=tail)


def tell(session: Session, view: ImportView) -> None:
    """Print what the user must know besides the text."""
    messages = session.messages
    messages.outlet.redactor.protect(view.words_of)
    for name, what in view.variables.items():
        messages.say(f"to set: {name} ({what})")
    for words in view.unread:
        messages.warn(f"not written: {words}")
    for key, notes in view.notes.items():
        for note in notes:
            messages.warn(f"{key}: {note}")
    for key, why in view.left_out.items():
        messages.warn(f"{key} was skipped: {why}")


def _words(made: Entries) -> Iterator[str]:
    """Yield the words of the manifest, which are not to be redacted: values that look like secrets are not in it."""
    for entry in made.entries:
        yield entry.key
        yield from _leaves(entry.values)
    for one in made.variables:
        yield one.name


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
