"""Notes of saved plans in the bucket: which packages a plan needs until it is carried out.

`PREFIX/plans/ID.json` is written before the packages, and read by `prune`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from orchestrator.journal.retention import DAY_S
from orchestrator.planning.saved.seal import exact

SCHEMA = 1
NOTE_KEPT_S = 30 * DAY_S  # after its plan expired
_CLOCKS_S = DAY_S  # largest difference between the clocks of the planning machine and of the storage


@dataclass(frozen=True, slots=True)
class PlanNote:
    """What a saved plan needs in the bucket: the keys of its packages, until it expires (epoch seconds)."""

    plan: str
    expires_at: float
    objects: tuple[str, ...]

    def encode(self) -> bytes:
        """Return it as JSON."""
        expires_at = datetime.fromtimestamp(self.expires_at, UTC).isoformat()
        values = {"schema": SCHEMA, "plan": self.plan, "expires_at": expires_at, "objects": list(self.objects)}
        return exact(values)

    def goes(self, at: float) -> bool:
        """Return whether the note itself is no longer needed. `at`: time by the storage's clock."""
        return at - self.expires_at > NOTE_KEPT_S


def read_note(body: bytes) -> PlanNote:
    """Decode a note. Raises `ValueError` if it is invalid, or written by a newer program."""
    try:
        values: Mapping[str, Any] = orjson.loads(body)
        if values["schema"] > SCHEMA:
            raise ValueError("it was written by a newer orchestrator")
        expires_at = datetime.fromisoformat(values["expires_at"])
        if expires_at.tzinfo is None:
            raise ValueError("expires_at has no time zone")
        objects = values["objects"]
        if not isinstance(objects, list) or not all(isinstance(one, str) for one in objects):
            raise ValueError("objects is not a list of keys")
        return PlanNote(str(values["plan"]), expires_at.timestamp(), tuple(objects))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it cannot be understood ({error!r})") from error


def needed_by_plans(notes: Iterable[PlanNote], at: float) -> dict[str, str]:
    """Return the keys that unexpired plans need, each with the plan that needs it the longest."""
    valid = sorted((one for one in notes if at - one.expires_at <= _CLOCKS_S), key=lambda one: one.expires_at)
    return {key: one.plan for one in valid for key in one.objects}
