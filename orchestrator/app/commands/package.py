"""`package NAME`: shows the contents of a function's package, writes the zip, or compares it with the live one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.app.session.choosing import any_selected
from orchestrator.app.session.invocation import Invocation, invoke
from orchestrator.app.session.opening.request import Request, read_surveyed
from orchestrator.app.session.options import ANY_FOLDER, read_options
from orchestrator.app.session.planning import read_specs
from orchestrator.app.session.session import hold_lock, open_packager, open_session
from orchestrator.errors import Exit, OrchestratorError, StartError, UsageError
from orchestrator.journal.folder import make_state_dir
from orchestrator.journal.kept.trees import KnownTrees
from orchestrator.manifest.findings import require_sound
from orchestrator.model import FunctionSpec, Package, SourceCode, Tree
from orchestrator.planning.packed_files import compared
from orchestrator.report.display.displays import builds_shown
from orchestrator.report.explained.function_views import PackageView, WrittenZip
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import named
from orchestrator.report.views import CommandResult


def package_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `package`. Raises `UsageError`, `PackageError`, and the errors of `plan` where it compares."""
    given = dict(given)
    name, out, diff = given.pop("function"), given.pop("out"), given.pop("diff")
    chosen = [
        option for option, is_given in (("--list", given.pop("listed")), ("--out", out), ("--diff", diff)) if is_given
    ]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} cannot be combined", advice="remove all but one")
    if out is not None and os.path.lexists(out):
        raise _taken(out)
    options = read_options("package", {**given, "functions": (name,), "dry_run": True})
    return invoke(options, messages, _compare if diff else partial(_pack, out=out))


async def _pack(invocation: Invocation, out: Path | None) -> CommandResult:
    """Build the package, and write it where requested. Does not contact the cloud."""
    request, _ = read_surveyed(invocation, folder_id=ANY_FOLDER)
    spec, code = _one(request)
    make_state_dir(request.state_dir)
    await _lock(invocation, request, code)
    packager = await open_packager(invocation, request)
    async with builds_shown(invocation.messages):
        await packager.build(code)
    found = await packager.listing(code)
    zip_ = None
    if out is not None:
        package = await packager.pack(code)
        if package.tree_hash != found.tree.hash:
            raise OrchestratorError(f"the source of {spec.key} changed while it was packed", advice="run it again")
        zip_ = _written(package, out)
    view = PackageView(spec.key, found.files, found.left_out, found.tree, zip_, verbose=invocation.options.verbose)
    return CommandResult(Exit.DONE, view)


async def _compare(invocation: Invocation) -> CommandResult:
    """Compare the package with the live one, as far as the files of that are known here."""
    request, _ = read_surveyed(invocation)
    spec, code = _one(request)
    await _lock(invocation, request, code)
    session = await open_session(invocation, request)
    live, _ = await read_specs(session, {spec.key: spec})
    packager = session.world.packager
    async with builds_shown(invocation.messages):
        await packager.build(code)
    tree: Tree = await packager.scan(code)
    with KnownTrees(request.state_dir) as known:
        found = compared(spec, tree, live, known.files)
    view = PackageView(spec.key, (), {}, tree, difference=found, verbose=invocation.options.verbose)
    return CommandResult(Exit.DONE, view)


def _one(request: Request) -> tuple[FunctionSpec, SourceCode]:
    """Return the selected function. Raises `UsageError`, and `ManifestError` where it has mistakes."""
    found = any_selected(request)
    if len(found) > 1:
        some = named(list(found), 3)
        raise UsageError(f"{request.options.patterns[0]} matches {len(found)} functions: {some}", advice="choose one")
    (spec,) = found.values()
    require_sound([spec])
    if not isinstance(spec.code, SourceCode):
        raise UsageError(
            f"{spec.key} has no source, so there is nothing to package",
            advice=f"its code is a zip in a bucket or a copy of a version ({spec.place.file}:{spec.place.line})",
        )
    return spec, spec.code


async def _lock(invocation: Invocation, request: Request, code: SourceCode) -> None:
    """Hold the lock while building, since a run may use the same files. The built-in sandbox also has one user at a
    time.
    """
    if code.build is not None or request.options.sandbox:
        await hold_lock(invocation, request)


def _written(package: Package, out: Path) -> WrittenZip:
    """Copy the zip completely or not at all, and never overwrite a file. Raises `UsageError`, `StartError`."""
    made = ""
    try:
        descriptor, made = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        with os.fdopen(descriptor, "wb") as copy, package.path.open("rb") as source:
            shutil.copyfileobj(source, copy)
        mask = os.umask(0)
        os.umask(mask)
        Path(made).chmod(0o666 & ~mask)
        _name(Path(made), out)
    except FileExistsError:
        raise _taken(out) from None
    except OSError as error:
        raise StartError(f"{out} cannot be written: {error.strerror}", advice="choose another file") from error
    finally:
        with suppress(OSError):
            Path(made).unlink()
    return WrittenZip(out, package.size_bytes, package.sha256)


def _name(made: Path, out: Path) -> None:
    """Give a file its name. Raises `FileExistsError` where the name is taken."""
    try:
        os.link(made, out)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        with out.open("x"):
            pass
        made.replace(out)


def _taken(out: Path) -> UsageError:
    return UsageError(
        f"{out} exists already, and package never overwrites a file", advice="remove it, or choose another file"
    )
