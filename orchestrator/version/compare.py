"""How a live Version differs from the desired settings, in words. Values of variables are never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from orchestrator.model import Json, SettingChange, Settings
from orchestrator.version.body import settings_fields
from orchestrator.version.codec import only_asked, without_defaults
from orchestrator.version.fields import FIELDS, SHOWN, Field, FilledIn, Shown
from orchestrator.version.mounts import with_mounts_alone
from orchestrator.version.stamp import without_stamp

# Nothing of the deprecated mounts is left to compare, unless they cannot be read.
_ROWS = (*SHOWN, *(row for row in FIELDS if row.shown is Shown.NOWHERE))


def differences(settings: Settings, live: Json, *, filled_in: bool = False) -> dict[str, str]:
    """Compare each field with the live Version's JSON. Returns the API's field name → what changes, in words.

    `filled_in`: the Version was made with exactly these settings. Then the cloud has filled in what they leave open (a
    timeout, the folder of the logs, the block size of a disk), so that is no difference.
    """
    # A stamp in a desired description is part of the text.
    desired = with_mounts_alone(settings_fields(settings, settings.description.rstrip()))
    live = with_mounts_alone({**live, "description": without_stamp(_text(live.get("description")))})
    found = {}
    for row in _ROWS:
        before, after = live.get(row.api), desired.get(row.api)
        if not row.codec.readable(before):
            found[row.api] = f"{row.label} cannot be read"
        elif before != after:  # as JSON; it may mean the same
            words = change(row, row.codec.comparable(before), row.codec.comparable(after), filled_in=filled_in)
            if words:
                found[row.api] = words
    return found


def setting_changes(settings: Settings, live: Json, *, filled_in: bool = False) -> tuple[SettingChange, ...]:
    """Return the changes of `differences` one by one: each variable is one, and hidden values are left out."""
    desired = with_mounts_alone(settings_fields(settings, settings.description.rstrip()))
    live = with_mounts_alone({**live, "description": without_stamp(_text(live.get("description")))})
    changed = differences(settings, live, filled_in=filled_in)
    return tuple(
        one
        for row in _ROWS
        if row.api in changed
        for one in _signed(row, live.get(row.api), desired.get(row.api), changed[row.api])
    )


def _signed(row: Field, live: Any, desired: Any, words: str) -> Iterator[SettingChange]:
    if not row.codec.readable(live):
        yield SettingChange("~", row.label, "cannot be read")
        return
    before, after = row.codec.comparable(live), row.codec.comparable(desired)
    if row.shown is Shown.VALUES:
        sign, what = (
            ("+", after) if before is None else ("-", before) if after is None else ("~", f"{before} → {after}")
        )
        yield SettingChange(sign, row.label, str(what))
    elif row.shown is Shown.NAME:
        yield SettingChange("~", row.label, "changed")
    else:
        for name in words.removeprefix(f"{row.label}: ").split():
            yield SettingChange(name[0], row.label, name[1:])


def not_as_sent(settings: Settings, live: Json, as_it_is: Json = MappingProxyType({})) -> list[str]:
    """Return how the cloud changed these settings instead of taking them as they are. Everything that a plan compares
    is checked, or the next plan would report drift. `as_it_is`: fields that were sent unchanged.
    """
    known = differences(settings, live, filled_in=True)
    lost = [
        f"{name} was not taken as it was sent"
        for name, sent in as_it_is.items()
        if only_asked(without_defaults(sent), without_defaults(live.get(name))) != without_defaults(sent)
    ]
    return [words for name, words in known.items() if name not in as_it_is] + lost


def made_with(settings: Settings, *, whole: bool) -> str:
    """Return what a first Version is made with: its values (runtime, memory …), and with `whole` the names of
    variables, secrets and all else, as if compared with nothing.
    """
    desired = with_mounts_alone(settings_fields(settings, settings.description.rstrip()))
    found = []
    for row in SHOWN:
        after = row.codec.comparable(desired.get(row.api))
        if row.shown is Shown.VALUES:
            found += [f"{row.label} {after}"] if after is not None else []
        elif whole and (words := change(row, row.codec.comparable(None), after, filled_in=False)):
            found.append(words.removesuffix(" changed"))
    return ", ".join(found)


def _text(json: Any) -> str:
    return json if isinstance(json, str) else ""


def change(row: Field, live: Any, desired: Any, *, filled_in: bool) -> str:
    """Return in words what changes between two comparable values, "" for nothing. `filled_in`: as above."""
    if filled_in and row.filled_in is not FilledIn.NOTHING:
        if desired is not None:
            live = row.codec.only_asked(desired, live)
        elif row.filled_in is FilledIn.ALL:
            live = None
    if live == desired:
        return ""
    if row.shown is Shown.VALUES:
        return f"{row.label} {'none' if live is None else live} → {'none' if desired is None else desired}"
    if row.shown is Shown.NAME:
        return f"{row.label} changed"
    return f"{row.label}: {_signs(desired, live)}"


def _signs(desired: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    """Return +added ~changed -removed."""
    return " ".join(
        [
            *(f"+{name}" for name in sorted(desired.keys() - live.keys())),
            *(f"~{name}" for name in sorted(desired.keys() & live.keys()) if desired[name] != live[name]),
            *(f"-{name}" for name in sorted(live.keys() - desired.keys())),
        ]
    )
