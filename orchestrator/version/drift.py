"""Whether a live Version still has the settings of its stamp: the console copies a description with its stamp into a
Version that is edited by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, islice, product
from typing import Any

from orchestrator.model import NONE_LEFT, AsLive, Fingerprint, Json, Settings, Version
from orchestrator.version.as_live import LIVE_MARK, marked_digest, without_left
from orchestrator.version.body import canonical, settings_fields
from orchestrator.version.codec import only_set
from orchestrator.version.compare import change
from orchestrator.version.copy import unreadable_fields
from orchestrator.version.fields import BY_API, FIELDS, Field, FilledIn
from orchestrator.version.mounts import with_mounts_alone
from orchestrator.version.stamp import digest_of, text_before

_MOUNTS = (BY_API["mounts"], BY_API["storageMounts"])  # two spellings of one value
_GROUPS = (_MOUNTS, *((row,) for row in FIELDS if row not in _MOUNTS))
_READINGS_MAX = 4_096  # every reading of twelve fields with two readings each; 10 ms if none matches


def is_as_stamped(settings: Settings, latest: Version, stamp: Fingerprint) -> bool:
    """Return whether the live settings, in any reading of what was sent, have the digest of the stamp.

    What was sent is only known by its digest, and the cloud may have added or left out defaults. So each field has
    several readings: as in `settings`, if that means the same; as it is live, with and without the zeros that proto3
    JSON leaves out; without what the cloud fills in.
    """
    return any(_digest(one) == stamp.settings for one in _as_sent(settings, latest, NONE_LEFT))


def is_as_marked(settings: Settings, latest: Version, stamp: Fingerprint, left: AsLive) -> bool:
    """Return whether all live settings that are not left as they are live match the stamp's mark of them."""
    mark = dict(stamp.marks).get(LIVE_MARK)
    readings = _as_sent(settings, latest, left) if mark is not None else ()
    return any(marked_digest(_together(one)) == mark for one in readings)


def _as_sent(settings: Settings, latest: Version, left: AsLive) -> Iterator[tuple[Json, ...]]:
    """Yield the readings of what was sent, except what is left as it is live; none if it cannot be read."""
    raw = without_left({**latest.raw, "description": text_before(latest.description)}, left)
    if unreadable_fields(raw):
        return iter(())
    asked = without_left(settings_fields(settings, settings.description), left)
    live, desired = with_mounts_alone(raw), with_mounts_alone(asked)
    sent = without_left(canonical(settings), left)
    near = [_readings(rows, sent, raw, same=_same(rows[0], live, desired)) for rows in _GROUPS]
    as_live = [_readings(rows, sent, raw, same=False) for rows in _GROUPS]
    return chain(islice(_likeliest(near), _READINGS_MAX), islice(_likeliest(as_live), _READINGS_MAX))


def _likeliest(readings: list[list[Json]]) -> Iterator[tuple[Json, ...]]:
    """Yield combinations with one reading of each group: the likeliest of all first, then with other readings for one
    group, for two, for more.
    """
    several = [number for number, one in enumerate(readings) if len(one) > 1]
    for unlikely in range(len(several) + 1):
        for chosen in combinations(several, unlikely):
            yield from product(*(one[1:] if number in chosen else one[:1] for number, one in enumerate(readings)))


def _same(row: Field, live: Json, desired: Json) -> bool:
    before, after = row.codec.comparable(live.get(row.api)), row.codec.comparable(desired.get(row.api))
    return not change(row, before, after, filled_in=True)


def _readings(rows: tuple[Field, ...], sent: Json, raw: Json, *, same: bool) -> list[Json]:
    """Return the readings of what may have been sent for some fields, the likeliest first."""
    as_live = only_set({row.api: _as_live(row, raw.get(row.api)) for row in rows})
    found = [{row.api: sent[row.api] for row in rows if row.api in sent}] if same else []
    forms = [as_live]
    if rows[0].filled_in is not FilledIn.NOTHING:
        forms.append({name: BY_API[name].codec.bare(value) for name, value in as_live.items()})
    if rows[0].filled_in is FilledIn.ALL:
        forms.append(dict.fromkeys(row.api for row in rows))
    if "mounts" in as_live and "storageMounts" in as_live:  # shown in both fields, maybe (cloud-api#fields)
        older = {one["mountPointName"] for one in as_live["storageMounts"]}
        forms.append({**as_live, "mounts": [one for one in as_live["mounts"] if one["name"] not in older]})
    for form in forms:
        found += [only_set(form), only_set({name: BY_API[name].codec.spelled_out(form[name]) for name in form})]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def _as_live(row: Field, json: Any) -> Any:
    value = row.codec.decode(json)
    encoded = None if value is None else row.codec.encode(value)
    return row.codec.canonical(encoded) if encoded else None


def _digest(parts: tuple[Json, ...]) -> str:
    return digest_of(_together(parts))


def _together(parts: tuple[Json, ...]) -> Json:
    return {name: value for part in parts for name, value in part.items()}
