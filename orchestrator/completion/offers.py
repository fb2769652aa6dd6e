"""Completions for each parameter of each command: names in the manifest, runs in the journal, fixed words, files.

A broken manifest or journal raises nothing: there are no completions then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import localtime, strftime

import click
from click.shell_completion import CompletionItem

from orchestrator.errors import Exit
from orchestrator.journal.folder import FILE
from orchestrator.journal.recent import RecentRun, recent_runs
from orchestrator.manifest.declared.declared_names import DeclaredNames, declared_names
from orchestrator.manifest.declared.job_parameters import declared_parameters
from orchestrator.manifest.includes.upward import nearest_manifest

Item = CompletionItem
Offer = Callable[[click.Context, str], Iterable[Item]]
PART = "part"  # a type of `CompletionItem`: the word continues, so no space follows
_LABEL = "label:"
_GOES_ON = ("resume", "promote")  # commands for unfinished runs
_WITH_DISABLED = ("render", "package", "why")  # commands that accept a disabled function
_SELECTING = ("functions", "select")  # parameters of jobs that select functions
_ENDED = {Exit.DONE: "done", Exit.INTERRUPTED: "interrupted", Exit.ROLLED_BACK: "rolled back"}
_QUOTAS = ("operations_per_function", "operations_per_folder", "operations_per_cloud", "requests_per_second")


def _manifest(context: click.Context) -> Path:
    """Return the path of the manifest, found as the command finds it."""
    named = context.params.get("config")
    return _typed_path(named) if named is not None else nearest_manifest()


def _typed_path(named: object) -> Path:
    """Return a typed path, with the variables and `~` that the shell has not expanded yet."""
    return Path(os.path.expandvars(str(named))).expanduser()


def _names(context: click.Context) -> DeclaredNames:
    return declared_names(_manifest(context), context.params.get("environment") or "")


def _texts(given: object) -> tuple[str, ...]:
    return tuple(str(one) for one in given) if isinstance(given, tuple | list) else ()


def _functions(context: click.Context, word: str, typed: Iterable[str] = ()) -> Iterator[Item]:
    """Offer names of functions, except those already typed."""
    known, typed = _names(context), frozenset(typed)
    for name, enabled in known.functions.items():
        if name.startswith(word) and name not in typed and (enabled or context.info_name in _WITH_DISABLED):
            yield Item(name, help=None if enabled else "disabled")


def _patterns(context: click.Context, word: str) -> Iterator[Item]:
    """Offer selectors of functions: names, label:K=V, @FILE, and each of them after "!"."""
    typed = _texts(context.params.get("functions"))
    if word.startswith("!"):
        yield from _after("!", _pattern(context, word[1:], typed))
    else:
        yield from _pattern(context, word, typed)


def _pattern(context: click.Context, word: str, typed: Iterable[str]) -> Iterator[Item]:
    if word.startswith("@"):
        yield from _after("@", _files(word[1:]))
    elif word.startswith(_LABEL):
        yield from _after(_LABEL, _labels(context, word.removeprefix(_LABEL)))
    else:
        yield from _functions(context, word, typed)
        if word and _LABEL.startswith(word):
            yield Item(_LABEL, PART)


def _labels(context: click.Context, word: str) -> Iterator[Item]:
    """Offer KEY=, then its values."""
    key, sign, value = word.partition("=")
    labels = _names(context).labels
    if sign:
        yield from _after(f"{key}=", (Item(one) for one in labels.get(key, ()) if one.startswith(value)))
    else:
        yield from (Item(f"{one}=", PART) for one in labels if one.startswith(key))


def _taken_back(context: click.Context, word: str) -> Iterator[Item]:
    """Offer functions, and runs for the first word."""
    if not _texts(context.params.get("functions")):
        yield from _runs(context, word)
    yield from _patterns(context, word)


def _runs(context: click.Context, word: str) -> Iterator[Item]:
    """Offer IDs of runs, newest first. `resume` and `promote` get only runs that may be unfinished."""
    if "last".startswith(word):
        yield Item("last", help="the last one")
    for run in _recent(context):
        if run.id.startswith(word) and (context.info_name not in _GOES_ON or run.exit_code in (None, Exit.INTERRUPTED)):
            yield Item(run.id, help=_in_words(run))


def _recent(context: click.Context) -> tuple[RecentRun, ...]:
    state = context.params.get("state")
    folder = _typed_path(state) if state is not None else _manifest(context).absolute().parent / ".orchestrator"
    return recent_runs(folder / FILE, context.params.get("environment") or "")


def _in_words(run: RecentRun) -> str:
    end = "no end yet" if run.exit_code is None else _ENDED.get(Exit(run.exit_code), "failed")
    at = strftime("%Y-%m-%d %H:%M:%S", localtime(run.started_at))  # with seconds: zsh merges equal descriptions
    many = f"{run.units} function{'' if run.units == 1 else 's'}"
    return f"{at}  {run.verb}, {many}, {end}"


def _runs_and_files(context: click.Context, word: str) -> Iterator[Item]:
    yield from _runs(context, word)
    yield from _files(word) if word else ()


def _jobs(context: click.Context, word: str) -> Iterator[Item]:
    jobs = _names(context).jobs
    yield from (Item(name, help=what or None) for name, what in jobs.items() if name.startswith(word))


def _job_of(context: click.Context) -> str:
    """Return the job that a command is about: its own, or that of the run to continue. "" for none."""
    if "run" not in context.params:
        return str(context.params.get("job") or "")
    run = str(context.params["run"] or "last")
    found = (one.verb for one in _recent(context) if run == "last" or one.id.startswith(run))
    return next(found, "").partition(" ")[2]  # "run NAME"; other commands have no job


def _parameters(context: click.Context, word: str) -> Iterator[Item]:
    """Offer KEY= of the job's parameters, then functions for those that select them."""
    job = _job_of(context)
    key, sign, value = word.partition("=")
    if sign:
        functions = _listed(_functions)(context, value) if key in _SELECTING else ()
        yield from _after(f"{key}=", functions)
    elif job:
        run = _names(context).jobs.get(job) or job
        for name, what in declared_parameters(run, _manifest(context).absolute().parent).items():
            if name.startswith(word):
                yield Item(f"{name}=", PART, what or None)


def _environments(context: click.Context, word: str) -> Iterator[Item]:
    environments = declared_names(_manifest(context)).environments
    for name, protected in environments.items():
        if name.startswith(word):
            yield Item(name, help="protected" if protected else None)
    if context.info_name == "plan" and environments and "all".startswith(word):
        yield Item("all", help="each of them")


def _variables(context: click.Context, word: str) -> Iterator[Item]:
    yield from (Item(f"{name}=", PART) for name in _names(context).variables if name.startswith(word))


def _adopted(context: click.Context, word: str) -> Iterator[Item]:
    """Offer NAME@. The plan prints the version."""
    if "@" not in word:
        yield from (Item(f"{one.value}@", PART) for one in _functions(context, word))


def _listed(each: Callable[[click.Context, str, tuple[str, ...]], Iterable[Item]]) -> Offer:
    """Return an offer for comma-separated lists: it completes the last part, without the parts before it."""

    def offer(context: click.Context, word: str) -> Iterator[Item]:
        done, comma, part = word.rpartition(",")
        yield from _after(f"{done}{comma}", each(context, part, tuple(done.split(","))))

    return offer


def _words(*words: str, type: str = "plain") -> Offer:
    return lambda _, word: (Item(one, type) for one in words if one.startswith(word))


def _of_words(*words: str) -> Offer:
    return _listed(lambda _, word, typed: (Item(one) for one in words if one.startswith(word) and one not in typed))


def _after(before: str, items: Iterable[Item]) -> Iterator[Item]:
    return (Item(f"{before}{one.value}", one.type, one.help) for one in items)


def _files(word: str) -> Iterator[Item]:
    """Offer files and folders on disk, hidden ones only after a dot."""
    folder, name = os.path.split(word)
    with suppress(OSError):
        for entry in sorted(os.scandir(folder or "."), key=lambda one: one.name):
            if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
                path = os.path.join(folder, entry.name)  # noqa: PTH118 - as it was typed
                yield Item(f"{path}/", PART) if entry.is_dir() else Item(path)


def _file(_context: click.Context, word: str) -> Iterator[Item]:
    yield Item(word, "file")


def _folder(_context: click.Context, word: str) -> Iterator[Item]:
    yield Item(word, "dir")


# By the name of the parameter. Choices and paths complete without an entry here.
OFFERS: Mapping[str, Offer] = {
    "functions": _patterns,
    "function": _functions,
    "run": _runs,
    "job": _jobs,
    "environment": _environments,
    "labels": _labels,
    "variables": _variables,
    "param": _parameters,
    "adopt": _adopted,
    **dict.fromkeys(("again", "no_way_back", "lossy", "wider"), _listed(_functions)),
    "only": _of_words("versions", "packages", "records"),
    **dict.fromkeys(("html", "events"), _file),
    "state": _folder,
    "creating": _words("visible", "hidden"),
    "durations": _words("lognormal:", "fixed:", type=PART),
    "quotas": _words(*(f"{name}=" for name in _QUOTAS), type=PART),
}
# Free values, which cannot be completed: texts, numbers, durations, times, IDs in the cloud.
FREE = frozenset(
    {
        "endpoint", "bucket", "buckets", "lock_timeout", "start_timeout", "max_outage", "run_key", "since",
        "to", "expires", "keep", "runs", "port", "folders", "cloud_id", "latency", "quota_changes", "poll_interval",
        "faults",
    }
)  # fmt: skip
# By command and parameter, where a name has another meaning.
OF_VERBS: Mapping[tuple[str, str], Offer] = {
    ("rollback", "functions"): _taken_back,
    ("show", "run"): _runs_and_files,
}


def add_offers(group: click.Group) -> None:
    """Add completions to the parameters of all commands."""
    for verb, command in group.commands.items():
        for parameter in command.params:
            name = str(parameter.name)
            if (offer := OF_VERBS.get((verb, name)) or OFFERS.get(name)) is not None:
                parameter.shell_complete = partial(_given, offer)  # type: ignore[method-assign]


def _given(offer: Offer, context: click.Context, word: str) -> list[Item]:
    _place_words(context)
    return list(offer(context, word))


def _place_words(context: click.Context) -> None:
    """Set the arguments before an option whose value is being typed: click parses none of them then, and leaves their
    words in `args`.
    """
    left = list(context.args)
    for parameter in context.command.params if left else ():
        if isinstance(parameter, click.Argument) and parameter.name and left:
            context.params[parameter.name] = left.pop(0) if parameter.nargs == 1 else tuple(left)
