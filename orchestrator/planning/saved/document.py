"""A saved plan: one JSON document. It says what will be done, but has no value of a variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from orchestrator.journal.identity import Identity, identity_from_dict, identity_to_dict
from orchestrator.model import Change, ChangeKind, Fingerprint, Plan, SourceCode, Tree, Unit
from orchestrator.planning.entrypoint import telling_paths
from orchestrator.planning.planner import Prepared
from orchestrator.planning.saved.seal import SEAL, PlanKey, short_hash
from orchestrator.version.body import settings_fields

SCHEMA = "orchestrator/saved-plan/"
SCHEMA_NUMBER = 1
Facts = Mapping[str, Any]
Hide = Callable[[Any], Any]  # makes what is shown safe


@dataclass(frozen=True, slots=True)
class SavedOptions:
    """The options that shaped a plan. `only`: keys of the functions, if those left by a former run were selected."""

    patterns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    forced: str = ""  # what sets its Versions apart from equal ones
    adopt: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    no_way_back: tuple[str, ...] = ()
    no_verify: bool = False
    now: bool = False


@dataclass(frozen=True, slots=True)
class StoredPackage:
    """A package that was stored with the plan, so that the source is not needed. `object`: its key in the bucket."""

    sha256: str
    size_bytes: int
    object: str


@dataclass(frozen=True, slots=True)
class SavedUnit:
    """One function of a saved plan. `facts`: marks of the desired state. `stands_for`: marks of what names were
    resolved to. `changes`: as they are shown, each with its mark in `marks`. `shown`: what else is only shown.
    """

    key: str
    name: str
    folder_id: str
    function_id: str
    action: str
    base_version_id: str
    fingerprint: str
    facts: Mapping[str, str]
    stands_for: Mapping[str, str]
    changes: tuple[Change, ...]
    marks: tuple[str, ...]
    way_back: str  # a `WayBackKind`, "" for none
    is_back_whole: bool
    shown: Mapping[str, Any]
    tree: Tree | None = None
    package: StoredPackage | None = None


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """The content of a file of `plan --out`. Times: ISO 8601 in UTC. `dirty`: whether the work tree had uncommitted
    changes, None if unknown. `key_id`: of the key for marks and seal.
    """

    made_at: str
    expires_at: str
    program: str
    endpoint: str
    identity: Identity
    dirty: bool | None
    options: SavedOptions
    facts: Mapping[str, str]
    shown: Mapping[str, Any]  # rollout, undeclared, warnings
    units: tuple[SavedUnit, ...]
    key_id: str
    uploaded: bool = False
    id: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)  # as it was read


def fingerprint_text(key: PlanKey, unit_key: str, digest: Fingerprint | None, *, marks: bool = True) -> str:
    """Return a fingerprint as text, with its marks. Its hash of the settings includes values, so it is marked: a plain
    hash would allow guessing them.
    """
    if digest is None:
        return ""
    hidden = replace(digest, settings=key.mark(unit_key, "settings", digest.settings)[: len(digest.settings)])
    return str(hidden) + ("".join(f";{name}={value}" for name, value in digest.marks) if marks else "")


def change_mark(key: PlanKey, unit_key: str, change: Change) -> str:
    """Return the mark of a change with all its details."""
    return key.mark(unit_key, str(change.kind), dict(change.before), dict(change.after))


def marked_facts(key: PlanKey, unit_key: str, facts: Facts) -> dict[str, str]:
    """Return the mark of each fact. Equal values of two functions, or under two names, have different marks."""
    return {name: key.mark(unit_key, name, value) for name, value in sorted(facts.items())}


def saved_unit(
    unit: Unit, key: PlanKey, facts: Facts, resolved: Facts, hide: Hide, prepared: Prepared, *, uploaded: bool
) -> SavedUnit:
    """Return the saved form of a unit. `facts`: the desired state. `resolved`: what names stand for."""
    way, settings = unit.way_back, unit.spec.settings
    tree = prepared if uploaded and isinstance(prepared, Tree) and isinstance(unit.spec.code, SourceCode) else None
    if tree is not None:
        tree = replace(tree, paths=telling_paths(settings.runtime, settings.entrypoint, tree.paths))
    sides = [hide([dict(change.before), dict(change.after)]) for change in unit.changes]
    return SavedUnit(
        key=unit.key,
        name=unit.spec.name,
        folder_id=unit.spec.folder_id,
        function_id=unit.function_id or "",
        action=unit.action,
        base_version_id=unit.base_version_id or "",
        fingerprint=fingerprint_text(key, unit.key, unit.fingerprint),
        facts=marked_facts(key, unit.key, facts),
        stands_for=marked_facts(key, unit.key, resolved),
        changes=tuple(Change(change.kind, *side) for change, side in zip(unit.changes, sides, strict=True)),
        marks=tuple(change_mark(key, unit.key, change) for change in unit.changes),
        way_back=way.kind if way is not None else "",
        is_back_whole=way is not None and way.is_whole,
        shown=_shown(unit, hide),
        tree=tree,
    )


def _shown(unit: Unit, hide: Hide) -> dict[str, Any]:
    """Return what is only shown of a unit. Variables are reduced to their names, a verification to its kind."""
    spec, failure = unit.spec, unit.failure
    body = {**settings_fields(spec.settings, spec.settings.description), "environment": None}
    verify = spec.verify
    by = "" if verify is None else "command" if verify.command else "http" if verify.http is not None else "call"
    return {
        "reason": hide(unit.reason),
        "body": {**hide(body), "environment": sorted(spec.settings.environment)},
        "way_back": hide(asdict(unit.way_back)) if unit.way_back is not None else None,
        "warnings": hide(list(unit.warnings)),
        "failure": hide(asdict(failure)) if failure is not None else None,
        "tags": list(spec.settings.tags),
        "promote": list(spec.promote),
        "called_by": spec.called_by,
        "labels": hide(dict(spec.labels)),
        "verified_by": by,
        "failed_step": unit.failed_step,
        "left_out": list(unit.tree.left_out) if unit.tree is not None else [],
    }


def with_id(plan: SavedPlan) -> SavedPlan:
    """Return a plan with its ID: a hash of its content except its packages, which are stored under this ID."""
    bare = replace(plan, units=tuple(replace(unit, package=None) for unit in plan.units))
    return replace(plan, id=short_hash(_to_json(bare)))


def sealed(plan: SavedPlan, key: PlanKey) -> dict[str, Any]:
    """Return the document to write."""
    document = _to_json(plan)
    return {**document, SEAL: key.seal(document)}


def _to_json(plan: SavedPlan) -> dict[str, Any]:
    return {
        "schema": f"{SCHEMA}{SCHEMA_NUMBER}",
        "id": plan.id,
        "made_at": plan.made_at,
        "expires_at": plan.expires_at,
        "program": plan.program,
        "endpoint": plan.endpoint,
        "identity": identity_to_dict(plan.identity),
        "dirty": plan.dirty,
        "options": asdict(plan.options),
        "uploaded": plan.uploaded,
        "facts": dict(plan.facts),
        **plan.shown,
        "units": [_unit_json(unit) for unit in plan.units],
        "key": plan.key_id,
    }


_SHOWN = ("counts", "waves", "stops", "rollout", "undeclared", "warnings")


def _unit_json(unit: SavedUnit) -> dict[str, Any]:
    return {
        "function": unit.key,
        "name": unit.name,
        "folder_id": unit.folder_id,
        "function_id": unit.function_id,
        "action": unit.action,
        "base_version_id": unit.base_version_id,
        "fingerprint": unit.fingerprint,
        "changes": [
            {"kind": str(change.kind), "before": dict(change.before), "after": dict(change.after), "mark": mark}
            for change, mark in zip(unit.changes, unit.marks, strict=True)
        ],
        "facts": dict(unit.facts),
        "stands_for": dict(unit.stands_for),
        **unit.shown,
        "tree": _tree_json(unit.tree) if unit.tree is not None else None,
        "package": asdict(unit.package) if unit.package is not None else None,
    }


def _tree_json(tree: Tree) -> dict[str, Any]:
    """Return a tree in the form that former programs read: without digests of files."""
    return {name: value for name, value in asdict(tree).items() if name != "digests"}


def read_document(document: Mapping[str, Any]) -> SavedPlan:
    """Read a document of this schema. Only its form is checked. Raises `KeyError`, `TypeError`, `ValueError` or
    `AttributeError` if it is invalid.
    """
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document["options"].items()
    }
    return SavedPlan(
        made_at=str(document["made_at"]),
        expires_at=str(document["expires_at"]),
        program=str(document["program"]),
        endpoint=str(document["endpoint"]),
        identity=identity_from_dict(document["identity"]),
        dirty=document["dirty"],
        options=SavedOptions(**options),
        facts=dict(document["facts"]),
        shown={name: document[name] for name in _SHOWN},
        units=tuple(_read_unit(unit) for unit in document["units"]),
        key_id=str(document["key"]),
        uploaded=bool(document["uploaded"]),
        id=str(document["id"]),
        document=document,
    )


_SHOWN_OF_UNIT = (
    "reason", "body", "way_back", "warnings", "failure", "tags", "promote", "called_by", "labels", "verified_by",
    "failed_step", "left_out",
)  # fmt: skip


def _read_unit(unit: Mapping[str, Any]) -> SavedUnit:
    way, tree, package = unit["way_back"], unit["tree"], unit["package"]
    lists = ("paths", "left_out", "since_then", "warnings")
    return SavedUnit(
        key=str(unit["function"]),
        name=str(unit["name"]),
        folder_id=str(unit["folder_id"]),
        function_id=str(unit["function_id"]),
        action=str(unit["action"]),
        base_version_id=str(unit["base_version_id"]),
        fingerprint=str(unit["fingerprint"]),
        facts=dict(unit["facts"]),
        stands_for=dict(unit["stands_for"]),
        changes=tuple(Change(ChangeKind(one["kind"]), one["before"], one["after"]) for one in unit["changes"]),
        marks=tuple(str(one["mark"]) for one in unit["changes"]),
        way_back=str(way["kind"]) if way is not None else "",
        is_back_whole=way is not None and not way["why"],
        shown={name: unit[name] for name in _SHOWN_OF_UNIT},
        tree=Tree(**{**tree, **{name: tuple(tree[name]) for name in lists}}) if tree is not None else None,
        package=StoredPackage(**package) if package is not None else None,
    )


def makes_package(unit: Unit) -> bool:
    """Return whether a unit's Version is made from a package of ours."""
    makes = any(change.kind is ChangeKind.VERSION for change in unit.changes)
    return makes and isinstance(unit.spec.code, SourceCode)


def units_by_key(plan: Plan) -> dict[str, Unit]:
    """Return the units of a plan by their keys."""
    return {unit.key: unit for unit in plan.units}
