"""What a run was about: a run can be resumed, and its failures selected, only for the same target.

Earlier programs wrote less. What they did not write is empty here, and equals anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

NONE = "none"  # instead of an environment's name: none of those that the manifest declares
HIDDEN = "…"  # replaces the value of a parameter whose name or form indicates a secret


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command named, as typed. `variables`: of `--var`. `parameters`: of a job. Both without secret values
    (`HIDDEN`). `left_by`: "failed", "undone" (of the run before), or "". `plan`: the ID of the saved plan that named
    it. `plan_file`: its absolute path. `plan_by`: who made it (user@host). `plan_at`: when (ISO 8601 in UTC).
    `plan_commit`: at which commit. `update_manifest`: changes are written into the manifest.
    """

    patterns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    left_by: str = ""
    job: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    plan: str = ""
    plan_file: str = ""
    plan_by: str = ""
    plan_at: str = ""
    plan_commit: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    update_manifest: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it was about all functions, whatever an earlier run left."""
        return not (self.patterns or self.labels or self.left_by)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run was about, who started it, and where.

    `manifest`: its absolute path. `place`: its path in its git work tree ("" without one), which is the same on another
    machine. `folders`: all that the manifest, or the job, is about, whatever was selected. `commit`: of that work tree.
    `outside`: the manifest declares environments, and the run was for none of them.
    """

    manifest: str = ""
    place: str = ""
    environment: str = ""
    folders: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    selection: Selection = Selection()
    user: str = ""
    host: str = ""
    commit: str = ""
    outside: bool = False

    def is_in(self, named: str) -> bool:
        """Return whether it was about the named environment: `NONE` for none, "" if any will do."""
        return named == "" or self.environment == ("" if named == NONE else named)


NOTHING_KNOWN = Identity()


def gone_on_with(then: Identity, now: Identity) -> Identity:
    """Return what a continued run is about: the original, with the saved plan's new place and the newly given
    values.
    """
    was, given = then.selection, now.selection
    selection = replace(
        was, plan_file=given.plan_file or was.plan_file, parameters={**was.parameters, **given.parameters},
        variables={**was.variables, **given.variables},
    )  # fmt: skip
    return replace(then, selection=selection, outside=then.outside or now.outside)


def identity_to_dict(identity: Identity) -> dict[str, Any]:
    """Convert it to JSON values."""
    return asdict(identity)


def identity_from_dict(data: Mapping[str, Any]) -> Identity:
    """Undo `identity_to_dict`. Fields that a newer program added are ignored."""
    values = _known(Identity, data)
    values["selection"] = Selection(**_known(Selection, data.get("selection", {})))
    return Identity(**values)


def _known(cls: type[Identity | Selection], data: Mapping[str, Any]) -> dict[str, Any]:
    found = {slot.name: data[slot.name] for slot in fields(cls) if slot.name in data}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
