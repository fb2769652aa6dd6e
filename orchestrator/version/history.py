"""What the Versions of one Function say of each other: whether the code of one is that of its stamp.

The rule: no two Versions that this tool makes of a Function say the same. The later one gets a mark of its base, and a
copy that a rollback makes a back mark. So a Version that says what an older one says was copied by hand, stamp and
all, and one without a stamp after one of ours was made by hand: the code of either may be any.
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
    """Why the code of a Version may not be that of its stamp. `of`: the code, in words, "" where nobody has said what
    it is; `twin`: id of the older Version whose stamp it has, "" for none. `mine`: the Version itself was made by this
    tool, as a copy of such code.
    """

    of: str
    twin: str = ""
    mine: bool = False


@dataclass(frozen=True)
class History:
    """The Versions of one Function, the oldest first, but for those that are still being made. `replaced`: somebody has
    made the Function itself. `as_live`: what of its settings are somebody else's.
    """

    versions: tuple[Version, ...] = ()
    replaced: Replaced | None = None
    as_live: AsLive = NONE_LEFT

    @cached_property
    def _said(self) -> tuple[Whole | None, ...]:
        return tuple(_whole(version) for version in self.versions)

    def has(self, digest: Fingerprint) -> bool:
        """Whether a new Version with this stamp would say the same as one that is there."""
        return whole(digest) in self._said

    def with_also(self, version: Version) -> History:
        """Add the one that took `$latest` since."""
        return replace(history_of(self.versions, version, self.replaced), as_live=self.as_live)

    def leaving(self, left: AsLive) -> History:
        """Count what others change of what is left as it is live as theirs, whatever a job changes of it now."""
        left = replace(left, but=frozenset(), declared=None) if left else left
        return replace(self, as_live=left) if left != self.as_live else self

    def as_made(self, version: Version) -> Version:
        """Give the Version that this one was before others changed what is left as it is live, and nothing else."""
        return next((one for one, _ in reversed([*self.before_others(version)])), version)

    def before_others(self, version: Version) -> Iterator[tuple[Version, History]]:
        """Give each Version that this one was before others changed what is left as it is live, the newest first, with
        the history up to it.
        """
        at = self._place(version)
        while self.as_live and at and changed_alone(self.versions[at - 1], version, self.as_live):
            yield self.versions[at - 1], History(self.versions[:at], self.replaced, self.as_live)
            at, version = at - 1, self.versions[at - 1]

    def last_sound(self, version: Version) -> Version | None:
        """Find the newest Version before this one that this tool has made, and whose code nobody has edited."""
        at = self._place(version)
        older = zip(reversed(self.versions[:at]), reversed(self._said[:at]), strict=True)
        return next((one for one, said in older if said is not None and self.doubt(one) is None), None)

    def before_job(self, version: Version) -> Version | None:
        """Find the newest Version before one that a job made, and before all others that jobs have made since: what
        jobs have changed is what is otherwise. None where no job made it.
        """
        if not is_of_job(version):
            return None
        return next((one for one in reversed(self.versions[: self._place(version)]) if not is_of_job(one)), None)

    def doubt(self, version: Version) -> Doubt | None:
        """Say why the code of a Version may not be that of its stamp; None where nothing speaks for that.

        | the Version                                                       | its code                     |
        | ---                                                               | ---                          |
        | differs from the one before in what is left as it is live alone   | as that of the one before    |
        | is of a Function that somebody has made again                     | nobody has said what it is   |
        | no stamp, and none of the older ones has one                      | nobody has said what it is   |
        | no stamp, and an older one has                                    | may have been edited         |
        | says the same as an older one                                     | may have been edited         |
        | the copy of another that a rollback made, see `takes_place`       | as that of the other         |
        | has the mark of a copy whose code was in doubt                    | was made or edited by hand   |
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
    """Say whether a job made a Version, and wanted something else than the manifest."""
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
    """Whether a Version with a back mark took the place of the very one that was withdrawn."""
    withdrawn = read_stamp(older[-1].description) if older else None
    return withdrawn is not None and back_mark(withdrawn, version) == read_back_mark(version.description)


def text_of(version: Version) -> tuple[str, Whole | None]:
    """Give what a rollback takes over of a description: all but the back mark."""
    description = without_back_mark(version.description)
    stamp = read_stamp(description)
    return text_before(description), whole(stamp) if stamp is not None else None


def _whole(version: Version) -> Whole | None:
    stamp = read_stamp(version.description)
    return whole(stamp) if stamp is not None else None


def whole(stamp: Fingerprint) -> Whole:
    """Give all that a Version says of itself."""
    return stamp.settings, stamp.code, stamp.forced, stamp.marks


def history_of(versions: Iterable[Version], latest: Version | None = None, replaced: Replaced | None = None) -> History:
    """Put the Versions of one Function in the order in which they were asked for. `latest`: the one that is `$latest`:
    the newest of those of one second, or where its time is not told. `replaced`: see `History`.
    """
    live = latest.id if latest is not None else ""
    made = [one for one in versions if not one.is_creating and one.id != live]
    made += [latest] if latest is not None else []
    made.sort(key=lambda one: (one.created_at or (_LONG_AHEAD if one.id == live else _LONG_AGO), one.id == live))
    return History(tuple(made), replaced)


def histories(live: LiveState) -> dict[str, History]:
    """Tell the history of each Function of which Versions were read, by its id."""
    found: dict[str, list[Version]] = {}
    for version in live.versions.values():
        found.setdefault(version.function_id, []).append(version)
    return {
        function_id: history_of(some, live.latest(function_id), live.replaced.get(function_id))
        for function_id, some in found.items()
    }
