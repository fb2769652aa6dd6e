"""What is live in the folders concerned, as read before a plan and again at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.model import LATEST, Function, Version

UNKNOWN_CLOUD = ""  # nobody told which cloud a folder is in: all such folders count as being in one


@dataclass(frozen=True, slots=True)
class Replaced:
    """The Function that we have deployed under the name of a live one, which somebody has made since. `run_id`: of the
    last run that did.
    """

    former_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class LiveState:
    """Functions and Versions of the folders that were read, indexed. Always whole: a failed read raises instead."""

    by_name: Mapping[tuple[str, str], Function] = field(default_factory=dict)  # (folder id, name)
    by_id: Mapping[str, Function] = field(default_factory=dict)
    versions: Mapping[str, Version] = field(default_factory=dict)
    tagged: Mapping[tuple[str, str], Version] = field(default_factory=dict)  # (function id, tag)
    creating: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)  # function id → those being made
    clouds: Mapping[str, str] = field(default_factory=dict)  # folder id → cloud id
    runtimes: tuple[str, ...] = ()  # that versions can be made with; empty: not asked
    read_at: datetime | None = None  # by the cloud's clock, before the first listing began
    whole: frozenset[str] = frozenset()  # ids of the folders of which every Function and Version was read
    listed: frozenset[str] = frozenset()  # the same, of which every Function was
    # By the id of a Function that is not the one which we have deployed under its name: whatever its stamps say.
    replaced: Mapping[str, Replaced] = field(default_factory=dict)

    def of_function(self, function_id: str) -> tuple[Version, ...]:
        """Find the Versions of a Function, by looking through all."""
        return tuple(version for version in self.versions.values() if version.function_id == function_id)

    def latest(self, function_id: str) -> Version | None:
        """Find the Version that `$latest` stands for."""
        return self.tagged.get((function_id, LATEST))


def remembered(version: Version) -> dict[str, Any]:
    """Give a Version's settings for the journal: of the environment the names only, its values may stand nowhere."""
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
    """Index what the listings gave."""
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
