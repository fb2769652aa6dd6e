"""What the headers of Object Storage's answers show: whether an object is a package, and how old it is.

This machine's clock is not used: an object's age is computed from the storage's clock.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from orchestrator.model import Package
from orchestrator.ports import PUT_AGAIN_AFTER_S

UNREADABLE = object()  # instead of a head that cannot be read
_MD5 = re.compile(r"[0-9a-f]{32}")


def asked_at(answer: Mapping[str, Any]) -> float | None:
    """Return the storage's clock, in epoch seconds, from an answer; None if it has none."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def put_long_ago(head: Mapping[str, Any]) -> bool:
    """Return whether an object is known to have been put so long ago that it may be deleted soon."""
    modified, at = head.get("LastModified"), asked_at(head)
    return modified is not None and at is not None and at - modified.timestamp() > PUT_AGAIN_AFTER_S


def may_be(head: Mapping[str, Any], package: Package) -> bool:
    """Return whether an object may be a package: by its size, and by its ETag if that is an MD5."""
    if head.get("ContentLength") != package.size_bytes:
        return False
    etag = str(head.get("ETag", "")).strip('"')
    if not _MD5.fullmatch(etag) or head.get("ServerSideEncryption"):
        return True
    try:
        with package.path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == etag
    except OSError:
        return True
