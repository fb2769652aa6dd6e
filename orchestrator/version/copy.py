"""A live Version as settings: the inverse of `body.settings_fields`, for copies that keep everything.

createVersion with `versionId` copies only the code, so every other setting is sent again (cloud-api#packages). A
Version returns all of them (cloud-api#versions). An unknown field must stop the copy, or it would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from json import dumps
from typing import Any

from orchestrator.model import (
    Failure,
    Function,
    FunctionSpec,
    Json,
    Mount,
    Place,
    Secret,
    Settings,
    StorageMount,
    Version,
    VersionCopy,
)
from orchestrator.version.codec import Known
from orchestrator.version.fields import FIELDS, SHOWN, TAGS
from orchestrator.version.mounts import with_mounts_alone
from orchestrator.version.rings import without_rings
from orchestrator.version.stamp import DESCRIPTION_MAX_CHARS, without_stamp

_CLOUDS_OWN = ("id", "functionId", "createdAt", "imageSize", "status", "tags")
_VERSION = {**dict.fromkeys(_CLOUDS_OWN), **{row.api: row.codec.known for row in FIELDS}}


def copy_spec(function: Function, version: Version, place: Place, **changes: Any) -> FunctionSpec | Failure:
    """Return the spec of a new Version of `function` with the code of `version` and all its settings, except for
    `changes` (fields of `Settings`). A Failure if the copy would lose something.
    """
    unreadable = unreadable_fields(version.raw)
    if unreadable:
        return Failure(
            f"version {version.id} has settings that cannot be read: {', '.join(unreadable)}",
            kind="unreadable fields",
            advice="a copy would lose them: declare the function in deploy.toml, or leave it out",
        )
    unknown = unknown_fields(version.raw)
    if unknown:
        return Failure(
            f"version {version.id} has settings that this program does not know: {', '.join(unknown)}",
            kind="unknown fields",
            advice="a copy would lose them: use a newer release of this program",
        )
    made = same_again(function, version, place, **changes)
    settings = made.settings
    if len(settings.description) > DESCRIPTION_MAX_CHARS:
        return Failure(
            f"the description of version {version.id} has {len(settings.description)} characters, but with the"
            f" fingerprint at most {DESCRIPTION_MAX_CHARS} fit",
            kind="description",
            advice="declare the function in deploy.toml with a shorter description, or leave it out",
        )
    return made


def same_again(function: Function, version: Version, place: Place, **changes: Any) -> FunctionSpec:
    """Return the spec of a new Version of `function` with the code of `version` and all its known settings, except for
    `changes`.
    """
    return FunctionSpec(
        key=function.name or function.id,  # a name may be empty (cloud-api#functions)
        name=function.name,
        folder_id=function.folder_id,
        settings=replace(settings_of(version), **changes),
        code=VersionCopy(version.id),
        place=place,
        id=function.id,
        labels=function.labels,
        let_go=frozenset(changes),
    )


_KEYS = {Secret: "environment_variable", Mount: "name", StorageMount: "name"}  # of list items


def carried_over(desired: Settings, base: Settings, latest: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Apply the changes from `base` to `desired` to another Version's settings, each map entry and each list item by
    itself. Also returns the labels of fields that the other Version has changed too, to other values.
    """
    made: dict[str, Any] = {}
    conflicts = []
    for row in (*FIELDS, TAGS):
        ours, former, theirs = (getattr(one, row.setting) for one in (desired, base, latest))
        merged = _merged(ours, former, theirs)
        if merged is _CONFLICT:
            conflicts.append(row.label)
        else:
            made[row.setting] = merged
    return replace(desired, **made), tuple(conflicts)


_CONFLICT: Any = object()


def _merged(ours: Any, former: Any, theirs: Any) -> Any:
    if ours in (former, theirs):
        return theirs
    if theirs == former:
        return ours
    entries = [by_name_of(value) for value in (ours, former, theirs)]
    if any(one is None for one in entries):
        return _CONFLICT
    mine, then, now = (one or {} for one in entries)
    found = dict(now)
    for key in {**mine, **then}:
        if mine.get(key) == then.get(key):
            continue
        if now.get(key) not in (then.get(key), mine.get(key)):
            return _CONFLICT
        if key in mine:
            found[key] = mine[key]
        else:
            found.pop(key, None)
    return found if isinstance(ours or former or theirs, Mapping) else tuple(found.values())


def by_name_of(value: Any) -> dict[str, Any] | None:
    """Return a map, or a list of items with a key, by that key; None for anything else."""
    if isinstance(value, Mapping):
        return dict(value)
    if value is None or value == ():
        return {}
    if isinstance(value, tuple) and type(value[0]) in _KEYS:
        return {getattr(item, _KEYS[type(item)]): item for item in value}
    return None


def unknown_fields(raw: Json) -> tuple[str, ...]:
    """Return the sorted dotted names of what `settings_of` does not know in a Version's JSON, at any depth."""
    return tuple(sorted({path for path, _ in _unknown(raw, _VERSION, "")}))


def unknown_values(raw: Json) -> dict[str, set[str]]:
    """Return what `settings_of` does not know in a Version's JSON: dotted name → its values as JSON text."""
    found: dict[str, set[str]] = {}
    for path, value in _unknown(raw, _VERSION, ""):
        found.setdefault(path, set()).add(dumps(value, sort_keys=True))
    return found


def as_it_is(former: Json, other: Json) -> dict[str, Any]:
    """Return the fields of a former Version's JSON that its copy is sent unchanged, because something in them is
    unknown or unreadable. What an `other` Version, which was made without them, has too and equal was added by the
    cloud and is left out.
    """
    theirs, unknown = unknown_values(other), unknown_values(former)
    own = {path for path, values in unknown.items() if values <= theirs.get(path, set())}
    names = {path.partition(".")[0] for path in unknown.keys() - own} | set(unreadable_fields(former))
    names |= {"storageMounts"} if former.get("storageMounts") else set()  # known, and read as mounts
    found = {name: _without(former[name], name, own) for name in sorted(names)}
    if names & {"mounts", "storageMounts"}:  # shown in both fields, maybe (cloud-api#fields)
        mounts, older = former.get("mounts"), former.get("storageMounts")
        seen = {one.get("name") for one in mounts or () if isinstance(one, Mapping)} if isinstance(mounts, list) else ()
        if isinstance(older, list):
            older = [one for one in older if not isinstance(one, Mapping) or one.get("mountPointName") not in seen]
        found |= {"mounts": _without(mounts or [], "mounts", own), "storageMounts": older or []}
    return found


def _without(value: Any, path: str, left_out: set[str]) -> Any:
    if isinstance(value, Mapping):
        inner = {name: f"{path}.{name}" for name in value}
        return {
            name: _without(item, inner[name], left_out) for name, item in value.items() if inner[name] not in left_out
        }
    return [_without(item, path, left_out) for item in value] if isinstance(value, list) else value


def _unknown(value: Any, known: Known, path: str) -> Iterator[tuple[str, Any]]:
    if value is None or known is None:  # null is unset
        return
    if isinstance(known, frozenset):
        if not isinstance(value, str) or value not in known:
            yield path, value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _unknown(item, known, path)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            dotted = f"{path}.{name}" if path else name
            if name in known:
                yield from _unknown(item, known[name], dotted)
            elif item is not None:
                yield dotted, item
    else:
        yield path, value


def unreadable_fields(raw: Json) -> tuple[str, ...]:
    """Return the sorted fields of a Version's JSON that do not have the documented form."""
    return tuple(sorted(row.api for row in FIELDS if not row.codec.readable(raw.get(row.api))))


def settings_of(version: Version) -> Settings:
    """Return a Version's settings: what `settings_fields` would have sent to make it. The stamp is not part of the
    description. The tags are those that the Version itself holds, except ring tags: they would move to a copy.
    Unreadable fields become unset; `unreadable_fields` returns them.
    """
    raw = with_mounts_alone(version.raw)
    raw = {row.api: value for row in SHOWN if row.codec.readable(value := raw.get(row.api))}
    settings: dict[str, Any] = {row.setting: row.codec.decode(raw.get(row.api)) for row in SHOWN}
    settings["description"] = without_stamp(version.description)
    settings["tags"] = tuple(sorted(tag for tag in without_rings(version.tags) if not tag.startswith("$")))
    return Settings(**settings)
