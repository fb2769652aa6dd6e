"""The types of manifest fields: what may stand there, for validation and for editors alike; and what all tables of them
have in common.
"""

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

# What a pattern means, for people. The patterns are the API's (cloud-api#fields, #functions);
# where it gives none, ours only
# keep out what can be no id or address at all.
PATTERNS = {
    "^[a-z][-a-z0-9]{1,61}[a-z0-9]$": (
        "must have 3 to 63 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen"
    ),
    r"^\S{1,50}$": "must be an id: 1 to 50 characters without spaces",
    r"^\S+$": "must not be empty or hold spaces",
    "^[a-z0-9][-a-z0-9]*$": "must be a runtime id such as python312: lower-case letters, digits and hyphens",
    "^[a-zA-Z][a-zA-Z0-9_]*$": "must begin with a letter and hold only letters, digits and underscores",
    "^[a-z][-_0-9a-z]*$": "must begin with a lower-case letter and hold only lower-case letters, digits, - and _",
    "^[-.0-9a-zA-Z]{3,63}$": "must be a bucket name: 3 to 63 letters, digits, dots and hyphens",
    "^[-_0-9a-zA-Z]{1,100}$": "must have 1 to 100 letters, digits, - and _",
    "^[0-9a-fA-F]{64}$": "must be a SHA-256 in hex: 64 characters",
    "^[a-zA-Z][-a-zA-Z0-9_.]{0,63}$": "must begin with a letter and hold up to 64 letters, digits, -, _ and dots",
    r"^[a-z][-_./\\@0-9a-z]{0,62}$": (
        "must be a label key: 1 to 63 of a-z, 0-9 and - _ . / \\ @, the first one a letter"
    ),
    r"^[-_./\\@0-9a-z]{0,63}$": "must be a label value: up to 63 of a-z, 0-9 and - _ . / \\ @",
    r"^https?://[^\s/?#]+[^\s?#]*$": "must be an address that begins with https:// (or http://)",
    "^[a-z][_a-z0-9]*$": "must be a job's name such as mass_redeploy",
    r"^(\$latest|[a-z][-_0-9a-z]*)$": "must be a tag, or $latest",
    "^[A-Za-z_][A-Za-z0-9_]*$": ("must be a variable's name: letters, digits and underscores, and no digit first"),
    "^[a-z0-9][-a-z0-9_]*$": (
        "must be an environment's name: lower-case letters, digits, - and _, the first a letter or digit"
    ),
    "^[^\x00]+$": "must not be empty or hold NUL characters",
}

FunctionName = Annotated[str, StringConstraints(pattern="^[a-z][-a-z0-9]{1,61}[a-z0-9]$")]
Id = Annotated[str, StringConstraints(pattern=r"^\S{1,50}$")]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]
Text = Annotated[str, StringConstraints(pattern="^[^\x00]+$")]
Runtime = Annotated[str, StringConstraints(pattern="^[a-z0-9][-a-z0-9]*$")]
Variable = Annotated[str, StringConstraints(pattern="^[a-zA-Z][a-zA-Z0-9_]*$")]
VariableValue = Annotated[str, StringConstraints(max_length=4096)]
BucketName = Annotated[str, StringConstraints(pattern="^[-.0-9a-zA-Z]{3,63}$")]
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
        raise ValueError("$latest is no tag that can be given: the cloud moves it to every new version by itself")
    return no_ring(value)


def no_ring(value: object) -> object:
    """Refuse the tags that verification uses. Raises `ValueError`."""
    if value in RINGS:
        raise ValueError(f"{value} is a tag of ours, which verified versions get by themselves; choose another name")
    return value


def _environment_name(value: str) -> str:
    if value in ("all", "none"):
        raise ValueError(f'"{value}" is no name of one environment; choose another')
    return value


def _object_name(value: str) -> str:
    if _FORBIDDEN_IN_OBJECT_NAMES.search(value):
        raise ValueError('must hold none of : * ? " < > | ! and no control characters')
    if len(value.encode(errors="surrogatepass")) >= 1024:
        raise ValueError("must be shorter than 1024 bytes")
    return value


def _object_prefix(value: str) -> str:
    # what we append: 64 characters of the SHA-256 and ".zip"
    if len(_object_name(value).encode(errors="surrogatepass")) >= 1024 - 68:
        raise ValueError("must be shorter than 956 bytes: our own names take 68 of the 1024 that a key may have")
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
        raise ValueError("must be longer than 0 seconds")
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
        raise ValueError('must be more than nothing: a count from 1 on, or a share such as "10%"')
    return wave


def _waves(waves: list[int | str]) -> list[int | str]:
    """See that each wave may come after those before: counts grow, shares grow, and nothing follows the whole."""
    for number, wave in enumerate(waves):
        share = _share_of(wave)
        for before in waves[:number]:
            of_before = _share_of(before)
            alike = (share is None) == (of_before is None)
            if of_before == 100 or (alike and (share or wave) <= (of_before or before)):  # type: ignore[operator]
                raise ValueError(
                    f"has {_shown(wave)} after {_shown(before)}, where it does nothing: each says how many functions"
                    " are done at the end of its wave, those of the waves before counted in"
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
    """A key that may be left out."""
    return Field(default=None, description=description, **constraints)


def list_key(key: str, description: str) -> Any:
    """A list, which says how those of several tables become one."""
    return Field(default=None, description=f"{description} {LISTS[key].said}".rstrip())


def needed_key(description: str, **constraints: Any) -> Any:
    """A key that must be there wherever its table is."""
    return Field(description=description, **constraints)


def needed_list(key: str, description: str) -> Any:
    """A list that must be there wherever its table is."""
    return Field(description=f"{description} {LISTS[key].said}".rstrip())


class StrictTable(BaseModel):
    """A table: no unknown keys, no conversions of types."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)
