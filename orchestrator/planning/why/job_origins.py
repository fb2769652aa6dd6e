"""Where the values that a job desires come from: the job, the manifest, or the live Version that is copied. Pure,
except for the lines of the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.manifest.origins.of_function import ValueOrigin
from orchestrator.manifest.toml_files import place_of
from orchestrator.model import FunctionSpec, JobSpec, Version, VersionCopy
from orchestrator.version.body import settings_fields
from orchestrator.version.fields import FIELDS, SHOWN, Field, Shown
from orchestrator.version.mounts import with_mounts_alone

COPIED = "copied from the live version"
_CODE = ("source", "package", "version_id", "build", "include", "exclude", "files")


def job_origins(
    spec: FunctionSpec,
    job: JobSpec,
    manifest: Path,
    declared: FunctionSpec | None,
    origins: Sequence[ValueOrigin],
    latest: Version | None,
) -> tuple[ValueOrigin, ...]:
    """Return the origins of what a job desires. `declared`, `origins`: from the manifest, if it has the function.

    | the value is                         | it comes from                                                   |
    | ---                                  | ---                                                             |
    | what the manifest declares           | the manifest                                                    |
    | another, and the live Version has it | the live Version, which is copied                               |
    | another                              | [jobs.NAME]: the key with this value or name, or else the table |
    """
    desired, live = _fields(spec), _live(latest)
    asked = _fields(declared) if declared is not None else {}
    found: list[ValueOrigin] = []
    for row in SHOWN:
        one = row.codec.comparable(desired.get(row.api))
        other, before = (row.codec.comparable(side.get(row.api)) for side in (asked, live))
        for name, value, theirs, had in _parts(row, one, other, before):
            key = f"{row.key}.{name}" if name else row.key
            own = [origin for origin in origins if origin.key == key or (not name and origin.setting == row.key)]
            if value == theirs and own:
                found += own
            elif value == had:
                found.append(ValueOrigin(key, name, None, COPIED, None))
            else:
                given = next((parameter for parameter, it in job.parameters.items() if it == value), "")
                place = place_of(manifest, ("jobs", job.name, *([given] if given else key.split("."))))
                found.append(ValueOrigin(key, name, None, f"jobs.{job.name}", place))
    copies = isinstance(spec.code, VersionCopy) and (declared is None or declared.code != spec.code)
    settings = {row.key for row in FIELDS}
    rest = [one for one in origins if one.setting not in settings and not (copies and one.setting in _CODE)]
    if copies and isinstance(spec.code, VersionCopy):
        rest.append(ValueOrigin("version_id", "", spec.code.version_id, COPIED, None))
    return (*rest, *found)


def _fields(spec: FunctionSpec) -> Mapping[str, Any]:
    return with_mounts_alone(settings_fields(spec.settings, spec.settings.description))


def _live(latest: Version | None) -> Mapping[str, Any]:
    return with_mounts_alone(latest.raw) if latest is not None else {}


def _parts(row: Field, desired: Any, declared: Any, live: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Split a field as tables are merged: yield each entry's name, and its desired, declared and live values."""
    if row.shown in (Shown.ENTRIES, Shown.ITEMS):
        for name, value in (desired or {}).items():
            yield name, value, (declared or {}).get(name), (live or {}).get(name)
    elif desired is not None:
        yield "", desired, declared, live
