"""What a new Version would remove from the live one: nothing that was made by hand is removed silently.

The rule applies to every `guarded` row of the table of fields, which new rows are by default. Something is lost if the
live Version has it and the new one would not (a variable, one subnet, a log level), or would have less of it (memory, a
timeout, an older runtime). Other values, larger amounts and what the cloud fills in by itself are no loss.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from shlex import quote as quoted
from types import MappingProxyType
from typing import Any

from orchestrator.model import Failure, Json, SettingChange, Settings, Version
from orchestrator.model.command_line import command_line
from orchestrator.version.body import settings_fields
from orchestrator.version.codec import names_behind, only_asked
from orchestrator.version.compare import differences, setting_changes
from orchestrator.version.copy import unknown_fields, unreadable_fields
from orchestrator.version.fields import BY_API, FIELDS, FilledIn, Shown
from orchestrator.version.mounts import with_mounts_alone


def taken_away(
    settings: Settings,
    latest: Version,
    *,
    folder_id: str = "",
    let_go: Container[str] = (),
    filled_in: bool = False,
    former: Json = MappingProxyType({}),
) -> tuple[str, ...]:
    """Return what the live Version has and one with these settings would not have, or have less of: names of variables
    and secrets without their values, the rest in words. Unreadable and unknown fields are included.

    `folder_id`: the function's own; the default of its logs, so no loss. `let_go`: what someone removes by name, a
    setting ("memory_bytes") or an entry of one ("environment.LEVEL"). `filled_in`: see `differences`. `former`: the
    newest unedited Version of ours. If it has the same network, its subnets were filled in by the cloud, and others
    were not.
    """
    lost = _lost(settings, latest, folder_id, let_go, filled_in=filled_in, former=former)
    found = [said for some in lost.values() for said in some]
    readable = {name: value for name, value in latest.raw.items() if name not in unreadable_fields(latest.raw)}
    found += names_behind("settings that this program does not know:", unknown_fields(readable))
    return tuple(sorted(found, key=lambda said: " → " in said))  # removed, then reduced


def changed_besides(settings: Settings, latest: Version, *, filled_in: bool = False) -> tuple[str, ...]:
    """Return in words what a Version with these settings would change in the live one, except losses."""
    lost = _lost(settings, latest, "", (), filled_in=filled_in, former={})
    found = differences(settings, latest.raw, filled_in=filled_in)
    kept = {name: said.removesuffix(" changed") for name, said in found.items() if name not in lost}
    for row in FIELDS:
        if row.api in found and row.api in lost and row.shown in (Shown.ENTRIES, Shown.ITEMS):
            other = " ".join(word for word in found[row.api].split(" ") if not word.startswith("-"))
            kept |= {row.api: other} if other != f"{row.label}:" else {}
    return tuple(kept.values())


def put_back(settings: Settings, latest: Version, before: Version, named: Container[str] = ()) -> tuple[str, ...]:
    """Return what a Version with these settings would revert: where the live one differs from the one `before` it, and
    these settings are as before. A third value is intended, and so is what someone has `named`: a setting, or an entry
    of one ("environment.LEVEL").
    """
    as_before = {_what(one) for one in setting_changes(settings, before.raw, filled_in=True)}
    changed = {_what(one): one for one in setting_changes(settings, latest.raw, filled_in=True)}
    return tuple(
        f"{one.label} {one.what}" for what, one in changed.items() if what not in as_before and what not in named
    )


def _what(one: SettingChange) -> str:
    """Return which setting, or which entry of one, a change is about."""
    row = _BY_LABEL[one.label]
    return f"{row.setting}.{one.what}" if row.shown in (Shown.ENTRIES, Shown.ITEMS) else row.setting


_BY_LABEL = {row.label: row for row in FIELDS}


def lost_fields(settings: Settings, latest: Version, folder_id: str) -> frozenset[str]:
    """Return the API's names of the fields that would lose something with these settings, except what the cloud is
    known to have filled in. `folder_id`: see `taken_away`.
    """
    return frozenset(_lost(settings, latest, folder_id, (), filled_in=False, former={}))


def _lost(
    settings: Settings,
    latest: Version,
    folder_id: str,
    let_go: Container[str],
    *,
    filled_in: bool,
    former: Json,
) -> dict[str, list[str]]:
    """Return what is lost, by the API's name of the field."""
    desired, live = with_mounts_alone(settings_fields(settings, "")), with_mounts_alone(latest.raw)
    found: dict[str, list[str]] = {}
    for row in FIELDS:
        before, after = live.get(row.api), desired.get(row.api)
        if before is None or not row.guarded or row.setting in let_go:
            continue
        if not row.codec.readable(before):
            found[row.api] = [f"{row.label}, which cannot be read"]
            continue
        if row.shown in (Shown.ENTRIES, Shown.ITEMS):
            names = row.codec.names(before)
            elsewhere = BY_API[row.or_in].codec.names(desired.get(row.or_in)) if row.or_in else frozenset()
            given = {name for name in names if f"{row.setting}.{name}" in let_go}
            before = row.codec.without(before, (elsewhere - row.codec.names(after)) | given)
        elif row.filled_in is FilledIn.ALL:
            before = _asked_for(before, after, folder_id, filled_in=filled_in)
        if row.codec.readable(former.get(row.api)):
            after = row.codec.filled_in_as(after, former.get(row.api))
        if said := row.codec.lost(row.label, before, after, row.default):
            found[row.api] = said
    return found


def _asked_for(json: Any, desired: Any, folder_id: str, *, filled_in: bool) -> Any:
    """Leave out what the cloud has filled in: the function's own folder, and what was not requested."""
    if filled_in:
        json = None if desired is None else only_asked(desired, json)
    if isinstance(json, Mapping) and folder_id:
        return {name: value for name, value in json.items() if value != folder_id}
    return json


@dataclass(frozen=True, slots=True)
class Adoption:
    """What may be removed: `everything`, from any live Version, or `versions`: (a function's key or name, the Version's
    ID), whatever these have. `resumed`: these were not typed for this run; a former run was shown them and was allowed
    to.
    """

    everything: bool = False
    versions: frozenset[tuple[str, str]] = frozenset()
    resumed: bool = False

    def allows(self, names: Iterable[str], version_id: str) -> bool:
        """Return whether the function of these names may lose what this Version has."""
        return self.everything or any((name, version_id) in self.versions for name in names)

    def __or__(self, other: Adoption) -> Adoption:
        return Adoption(self.everything or other.everything, self.versions | other.versions, self.resumed)

    def texts(self) -> tuple[str, ...]:
        """Return it in the form that `adoption_of` reads, for the record."""
        return (*([EVERYTHING] if self.everything else []), *sorted("@".join(one) for one in self.versions))

    def others(self, names: Container[str]) -> list[str]:
        """Return the Versions that were given for the function of these names."""
        return sorted({version_id for name, version_id in self.versions if name in names})


NOTHING = Adoption()
GUARDED = "adoption"  # the failure kind of a function that would lose something
EVERYTHING = "*"
NAME_AT_VERSION = re.compile(r"([^@].*)@([^@\s]+)")  # not @FILE, which has nothing before its @


def adoption_of(texts: Iterable[str]) -> Adoption:
    """Parse NAME@VERSION_ID, as plans print them, and "*". Raises `ValueError` for anything else."""
    everything, versions = False, set[tuple[str, str]]()
    for text in texts:
        found = NAME_AT_VERSION.fullmatch(text)
        if text == EVERYTHING:
            everything = True
        elif found is None:
            raise ValueError(f'"{text}" is not NAME@VERSION_ID')
        else:
            versions.add((found[1], found[2]))
    return Adoption(everything, frozenset(versions))


_SHOWN_MAX = 3  # changes that are no loss: `plan --adopt` shows all


@dataclass(frozen=True, slots=True)
class Loss:
    """What a new Version would remove: the `code`, in words, "" if it stays, and settings. `back`: changes by a job
    that it would revert. `besides`: other changes.
    """

    code: str = ""
    settings: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    back: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.code or self.settings or self.back)


def refused(
    loss: Loss, label: str, name: str, version_id: str, stale: Iterable[str] = (), *, resumed: bool = False
) -> Failure:
    """Return the failure of a blocked function. `label`: what its live Version is. `name`: the function's. `stale`:
    other Versions of it that were to be adopted. `resumed`: the run resumes another.
    """
    agreed = "what the run may remove was agreed to for version" if resumed else "--adopt names"
    former = f" ({agreed} {', '.join(stale)}, which is no longer live)" if stale else ""
    lost = [said for said in loss.settings if " → " not in said]
    gone = "; ".join((*([loss.code] if loss.code else []), *lost))
    back = "; ".join((*(said for said in loss.settings if " → " in said), *loss.back))
    taken = " and ".join((*([f"remove {gone}"] if gone else []), *([f"change back {back}"] if back else [])))
    more = len(loss.besides) - _SHOWN_MAX
    besides = "; ".join((*loss.besides[:_SHOWN_MAX], *([f"{more} more"] if more > 0 else [])))
    changed = f", and change {besides}" if besides else ""
    keep = f'keep its code with `version_id = "{version_id}"` in place of its source'
    declare = (
        f"declare {'its settings' if loss.code else 'it'} in deploy.toml with `{command_line('import', '--update')}`"
    )
    ways = " and ".join((*([declare] if loss.settings or loss.back else []), *([keep] if loss.code else [])))
    return Failure(
        f"{label}, and the new version would {taken}{changed}{former}",
        kind=GUARDED,
        advice=f"{ways}, or accept this with --adopt {quoted(f'{name}@{version_id}')}",
    )
