"""Compares each value that a function declares with the live one. Pure. Values of variables are never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.function.fields import FUNCTION_FIELDS, desired_of, said_of
from orchestrator.manifest.findings import dotted
from orchestrator.manifest.origins.of_function import ValueOrigin
from orchestrator.manifest.origins.plain import plain_value
from orchestrator.model import AsLive, ChangeKind, Fingerprint, Function, FunctionSpec, SourceCode, Version
from orchestrator.model.live_state import LiveState
from orchestrator.planning.why.facts import Held, SettingRow
from orchestrator.version.body import settings_fields
from orchestrator.version.compare import change
from orchestrator.version.fields import FIELDS, Field, FilledIn, Shown
from orchestrator.version.mounts import with_mounts_alone
from orchestrator.version.stamp import fingerprint, object_changed, read_stamp, without_stamp

LIVE_ONLY = "live"  # the table of what is not declared
_BY_KEY = {row.key: row for row in FIELDS}
# Keys that are another form of a field of the Version.
_ALIASES = {"service_account": "service_account_id", "storage_mounts": "mounts"}
_ENTRIES = (Shown.ENTRIES, Shown.ITEMS)
_CODE = ("source", "package", "version_id")
# Free texts that may hold a secret: their `${NAME}` are shown unexpanded. Their tables also have keys without secrets:
# paths, patterns, numbers.
_NEVER_SHOWN = ("environment", "verify", "build")
_SHOWN_OF_THEM = frozenset({"build.folder", "build.inputs", "verify.attempts", "verify.timeout", "verify.safe"})
_HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class _Sides:
    """The desired and the live value of a field of the Version, in comparable form; None for none. `difference`: the
    change in the words of a plan, "" for none.
    """

    row: Field
    desired: Any
    live: Any
    difference: str = ""
    entries: Mapping[str, Held] = field(default_factory=dict)


def setting_rows(
    spec: FunctionSpec,
    origins: Sequence[ValueOrigin],
    live: LiveState,
    function: Function | None,
    planned: Fingerprint | None = None,
) -> tuple[SettingRow, ...]:
    """Return a row for each declared value, and for each that only the live Version has. `spec`: with names resolved.
    `planned`: the fingerprint of the next Version, None if nothing is planned: then code is not compared.

    | desired | live    | is                                      |
    | ---     | ---     | ---                                     |
    | a       | a       | same                                    |
    | a       | b       | changed                                 |
    | a       | none    | added                                   |
    | none    | b       | removed; same if the cloud filled it in |
    | a       | unknown | not compared                            |
    | a, none | b       | left as it is live, if `ignore` says so |
    """
    left = spec.as_live
    rows = _rows(replace(spec, settings=left.declared or spec.settings), spec, origins, live, function, planned)
    return tuple(replace(row, held=Held.LEFT) if _is_left(row, left) else row for row in rows)


def _is_left(row: SettingRow, left: AsLive) -> bool:
    key, _, entry = row.key.partition(".")
    key = _ALIASES.get(key, key)
    setting = _BY_KEY[key].setting if key in _BY_KEY else key
    return row.held not in (Held.SAME, Held.NOT_COMPARED) and left.has(setting, entry)


def _rows(
    spec: FunctionSpec,
    carried: FunctionSpec,
    origins: Sequence[ValueOrigin],
    live: LiveState,
    function: Function | None,
    planned: Fingerprint | None,
) -> tuple[SettingRow, ...]:
    latest = live.latest(function.id) if function is not None else None
    # Made from these very settings: the cloud filled in what they leave open.
    stamp = read_stamp(latest.description) if latest is not None else None
    made_of = [fingerprint(one.settings, "").settings for one in (spec, carried)]
    as_made = stamp is not None and stamp.settings in made_of
    sides = sides_of(spec, latest, as_made=as_made) if latest is not None else {}
    held = _own(spec, function) | _tags(spec, live, function) | _code(stamp, planned)
    rows = [_declared(one, spec, sides, held) for one in origins]
    declared = {row.key for row in rows}
    return (*rows, *_live_only(sides.values(), declared, whole=spec.as_live.whole))


def sides_of(spec: FunctionSpec, latest: Version, *, as_made: bool) -> dict[str, _Sides]:
    """Compare each field of the Version. Returns the sides by the key in the manifest."""
    desired = with_mounts_alone(settings_fields(spec.settings, spec.settings.description.rstrip()))
    live = with_mounts_alone({**latest.raw, "description": without_stamp(latest.description)})
    return {row.key: _side(row, desired.get(row.api), live.get(row.api), as_made=as_made) for row in FIELDS}


def _side(row: Field, desired: Any, live: Any, *, as_made: bool) -> _Sides:
    if not row.codec.readable(live):
        return _Sides(row, row.codec.comparable(desired), None, f"{row.label} cannot be read")
    one, other = row.codec.comparable(desired), row.codec.comparable(live)
    difference = change(row, other, one, filled_in=as_made)
    if row.shown not in _ENTRIES:
        return _Sides(row, one, other, difference)
    asked = row.codec.only_asked(one, other) if as_made and row.filled_in is not FilledIn.NOTHING else other
    names = {**(one or {}), **(other or {})}
    return _Sides(row, one, other, difference, {name: _entry(name, one or {}, asked or {}) for name in names})


def _entry(name: str, desired: Mapping[str, Any], live: Mapping[str, Any]) -> Held:
    if name not in live:
        return Held.ADDED
    if name not in desired:
        return Held.REMOVED
    return Held.SAME if desired[name] == live[name] else Held.CHANGED


def _declared(
    one: ValueOrigin, spec: FunctionSpec, sides: Mapping[str, _Sides], held: Mapping[str, tuple[Held, str]]
) -> SettingRow:
    made = SettingRow(
        one.key, Held.NOT_COMPARED, _words(one, spec), "", one.table, one.place, one.over, one.variables, one.written
    )  # fmt: skip
    if one.key in held:
        state, live = held[one.key]
        return replace(made, held=state, live=live)
    if one.setting in _CODE and one.setting in held:  # the parts of `package`
        return replace(made, held=held[one.setting][0], live=held[one.setting][1])
    found = sides.get(_ALIASES.get(one.setting, one.setting))
    if found is None:
        return made
    if one.name and found.row.shown in _ENTRIES:
        state = found.entries.get(one.name, Held.NOT_COMPARED)
        return replace(made, held=state, live=_entry_words(found, one.name))
    shown = found.row.shown is Shown.VALUES
    live = "" if found.live is None or not shown else str(found.live)
    return replace(made, held=_whole(found), live=live)


def _whole(found: _Sides) -> Held:
    if not found.difference:
        return Held.SAME
    if found.live is None:
        return Held.ADDED
    return Held.REMOVED if found.desired is None else Held.CHANGED


def _words(one: ValueOrigin, spec: FunctionSpec) -> str:
    """Return a declared value in a readable form. What may be secret is never shown."""
    if one.setting in _NEVER_SHOWN and one.key not in _SHOWN_OF_THEM:
        return one.written or _HIDDEN
    if one.setting == "folder_id":
        return spec.folder_id
    row = _BY_KEY.get(one.setting)
    if row is not None and row.shown is Shown.VALUES:
        found = row.codec.comparable(settings_fields(spec.settings, "").get(row.api))
        return "" if found is None else str(found)
    if one.setting == "secrets":
        secret = next((each for each in spec.settings.secrets if each.environment_variable == one.name), None)
        parts = (secret.id or secret.name or "", secret.version_id or "latest", secret.key) if secret else ()
        return "/".join(parts)
    return one.written or _plain(_as_in_a_manifest(one, spec))


def _as_in_a_manifest(one: ValueOrigin, spec: FunctionSpec) -> Any:
    """Return a value as it could be in the manifest: paths relative to its folder."""
    value = plain_value(one.setting, one.name, one.value)
    is_path = one.setting in ("source", "files") or one.key == "build.folder"
    if is_path and isinstance(value, str) and isinstance(spec.code, SourceCode):
        return os.path.relpath(value, spec.code.root)
    return value


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case list():
            return ", ".join(map(_plain, value))
        case dict():
            return ", ".join(f"{name} = {_plain(item)}" for name, item in value.items())
    given = {name: item for name, item in getattr(value, "__dict__", {}).items() if item is not None}
    return _plain(given) if given else ""


def _entry_words(found: _Sides, name: str) -> str:
    if found.row.key in _NEVER_SHOWN or found.live is None:
        return _HIDDEN if name in (found.live or {}) else ""
    live = found.live.get(name)
    if isinstance(live, Mapping) and "versionId" in live:
        return "/".join(str(live.get(part, "")) for part in ("id", "versionId", "key"))
    return live if isinstance(live, str) else ""


def _live_only(sides: Iterable[_Sides], declared: set[str], *, whole: bool) -> Iterator[SettingRow]:
    """Yield rows for what the live Version has and is not declared. `whole`: no setting is declared."""
    for found in sides:
        key = found.row.key
        if found.row.shown in _ENTRIES:
            for name, state in found.entries.items():
                if state is Held.REMOVED:
                    yield SettingRow(f"{key}.{name}", state, "", _entry_words(found, name), LIVE_ONLY)
        elif found.live is not None and (found.desired is None or whole) and found.difference:
            live = str(found.live) if found.row.shown is Shown.VALUES else ""
            if not any(one == key or one.startswith(f"{key}.") for one in declared):
                yield SettingRow(key, Held.REMOVED, "", live, LIVE_ONLY)


def _own(spec: FunctionSpec, function: Function | None) -> dict[str, tuple[Held, str]]:
    """Compare the Function's own settings, by the keys of the manifest."""
    found: dict[str, tuple[Held, str]] = {}
    if function is None:
        return found
    if spec.public is not None and function.public is not None:
        is_open = bool(function.public)
        found["public"] = Held.SAME if is_open is spec.public else Held.CHANGED, str(is_open).lower()
    for row in FUNCTION_FIELDS:
        desired, live = desired_of(row, spec, function), getattr(function, row.live)
        if desired is None or live is None or not row.updated or row.kind is ChangeKind.ACCESS:
            continue
        for name, value in desired.items() if row.mapped else [("", desired)]:
            now = live.get(name) if row.mapped else live
            state = Held.SAME if now == value else Held.CHANGED if now else Held.ADDED
            found[dotted((row.setting, name)) if name else row.setting] = state, said_of(now) if now else ""
    return found


def _code(stamp: Fingerprint | None, planned: Fingerprint | None) -> dict[str, tuple[Held, str]]:
    """Compare the code by its digests, if the stamp of the live Version has them."""
    if stamp is None or planned is None:
        return {}
    same = stamp.code == planned.code and not object_changed(stamp, planned)
    found = (Held.SAME, "") if same else (Held.CHANGED, f"{stamp.code[:4]}…, desired {planned.code[:4]}…")
    return dict.fromkeys(_CODE, found)


def _tags(spec: FunctionSpec, live: LiveState, function: Function | None) -> dict[str, tuple[Held, str]]:
    """Return whether the live Version has all declared tags, and who holds the others."""
    latest = live.latest(function.id) if function is not None else None
    if function is None or latest is None:
        return {}
    found: dict[str, tuple[Held, str]] = {}
    for key, tags in (("tags", spec.settings.tags), ("promote", spec.promote)):
        holders = {tag: live.tagged.get((function.id, tag)) for tag in tags}
        if tags:
            others = [
                f"{tag}: {one.id if one is not None else 'none'}"
                for tag, one in holders.items()
                if one is None or one.id != latest.id
            ]
            found[key] = (Held.CHANGED, "; ".join(others)) if others else (Held.SAME, ", ".join(tags))
    return found
