"""What was most likely meant by a word that is not known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# What the API (in snake_case), other tools or habit call our keys.
_OTHER_NAMES = {
    "execution_timeout": "timeout",
    "env": "environment",
    "env_vars": "environment",
    "tag": "tags",
    "log_options": "log",
    "logging": "log",
    "log_group_id": "group_id",
    "async_invocation_config": "async_invocation",
    "async": "async_invocation",
    "retries_count": "retries",
    "success_target": "success",
    "failure_target": "failure",
    "metadata_options": "metadata",
    "resources": "memory",
    "handler": "entrypoint",
    "service_account": "service_account_id",
    "subnet_id": "subnet_ids",
    "network": "connectivity",
    "bucket_name": "bucket",
    "bucket_id": "bucket",
    "object_name": "object",
    "mount_point_name": "name",
    "template": "use",
    "extends": "use",
    "function": "functions",
    "default": "defaults",
    "path": "source",
    "code": "source",
    "ignore": "exclude",
}


def closest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known word that was most likely meant: another spelling, another name, or a slip of the keys."""
    candidates = list(known)
    plain = _HUMP.sub("_", word).replace("-", "_").lower()
    lower = {candidate.lower(): candidate for candidate in candidates}
    if plain in lower:
        return lower[plain]
    if _OTHER_NAMES.get(plain) in candidates:
        return _OTHER_NAMES[plain]
    matches = difflib.get_close_matches(plain, list(lower), n=1, cutoff=likeness)
    return lower[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing."""
    match = closest(word, known)
    return f'; did you mean "{match}"?' if match else ""
