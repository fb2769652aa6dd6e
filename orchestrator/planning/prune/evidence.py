"""Versions that nobody runs, but that later decisions need: they show who made the live one, and what was withdrawn.
Pure.

After a prune, the Versions that stay must still mean the same. By the older Versions, `version.history` finds out
whether one was made or edited by hand. And a rollback's copy prevents that what it withdrew is deployed again.
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
    """Return the IDs of the Versions of one Function that are evidence about those that are `kept`, or about what may
    be deployed again.

    `asked`: IDs of those whose maker plans need to know, including `$latest`. `later`: after this many later
    deployments of the Function, what a rollback withdrew may be deployed again, so its evidence goes.

    | a Version that                                                             | shows                          |
    | ---                                                                        | ---                            |
    | is the oldest with the same content as a kept one                          | that the kept one was copied   |
    | is the newest of ours before one in `asked` that someone else made         | that it is not a first one     |
    | is the original of a kept copy by a rollback                               | whose code the copy has        |
    | was there right before a kept copy of a rollback                           | what it replaced               |
    | is the newest of ours, without a doubt, before `$latest`                   | what the cloud fills in        |
    | is a rollback's copy with fewer than `later` deployments after it,         |                                |
    | if what it withdrew was not deployed again                                 | that it stays withdrawn        |
    | is the newest that was deployed although a kept copy had withdrawn it      | that it may be deployed        |
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
    """The Versions of one Function, the oldest first, and what each shows."""

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
        """Yield the copies by rollbacks that have fewer than this many deployments after them."""
        after = 0
        for version, said in zip(reversed(self.made), reversed(self.said), strict=True):
            if read_back_mark(version.description):
                if after < later:
                    yield version
            else:
                after += said is not None

    def ask_sources(self) -> None:
        """Add the originals of rollback copies to those whose maker is needed: the copies have their code."""
        for copy in reversed(self.copies):
            if copy.id in self.asked:
                self.asked.update(one.id for one in self.source(copy))

    def source(self, copy: Version) -> Iterator[Version]:
        """Yield the Version that a rollback's copy was made from, if it exists. For a copy of a copy this is the first
        one: those in between add nothing.
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
        """Return whether the code of a Version is in doubt exactly if that of its original is."""
        at = self.places[copy.id]
        said = self.said[at]
        is_first = said is None or self.oldest[said] is copy
        return bool(read_back_mark(copy.description)) and (is_first or takes_place(copy, self.made[:at]))

    def of(self, version: Version) -> Iterator[Version]:
        """Yield the other Versions that the judgment of this one depends on."""
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
        """Return the newest Version after a rollback's copy that is what the copy withdrew: it was deployed again."""
        for version in reversed(self.made[self.places[copy.id] + 1 :]):
            stamp = read_stamp(version.description)
            if stamp is not None and is_withdrawn(copy, stamp):
                return version
        return None

    def _first(self, versions: Iterator[Version]) -> Iterator[Version]:
        found = next(versions, None)
        if found is not None:
            yield found
