"""The registry of leases: which run may change which functions now. One small object that changes by compare-and-set.

Functions are stored as digests of `folder/name` with 8 characters: 50,000 of them take 400 KB, not megabytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from orchestrator.errors import StartError

_SCHEMA = 1
# of two disjoint sets of 50,000, one in 100,000 pairs shares a digest: this causes a needless wait, no harm
_DIGEST_BYTES = 6
_DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds a lease. `beat` is incremented while it is alive. Its clock is never compared with others."""

    run_id: str
    owner: str  # of the state folder of its journal
    who: str  # in words: the command, its process and host
    since: str  # on the holder's clock: for display
    functions: frozenset[str]  # digests
    fencing: int = 0  # higher for each lease that is taken
    beat: int = 0


@dataclass(frozen=True, slots=True)
class Registry:
    """All leases. `fencing`: the number of the newest, ended or not."""

    fencing: int = 0
    holders: tuple[Holder, ...] = ()

    def of(self, run_id: str) -> Holder | None:
        """Return the lease of a run, if any."""
        return next((holder for holder in self.holders if holder.run_id == run_id), None)

    def others(self, holder: Holder) -> tuple[Holder, ...]:
        """Return those that hold some function of `holder`, except runs of its own state folder: these are dead."""
        return tuple(
            other
            for other in self.holders
            if other.run_id != holder.run_id and other.owner != holder.owner and other.functions & holder.functions
        )

    def with_lease(self, holder: Holder, dead: Iterable[Holder]) -> Registry:
        """Return the registry with the next lease for `holder`, in place of those of dead runs and of its own state
        folder.
        """
        gone = {other.run_id for other in dead}
        kept = (
            other
            for other in self.holders
            if other.run_id not in gone and other.run_id != holder.run_id and other.owner != holder.owner
        )
        return Registry(self.fencing + 1, (*kept, replace(holder, fencing=self.fencing + 1)))

    def with_beat(self, run_id: str) -> Registry:
        """Return the registry with the beat of a run's lease incremented."""
        return replace(
            self,
            holders=tuple(
                replace(holder, beat=holder.beat + 1) if holder.run_id == run_id else holder for holder in self.holders
            ),
        )

    def without(self, run_id: str) -> Registry:
        """Return the registry without the lease of a run."""
        return replace(self, holders=tuple(holder for holder in self.holders if holder.run_id != run_id))

    def encode(self) -> bytes:
        """Return it as JSON."""
        leases = [
            {
                "run_id": one.run_id, "owner": one.owner, "who": one.who, "since": one.since, "fencing": one.fencing,
                "beat": one.beat, "functions": "".join(sorted(one.functions)),
            }
            for one in self.holders
        ]  # fmt: skip
        return json.dumps({"schema": _SCHEMA, "fencing": self.fencing, "leases": leases}).encode()


NOT_LOOKED = Registry(fencing=-1)  # no lease is fresh after it


def decode(body: bytes | None, key: str) -> Registry:
    """Decode a registry. Raises `StartError` if it is invalid, or if a newer program has written it."""
    if body is None:
        return Registry()
    try:
        values: dict[str, Any] = json.loads(body)
        if values["schema"] > _SCHEMA:
            raise StartError(f"the leases in {key} were written by a newer orchestrator", advice="upgrade orchestrator")
        holders = tuple(
            Holder(
                run_id=str(one["run_id"]),
                owner=str(one["owner"]),
                who=str(one["who"]),
                since=str(one["since"]),
                functions=frozenset(_digests(one["functions"])),
                fencing=int(one["fencing"]),
                beat=int(one["beat"]),
            )
            for one in values["leases"]
        )
        return Registry(int(values["fencing"]), holders)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartError(
            f"the leases in {key} cannot be understood", advice="delete that object when no run is in progress"
        ) from error


def _digests(text: str) -> Iterator[str]:
    return (text[start : start + _DIGEST_LENGTH] for start in range(0, len(text), _DIGEST_LENGTH))


def digest(function: str) -> str:
    """Return the digest of a function's `folder/name`."""
    return base64.urlsafe_b64encode(sha256(function.encode()).digest()[:_DIGEST_BYTES]).decode()
