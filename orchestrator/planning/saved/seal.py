"""What keeps a saved plan from being changed, and the values that it was made with from being guessed: HMAC-SHA256.

A plain hash of a password can be tried against a list of passwords. Without the key of these marks nobody can.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestrator.redaction.safe import encodable

KEY_BYTES = 32
SEAL = "seal"  # the document's own key for it
_MARK_DIGITS = 32  # hex: 128 bits


@dataclass(frozen=True, slots=True)
class PlanKey:
    """The secret that plans of one bucket, or of one state folder, are marked and sealed with."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """What it is told from other keys by: 8 hex digits, from which nobody finds the key."""
        return hashlib.sha256(self.secret).hexdigest()[:8]

    def mark(self, *of: Any) -> str:
        """Mark JSON values: equal ones alike, 32 hex digits."""
        return self._hmac(b"value", list(of))[:_MARK_DIGITS]

    def seal(self, document: Mapping[str, Any]) -> str:
        """Seal all of a document but its seal: 64 hex digits."""
        return self._hmac(b"plan", {name: value for name, value in document.items() if name != SEAL})

    def is_sealed(self, document: Mapping[str, Any]) -> bool:
        """Say whether a document is just as it was sealed."""
        seal = document.get(SEAL)
        return isinstance(seal, str) and seal.isascii() and hmac.compare_digest(seal, self.seal(document))

    def _hmac(self, what: bytes, value: Any) -> str:
        return hmac.new(self.secret, what + b"\0" + exact(value), hashlib.sha256).hexdigest()


def exact(value: Any) -> bytes:
    """Write JSON in the one way that marks and seals are taken of: keys in order, no spaces. Text that is none (bytes
    of a file name) as its escapes.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(encodable(value), option=orjson.OPT_SORT_KEYS)


def short_hash(value: Any) -> str:
    """Hash JSON that holds no secret: 12 hex digits, to name it by."""
    return hashlib.sha256(exact(value)).hexdigest()[:12]
