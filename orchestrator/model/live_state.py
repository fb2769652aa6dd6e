"""The live state of the folders concerned, as read before a plan and again at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.model import LATEST, Function, Version

UNKNOWN_CLOUD = ""  # the cloud of a folder is not known: all such folders count as one cloud


@dataclass(frozen=True, slots=True)
class Replaced:
    """The Function that was deployed under the name of a live one, which someone has created since. `run_id`: of the
    last run that deployed it.
    """

    former_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class LiveState:
    """Functions and Versions of the folders that were read, indexed. Always complete: a failed read raises."""

    by_name: Mapping[tuple[str, str], Function] = field(default_factory=dict)  # (folder ID, name)
    by_id: Mapping[str, Function] = field(default_factory=dict)
    versions: Mapping[str, Version] = field(default_factory=dict)
    tagged: Mapping[tuple[str, str], Version] = field(default_factory=dict)  # (Function ID, tag)
    creating: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)  # Function ID → those being made
    clouds: Mapping[str, str] = field(default_factory=dict)  # folder ID → cloud ID
    runtimes: tuple[str, ...] = ()  # the available runtimes; empty: not read
    read_at: datetime | None = None  # by the cloud's clock, before the first listing began
    whole: frozenset[str] = frozenset()  # IDs of the folders whose Functions and Versions were all read
    listed: frozenset[str] = frozenset()  # IDs of the folders whose Functions were all read
    # By the ID of a Function that replaced the one which was deployed under its name, whatever its stamps say.
    replaced: Mapping[str, Replaced] = field(default_factory=dict)

    def of_function(self, function_id: str) -> tuple[Version, ...]:
        """Return the Versions of a Function, by searching all."""
        return tuple(version for version in self.versions.values() if version.function_id == function_id)

    def latest(self, function_id: str) -> Version | None:
        """Return the Version that `$latest` points to."""
        return self.tagged.get((function_id, LATEST))


def remembered(version: Version) -> dict[str, Any]:
    """Return a Version's settings for the journal. Of the environment only the names: its values must not be stored."""
    environment = version.raw.get("environment")
    return {**version.raw, "environment": sorted(environment) if isinstance(environment, Mapping) else []}


def indexed(
    functions: Iterable[Function],
    versions: Iterable[Version],
    *,
    clouds: Mapping[str, str] | None = None,
    runtimes: tuple[str, ...] = (),
    read_at: datetime | None = None,
    whole: Iterable[str] = (),
    listed: Iterable[str] = (),
) -> LiveState:
    """Return the live state from listings."""
    functions, versions = tuple(functions), tuple(versions)
    creating: dict[str, tuple[Version, ...]] = {}
    for version in versions:
        if version.is_creating:
            creating[version.function_id] = (*creating.get(version.function_id, ()), version)
    return LiveState(
        by_name={(function.folder_id, function.name): function for function in functions},
        by_id={function.id: function for function in functions},
        versions={version.id: version for version in versions},
        tagged={(version.function_id, tag): version for version in versions for tag in version.tags},
        creating=creating,
        clouds=clouds or {},
        runtimes=runtimes,
        read_at=read_at,
        whole=frozenset(whole),
        listed=frozenset(listed),
    )
