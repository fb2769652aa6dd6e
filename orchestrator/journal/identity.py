"""What a run was about: a run is taken up, and its failures are selected, only as that.

Former programs wrote less; what they did not write is empty here, and equal to anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

NONE = "none"  # in place of the name of an environment: none of those that the manifest declares
HIDDEN = "…"  # stands for the value of a parameter whose name, or look, says that it is secret


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command named, as it was typed. `variables`: of `--var`, as `parameters` those of a job, without values
    that are secret (`HIDDEN`). `left_by`: "failed", "undone" (of the run before), or "". `plan`: the id
    of the saved plan that had named it, `plan_file`: the absolute path of that; `plan_by`: who had made it (user@host),
    `plan_at`: when (ISO 8601 in UTC), `plan_commit`: of which commit. `update_manifest`: what it changes is
    written into the manifest.
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
        """Whether it was about all functions, whatever a former run has left."""
        return not (self.patterns or self.labels or self.left_by)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run was about, who began it, and where.

    `manifest`: its absolute path. `place`: its path in the git work tree that it lies in ("" where there is none),
    which is the same on another machine. `folders`: all that the manifest, or the job, is about, whatever was selected.
    `commit`: of that work tree. `outside`: the manifest declares environments, and it was about none of them.
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
        """Say whether it was about the environment that somebody has named: `NONE` for none, "" where any will do."""
        return named == "" or self.environment == ("" if named == NONE else named)


NOTHING_KNOWN = Identity()


def gone_on_with(then: Identity, now: Identity) -> Identity:
    """Say what a run is about that was gone on with: where its saved plan was found, and the values that were given."""
    was, given = then.selection, now.selection
    selection = replace(
        was, plan_file=given.plan_file or was.plan_file, parameters={**was.parameters, **given.parameters},
        variables={**was.variables, **given.variables},
    )  # fmt: skip
    return replace(then, selection=selection, outside=then.outside or now.outside)


def identity_to_dict(identity: Identity) -> dict[str, Any]:
    """Turn it into JSON values."""
    return asdict(identity)


def identity_from_dict(data: Mapping[str, Any]) -> Identity:
    """Undo `identity_to_dict`. Fields that a newer program added are passed over."""
    values = _known(Identity, data)
    values["selection"] = Selection(**_known(Selection, data.get("selection", {})))
    return Identity(**values)


def _known(cls: type[Identity | Selection], data: Mapping[str, Any]) -> dict[str, Any]:
    found = {slot.name: data[slot.name] for slot in fields(cls) if slot.name in data}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
