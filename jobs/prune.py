"""Delete old versions of the functions of whole folders, or of some of them, that nobody needs any more.

What stays, and why, is told in docs/prune.md: the same as `orchestrator prune` keeps.
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
    empty_folders,
    flag,
    folders_of,
    inventory,
    matching_live,
    nothing_wanted,
    texts,
)

_DEFAULTS = PrunePolicy()


def whole(given: Mapping[str, Any], name: str) -> int:
    """Read a whole number. Raises `JobError`."""
    value, least = given[name], 1 if name == "keep" else 0
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise JobError(f"`{name}` must be a whole number, at least {least}, not {value!r}", advice=f"write {name} = 5")
    return value


PARAMETERS = {
    "keep": Parameter("how many of the newest versions of each function stay", default=_DEFAULTS.keep, read=whole),
    "runs": Parameter("of how many last runs of a function the versions stay", default=_DEFAULTS.runs, read=whole),
    "all": Parameter("versions that this tool has not made go, too", default=False, read=flag),
    "select": Parameter(
        'live functions of `folders`, in the manifest or not: names, globs, "label:KEY=VALUE"; default: all',
        default=(),
        read=texts,
        selects=True,
    ),
    "folders": Parameter("default: every folder of the manifest", default=(), read=texts, selects=True),
}


def folders(manifest: Manifest, given: Mapping[str, Any]) -> Sequence[str]:
    """Give the folders whose functions are pruned."""
    return folders_of(manifest, given)


def desired(manifest: Manifest, live: LiveState, given: Mapping[str, Any]) -> Desired:
    """Want old versions of the selection deleted; nothing is made."""
    inside, patterns = folders(manifest, given), texts(given, "select")
    functions = list(inventory(manifest, live, inside))
    if patterns:
        functions = matching_live(functions, patterns, inside)
    specs = {one.key: nothing_wanted(one.key, one.function) for one in functions if not one.disabled}
    policy = PrunePolicy(whole(given, "keep"), whole(given, "runs"), all=flag(given, "all"))
    return Desired(specs, given["rollout"], warnings=tuple(empty_folders(inside, live)), prune=policy)
