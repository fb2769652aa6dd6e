"""Functions with random histories of versions: deployed, forced, rolled back, made and copied by hand, tagged."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from orchestrator.model import LATEST, Fingerprint, Version
from orchestrator.version.history import history_of
from orchestrator.version.stamp import back_mark, base_mark, marked_back, read_stamp, stamped

NOW = datetime(2027, 6, 1, tzinfo=UTC)
DIGESTS = tuple(Fingerprint(one * 16, one * 16) for one in "abcde")


@dataclass
class Drawn:
    """One Function. `latest`: its newest; `versions`: the oldest first."""

    rng: random.Random
    id: str = "f"
    versions: list[Version] = field(default_factory=list)

    @property
    def latest(self) -> Version:
        return self.versions[-1]

    def grow(self, steps: int, *, days: float = 400.0) -> None:
        """Make this many random steps."""
        began = NOW - timedelta(days=days)
        for number in range(steps):
            at = began + timedelta(days=days * (number + self.rng.random()) / steps)
            self._add(self._description(), at)

    def tag(self, share: float = 0.1) -> None:
        """Give tags to some, and `$latest` to the newest."""
        for number, version in enumerate(self.versions):
            tags = (f"t{number}",) if self.rng.random() < share else ()
            last = (LATEST,) if number == len(self.versions) - 1 else ()
            self.versions[number] = replace(version, tags=(*last, *tags))

    def _add(self, description: str, at: datetime) -> None:
        raw = {"imageSize": str(self.rng.randint(1, 100))}
        self.versions.append(Version(f"{self.id}-{len(self.versions)}", self.id, "ACTIVE", description, at, (), raw))

    def _description(self) -> str:
        rng, versions = self.rng, self.versions
        kind = rng.random()
        if kind < 0.15:
            return "by hand"
        if kind < 0.25 and versions:  # a copy by hand, with its stamp
            return rng.choice(versions).description
        if kind < 0.45 and len(versions) > 1:  # a rollback: the version before the last one takes its place
            withdrawn = read_stamp(self.latest.description)
            former = versions[-2]
            if withdrawn is not None:
                return marked_back(former.description, back_mark(withdrawn, former))
        digest = rng.choice(DIGESTS)
        forced = replace(digest, forced=f"{rng.randrange(16**8):08x}") if rng.random() < 0.1 else digest
        if history_of(versions).has(forced):
            forced = replace(forced, marks=(base_mark(self.latest.id),))
        return stamped("", forced)
