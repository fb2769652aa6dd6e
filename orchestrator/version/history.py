"""What the Versions of one Function show about each other: whether the code of one is that of its stamp.

The rule: this tool never makes two Versions of a Function with equal stamps. The later one gets a mark of its base, and
a rollback's copy a back mark. So a Version with the stamp of an older one was copied by hand. A Version without a stamp
after one of ours was made by hand. The code of either may be anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from orchestrator.model import NONE_LEFT, AsLive, Fingerprint, Version
from orchestrator.model.live_state import LiveState, Replaced
from orchestrator.version.as_live import changed_alone
from orchestrator.version.stamp import (
    HAND_MARK,
    JOB_MARK,
    back_mark,
    read_back_mark,
    read_stamp,
    text_before,
    without_back_mark,
)

Whole = tuple[str, str, str, tuple[tuple[str, str], ...]]
_LONG_AGO, _LONG_AHEAD = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the code of a Version may not be that of its stamp. `of`: the code, in words, "" if nothing is known about
    it. `twin`: ID of the older Version with the same stamp, "" for none. `mine`: this tool made the Version itself, as
    a copy of such code.
    """

    of: str
    twin: str = ""
    mine: bool = False


@dataclass(frozen=True)
class History:
    """The Versions of one Function, the oldest first, without those that are still being made. `replaced`: someone has
    created the Function itself again. `as_live`: which of its settings others own.
    """

    versions: tuple[Version, ...] = ()
    replaced: Replaced | None = None
    as_live: AsLive = NONE_LEFT

    @cached_property
    def _said(self) -> tuple[Whole | None, ...]:
        return tuple(_whole(version) for version in self.versions)

    def has(self, digest: Fingerprint) -> bool:
        """Return whether an existing Version has this stamp."""
        return whole(digest) in self._said

    def with_also(self, version: Version) -> History:
        """Return the history with the Version that took `$latest` since."""
        return replace(history_of(self.versions, version, self.replaced), as_live=self.as_live)

    def leaving(self, left: AsLive) -> History:
        """Return a history in which others own what is left as it is live, whatever a job changes of it now."""
        left = replace(left, but=frozenset(), declared=None) if left else left
        return replace(self, as_live=left) if left != self.as_live else self

    def as_made(self, version: Version) -> Version:
        """Return the Version that this one was before others changed only what is left as it is live."""
        return next((one for one, _ in reversed([*self.before_others(version)])), version)

    def before_others(self, version: Version) -> Iterator[tuple[Version, History]]:
        """Yield each Version that this one was before others changed only what is left as it is live, the newest first,
        with the history up to it.
        """
        at = self._place(version)
        while self.as_live and at and changed_alone(self.versions[at - 1], version, self.as_live):
            yield self.versions[at - 1], History(self.versions[:at], self.replaced, self.as_live)
            at, version = at - 1, self.versions[at - 1]

    def last_sound(self, version: Version) -> Version | None:
        """Return the newest Version before this one that this tool has made, and whose code was not edited."""
        at = self._place(version)
        older = zip(reversed(self.versions[:at]), reversed(self._said[:at]), strict=True)
        return next((one for one, said in older if said is not None and self.doubt(one) is None), None)

    def before_job(self, version: Version) -> Version | None:
        """Return the newest Version before one that a job made, and before all that jobs have made since: the
        differences are the changes of jobs. None if no job made it.
        """
        if not is_of_job(version):
            return None
        return next((one for one in reversed(self.versions[: self._place(version)]) if not is_of_job(one)), None)

    def doubt(self, version: Version) -> Doubt | None:
        """Return why the code of a Version may not be that of its stamp, None if there is no sign of that.

        | the Version                                                    | its code                   |
        | ---                                                            | ---                        |
        | differs from the one before only in what is left as it is live | as that of the one before  |
        | is of a Function that someone has created again                | nothing is known about it  |
        | has no stamp, and no older one has one                         | nothing is known about it  |
        | has no stamp, and an older one has                             | may have been edited       |
        | has the stamp of an older one                                  | may have been edited       |
        | is a rollback's copy of another, see `takes_place`             | as that of the other       |
        | has the mark of a copy whose code was in doubt                 | was made or edited by hand |
        """
        if self.replaced is not None:
            return _OF_ANOTHER
        version = self.as_made(version)
        at, said = self._place(version), _whole(version)
        older = self.versions[:at]
        twin = next((one.id for one, its in zip(older, self._said, strict=False) if said and its == said), "")
        if read_back_mark(version.description) and (not twin or takes_place(version, older)):
            source = next((one for one in reversed(older) if text_of(one) == text_of(version)), None)
            return self.doubt(source) if source is not None else _of_mark(version)
        if said is None:
            return Doubt(_EDITED) if any(self._said[:at]) else None
        return Doubt(_EDITED, twin) if twin else _of_mark(version)

    def _place(self, version: Version) -> int:
        return next((number for number, one in enumerate(self.versions) if one.id == version.id), len(self.versions))


def is_of_job(version: Version) -> bool:
    """Return whether a job made a Version, with other settings than the manifest."""
    stamp = read_stamp(version.description)
    return stamp is not None and JOB_MARK in dict(stamp.marks)


_EDITED = "its code, which may have been edited"
EMPTY = History()
_OF_ANOTHER = Doubt("")


def _of_mark(version: Version) -> Doubt | None:
    stamp = read_stamp(version.description)
    marks = dict(stamp.marks) if stamp is not None else {}
    if HAND_MARK[0] not in marks:
        return None
    by = f"job {marks[JOB_MARK]} copied it" if JOB_MARK in marks else "it was copied"
    return Doubt(f"its code, which was made or edited by hand before {by}", mine=True)


def takes_place(version: Version, older: Sequence[Version]) -> bool:
    """Return whether a Version with a back mark replaced the Version that it withdrew."""
    withdrawn = read_stamp(older[-1].description) if older else None
    return withdrawn is not None and back_mark(withdrawn, version) == read_back_mark(version.description)


def text_of(version: Version) -> tuple[str, Whole | None]:
    """Return the part of a description that a rollback copies: all but the back mark."""
    description = without_back_mark(version.description)
    stamp = read_stamp(description)
    return text_before(description), whole(stamp) if stamp is not None else None


def _whole(version: Version) -> Whole | None:
    stamp = read_stamp(version.description)
    return whole(stamp) if stamp is not None else None


def whole(stamp: Fingerprint) -> Whole:
    """Return all parts of a Version's stamp."""
    return stamp.settings, stamp.code, stamp.forced, stamp.marks


def history_of(versions: Iterable[Version], latest: Version | None = None, replaced: Replaced | None = None) -> History:
    """Return the history of one Function, in the order of the requests. `latest`: the Version of `$latest` counts as
    the newest within its second, or if its time is unknown. `replaced`: see `History`.
    """
    live = latest.id if latest is not None else ""
    made = [one for one in versions if not one.is_creating and one.id != live]
    made += [latest] if latest is not None else []
    made.sort(key=lambda one: (one.created_at or (_LONG_AHEAD if one.id == live else _LONG_AGO), one.id == live))
    return History(tuple(made), replaced)


def histories(live: LiveState) -> dict[str, History]:
    """Return the history of each Function whose Versions were read, by ID."""
    found: dict[str, list[Version]] = {}
    for version in live.versions.values():
        found.setdefault(version.function_id, []).append(version)
    return {
        function_id: history_of(some, live.latest(function_id), live.replaced.get(function_id))
        for function_id, some in found.items()
    }
