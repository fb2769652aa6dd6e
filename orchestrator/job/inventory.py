"""The live functions in a job's folders, in the manifest or not, and copies of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.job.contract import JobError, texts
from orchestrator.manifest.environments.choosing import folder_advice
from orchestrator.manifest.findings import require_sound
from orchestrator.model import Failure, Function, FunctionSpec, Manifest, Place, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.model.of_others import is_of_others, may_be_of_others
from orchestrator.planning.selection import Selectable, matching
from orchestrator.version.copy import copy_spec, settings_of


@dataclass(frozen=True, slots=True)
class LiveFunction:
    """A Function of a job's folders with its `$latest`. `spec`: as the manifest declares it, None if it does not.

    `key` is the manifest's; otherwise the Function's name if it is unique, or else FOLDER/NAME.
    """

    key: str
    function: Function
    latest: Version
    spec: FunctionSpec | None

    @property
    def runtime(self) -> str:
        """The runtime of `$latest`."""
        return self.latest.runtime

    @property
    def disabled(self) -> bool:
        """Whether the manifest leaves it out of every run."""
        return self.spec is not None and not self.spec.enabled


def folders_of(manifest: Manifest, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the folders of the parameter `folders`, or every folder of the manifest. Raises `JobError` if there are
    none.
    """
    named = texts(given, "folders")
    of_manifest = [spec.folder_id for spec in manifest.functions.values() if spec.folder_id]
    if manifest.cloud.folder_id is not None:
        of_manifest.append(manifest.cloud.folder_id)
    found = tuple(dict.fromkeys(named or of_manifest))
    if not found:
        chosen = [manifest.environment] if manifest.environment else []
        advice = f"give `folders`, or {folder_advice(chosen, manifest.environments)}"
        raise JobError("the job has no folders", advice=advice)
    return found


def empty_folders(folders: Iterable[str], live: LiveState) -> list[str]:
    """Return warnings about folders in which nothing is live: these are most likely the wrong ones."""
    inside = {function.folder_id for function in live.by_id.values() if live.latest(function.id) is not None}
    return [f"folder {folder} has no functions with a version" for folder in folders if folder not in inside]


def inventory(
    manifest: Manifest, live: LiveState, folders: Iterable[str], named: Container[str] = ()
) -> tuple[LiveFunction, ...]:
    """Return the Functions of these folders that have a Version, in the order of their keys.

    Functions that another environment declares are left out: where environments share a folder, this one may not change
    them. If the files leave this open, they are left out too, unless they are `named`. Raises `ManifestError` if it is
    not known which of them is a function of the manifest.
    """
    inside = frozenset(folders)
    require_sound(spec for spec in manifest.functions.values() if _is_unstated(spec, inside))
    by_id = {spec.id: spec for spec in manifest.functions.values() if spec.id is not None}
    of_name = {(spec.folder_id, spec.name): spec for spec in manifest.functions.values() if spec.id is None}
    names = Counter(function.name for function in live.by_id.values())
    found = []
    for function in live.by_id.values():
        latest = live.latest(function.id)
        if function.folder_id in inside and latest is not None:
            spec = by_id.get(function.id) or of_name.get((function.folder_id, function.name))
            if spec is None and is_of_others(function, manifest.of_others):
                continue
            alone = names[function.name] == 1 and function.name not in manifest.functions
            key = spec.key if spec is not None else _key(function, alone=alone)
            by_name = key in named or function.name in named or function.id in named
            if spec is None and not by_name and may_be_of_others(function, manifest.of_others):
                continue
            found.append(LiveFunction(key, function, latest, spec))
    return tuple(sorted(found, key=lambda one: one.key))


def left_to_others(
    manifest: Manifest, live: LiveState, folders: Iterable[str], named: Container[str] = ()
) -> list[str]:
    """Return warnings about functions that `inventory` leaves out because they may belong to another environment."""
    known = inventory(replace(manifest, of_others=frozenset()), live, folders)
    surely = [one for one in known if one.spec is None and not is_of_others(one.function, manifest.of_others)]
    taken = {one.function.id for one in inventory(manifest, live, folders, named)}
    left = [one.key for one in surely if one.function.id not in taken]
    if not left:
        return []
    more = f" and {len(left) - _NAMED_MAX} more" if len(left) > _NAMED_MAX else ""
    names = f"{', '.join(left[:_NAMED_MAX])}{more}"
    why = "left alone, since they are not in the manifest and may be another environment's, which its files leave open"
    return [f"{why}: {names}; declare those that are meant, or list each by name if the job takes names"]


_NAMED_MAX = 5


def _is_unstated(spec: FunctionSpec, inside: frozenset[str]) -> bool:
    return bool(spec.unstated & {"name", "id", "folder_id"}) and (
        "folder_id" in spec.unstated or spec.folder_id in inside
    )


def _key(function: Function, *, alone: bool) -> str:
    if not function.name:  # cloud-api#functions
        return function.id
    return function.name if alone else f"{function.folder_id}/{function.name}"


def matching_live(
    functions: Iterable[LiveFunction], patterns: Iterable[str], folders: Iterable[str]
) -> list[LiveFunction]:
    """Return the live functions selected by names, globs and labels. `folders`: those that were read. Raises
    `UsageError`.
    """
    by_key = {one.key: one for one in functions}
    things = {key: _selectable(one) for key, one in by_key.items()}
    of = f"what is live in {listed(folders)}"
    return [by_key[key] for key in matching(things, patterns, of=of, what="live function")]


def _selectable(one: LiveFunction) -> Selectable:
    where = f"{one.spec.place.file}:{one.spec.place.line}" if one.spec is not None and one.disabled else ""
    return Selectable((one.key, one.function.name, one.function.id), one.function.labels, where)


def copy_of(one: LiveFunction, manifest: Manifest, failures: dict[str, str], **changes: Any) -> FunctionSpec:
    """Return the spec of a new Version with the code and all settings of `$latest`, except for `changes` (fields of
    `Settings`).

    If that is impossible, the reason is added to `failures` and the spec describes the function as it is, for the plan.
    """
    place = one.spec.place if one.spec is not None else Place(manifest.path.name, 0)
    made = copy_spec(one.function, one.latest, place, **changes)
    if not isinstance(made, Failure):
        return _checked_as_declared(replace(made, key=one.key), one.spec)
    failures[one.key] = sentence(made)
    return FunctionSpec(
        key=one.key,
        name=one.function.name,
        folder_id=one.function.folder_id,
        settings=settings_of(one.latest),
        code=VersionCopy(one.latest.id),
        place=place,
        id=one.function.id,
        labels=one.function.labels,
    )


def _checked_as_declared(made: FunctionSpec, declared: FunctionSpec | None) -> FunctionSpec:
    """Return a copy that is verified and promoted as the manifest declares. Promoted tags do not move with it, but
    after verification. What the manifest leaves as it is live stays so in the copy, except what the job changes by
    name.
    """
    if declared is None:
        return made
    tags = tuple(tag for tag in made.settings.tags if tag not in declared.promote)
    return replace(
        made,
        settings=replace(made.settings, tags=tags),
        verify=declared.verify,
        promote=declared.promote,
        called_by=declared.called_by,
        as_live=replace(declared.as_live, but=made.let_go),
    )


def sentence(failure: Failure) -> str:
    """Return a Failure as one line."""
    return f"{failure.message}; {failure.advice}" if failure.advice else failure.message


def listed(names: Iterable[str]) -> str:
    """Return names as text, each one once."""
    return ", ".join(sorted(names))
