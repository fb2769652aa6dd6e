"""In what a live Version differs from the settings that are desired, in words. Values of the environment never show."""

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

# Of the deprecated mounts there is nothing left to compare, unless they cannot be read.
_ROWS = (*SHOWN, *(row for row in FIELDS if row.shown is Shown.NOWHERE))


def differences(settings: Settings, live: Json, *, filled_in: bool = False) -> dict[str, str]:
    """Compare each field with the live Version's JSON: the API's field name → what changes, in words.

    `filled_in`: the Version was made of just these settings, so what they leave open and it has (a timeout, the folder
    of the logs, the block size of a disk) was filled in by the cloud and is no difference.
    """
    # A stamp in the description that is desired is part of the text.
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
    """Give what `differences` tells one by one: a variable is one, a value that is hidden is not in it."""
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
    """Say what the cloud made of these settings that it should have taken as they are: in all that a plan compares, or
    the next plan would call it drift. `as_it_is`: fields that were sent so, whatever is known of them.
    """
    known = differences(settings, live, filled_in=True)
    lost = [
        f"{name} was not taken as it was"
        for name, sent in as_it_is.items()
        if only_asked(without_defaults(sent), without_defaults(live.get(name))) != without_defaults(sent)
    ]
    return [words for name, words in known.items() if name not in as_it_is] + lost


def made_with(settings: Settings, *, whole: bool) -> str:
    """Say what a first Version is made with: its values (runtime, memory …), and for the `whole` names of variables,
    secrets and all else, as a comparison with nothing would.
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
    """Say in words what changes from one comparable value to another, "" where nothing does. `filled_in`: as above."""
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
    """Write +added ~changed -removed."""
    return " ".join(
        [
            *(f"+{name}" for name in sorted(desired.keys() - live.keys())),
            *(f"~{name}" for name in sorted(desired.keys() & live.keys()) if desired[name] != live[name]),
            *(f"-{name}" for name in sorted(live.keys() - desired.keys())),
        ]
    )
