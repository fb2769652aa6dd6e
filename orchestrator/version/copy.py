"""A live Version as settings: the inverse of `body.settings_fields`, for copies that keep everything.

createVersion with `versionId` copies the code alone, so every other setting is sent again (cloud-api#packages). A
Version echoes all of them (cloud-api#versions). One that this program does not know must stop the copy, or it would be
lost in silence.
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
    """Want a new Version of `function` with the code of `version` and all its settings but for `changes` (fields of
    `Settings`). A Failure where the version cannot be copied without a loss.
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
            f"the description of version {version.id} has {len(settings.description)} characters, and the fingerprint"
            f" behind it leaves room for {DESCRIPTION_MAX_CHARS}",
            kind="description",
            advice="declare the function in deploy.toml with a shorter description, or leave it out",
        )
    return made


def same_again(function: Function, version: Version, place: Place, **changes: Any) -> FunctionSpec:
    """Want a new Version of `function` with the code of `version` and all its settings that this program knows, but for
    `changes`.
    """
    return FunctionSpec(
        key=function.name or function.id,  # the API allows functions without a name
        name=function.name,
        folder_id=function.folder_id,
        settings=replace(settings_of(version), **changes),
        code=VersionCopy(version.id),
        place=place,
        id=function.id,
        labels=function.labels,
        let_go=frozenset(changes),
    )


_KEYS = {Secret: "environment_variable", Mount: "name", StorageMount: "name"}  # of what lists hold


def carried_over(desired: Settings, base: Settings, latest: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Make the changes that lead from `base` to `desired` to another Version's settings: each entry of a map, each item
    of a list by itself. Also gives the labels of the fields that the other has changed as well, to something else.
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
    """Give a map, or a list of things that have a key, by that key; None for anything else."""
    if isinstance(value, Mapping):
        return dict(value)
    if value is None or value == ():
        return {}
    if isinstance(value, tuple) and type(value[0]) in _KEYS:
        return {getattr(item, _KEYS[type(item)]): item for item in value}
    return None


def unknown_fields(raw: Json) -> tuple[str, ...]:
    """List by dotted name, sorted, what of a Version's JSON `settings_of` does not know, at any depth."""
    return tuple(sorted({path for path, _ in _unknown(raw, _VERSION, "")}))


def unknown_values(raw: Json) -> dict[str, set[str]]:
    """Give what of a Version's JSON `settings_of` does not know: the dotted name → the values there, as JSON texts."""
    found: dict[str, set[str]] = {}
    for path, value in _unknown(raw, _VERSION, ""):
        found.setdefault(path, set()).add(dumps(value, sort_keys=True))
    return found


def as_it_is(former: Json, other: Json) -> dict[str, Any]:
    """Give the fields of a former Version's JSON that a copy of it is sent as they are, since something of them is not
    known or cannot be read. What an `other` Version, which was made without them, has as well and equal is the cloud's
    own and left out.
    """
    theirs, unknown = unknown_values(other), unknown_values(former)
    own = {path for path, values in unknown.items() if values <= theirs.get(path, set())}
    names = {path.partition(".")[0] for path in unknown.keys() - own} | set(unreadable_fields(former))
    names |= {"storageMounts"} if former.get("storageMounts") else set()  # known, and read as the mounts that they are
    found = {name: _without(former[name], name, own) for name in sorted(names)}
    if names & {"mounts", "storageMounts"}:  # the cloud may show the older kind as both
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
    """List, sorted, the fields of a Version's JSON that have not the form which the API documents."""
    return tuple(sorted(row.api for row in FIELDS if not row.codec.readable(raw.get(row.api))))


def settings_of(version: Version) -> Settings:
    """Read a Version's settings: what `settings_fields` would have sent to make it. The stamp is no part of the
    description. The tags are those that the version itself holds, but for ring tags: on a copy they go with it. What
    cannot be read reads as unset: `unreadable_fields` says which.
    """
    raw = with_mounts_alone(version.raw)
    raw = {row.api: value for row in SHOWN if row.codec.readable(value := raw.get(row.api))}
    settings: dict[str, Any] = {row.setting: row.codec.decode(raw.get(row.api)) for row in SHOWN}
    settings["description"] = without_stamp(version.description)
    settings["tags"] = tuple(sorted(tag for tag in without_rings(version.tags) if not tag.startswith("$")))
    return Settings(**settings)
