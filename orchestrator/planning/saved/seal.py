"""HMAC-SHA256 marks and seals: they protect a saved plan from being changed, and its values from being guessed.

A plain hash of a password can be checked against a list of passwords. A mark cannot, without its key.
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
SEAL = "seal"  # the document's own key for its seal
_MARK_DIGITS = 32  # hex: 128 bits


@dataclass(frozen=True, slots=True)
class PlanKey:
    """The secret key for marks and seals of the plans of one bucket, or of one state folder."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Its ID: 8 hex digits, from which the key cannot be derived."""
        return hashlib.sha256(self.secret).hexdigest()[:8]

    def mark(self, *of: Any) -> str:
        """Return the mark of JSON values, 32 hex digits. Equal values have equal marks."""
        return self._hmac(b"value", list(of))[:_MARK_DIGITS]

    def seal(self, document: Mapping[str, Any]) -> str:
        """Return the seal of a document, computed without its seal field: 64 hex digits."""
        return self._hmac(b"plan", {name: value for name, value in document.items() if name != SEAL})

    def is_sealed(self, document: Mapping[str, Any]) -> bool:
        """Return whether a document is exactly as it was sealed."""
        seal = document.get(SEAL)
        return isinstance(seal, str) and seal.isascii() and hmac.compare_digest(seal, self.seal(document))

    def _hmac(self, what: bytes, value: Any) -> str:
        return hmac.new(self.secret, what + b"\0" + exact(value), hashlib.sha256).hexdigest()


def exact(value: Any) -> bytes:
    """Return JSON in the canonical form for marks and seals: sorted keys, no spaces. Text that is not Unicode (bytes of
    a file name) is escaped.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(encodable(value), option=orjson.OPT_SORT_KEYS)


def short_hash(value: Any) -> str:
    """Return a short hash of JSON without secrets: 12 hex digits, used as a name."""
    return hashlib.sha256(exact(value)).hexdigest()[:12]
