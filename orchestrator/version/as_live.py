"""Settings that are left as they are live (`ignore`, `settings = "live"`): others own them, and a new Version keeps
them.

Such a Version has a mark with a hash of its other settings. Others who change their settings make a Version with the
same stamp. The mark distinguishes this from an edit of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.model import AsLive, Fingerprint, FunctionSpec, Json, Settings, Version
from orchestrator.version.body import canonical, settings_fields
from orchestrator.version.compare import change
from orchestrator.version.copy import by_name_of, settings_of, unknown_values
from orchestrator.version.fields import BY_API, BY_SETTING, FIELDS, Field, Shown
from orchestrator.version.mounts import with_mounts_alone
from orchestrator.version.stamp import digest_of, fingerprint, read_stamp, without_stamp

LIVE_MARK = "l"  # a hash of what was not left as it is live
_MARK_CHARS = 6  # with all other marks, a stamp has no room for more
LEFT = "left as it is live"
LEFT_KIND = "left as live"  # the failure kind


def leaves_settings(left: AsLive) -> bool:
    """Return whether any setting of a Version is left as it is live. Labels and tags do not count."""
    return any(name.partition(".")[0] in BY_SETTING for name in left.names)


def as_it_is_live(spec: FunctionSpec, latest: Version | None) -> FunctionSpec:
    """Return the spec with the live values of what is left as it is live. Without a live Version it has the declared
    values.
    """
    left = spec.as_live
    if not left or latest is None:
        return spec
    settings = with_parts(spec.settings, settings_of(latest), left)
    return replace(spec, settings=settings, as_live=replace(left, declared=left.declared or spec.settings))


def with_parts(settings: Settings, theirs: Settings, left: AsLive) -> Settings:
    """Return the settings, with another Version's values of what is left as it is live.

    | left                      | the result has                                               |
    | ---                       | ---                                                          |
    | a setting                 | their value                                                  |
    | an entry of a map, a list | their entry, or none                                         |
    | `environment` alone       | their variables, except declared secrets; `secrets` likewise |
    | tags                      | none: they stay where they are                               |
    | what a job names (`but`)  | our value                                                    |
    """
    made = {row.setting: _part(row, getattr(settings, row.setting), theirs, left) for row in FIELDS}
    for row in FIELDS:
        if row.or_in and left.has(row.setting) and not left.has(row.or_in):
            declared = by_name_of(made[row.or_in]) or {}
            kept = {name: one for name, one in (by_name_of(made[row.setting]) or {}).items() if name not in declared}
            made[row.setting] = _from_entries(row, kept)
    if left.has("service_account_id"):
        made["service_account"] = None
    tags = () if left.has("tags") else tuple(tag for tag in settings.tags if not left.has("tags", tag))
    return replace(settings, **made, tags=tags)


def _entries(setting: str, names: frozenset[str]) -> set[str]:
    """Return the entries of a setting that are named one by one."""
    return {name[len(setting) + 1 :] for name in names if name.startswith(f"{setting}.")}


def _part(row: Field, ours: Any, theirs: Settings, left: AsLive) -> Any:
    other = getattr(theirs, row.setting)
    if left.has(row.setting) and not _entries(row.setting, left.but):
        return other
    mine, now = by_name_of(ours) or {}, by_name_of(other) or {}
    names = {name for name in {**mine, **now} if left.has(row.setting, name)}
    if not names:
        return ours
    kept = {name: one for name, one in mine.items() if name not in names}
    return _from_entries(row, kept | {name: one for name, one in now.items() if name in names})


def _from_entries(row: Field, found: Mapping[str, Any]) -> Any:
    return dict(found) if row.shown is Shown.ENTRIES else tuple(found.values())


def as_if_declared(version: Version, left: AsLive) -> Version:
    """Return a Version as it would be with the declared values of what is left as it is live."""
    if left.declared is None:
        return version
    settings = with_parts(settings_of(version), left.declared, left)
    fields = settings_fields(settings, settings.description)
    names = {row.api for row in FIELDS if row.setting in left.names or _entries(row.setting, left.names)}
    return replace(version, raw={**version.raw, **{api: fields.get(api) for api in names if api != "description"}})


def without_left(fields: Json, left: AsLive) -> dict[str, Any]:
    """Return a Version's JSON, or a body, without what is left as it is live. Unreadable fields stay whole."""
    if not left:
        return dict(fields)
    found = {name: (value, _rest(name, value, left)) for name, value in fields.items()}
    return {name: rest for name, (value, rest) in found.items() if rest is value or rest not in _NOTHING}


_NOTHING: tuple[object, ...] = (None, "", [], {})


def _rest(api: str, value: Any, left: AsLive) -> Any:
    row = BY_API.get(api)
    if row is None or not left:
        return value
    if left.has(row.setting) and not _entries(row.setting, left.but):
        return None
    if row.shown not in _WITH_ENTRIES or not row.codec.readable(value):
        return value
    names = {name for name in row.codec.names(value) if left.has(row.setting, name)}
    return row.codec.without(value, names) if names else value


_WITH_ENTRIES = (Shown.ENTRIES, Shown.ITEMS, Shown.NOWHERE)  # the last: mounts of the deprecated kind


def live_mark(settings: Settings, left: AsLive) -> tuple[str, str] | None:
    """Return the mark of a Version with settings that are left as they are live, None if it has none."""
    if not leaves_settings(left):
        return None
    return LIVE_MARK, marked_digest(without_left(canonical(settings), replace(left, but=frozenset())))


def marked_digest(rest: Json) -> str:
    """Return the hash for a mark: of what is not left as it is live."""
    return digest_of(rest)[:_MARK_CHARS]


def desired_on(digest: Fingerprint, spec: FunctionSpec, version: Version) -> Fingerprint:
    """Return the fingerprint that a new Version would have if this Version had the live values. `digest`: of the
    desired Version.
    """
    if not leaves_settings(spec.as_live):
        return digest
    settings = with_parts(spec.settings, settings_of(version), spec.as_live)
    return replace(digest, settings=fingerprint(settings, "").settings)


def changed_alone(before: Version, after: Version, left: AsLive) -> bool:
    """Return whether someone has changed only settings that are left as they are live between two Versions, as far as
    visible: no other setting, no stamp, and not the size of the code.
    """
    if not leaves_settings(left) or _said(before) != _said(after):
        return False
    sizes = before.raw.get("imageSize"), after.raw.get("imageSize")
    if all(sizes) and len({*sizes}) > 1:
        return False
    one, other = (_plain(version, left) for version in (before, after))
    sides = with_mounts_alone(before.raw), with_mounts_alone(after.raw)
    return one == other and any(_differ(row, *(side.get(row.api) for side in sides)) for row in FIELDS)


def _said(version: Version) -> object:
    stamp = read_stamp(version.description)
    return stamp and (stamp, stamp.forced, stamp.marks)


def _plain(version: Version, left: AsLive) -> Any:
    """Return a comparable form of what is not left as it is live, including unknown fields."""
    rest = without_left(with_mounts_alone(version.raw), left)
    known = {
        row.api: row.codec.comparable(rest.get(row.api)) if row.codec.readable(rest.get(row.api)) else rest[row.api]
        for row in FIELDS
    }
    return known, unknown_values(rest)


def _differ(row: Field, before: Any, after: Any) -> bool:
    if row.codec.readable(before) and row.codec.readable(after):
        return bool(row.codec.comparable(before) != row.codec.comparable(after))
    return bool(before != after)


def not_carried(raw: Json, left: AsLive) -> tuple[str, ...]:
    """Return the dotted names of settings that are left as they are live but that a new Version would not get, because
    they are unreadable or unknown.
    """
    rows = [row for row in FIELDS if row.setting in left.names or _entries(row.setting, left.names)]
    names = {row.api for row in rows}
    unreadable = {row.api for row in rows if not row.codec.readable(raw.get(row.api))}
    unknown = {path for path in unknown_values(raw) if left.whole or path.partition(".")[0] in names}
    return tuple(sorted(unreadable | unknown))


def left_in_words(spec: FunctionSpec, latest: Version) -> tuple[str, ...]:
    """Return the declared settings that are left as they are live with another value: "memory: left as it is live
    (1GB)". Values of variables are not shown. `spec`: as `as_it_is_live` returned it.
    """
    left = spec.as_live
    if left.whole:
        return ("its settings: left as they are live",)
    if left.declared is None:
        return ()
    desired = with_mounts_alone(settings_fields(left.declared, left.declared.description))
    live = with_mounts_alone({**latest.raw, "description": without_stamp(latest.description)})
    return tuple(words for row in FIELDS for words in _words(row, desired.get(row.api), live.get(row.api), left))


def _words(row: Field, desired: Any, live: Any, left: AsLive) -> Iterator[str]:
    if row.shown is Shown.NOWHERE or not row.codec.readable(live):
        return
    one, other = row.codec.comparable(desired), row.codec.comparable(live)
    if left.has(row.setting):
        difference = change(row, one, other, filled_in=False)
        if difference:
            value = "none" if other is None else str(other)
            shown = (
                "" if row.shown is Shown.NAME else value if row.shown is Shown.VALUES else difference.partition(": ")[2]
            )
            yield f"{row.label}: {LEFT}{f' ({shown})' if shown else ''}"
        return
    for name in sorted(_entries(row.setting, left.names - left.but)):
        if (one or {}).get(name) != (other or {}).get(name):
            gone = " (none)" if name not in (other or {}) else ""
            yield f"{row.key}.{name}: {LEFT}{gone}"
