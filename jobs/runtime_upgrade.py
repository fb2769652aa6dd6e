"""Move every function of some folders off old runtimes: the code is copied, and all other settings are kept.

It changes live functions, in the manifest or not. Run it again to continue; when everything is done, it changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from orchestrator.job import (
    LATEST,
    Desired,
    FunctionSpec,
    JobError,
    JobStatus,
    LiveFunction,
    LiveState,
    Manifest,
    Parameter,
    Skip,
    copy_of,
    empty_folders,
    folders_of,
    forbidden,
    inventory,
    language,
    left_to_others,
    listed,
    rows,
    text,
    texts,
    traps,
)  # fmt: skip

_NAMED_MAX = 8  # functions that a warning names
_SKIP_KEYS = ("function", "reason", "owner", "until")


def read_skips(given: Mapping[str, Any], parameter: str) -> list[Skip]:
    """Read the exceptions. Each row has a function, a reason, an owner and a last day. Raises `JobError`."""
    return [_skip(row) for row in rows(given, parameter, _SKIP_KEYS)]


PARAMETERS = {
    "from": Parameter("old runtimes", required=True, read=texts, selects=True),
    "to": Parameter("new runtime", required=True, read=text),
    "folders": Parameter(
        "folders of the functions; default: every folder of the manifest", default=(), read=texts, selects=True
    ),
    "skip": Parameter(
        "functions to leave out: function (a name or a glob), reason, owner, until (a date)",
        default=(),
        read=read_skips,
        keys=_SKIP_KEYS,
    ),
}


def folders(manifest: Manifest, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the folders of the functions."""
    return folders_of(manifest, given)


def desired(manifest: Manifest, live: LiveState, given: Mapping[str, Any]) -> Desired:
    """Return a copy on the new runtime of every function whose `$latest` has an old one."""
    old, to = texts(given, "from"), text(given, "to")
    offline(manifest, given)
    _check_offered(to, live)
    skips, expired = _skips(given)
    functions = inventory(manifest, live, folders_of(manifest, given))
    served = _still_served(old, live)
    board: list[JobStatus] = []
    waiting: list[LiveFunction] = []
    for one in functions:
        if one.runtime == to:
            tags = served.get(one.function.id, "")
            board.append(_standing(one, "old tags" if tags else "done", tags))
        elif one.runtime in old:
            reason = _skipped(one, skips)
            if reason:
                board.append(_standing(one, "skipped", reason))
            else:
                waiting.append(one)
    specs: dict[str, FunctionSpec] = {}
    failures: dict[str, str] = {}
    for one in waiting:
        specs[one.key] = _copy(one, to, manifest, failures)
        board.append(_standing(one, "waiting", failures.get(one.key) or _skipped(one, expired)))
    warnings = [
        *(f"the exception for {_expired(skip)}: the job does not run until this is resolved" for skip in expired),
        *empty_folders(folders_of(manifest, given), live),
        *left_to_others(manifest, live, folders_of(manifest, given)),
        *_unknown_runtimes(old, live),
        *_unknown_skips([*skips, *expired], functions, manifest),
        *_trap_warnings(specs, waiting, to),
        *_manifest_warnings(functions, board, to),
        *_elsewhere(functions, old, to, served),
    ]
    board.sort(key=lambda standing: standing.key)
    return Desired(specs, given["rollout"], warnings=tuple(warnings), board=tuple(board), failures=failures)


def offline(_manifest: Manifest, given: Mapping[str, Any]) -> None:
    """Refuse runtimes that no function can move between, whatever is live."""
    old, to = texts(given, "from"), text(given, "to")
    if not old:
        raise JobError("`from` is empty", advice='write from = ["python37", "python38"]')
    if to in old:
        raise JobError(f"{to} is in `from` and in `to`", advice="remove it from one of them")
    for runtime in old:
        if language(runtime) != language(to):
            raise JobError(
                f"{runtime} and {to} are of different languages",
                advice="a job changes the runtime only within one language",
            )


def _check_offered(to: str, live: LiveState) -> None:
    if to not in live.runtimes:
        close = get_close_matches(to, live.runtimes, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise JobError(
            f"the cloud does not offer runtime {to}{hint}", advice=f"it offers {listed(live.runtimes) or 'none at all'}"
        )


def _copy(one: LiveFunction, to: str, manifest: Manifest, failures: dict[str, str]) -> FunctionSpec:
    made = copy_of(one, manifest, failures, runtime=to)
    problem = forbidden(to, made.settings)
    if problem:
        failures.setdefault(one.key, problem)
    return made


def _standing(one: LiveFunction, status: str, note: str = "") -> JobStatus:
    return JobStatus(one.key, one.function.folder_id, one.runtime, status, note)


# --- skip -----------------------------------------------------------------------------------------------------------


def _skips(given: Mapping[str, Any]) -> tuple[list[Skip], list[Skip]]:
    """Read `skip`. Returns the valid rows, and the expired ones, which only a board accepts. Raises `JobError`."""
    skips, today = read_skips(given, "skip"), given["today"]
    expired = [skip for skip in skips if skip.until < today]
    if expired and not given["board_only"]:
        raise JobError(
            f"exceptions in `skip` have expired: {'; '.join(map(_expired, expired))}",
            advice="ask the owner, then remove the row, or agree on a new `until`",
        )
    return [skip for skip in skips if skip.until >= today], expired


def _expired(skip: Skip) -> str:
    return f"{skip.function} (owner {skip.owner}) expired on {skip.until}"


def _skip(row: Mapping[str, Any]) -> Skip:
    name = row.get("function") or "?"
    for key in ("function", "reason", "owner"):
        if not isinstance(row.get(key), str) or not row[key]:
            raise JobError(f"the exception for {name} in `skip` has no {key}", advice=f'add {key} = "…" to it')
    until = row.get("until")
    if not isinstance(until, date) or isinstance(until, datetime):
        raise JobError(f"the exception for {name} in `skip` has no date `until`", advice="add until = 2027-03-01 to it")
    return Skip(row["function"], row["reason"], row["owner"], until)


def _fits(skip: Skip, *names: str) -> bool:
    return any(name == skip.function or fnmatchcase(name, skip.function) for name in names)


def _skipped(one: LiveFunction, skips: Iterable[Skip]) -> str:
    """Return why a function is left out, "" if it is not."""
    for skip in skips:
        if _fits(skip, one.key, one.function.name):
            return f"{skip.reason} (owner {skip.owner}, until {skip.until})"
    if one.disabled and one.spec is not None:
        return f"disabled at {one.spec.place.file}:{one.spec.place.line}"
    return ""


# --- warnings -------------------------------------------------------------------------------------------------------


def _unknown_skips(skips: Iterable[Skip], functions: tuple[LiveFunction, ...], manifest: Manifest) -> list[str]:
    names = {name for one in functions for name in (one.key, one.function.name)}
    names |= {name for key, spec in manifest.functions.items() for name in (key, spec.name)}
    return [
        f'`skip` names "{skip.function}", but neither these folders nor the manifest have it'
        for skip in skips
        if not _fits(skip, *names)
    ]


def _unknown_runtimes(old: Iterable[str], live: LiveState) -> list[str]:
    """Return warnings about old runtimes that are unknown. One that is no longer offered is valid if functions have it,
    or had it.
    """
    seen = {version.runtime for version in live.versions.values()}
    found = []
    for runtime in old:
        if runtime not in seen and runtime not in live.runtimes:
            close = get_close_matches(runtime, sorted(seen | {*live.runtimes}), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            found.append(f"`from` has {runtime}, which the cloud does not offer and no version here uses{hint}")
    return found


def _trap_warnings(specs: Mapping[str, FunctionSpec], waiting: Iterable[LiveFunction], to: str) -> list[str]:
    """Return each trap once, with all functions concerned."""
    concerned: dict[str, list[str]] = {}
    for one in waiting:
        for trap in traps(one.runtime, to, specs[one.key].settings):
            concerned.setdefault(trap, []).append(one.key)
    return [f"{trap} (concerns {listed(names)})" for trap, names in concerned.items()]


def _manifest_warnings(functions: Iterable[LiveFunction], board: Iterable[JobStatus], to: str) -> list[str]:
    """Return warnings about manifests with another runtime: the next deploy would revert the upgrade."""
    moved = {standing.key for standing in board if standing.status != "skipped"}
    behind: dict[tuple[str, str], list[str]] = {}
    for one in functions:
        spec = one.spec
        if spec is None or spec.mistakes or not spec.enabled or one.key not in moved or spec.as_live.has("runtime"):
            continue
        if spec.settings.runtime != to:
            said = spec.place.file, spec.settings.runtime
            behind.setdefault(said, []).append(f"{one.key} (line {spec.place.line})")
    return [
        f"{file} has {runtime} for {_first(names)}: change it to {to},"
        f" or the next deploy of {'it' if len(names) == 1 else 'them'} is blocked;"
        " --update-manifest changes it during this run, `import --update` afterwards"
        for (file, runtime), names in behind.items()
    ]


def _first(names: list[str]) -> str:
    more = len(names) - _NAMED_MAX
    return listed(names[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _elsewhere(
    functions: Iterable[LiveFunction], old: tuple[str, ...], to: str, served: Mapping[str, str]
) -> list[str]:
    """Return functions that this job does not change, but whose tags still serve an old runtime."""
    return [
        f"{one.key} is on {one.runtime}, but {served[one.function.id]}"
        for one in functions
        if one.runtime != to and one.runtime not in old and one.function.id in served
    ]


def _still_served(old: tuple[str, ...], live: LiveState) -> dict[str, str]:
    """Return which tags still serve an old runtime, by Function ID."""
    tags: dict[str, list[str]] = {}
    for (function_id, tag), version in live.tagged.items():
        if tag != LATEST and version.runtime in old:
            tags.setdefault(function_id, []).append(f"{tag} ({version.runtime}, {version.id})")
    return {function_id: f"tags still serve an old runtime: {listed(found)}" for function_id, found in tags.items()}
