"""The scope of a run, who starts it and where; and the command lines that start it again or continue it."""

from __future__ import annotations

import getpass
import os
import re
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orchestrator.app.session.options import PRUNE, ROLLBACK, RUN, SANDBOX, RunOptions, state_dir_of
from orchestrator.errors import Exit
from orchestrator.job.binding import Binding, part_of
from orchestrator.journal.identity import HIDDEN, NONE, Identity, Selection
from orchestrator.journal.state import RunState
from orchestrator.model import CloudAddress, Manifest
from orchestrator.model.command_line import command_line, line_of_run
from orchestrator.planning.resume import prunes
from orchestrator.redaction.patterns import is_secret_name, is_secret_variable
from orchestrator.redaction.redactor import Redactor

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def identity_of(options: RunOptions, manifest: Manifest, binding: Binding | None = None) -> Identity:
    """Return the scope of a run with these options. `binding`: of a job, which has its own folders.

    Raises `JobError` where the job cannot name them.
    """
    path = Path(os.path.abspath(manifest.path))  # noqa: PTH100 - links keep their names
    tree = work_tree(path.parent)
    if binding is not None:
        folders = set(binding.job.folders(part_of(manifest, binding.spec), binding.given))
    else:
        folders = {spec.folder_id for spec in manifest.functions.values() if spec.enabled and spec.folder_id}
    left_by = "failed" if options.failed else "undone" if options.undone else ""
    return Identity(
        manifest=str(path),
        place=path.relative_to(tree).as_posix() if tree is not None else "",
        environment=manifest.environment,
        folders=tuple(sorted(folders)),
        clouds=(manifest.cloud.cloud_id,) if manifest.cloud.cloud_id else (),
        selection=Selection(
            options.patterns, tuple(options.labels), left_by, options.job,
            {name: _shown(name, value) for name, value in options.parameters.items()},
            variables={name: _shown(name, value) for name, value in options.variables.items()},
            update_manifest=options.update_manifest,
        ),
        user=_user(),
        host=socket.gethostname(),
        commit=_commit(tree) if tree is not None else "",
        outside=bool(manifest.environments) and not manifest.environment,
    )  # fmt: skip


def _shown(name: str, value: str) -> str:
    named = is_secret_name(name) or is_secret_variable(name)
    return HIDDEN if named or Redactor().text(value) != value else value


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return ""


def work_tree(folder: Path) -> Path | None:
    """Return the git work tree that contains a folder."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)


def _commit(tree: Path) -> str:
    """Read the commit of a work tree from its files, "" where that is impossible. Runs no command."""
    with suppress(OSError, UnicodeDecodeError):
        git = tree / ".git"
        if git.is_file():  # a linked work tree, or a submodule
            git = tree / git.read_text("utf-8").strip().removeprefix("gitdir: ")
        head = (git / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head if _HASH.fullmatch(head) else ""
        name = head.removeprefix("ref: ")
        common = git / (git / "commondir").read_text("utf-8").strip() if (git / "commondir").exists() else git
        for file in (git / name, common / name):
            if file.is_file():
                found = file.read_text("utf-8").strip()
                return found if _HASH.fullmatch(found) else ""
        for line in (common / "packed-refs").read_text("utf-8").splitlines():
            found, _, packed = line.partition(" ")
            if packed == name and _HASH.fullmatch(found):
                return found
    return ""


def line_of(verb: str, identity: Identity, endpoint: str, *more: str) -> str:
    """Return the command line that starts a run of that verb again. `more`: further arguments."""
    selection = identity.selection
    words = verb.split(" ", 1)
    words += _manifest(identity.manifest)
    takes_up = bool({"--failed", "--undone"} & {*more, f"--{identity.selection.left_by}"}) or verb == ROLLBACK
    environment = identity.environment or (NONE if identity.outside and takes_up else "")
    words += ["--env", environment] if environment else []
    words += [part for name, value in selection.variables.items() for part in ("--var", f"{name}={value}")]
    given = dict(selection.parameters)
    if selection.plan_file:  # the plan file defines the selection, and what is done already
        more = tuple(one for one in more if one not in ("--failed", "--undone"))
        words += ["--plan", _shortly(Path(selection.plan_file))]
        return command_line(*words, *more, *_reaching(endpoint))
    if verb == ROLLBACK:  # the run comes before the functions
        of = given.pop(RUN, "")
        words += more or ([of] if of else [])
        more = ()
    words += selection.patterns
    words += [part for label in selection.labels for part in ("--label", label)]
    if verb == PRUNE:
        words += [f"--{name}" if value == "true" else f"--{name}={value}" for name, value in given.items()]
    elif verb == ROLLBACK:
        words += [part for name, value in given.items() for part in (f"--{name}", value)]
    else:
        words += [part for name, value in given.items() for part in ("--param", f"{name}={value}")]
    words += ["--update-manifest"] if selection.update_manifest else []
    words += [f"--{selection.left_by}"] if selection.left_by and f"--{selection.left_by}" not in more else []
    return command_line(*words, *more, *_reaching(endpoint))


def reaching_of(manifest: str, state_dir: Path | None, endpoint: str) -> tuple[str, ...]:
    """Return the options that a command line needs to find a run of this manifest. `state_dir`: if one was given; the
    one next to the manifest is found without it.
    """
    words = _manifest(manifest)
    if state_dir is not None and state_dir.absolute() != state_dir_of(Path(manifest or "deploy.toml"), None):
        words += ["--state", _shortly(state_dir)]
    return (*words, *_reaching(endpoint))


def _manifest(manifest: str) -> list[str]:
    path = Path(manifest or "deploy.toml")
    return ["-c", _shortly(path)] if path.absolute() != Path("deploy.toml").absolute() else []


def _shortly(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def again_line(run: RunState) -> str:
    """Return the command line that tries again what has failed in a chain."""
    back = run.rollout.rolls_back
    more = (back,) if back else () if run.verb in (ROLLBACK, PRUNE) or prunes(run) else ("--failed",)
    return line_of(run.verb, run.identity, run.endpoint, *more)


def undone_line(run: RunState) -> str:
    """Return the command line of a new run of what a chain has left undone, for all functions."""
    selection = replace(run.identity.selection, patterns=(), labels=(), left_by="")
    return line_of(run.verb, replace(run.identity, selection=selection), run.endpoint, "--undone")


def resume_line(run_id: str, *more: str, manifest: str = "") -> str:
    """Return the command line that resumes a run. `manifest`: that of the run, where it is not the typed one."""
    return line_of_run("resume", run_id, *more, manifest=_shortly(Path(manifest)) if manifest else "")


def promote_line(run_id: str) -> str:
    """Return the command line that continues a paused run."""
    return line_of_run("promote", run_id)


def rollback_line(run_id: str) -> str:
    """Return the command line that undoes the changes of a run."""
    return command_line("rollback", run_id)


def import_line(environment: str, *patterns: str) -> str:
    """Return the command line that writes into the manifest what is live."""
    return command_line("import", "--update", *(["--env", environment] if environment else []), *patterns)


def paused_ways(run_id: str) -> str:
    """Return what a user can do with a paused run."""
    return f"continue with `{promote_line(run_id)}`, or undo its changes with `{rollback_line(run_id)}`"


def _reaching(endpoint: str) -> list[str]:
    if endpoint == SANDBOX:
        return ["--sandbox"]
    return [] if endpoint in ("", CloudAddress().endpoint) else ["--endpoint", endpoint]


def next_step(state: RunState, *, kept: bool = True) -> str:
    """Return how to continue with a run, "" where it is done. After a breach that is a new run. `kept`: whether the run
    is still in a journal or a bucket, so that it can be resumed.
    """
    line = f"`{line_of(state.verb, state.identity, state.endpoint)}`"
    resume = f"`{line_of_run('resume')}`"
    if state.rollout.paused is not None and not state.given_up and kept:
        return paused_ways(state.run_id)
    if state.owes_rollback and kept:
        return f"continue the rollback with {resume}"
    if state.breach:
        follow = f"{resume} reads the unknown outcomes and starts nothing; "
        back = "; what was rolled back is blocked until it changes, or until `--again NAMES` accepts it as it is"
        of_plan = bool(state.identity.selection.plan)
        other = "; fixes in the manifest or in a source need a new plan" if of_plan else ""
        return (
            f"{follow if kept and state.outcomes.get('unknown') else ''}after the fix, {line} starts a new run with all"
            f" waves and a new budget of failures{other}{back if state.rollout.rollback else ''}"
        )
    if state.exit_code != Exit.INTERRUPTED and not state.outcomes.get("cancelled"):
        return _retry(state) if kept else ""
    if not kept:
        return (
            f"this run was not recorded, so it cannot be resumed: {line} compares with the live state and does the rest"
        )
    return f"continue with {resume}: calls that were sent are found and not repeated"


def _retry(state: RunState) -> str:
    """Return how to try again what has failed, "" where nothing has. What is blocked says itself what to do."""
    number = state.outcomes.get("failed", 0)
    if not number or state.given_up:
        return ""
    return f"after the fix, retry {'it' if number == 1 else f'the {number} that failed'} with `{again_line(state)}`"
