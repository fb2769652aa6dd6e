"""Taking up a former run, to go on with it or for what it left undone: only as what it was about.

Every verb that does so comes through `check_same`. A run that would be taken up in another installation, with another
manifest, in another environment or in other folders is refused, with the line to type.
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
from orchestrator.model import Manifest
from orchestrator.report.history import who


class Differs(StrEnum):
    """In what a command is about something else than a former run. The first that differs is told."""

    INSTALLATION = "installation"
    MANIFEST = "manifest"
    ENVIRONMENT = "environment"
    FOLDERS = "folders"


@dataclass(frozen=True, slots=True)
class Now:
    """What a command that takes a run up is about, and which option makes it do so ("" for `resume`)."""

    verb: str
    endpoint: str
    identity: Identity
    state_dir: Path
    option: str = ""


def endpoint_of(options: RunOptions, manifest: Manifest) -> str:
    """Say how the journal remembers where these options lead to. Raises `StartError` for what is no URL."""
    return SANDBOX if options.sandbox else clean_endpoint(address_of(manifest, options.endpoint).endpoint)


def with_disabled(identity: Identity, manifest: Manifest) -> Identity:
    """Count in the folders of functions that are disabled by now: a run that was about these was about the same."""
    disabled = {spec.folder_id for spec in manifest.functions.values() if not spec.enabled and spec.folder_id}
    return replace(identity, folders=tuple(sorted({*identity.folders, *disabled})))


def manifest_of(run: RunState, state_dir: Path) -> Path | None:
    """Find the manifest that a run was about: where it was, beside the state folder that has moved with it, or in the
    work tree of another machine. None where it is gone. Former programs remembered it as it was typed.
    """
    identity = run.identity
    places = [Path(identity.manifest)] if identity.manifest else []
    places.append(state_dir.absolute().parent / Path(identity.manifest or run.manifest or "deploy.toml").name)
    tree = work_tree(Path.cwd()) if identity.place else None
    places += [tree / identity.place] if tree is not None else []
    return next((place for place in places if place.is_file()), None)


def folders_then(run: RunState) -> set[str]:
    """Give the folders that a run was about; of former programs those of its functions."""
    return set(run.identity.folders) or {unit.folder_id for unit in run.units.values() if unit.folder_id}


def same_manifest(one: Identity, other: Identity) -> bool:
    """Say whether two runs were about one manifest: by its path, or by its place in clones of one repository."""
    return one.manifest == other.manifest or bool(one.place and one.place == other.place)


def difference(run: RunState, now: Now) -> tuple[Differs, str] | None:
    """Say in what a command is about something else than a run, and how; None where it is about the same.

    Folders may have been added since. A manifest that is gone may be anywhere by now.
    """
    then = run.identity
    if run.endpoint != now.endpoint:
        return Differs.INSTALLATION, f"it went to {_place(run.endpoint)}, and this goes to {_place(now.endpoint)}"
    own = manifest_of(run, now.state_dir)
    if own is not None and str(own) != now.identity.manifest and not same_manifest(then, now.identity):
        return Differs.MANIFEST, f"it was about {own}, and this is about {now.identity.manifest}"
    if then.environment != now.identity.environment and (then.manifest or then.environment):
        was, is_now = (f'"{name}"' if name else "none" for name in (then.environment, now.identity.environment))
        return Differs.ENVIRONMENT, f"its environment was {was}, and now it is {is_now}"
    if gone := folders_then(run) - set(now.identity.folders):
        is_now = ", ".join(now.identity.folders) or "none"
        return Differs.FOLDERS, f"it was about the folder {', '.join(sorted(gone))}, and this is about {is_now}"
    return None


def check_same(run: RunState, now: Now) -> None:
    """Let a run be taken up as what it was about, and as nothing else. Raises `UsageError` with the line to type."""
    found = difference(run, now)
    if found is None:
        return
    kind, how = found
    if not now.option:
        line = resume_line(run.run_id)
    else:
        line = line_of(now.verb, _as_it_was(run, now), run.endpoint, f"--{now.option}")
    give_up = resume_line(run.run_id, "--give-up")
    because = {
        Differs.FOLDERS: f" with the variables that it had then, or give it up: `{give_up}`",
        Differs.ENVIRONMENT: f", or give up what it has left: `{give_up}`",
    }
    raise UsageError(
        f"{f'--{now.option} is about run' if now.option else 'run'} {run.run_id}, which cannot be taken up here: {how}",
        advice=f"type `{line}`{because.get(kind, '')}",
    )


def choice_then(then: Identity, whose: str, typed: RunOptions, line: str) -> RunOptions:
    """Be about the environment of what is gone on with, with the variables that it had, but for what is typed now.
    `whose`: "run R1", "plan P1". `line`, and raises: as `parameters_then`, and `UsageError` for another environment.
    """
    if not then.is_in(typed.environment) and (then.manifest or then.environment):
        of = f"the environment {then.environment}" if then.environment else "no environment"
        again = f"type `{line} --env {then.environment}`" if then.environment else "leave --env (ORCHESTRATOR_ENV) out"
        raise UsageError(f"{whose} is of {of}, and this is --env {typed.environment}", advice=again)
    environment = then.environment or typed.environment
    return replace(variables_then(then, whose, typed, line), environment=environment, as_then=True)


def variables_then(then: Identity, whose: str, typed: RunOptions, line: str) -> RunOptions:
    """Give the variables of what is gone on with: those that it had, but for what is typed now. As `choice_then`."""
    variables = _as_then(then.selection.variables, typed.variables, "--var", whose, line)
    taken_over = frozenset(then.selection.variables.keys() - typed.variables.keys())
    return replace(typed, variables=variables, taken_over=taken_over)


def parameters_then(run: RunState, typed: Mapping[str, str], line: str) -> dict[str, str]:
    """Give the parameters of a run that is gone on with: those that it had, but for what is typed now. `line`: what is
    typed to go on with it. Raises `UsageError` where one of them is kept nowhere, since it is secret.
    """
    return _as_then(run.identity.selection.parameters, typed, "--param", f"run {run.run_id}", line)


def _as_then(given: Mapping[str, str], typed: Mapping[str, str], option: str, whose: str, line: str) -> dict[str, str]:
    """Lay what is typed over what was given then. Raises `UsageError` where some of that is kept nowhere."""
    values = {**given, **typed}
    hidden = [part for name, value in values.items() if value == HIDDEN for part in (option, f"{name}={HIDDEN}")]
    if hidden:
        raise UsageError(
            f"{whose} was given {_CALLED[option]} that are kept nowhere, since they are secret",
            advice=f"give them again: `{line} {shlex.join(hidden)}`",
        )
    return values


_CALLED = {"--param": "parameters", "--var": "variables"}


def check_not_taken_back(run: RunState) -> None:
    """Let what somebody has rolled back not be begun again by going on with its run. Raises `UsageError` with the lines
    to type.
    """
    back = run.taken_back.whole
    if back is None:
        return
    by = f" ({who(back.identity)})" if who(back.identity) else ""
    if back.exit_code in (None, Exit.INTERRUPTED):
        advice = f"`{resume_line(back.id)}` goes on with the rollback"
    elif run.verb == ROLLBACK:
        advice = f"`{line_of(run.verb, run.identity, run.endpoint, run.rollout.rolls_back)}` is a new one"
    else:
        line = line_of(run.verb, run.identity, run.endpoint)
        advice = f"`{line}` is a new run; `{undone_line(run)}` is one of what this one has left undone"
    raise UsageError(f"run {run.run_id} was rolled back by run {back.id}{by}, so it does not go on", advice=advice)


def _as_it_was(run: RunState, now: Now) -> Identity:
    """Give what the line to type is made of: the manifest as it was, and nothing of the selection but the job's."""
    own, then = manifest_of(run, now.state_dir), run.identity
    given = then.selection.parameters if run.verb == now.verb else {}
    selection = Selection(parameters=given, variables=then.selection.variables)
    manifest = str(own) if own is not None else then.manifest
    outside = not then.environment and bool(now.identity.environment or now.identity.outside)
    return Identity(manifest=manifest, environment=then.environment, selection=selection, outside=outside)


def _place(endpoint: str) -> str:
    return "the sandbox" if endpoint == SANDBOX else endpoint
