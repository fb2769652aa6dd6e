"""Delete old versions that are no longer needed, of the functions of whole folders, or of some of them.

docs/prune.md explains what stays and why: the same as with `orchestrator prune`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.job import (
    Desired,
    JobError,
    LiveState,
    Manifest,
    Parameter,
    PrunePolicy,
    as_written,
    empty_folders,
    flag,
    folders_of,
    inventory,
    left_to_others,
    matching_live,
    nothing_wanted,
    texts,
)

_DEFAULTS = PrunePolicy()
_ONLY = ("versions", "packages", "records")


def whole(given: Mapping[str, Any], name: str) -> int:
    """Read a whole number. Raises `JobError`."""
    value, least = given[name], 1 if name == "keep" else 0
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise JobError(
            f"`{name}` must be a whole number, at least {least}, not {as_written(value)}", advice=f"write {name} = 5"
        )
    return value


def kinds(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read what is to be pruned. Raises `JobError`."""
    found = texts(given, name)
    if unknown := [kind for kind in found if kind not in _ONLY]:
        raise JobError(f"`{name}`: {as_written(unknown[0])} cannot be pruned", advice=f"choose from {', '.join(_ONLY)}")
    return found


PARAMETERS = {
    "keep": Parameter("how many of the newest versions of each function stay", default=_DEFAULTS.keep, read=whole),
    "runs": Parameter("for how many last runs of a function the versions stay", default=_DEFAULTS.runs, read=whole),
    "all": Parameter("delete versions that this tool has not made, too", default=False, read=flag),
    "select": Parameter(
        'live functions of `folders`, in the manifest or not: names, globs, "label:KEY=VALUE"; default: all',
        default=(),
        read=texts,
        selects=True,
    ),
    "only": Parameter(
        'any of "versions", "packages" in the bucket and "records" of runs there; default: all, or only versions'
        " with `select` or `folders`",
        default=(),
        read=kinds,
    ),
    "folders": Parameter("default: every folder of the manifest", default=(), read=texts, selects=True),
}


def folders(manifest: Manifest, given: Mapping[str, Any]) -> Sequence[str]:
    """Return the folders whose functions are pruned."""
    return folders_of(manifest, given)


def desired(manifest: Manifest, live: LiveState, given: Mapping[str, Any]) -> Desired:
    """Return the selection without its old Versions. Nothing is made."""
    inside, patterns = folders(manifest, given), texts(given, "select")
    functions = list(inventory(manifest, live, inside, patterns))
    if patterns:
        functions = matching_live(functions, patterns, inside)
    specs = {one.key: nothing_wanted(one.key, one.function) for one in functions if not one.disabled}
    only = kinds(given, "only") or (("versions",) if patterns or texts(given, "folders") else ())
    warnings = [*empty_folders(inside, live), *left_to_others(manifest, live, inside, patterns)]
    policy = PrunePolicy(whole(given, "keep"), whole(given, "runs"), all=flag(given, "all"), only=only)
    return Desired(specs, given["rollout"], warnings=tuple(warnings), prune=policy)
