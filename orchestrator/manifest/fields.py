"""The types of manifest fields: what is allowed, for validation and for editors; and the base of all tables."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from orchestrator.manifest.lists import LISTS
from orchestrator.model import units
from orchestrator.version.rings import RINGS

# The meaning of patterns, for people. The patterns are the API's (cloud-api#fields, #functions). Where it gives none,
# ours only reject what cannot be an ID or an address.
BUCKET_NAME = "^[-.0-9a-zA-Z]{3,63}$"
PATTERNS = {
    "^[a-z][-a-z0-9]{1,61}[a-z0-9]$": (
        "must have 3 to 63 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen"
    ),
    r"^\S{1,50}$": "must be an ID: 1 to 50 characters without spaces",
    r"^\S+$": "must not be empty or contain spaces",
    "^[a-z0-9][-a-z0-9]*$": "must be a runtime ID such as python312: lower-case letters, digits and hyphens",
    "^[a-zA-Z][a-zA-Z0-9_]*$": "must begin with a letter and contain only letters, digits and underscores",
    "^[a-z][-_0-9a-z]*$": "must begin with a lower-case letter and contain only lower-case letters, digits, - and _",
    BUCKET_NAME: "must be a bucket name: 3 to 63 letters, digits, dots and hyphens",
    "^[-_0-9a-zA-Z]{1,100}$": "must have 1 to 100 letters, digits, - and _",
    "^[0-9a-fA-F]{64}$": "must be a SHA-256 in hex: 64 characters",
    "^[a-zA-Z][-a-zA-Z0-9_.]{0,63}$": "must begin with a letter and have at most 64 letters, digits, -, _ and dots",
    r"^[a-z][-_./\\@0-9a-z]{0,62}$": (
        "must be a label key: 1 to 63 of a-z, 0-9 and - _ . / \\ @, beginning with a letter"
    ),
    r"^[-_./\\@0-9a-z]{0,63}$": "must be a label value: up to 63 of a-z, 0-9 and - _ . / \\ @",
    r"^https?://[^\s/?#]+[^\s?#]*$": "must be an address that begins with https:// (or http://)",
    "^[a-z][_a-z0-9]*$": "must be a job name such as mass_redeploy",
    r"^(\$latest|[a-z][-_0-9a-z]*)$": "must be a tag, or $latest",
    "^[A-Za-z_][A-Za-z0-9_]*$": (
        "must be a variable name: letters, digits and underscores, not beginning with a digit"
    ),
    "^[a-z0-9][-a-z0-9_]*$": (
        "must be an environment name: lower-case letters, digits, - and _, beginning with a letter or digit"
    ),
    "^[^\x00]+$": "must not be empty or contain NUL characters",
}

FunctionName = Annotated[str, StringConstraints(pattern="^[a-z][-a-z0-9]{1,61}[a-z0-9]$")]
Id = Annotated[str, StringConstraints(pattern=r"^\S{1,50}$")]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]
Text = Annotated[str, StringConstraints(pattern="^[^\x00]+$")]
Runtime = Annotated[str, StringConstraints(pattern="^[a-z0-9][-a-z0-9]*$")]
Variable = Annotated[str, StringConstraints(pattern="^[a-zA-Z][a-zA-Z0-9_]*$")]
VariableValue = Annotated[str, StringConstraints(max_length=4096)]
BucketName = Annotated[str, StringConstraints(pattern=BUCKET_NAME)]
MountName = Annotated[str, StringConstraints(pattern="^[-_0-9a-zA-Z]{1,100}$")]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern="^[0-9a-fA-F]{64}$")]
LogDestination = Annotated[str, StringConstraints(pattern="^[a-zA-Z][-a-zA-Z0-9_.]{0,63}$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z][-_./\\@0-9a-z]{0,62}$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[-_./\\@0-9a-z]{0,63}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")]
VariableName = Annotated[str, StringConstraints(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
JobName = Annotated[str, StringConstraints(pattern="^[a-z][_a-z0-9]*$")]
LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]

_FORBIDDEN_IN_OBJECT_NAMES = re.compile(r'[:*?"<>|!\x00-\x1f]')


def _free_tag(value: object) -> object:
    if value == "$latest":
        raise ValueError("$latest cannot be set as a tag: the cloud moves it to every new version")
    return no_ring(value)


def no_ring(value: object) -> object:
    """Reject the tags that verification uses. Raises `ValueError`."""
    if value in RINGS:
        raise ValueError(f"{value} is reserved for verified versions; choose another name")
    return value


def _environment_name(value: str) -> str:
    if value in ("all", "none"):
        raise ValueError(f'"{value}" is reserved; choose another name')
    return value


def _object_name(value: str) -> str:
    if _FORBIDDEN_IN_OBJECT_NAMES.search(value):
        raise ValueError('must not contain : * ? " < > | ! or control characters')
    if len(value.encode(errors="surrogatepass")) >= 1024:
        raise ValueError("must be shorter than 1024 bytes")
    return value


def _object_prefix(value: str) -> str:
    # appended by us: 64 characters of the SHA-256 and ".zip"
    if len(_object_name(value).encode(errors="surrogatepass")) >= 1024 - 68:
        raise ValueError("must be shorter than 956 bytes: 68 of the 1024 bytes of a key are needed for names")
    return value


def _memory(value: object) -> int:
    memory_bytes = units.size(value)
    if not 128 * units.MB <= memory_bytes <= 8 * units.GB:
        raise ValueError('must be from "128MB" to "8GB"')
    if memory_bytes % (128 * units.MB):
        raise ValueError("must be a multiple of 128MB")
    return memory_bytes


def _timeout(value: object) -> float:
    timeout_s = units.duration(value)
    if timeout_s > 3600:
        raise ValueError("must be at most 1h (3600 seconds)")
    return timeout_s


def _deadline(value: object) -> float:
    deadline_s = units.duration(value)
    if deadline_s <= 0:
        raise ValueError("must be more than 0 seconds")
    return deadline_s


def _disk_size(value: object) -> int:
    size_bytes = units.size(value)
    if size_bytes == 0 or size_bytes % units.GB:
        raise ValueError('must be a whole number of gigabytes: "1GB", "2GB" …')
    return size_bytes


def _block_size(value: object) -> int:
    size_bytes = units.size(value)
    if size_bytes not in {4096 << power for power in range(6)}:
        raise ValueError('must be one of "4KB", "8KB", "16KB", "32KB", "64KB", "128KB"')
    return size_bytes


def _wave(value: object) -> int | str:
    wave = units.share(value)
    if wave == 0 or (isinstance(wave, str) and float(wave[:-1]) == 0):
        raise ValueError('must be a count of at least 1, or a share such as "10%"')
    return wave


def _waves(waves: list[int | str]) -> list[int | str]:
    """Check that each wave is larger than those before: counts grow, shares grow, and nothing follows 100%."""
    for number, wave in enumerate(waves):
        share = _share_of(wave)
        for before in waves[:number]:
            of_before = _share_of(before)
            alike = (share is None) == (of_before is None)
            if of_before == 100 or (alike and (share or wave) <= (of_before or before)):  # type: ignore[operator]
                raise ValueError(
                    f"must grow, but {_shown(wave)} comes after {_shown(before)}: each entry is the total that is done"
                    " by the end of its wave"
                )
    return waves


def _share_of(wave: int | str) -> float | None:
    return float(wave[:-1]) if isinstance(wave, str) else None


def _shown(wave: int | str) -> str:
    return f'"{wave}"' if isinstance(wave, str) else str(wave)


SIZE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": units.SIZE_PATTERN}]
}
DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": units.DURATION_PATTERN}]
}
_SHARE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": units.PERCENT_PATTERN}]
}

Tag = Annotated[str, StringConstraints(pattern="^[a-z][-_0-9a-z]*$"), BeforeValidator(_free_tag)]
EnvironmentName = Annotated[str, StringConstraints(pattern="^[a-z0-9][-a-z0-9_]*$"), AfterValidator(_environment_name)]
ObjectName = Annotated[Text, AfterValidator(_object_name)]
ObjectPrefix = Annotated[str, AfterValidator(_object_prefix)]
Size = Annotated[int, PlainValidator(units.size), WithJsonSchema(SIZE_SCHEMA)]
Memory = Annotated[int, PlainValidator(_memory), WithJsonSchema(SIZE_SCHEMA)]
DiskSize = Annotated[int, PlainValidator(_disk_size), WithJsonSchema(SIZE_SCHEMA)]
BlockSize = Annotated[int, PlainValidator(_block_size), WithJsonSchema(SIZE_SCHEMA)]
Duration = Annotated[float, PlainValidator(units.duration), WithJsonSchema(DURATION_SCHEMA)]
Timeout = Annotated[float, PlainValidator(_timeout), WithJsonSchema(DURATION_SCHEMA)]
Deadline = Annotated[float, PlainValidator(_deadline), WithJsonSchema(DURATION_SCHEMA)]
Wave = Annotated[int | str, PlainValidator(_wave), WithJsonSchema(_SHARE_SCHEMA)]
Waves = Annotated[list[Wave], Field(min_length=1), AfterValidator(_waves)]
Share = Annotated[int | str, PlainValidator(units.share), WithJsonSchema(_SHARE_SCHEMA)]


def a_key(description: str, **constraints: Any) -> Any:
    """Return a key that is optional."""
    return Field(default=None, description=description, **constraints)


def list_key(key: str, description: str) -> Any:
    """Return a list, with the rule by which lists of several tables are merged."""
    return Field(default=None, description=f"{description} {LISTS[key].said}".rstrip())


def needed_key(description: str, **constraints: Any) -> Any:
    """Return a key that is required in its table."""
    return Field(description=description, **constraints)


def needed_list(key: str, description: str) -> Any:
    """Return a list that is required in its table."""
    return Field(description=f"{description} {LISTS[key].said}".rstrip())


class StrictTable(BaseModel):
    """A table: no unknown keys, no conversions of types."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)
