"""Resuming a former run, or what it left undone: only within its own scope.

Every verb that does so uses `check_same`. It refuses to resume a run in another installation, with another manifest, in
another environment or in other folders, and prints the command to run.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from orchestrator.app.session.identity import line_of, resume_line, undone_line, work_tree
from orchestrator.app.session.options import ROLLBACK, SANDBOX, RunOptions, address_of
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.identity import HIDDEN, Identity, Selection
from orchestrator.journal.state import RunState
from orchestrator.manifest.variables.given_by import source_of
from orchestrator.model import Manifest
from orchestrator.report.history import who


class Differs(StrEnum):
    """How the scope of a command differs from that of a former run. The first difference is reported."""

    INSTALLATION = "installation"
    MANIFEST = "manifest"
    ENVIRONMENT = "environment"
    FOLDERS = "folders"


@dataclass(frozen=True, slots=True)
class Now:
    """The scope of a command that resumes a run, and the option that makes it do so ("" for `resume`)."""

    verb: str
    endpoint: str
    identity: Identity
    state_dir: Path
    option: str = ""


def endpoint_of(options: RunOptions, manifest: Manifest) -> str:
    """Return the endpoint of these options as stored in the journal. Raises `StartError` for an invalid URL."""
    return (
        SANDBOX
        if options.sandbox
        else clean_endpoint(
            address_of(manifest, options.endpoint).endpoint, check=source_of("--endpoint", options.endpoint)
        )
    )


def with_disabled(identity: Identity, manifest: Manifest) -> Identity:
    """Add the folders of functions that are disabled now: a run that included these has the same scope."""
    disabled = {spec.folder_id for spec in manifest.functions.values() if not spec.enabled and spec.folder_id}
    return replace(identity, folders=tuple(sorted({*identity.folders, *disabled})))


def manifest_of(run: RunState, state_dir: Path) -> Path | None:
    """Return the manifest of a run: at its place, next to a state folder that was moved with it, or in another
    machine's work tree. None where it is gone. Former programs stored the path as typed.
    """
    identity = run.identity
    places = [Path(identity.manifest)] if identity.manifest else []
    places.append(state_dir.absolute().parent / Path(identity.manifest or run.manifest or "deploy.toml").name)
    tree = work_tree(Path.cwd()) if identity.place else None
    places += [tree / identity.place] if tree is not None else []
    return next((place for place in places if place.is_file()), None)


def folders_then(run: RunState) -> set[str]:
    """Return the folders of a run; for former programs those of its functions."""
    return set(run.identity.folders) or {unit.folder_id for unit in run.units.values() if unit.folder_id}


def same_manifest(one: Identity, other: Identity) -> bool:
    """Return whether two runs used the same manifest, by its path or by its place in clones of one repository."""
    return one.manifest == other.manifest or bool(one.place and one.place == other.place)


def difference(run: RunState, now: Now) -> tuple[Differs, str] | None:
    """Return how the scope of a command differs from that of a run, None where it is the same.

    New folders are no difference. A manifest that is gone may have been moved anywhere.
    """
    then = run.identity
    if run.endpoint != now.endpoint:
        return Differs.INSTALLATION, f"it used {_place(run.endpoint)}, and this command uses {_place(now.endpoint)}"
    own = manifest_of(run, now.state_dir)
    if own is not None and str(own) != now.identity.manifest and not same_manifest(then, now.identity):
        return Differs.MANIFEST, f"it used {own}, and this command uses {now.identity.manifest}"
    if then.environment != now.identity.environment and (then.manifest or then.environment):
        was, is_now = (f'"{name}"' if name else "none" for name in (then.environment, now.identity.environment))
        return Differs.ENVIRONMENT, f"its environment was {was}, and now it is {is_now}"
    if gone := folders_then(run) - set(now.identity.folders):
        is_now = ", ".join(now.identity.folders) or "none"
        return Differs.FOLDERS, f"it used the folder {', '.join(sorted(gone))}, and this command uses {is_now}"
    return None


def check_same(run: RunState, now: Now) -> None:
    """Check that a command has the scope of the run that it resumes. Raises `UsageError` with the command to run."""
    found = difference(run, now)
    if found is None:
        return
    kind, how = found
    if not now.option:
        own = manifest_of(run, now.state_dir)
        line = resume_line(run.run_id, manifest=str(own or ""))
    else:
        line = line_of(now.verb, _as_it_was(run, now), run.endpoint, f"--{now.option}")
    give_up = resume_line(run.run_id, "--give-up")
    because = {
        Differs.FOLDERS: f" with the variables of that run, or give it up: `{give_up}`",
        Differs.ENVIRONMENT: f", or give up the rest: `{give_up}`",
    }
    raise UsageError(
        f"{f'--{now.option} selects from ' if now.option else ''}run {run.run_id}"
        f"{', which' if now.option else ''} cannot be resumed here: {how}",
        advice=f"run `{line}`{because.get(kind, '')}",
    )


def choice_then(then: Identity, whose: str, typed: RunOptions, line: str) -> RunOptions:
    """Return the environment and variables of what is resumed, with the values given now on top. `whose`: "run R1",
    "plan P1". `line` and errors: as `parameters_then`, and `UsageError` for another environment.
    """
    if not then.is_in(typed.environment) and (then.manifest or then.environment):
        of = f"the environment {then.environment}" if then.environment else "no environment"
        again = f"type `{line} --env {then.environment}`" if then.environment else "leave --env (ORCHESTRATOR_ENV) out"
        raise UsageError(f"{whose} belongs to {of}, and this command has --env {typed.environment}", advice=again)
    environment = then.environment or typed.environment
    return replace(variables_then(then, whose, typed, line), environment=environment, as_then=True)


def variables_then(then: Identity, whose: str, typed: RunOptions, line: str) -> RunOptions:
    """Return the variables of what is resumed, with the values given now on top. Otherwise as `choice_then`."""
    variables = _as_then(then.selection.variables, typed.variables, "--var", whose, line)
    taken_over = frozenset(then.selection.variables.keys() - typed.variables.keys())
    return replace(typed, variables=variables, taken_over=taken_over)


def parameters_then(run: RunState, typed: Mapping[str, str], line: str) -> dict[str, str]:
    """Return the parameters of a resumed run, with the values given now on top. `line`: the command line that resumes
    it. Raises `UsageError` where a secret one was not stored.
    """
    return _as_then(run.identity.selection.parameters, typed, "--param", f"run {run.run_id}", line)


def _as_then(given: Mapping[str, str], typed: Mapping[str, str], option: str, whose: str, line: str) -> dict[str, str]:
    """Return the former values with the given ones on top. Raises `UsageError` where some were not stored."""
    values = {**given, **typed}
    hidden = [part for name, value in values.items() if value == HIDDEN for part in (option, f"{name}={HIDDEN}")]
    if hidden:
        raise UsageError(
            f"{whose} had {_CALLED[option]} that were not stored because they are secret",
            advice=f"pass them again: `{line} {shlex.join(hidden)}`",
        )
    return values


_CALLED = {"--param": "parameters", "--var": "variables"}


def check_not_taken_back(run: RunState) -> None:
    """Raise `UsageError`, with the commands to run, where a run was rolled back: resuming it must not deploy that
    again.
    """
    back = run.taken_back.whole
    if back is None:
        return
    by = f" ({who(back.identity)})" if who(back.identity) else ""
    if back.exit_code in (None, Exit.INTERRUPTED):
        advice = f"continue the rollback with `{resume_line(back.id)}`"
    elif run.verb == ROLLBACK:
        advice = f"start a new one with `{line_of(run.verb, run.identity, run.endpoint, run.rollout.rolls_back)}`"
    else:
        line = line_of(run.verb, run.identity, run.endpoint)
        advice = f"start a new run with `{line}`, or one of what this run left undone with `{undone_line(run)}`"
    raise UsageError(f"run {run.run_id} was rolled back by run {back.id}{by}, so it cannot continue", advice=advice)


def _as_it_was(run: RunState, now: Now) -> Identity:
    """Return the identity for the command to run: the manifest as it was, and of the selection only the job's."""
    own, then = manifest_of(run, now.state_dir), run.identity
    given = then.selection.parameters if run.verb == now.verb else {}
    selection = Selection(parameters=given, variables=then.selection.variables)
    manifest = str(own) if own is not None else then.manifest
    outside = not then.environment and bool(now.identity.environment or now.identity.outside)
    return Identity(manifest=manifest, environment=then.environment, selection=selection, outside=outside)


def _place(endpoint: str) -> str:
    return "the sandbox" if endpoint == SANDBOX else endpoint
