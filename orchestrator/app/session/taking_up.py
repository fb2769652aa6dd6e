"""Taking up a former run, to go on with it or for what it left undone: only as what it was about.

Every verb that does so comes through `check_same`. A run that would be taken up in another installation, with another
manifest, in another environment or in other folders is refused, with the line to type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from orchestrator.app.session.chains.still_left import is_whole, still_left
from orchestrator.app.session.identity import line_of, next_step, paused_ways, resume_line, work_tree
from orchestrator.app.session.options import SANDBOX, RunOptions, address_of
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.identity import Identity
from orchestrator.journal.state import RunState
from orchestrator.journal.store import Store, open_store
from orchestrator.journal.unit_state import UnitState, names_of
from orchestrator.model import Manifest, Unknown
from orchestrator.planning.resume import failed, left_of, undone
from orchestrator.report.plain_text import counted


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
    because = {Differs.FOLDERS: f" with the variables that it had then, or give it up: `{give_up}`"}
    raise UsageError(
        f"{f'--{now.option} is about run' if now.option else 'run'} {run.run_id}, which cannot be taken up here: {how}",
        advice=f"type `{line}`{because.get(kind, '')}",
    )


def _as_it_was(run: RunState, now: Now) -> Identity:
    """Give what the line to type is made of: the manifest as it was, and nothing of the selection but the job's."""
    own = manifest_of(run, now.state_dir)
    return Identity(manifest=str(own) if own is not None else run.identity.manifest)


def _place(endpoint: str) -> str:
    return "the sandbox" if endpoint == SANDBOX else endpoint


@dataclass(frozen=True, slots=True)
class Left:
    """What the chain before left: the functions that an option selects. `said`: why there are none."""

    run: RunState
    option: str
    units: Mapping[str, UnitState] = field(default_factory=dict)
    said: str = ""
    exit: Exit = Exit.DONE


def left_by_last(options: RunOptions, now: Now) -> Left:
    """Find what --failed or --undone is about: the newest run, with what took it up, that has left something which no
    later one has done since.

    What was given on the command line chooses among the runs (an installation, a manifest); what was not must be as
    in the last of all. Raises `UsageError` where there is no such run, or it was about something else.
    """
    with open_store(now.state_dir, read_only=True) as store:
        found = list(still_left(_chosen(store, options, now), undone, back=True))
    for run, left in found:
        units = {key: unit for key, unit in left.items() if now.option == "undone" or key in failed(run)}
        if units:
            return Left(run, now.option, units)
    newest = found[0][0]
    run, left = next((one for one in found if one[1]), found[0])
    what = "failed" if now.option == "failed" else "was left undone"
    if run.given_up:
        return Left(run, now.option, said=f"what the last run, {run.run_id}, left undone was given up: nothing to do")
    others = len(left) + (max(0, run.total - len(run.units)) if run is newest else 0)
    if others:
        there = f"{counted(others, 'function')} of it {'is' if others == 1 else 'are'} undone"
        ways, code = ways_on(run, left)
        said = f"nothing {what} in the last run, {run.run_id}, but {there}: {ways}"
        return Left(run, now.option, said=said, exit=code)
    return Left(run, now.option, said=f"nothing {what} in the last run, {run.run_id}: nothing to do")


def ways_on(run: RunState, left: Mapping[str, UnitState]) -> tuple[str, Exit]:
    """Say how to go on with what a chain has left, and what a command exits with that finds it so and does nothing.

    | of the chain                                | the way on                               | exit |
    | ---                                         | ---                                      | ---  |
    | paused                                      | `promote`, or `rollback`                 | 3    |
    | stopped for good, and an end is unknown     | `resume` to see it, then its own command | 3    |
    | stopped for good                            | its own command: a new run               | 1    |
    | some of what is left can be taken up        | `resume`, or --undone                    | 3    |
    | all of what is left has failed              | --undone                                 | 1    |
    | what is left does not stand in the journal  | its own command                          | 1    |
    """
    if run.rollout.paused is not None:
        return paused_ways(run.run_id), Exit.INTERRUPTED
    if run.breach:
        unknown = any(isinstance(unit.outcome, Unknown) for unit in run.units.values())
        return f"it was stopped for good; {next_step(run)}", Exit.INTERRUPTED if unknown else Exit.FAILED
    if not left:
        return f"`{line_of(run.verb, run.identity, run.endpoint)}` does what is left", Exit.FAILED
    all_of_it = replace(run.identity, selection=replace(run.identity.selection, patterns=(), labels=(), left_by=""))
    selects = f"`{line_of(run.verb, all_of_it, run.endpoint, '--undone')}` selects {'it' if len(left) == 1 else 'them'}"
    if left_of(run).keys().isdisjoint(left):
        return selects, Exit.FAILED
    goes_on = f"`{resume_line(run.run_id)}` goes on"
    return f"{goes_on}, {selects}" if run.verb == "deploy" or run.identity.selection.job else goes_on, Exit.INTERRUPTED


def about_the_same(store: Store, now: Now) -> Iterator[RunState]:
    """Give the chains that are about the same, the newest first."""
    return (run for run in _candidates(store, now) if difference(run, now) is None)


def left_elsewhere(state_dir: Path, endpoint: str, identity: Identity, left: Left | None = None) -> str:
    """Say what other runs have left undone, before a run of some functions only; "" where there is nothing.

    `left`: what --failed or --undone selects, which this run is about.
    """
    if is_whole(identity):
        return ""
    own = {name for unit in left.units.values() for name in names_of(unit)} if left is not None else set()
    found = list[tuple[RunState, dict[str, UnitState]]]()
    with open_store(state_dir, read_only=True) as store:
        for run, units in still_left(about_the_same(store, Now("", endpoint, identity, state_dir)), undone):
            others = {key: unit for key, unit in units.items() if own.isdisjoint(names_of(unit))}
            found += [(run, others)] if others else []
    if not found:
        return ""
    run, units = found[0]
    ways, _ = ways_on(run, units)
    older = f"; so {'has' if len(found) == 2 else 'have'} {counted(len(found) - 1, 'older run')}"
    others_too = f"{older}: `orchestrator runs` lists them" if len(found) > 1 else ""
    more = " more" if left is not None and left.run.run_id == run.run_id else ""
    return f"run {run.run_id} has left {counted(len(units), f'{more} function'.strip())} undone: {ways}{others_too}"


def _chosen(store: Store, options: RunOptions, now: Now) -> Iterator[RunState]:
    """Give the runs that are about the same, the newest first. What chooses is what was said: an installation,
    variables, -c; a manifest that is only the default is no choice, so the last run there must be of that one.
    """
    first: RunState | None = None
    candidates = _candidates(store, now)
    for run in candidates:
        found = difference(run, now)
        if found is None:
            yield run
            yield from (one for one in candidates if difference(one, now) is None)
            return
        if found[0] is Differs.MANIFEST and not options.config_given:
            check_same(run, now)
        first = first or run
    if first is None:
        what = "failures" if now.option == "failed" else "undone functions"
        raise UsageError(
            f"there is no run yet whose {what} could be selected",
            advice=f"leave --{now.option} out",
        )
    check_same(first, now)
    yield first


def _candidates(store: Store, now: Now) -> Iterator[RunState]:
    """Give the chains, the newest first; for a job its own; of another installation only the newest, to tell of it."""
    wanted = now.verb if now.verb.startswith("run ") else ""
    runs = [run for run in store.runs() if not run.taken_up_by and wanted in ("", run.verb)]
    here = [run for run in runs if run.endpoint == now.endpoint]
    for run in here or runs[:1]:
        yield store.chain_state(run.id)


def last_chain(state_dir: Path, endpoint: str, *, verb: str) -> RunState | None:
    """Read the last run at this endpoint of this verb, with all that it took up; None where there was none."""
    with open_store(state_dir, read_only=True) as store:
        found = next((run.id for run in store.runs() if (run.endpoint, run.verb) == (endpoint, verb)), None)
        return store.chain_state(found) if found is not None else None
