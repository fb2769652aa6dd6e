"""The types of fields of rollouts and verifications."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StringConstraints, WithJsonSchema

from orchestrator.manifest.fields import DURATION_SCHEMA, Text, no_ring
from orchestrator.manifest.findings import dotted
from orchestrator.manifest.locate import KeyPath
from orchestrator.model import units

APPROVAL = "approval"
CALL_MAX_BYTES = 3_670_016  # of a request, 3.5 MB (cloud-api#limits)
VERIFY_MAX_S = 600.0
GATE_MAX_S = 3600.0
HOOK_MAX_S = 30.0  # for the response to a notification: the end of a run waits that long for all of them

# Headers that the cloud removes from requests (cloud-api#invocation), or that we or the call itself set.
NEVER_ARRIVES = frozenset({
    "expect", "te", "trailer", "upgrade", "proxy-authenticate", "authorization", "connection", "content-md5",
    "max-forwards", "server", "transfer-encoding", "www-authenticate", "cookie",
})  # fmt: skip
OURS = frozenset({"host", "content-length", "x-orchestrator-verify"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_INT64 = range(-(1 << 63), 1 << 63)


def _pause(value: object) -> float | str:
    if value == APPROVAL:
        return APPROVAL
    try:
        return units.duration(value)
    except ValueError as error:
        raise ValueError(f'{error}; or "{APPROVAL}"') from error


def _bounded(value: object, most_s: float) -> float:
    timeout_s = units.duration(value)
    if not 0 < timeout_s <= most_s:
        raise ValueError(f"must be more than 0 seconds and at most {units.as_duration(most_s)}")
    return timeout_s


def _json(value: Any) -> Any:
    """Check that a value is valid JSON, and small enough for a call."""
    for path, part in _parts(value, ()):
        at = f"at {dotted(path)} " if path else ""
        if isinstance(part, str):
            if not _is_unicode(part):
                raise ValueError(f"{at}must be valid Unicode text")
        elif isinstance(part, float) and not math.isfinite(part):
            raise ValueError(f"{at}is {part}, which JSON does not support")
        elif isinstance(part, int) and part not in _INT64:
            raise ValueError(f"{at}is a number of more than 64 bits; put it in quotes")
        elif not isinstance(part, bool | int | float):
            raise ValueError(f"{at}is a date or a time, which JSON does not support; put it in quotes")
    size_bytes = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size_bytes > CALL_MAX_BYTES:
        raise ValueError(f"has {size_bytes:,} bytes as JSON; the limit of a call is {CALL_MAX_BYTES:,}")
    return value


def _parts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Yield keys and leaves, with their paths."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key
            yield from _parts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts(item, (*path, index))
    else:
        yield path, value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _body(value: str) -> str:
    size_bytes = len(value.encode())
    if size_bytes > CALL_MAX_BYTES:
        raise ValueError(f"has {size_bytes:,} bytes; the limit of a call is {CALL_MAX_BYTES:,}")
    return value


def _header_name(name: str) -> str:
    lower = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("must be a header name: letters, digits and hyphens")
    if lower in NEVER_ARRIVES:
        raise ValueError("is removed from requests by the cloud; remove it here")
    if lower in OURS:
        raise ValueError("is set by the call itself; remove it here")
    return name


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value) or value != value.strip():
        raise ValueError("must not contain control characters, line breaks, or spaces around it")
    return value


def _headers(headers: dict[str, str]) -> dict[str, str]:
    seen = dict[str, str]()
    for name in headers:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"has both {other} and {name}, which are the same header; remove one of them")
    return headers


def _program(command: list[str]) -> list[str]:
    if not command[0].strip():
        raise ValueError("must begin with the program that it runs")
    return command


def _canary(pattern: str) -> str:
    if pattern.removeprefix("!").startswith("@"):
        raise ValueError("is a file of names: list the canaries here, or give them a label and use label:KEY=VALUE")
    if pattern.removeprefix("!").startswith("label:") and "=" not in pattern:
        raise ValueError("is not a label: write label:KEY=VALUE")
    return pattern


def _bounded_by(most_s: float) -> PlainValidator:
    return PlainValidator(lambda value: _bounded(value, most_s))


_APPROVAL_SCHEMA = {"type": "string", "enum": [APPROVAL]}
_PAUSE_SCHEMA: dict[str, Any] = {"anyOf": [*DURATION_SCHEMA["anyOf"], _APPROVAL_SCHEMA]}

Pause = Annotated[float | str, PlainValidator(_pause), WithJsonSchema(_PAUSE_SCHEMA)]
VerifyTimeout = Annotated[float, _bounded_by(VERIFY_MAX_S), WithJsonSchema(DURATION_SCHEMA)]
HookTimeout = Annotated[float, _bounded_by(HOOK_MAX_S), WithJsonSchema(DURATION_SCHEMA)]
GateTimeout = Annotated[float, _bounded_by(GATE_MAX_S), WithJsonSchema(DURATION_SCHEMA)]
JsonValue = Annotated[Any, AfterValidator(_json)]
Body = Annotated[str, AfterValidator(_body)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Headers = Annotated[dict[HeaderName, HeaderValue], AfterValidator(_headers)]
Command = Annotated[list[Text], Field(min_length=1), AfterValidator(_program)]
CalledBy = Annotated[str, StringConstraints(pattern=r"^(\$latest|[a-z][-_0-9a-z]*)$"), BeforeValidator(no_ring)]
CanaryPattern = Annotated[Text, AfterValidator(_canary)]
