"""Versions that later decisions go by, though nobody runs them: who made the live one, and what was withdrawn. Pure.

What is kept says of itself what it said before: `version.history` tells by the older Versions whether somebody has made
or edited one by hand, and a copy that a rollback has made keeps what was withdrawn for it from being deployed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.model import Version
from orchestrator.version.history import History, Whole, history_of, takes_place, text_of, whole
from orchestrator.version.stamp import is_withdrawn, read_back_mark, read_stamp


def evidence(
    versions: Sequence[Version], latest: Version | None, kept: Collection[str], asked: Collection[str], *, later: int
) -> frozenset[str]:
    """Give the ids of the Versions of one Function that tell something of those that are `kept`, and of what may be
    deployed again. `asked`: ids of those of which plans ask who made them, `$latest` among them. `later`: after so many
    later deployments of the Function nothing is kept for what a rollback has withdrawn: who wants that again by then
    wants it in place of all these.

    | a Version that                                                             | tells                          |
    | ---                                                                        | ---                            |
    | is the oldest that says what a kept one says                               | that the kept one was copied   |
    | is the newest of ours before one that somebody else made, and plans look at | that it is no first one       |
    | is what a kept copy of a rollback was copied from, at last                 | whose code the copy has        |
    | was there right before a kept copy of a rollback                           | what it took the place of      |
    | is the newest of ours, without a doubt, before `$latest`                   | what the cloud fills in        |
    | is a copy of a rollback, with fewer than `later` deployments after it, and |                                |
    | what it withdrew is not one of these                                       | that it stays withdrawn        |
    | is the newest that was deployed though a kept copy had withdrawn it        | that it may be                 |
    """
    telling = _Telling(history_of(versions, latest), set(asked))
    telling.ask_sources()
    found = {version.id for version in versions if version.id in kept}
    found |= {copy.id for copy in telling.copies_since(later) if telling.lifts(copy) is None}
    if latest is not None and (sound := telling.history.last_sound(latest)) is not None:
        found.add(sound.id)
    left = [version for version in telling.made if version.id in found]
    while left:
        for other in telling.of(left.pop()):
            if other.id not in found:
                found.add(other.id)
                left.append(other)
    return frozenset(found - set(kept))


@dataclass(frozen=True)
class _Telling:
    """The Versions of one Function, the oldest first, and what each says."""

    history: History
    asked: set[str]

    @property
    def made(self) -> tuple[Version, ...]:
        return self.history.versions

    @cached_property
    def places(self) -> dict[str, int]:
        return {version.id: number for number, version in enumerate(self.made)}

    @cached_property
    def said(self) -> list[Whole | None]:
        stamps = (read_stamp(version.description) for version in self.made)
        return [whole(stamp) if stamp is not None else None for stamp in stamps]

    @cached_property
    def oldest(self) -> dict[Whole, Version]:
        found: dict[Whole, Version] = {}
        for version, said in zip(self.made, self.said, strict=True):
            if said is not None:
                found.setdefault(said, version)
        return found

    @cached_property
    def texts(self) -> list[tuple[str, Whole | None]]:
        return [text_of(version) for version in self.made]

    @cached_property
    def copies(self) -> list[Version]:
        return [version for version in self.made if read_back_mark(version.description)]

    def copies_since(self, later: int) -> Iterator[Version]:
        """Give the copies of rollbacks that have fewer than so many deployments after them."""
        after = 0
        for version, said in zip(reversed(self.made), reversed(self.said), strict=True):
            if read_back_mark(version.description):
                if after < later:
                    yield version
            else:
                after += said is not None

    def ask_sources(self) -> None:
        """Ask of what rollbacks have copied as of their copies: these have its code."""
        for copy in reversed(self.copies):
            if copy.id in self.asked:
                self.asked.update(one.id for one in self.source(copy))

    def source(self, copy: Version) -> Iterator[Version]:
        """Give the Version that a rollback's copy is of, where it is there. Of copies of copies the first one is: what
        lies between says no more.
        """
        found = self._alike_before(copy)
        while found is not None and self._passes_on(found):
            before = self._alike_before(found)
            if before is None:
                break
            found = before
        yield from [found] if found is not None else []

    def _alike_before(self, version: Version) -> Version | None:
        at = self.places[version.id]
        return next((self.made[one] for one in range(at - 1, -1, -1) if self.texts[one] == self.texts[at]), None)

    def _passes_on(self, copy: Version) -> bool:
        """Say whether the code of a Version is in doubt where that of its source is, and not else."""
        at = self.places[copy.id]
        said = self.said[at]
        is_first = said is None or self.oldest[said] is copy
        return bool(read_back_mark(copy.description)) and (is_first or takes_place(copy, self.made[:at]))

    def of(self, version: Version) -> Iterator[Version]:
        """Give the other Versions that what is said of this one depends on."""
        at = self.places[version.id]
        said, made = self.said[at], self.made
        if said is not None:
            yield self.oldest[said]
        elif version.id in self.asked:
            yield from self._first(made[number] for number in range(at - 1, -1, -1) if self.said[number] is not None)
        if read_back_mark(version.description):
            yield from self.source(version)
            yield from made[max(0, at - 1) : at]
            lifting = self.lifts(version)
            yield from [lifting] if lifting is not None else []

    def lifts(self, copy: Version) -> Version | None:
        """Find the newest Version after a rollback's copy that is what was withdrawn for it: it was deployed again."""
        for version in reversed(self.made[self.places[copy.id] + 1 :]):
            stamp = read_stamp(version.description)
            if stamp is not None and is_withdrawn(copy, stamp):
                return version
        return None

    def _first(self, versions: Iterator[Version]) -> Iterator[Version]:
        found = next(versions, None)
        if found is not None:
            yield found
