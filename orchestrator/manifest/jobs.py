"""[jobs.*]: `run`, and the parameters as written; those that the schema knows are checked."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.manifest.check import Check, keys_of
from orchestrator.manifest.files import SourceFile
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.schema import JobTable
from orchestrator.manifest.suggest import closest, did_you_mean
from orchestrator.manifest.values import frozen
from orchestrator.model import JobSpec, Place

_CRON_FIELDS = 5


def jobs(file: SourceFile, raw: Mapping[str, Any], check: Check, findings: Findings) -> dict[str, JobSpec]:
    """Make the jobs of a manifest. `raw`: its [jobs] as written, variables put in."""
    made = {}
    for name, table in (check.tables.jobs or {}).items():
        path = ("jobs", name)
        if not name.strip():
            findings.mistake(file, path, "a job needs a name")
        for key, rule in _breaches(table):
            findings.mistake(file, (*path, key), rule)
        for key in table.model_extra or ():
            meant = closest(key, keys_of(JobTable), likeness=0.8)
            if meant:
                findings.warning(file, (*path, key), f'is kept as a parameter of the job; did you mean "{meant}"?')
        parameters = {key: frozen(value) for key, value in raw[name].items() if key != "run"}
        made[name] = JobSpec(name, table.run, parameters, Place(file.shown, file.table_line(path)))
    return made


def _breaches(table: JobTable) -> Iterator[tuple[str, str]]:
    if table.schedule is not None:
        rule = 'must be five cron fields: minute, hour, day, month, day of the week, as in "0 3 * * 1-5"'
        if len(table.schedule.split()) != _CRON_FIELDS:
            yield "schedule", rule
        else:
            from orchestrator.manifest.schedule import mistake  # noqa: PLC0415 - most manifests have no schedule

            wrong = mistake(table.schedule)
            if wrong:
                yield "schedule", f"{rule} ({wrong})"
    if table.timezone is not None and not _is_timezone(table.timezone):
        hint = did_you_mean(table.timezone, zoneinfo.available_timezones())
        yield "timezone", f'"{table.timezone}" is no time zone, such as Europe/Moscow{hint}'


def _is_timezone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # a system without time zones knows none; that is no fault of the manifest
        return not zoneinfo.available_timezones()
    return True
