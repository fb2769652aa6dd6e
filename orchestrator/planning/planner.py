"""Want × have → Plan: for each function what is done, and why, in words. Pure; printing it is the dry run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest

from orchestrator.function.fields import in_words, own_change
from orchestrator.model import (
    LATEST,
    Action,
    BucketPackage,
    Change,
    ChangeKind,
    Failure,
    Fingerprint,
    Function,
    FunctionSpec,
    Plan,
    SourceCode,
    Step,
    Tree,
    Unit,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.planning.entrypoint import missing_entry
from orchestrator.version.adoption import refused, taken_away
from orchestrator.version.compare import differences
from orchestrator.version.copy import unknown_fields
from orchestrator.version.stamp import (
    code_digest,
    code_marks,
    fingerprint,
    former_code_digest,
    object_changed,
    read_stamp,
)

# A mark of the stamp: packed by the rules with defaults, where that makes a difference. Its reason is told once.
PACKED_ANEW = ("p", "2")
# The tree of a source, the ETag of a zip in a bucket, what went wrong; None: neither is known.
Prepared = Tree | str | tuple[Step, Failure] | None


def build(
    desired: Mapping[str, FunctionSpec],
    live: LiveState,
    prepared: Mapping[str, Prepared],
    unresolved: Mapping[str, Failure],
    *,
    forced: str = "",
    adopt: bool = False,
) -> Plan:
    """Plan every wanted function. `unresolved`: those whose named secrets or accounts could not be found.

    `forced` (see `stamp.forced_digest`): what was not made by this forced run gets a new version, changed or not.
    `adopt`: new versions may take away what versions that were not made by this tool have.
    """
    ours = {version.function_id for version in live.versions.values() if read_stamp(version.description) is not None}
    planner = _Planner(live, ours, forced, adopt)
    units = [planner.unit(spec, prepared.get(key), unresolved.get(key)) for key, spec in desired.items()]
    return Plan(_interleaved(_each_once(units)))


def _each_once(units: list[Unit]) -> list[Unit]:
    """Leave alone what several units are about: one by its id, another by its name, say."""
    keys: dict[str, list[str]] = {}
    for unit in units:
        if unit.function_id is not None:
            keys.setdefault(unit.function_id, []).append(unit.key)
    return [
        _blocked(unit.spec, _meant_twice(unit.function_id, keys[unit.function_id]))
        if unit.function_id is not None and len(keys[unit.function_id]) > 1
        else unit
        for unit in units
    ]


def _meant_twice(function_id: str, keys: list[str]) -> Failure:
    return Failure(
        f"{', '.join(sorted(keys))} are one live function, {function_id}",
        kind="same function",
        advice="take all but one of them out, or correct `id`, `name` or `folder_id`",
    )


def _interleaved(units: list[Unit]) -> tuple[Unit, ...]:
    """Take turns between folders, so that no folder's quota idles while another's queue is long."""
    folders: dict[str, list[Unit]] = {}
    for unit in units:
        folders.setdefault(unit.spec.folder_id, []).append(unit)
    return tuple(unit for turn in zip_longest(*folders.values()) for unit in turn if unit is not None)


@dataclass(frozen=True, slots=True)
class _Planner:
    """What all functions of a plan are held against. `ours`: ids of functions with a version made by this tool."""

    live: LiveState
    ours: set[str]
    forced: str
    adopt: bool

    def unit(self, spec: FunctionSpec, prepared: Prepared, unresolved: Failure | None) -> Unit:
        if isinstance(prepared, tuple):
            step, failure = prepared
            return replace(_blocked(spec, failure), failed_step=step)
        if unresolved is not None:
            return _blocked(spec, unresolved)
        tree = prepared if isinstance(prepared, Tree) else None
        etag = prepared if isinstance(prepared, str) else None
        warnings: tuple[str, ...] = ()
        if isinstance(spec.code, SourceCode) and tree is not None:
            finding = missing_entry(spec.settings.runtime, spec.settings.entrypoint, tree.paths)
            warnings = (*tree.warnings, *([finding[1]] if finding is not None else []))
            if finding is not None and finding[0] == "error":
                return replace(_blocked(spec, Failure(finding[1], kind="entry point")), failed_step=Step.PACKAGE)
        found = _find(spec, self.live)
        if isinstance(found, Failure):
            return _blocked(spec, found)
        spec = _resolve_copy(spec, self.live, found) or spec
        if isinstance(spec.code, VersionCopy) and spec.code.version_id not in self.live.versions:
            return _blocked(spec, _no_such_version(spec, spec.code))
        copied = self.live.versions.get(spec.code.version_id) if isinstance(spec.code, VersionCopy) else None
        digest = replace(
            fingerprint(spec.settings, code_digest(spec.code, tree, copied)),
            forced=self.forced,
            marks=code_marks(spec.code, etag, copied),
        )
        if former_code_digest(tree):
            digest = replace(digest, marks=(*digest.marks, PACKED_ANEW))
        unit = Unit(spec.key, spec, Action.CREATE, "the folder has no such function", digest, tree, warnings=warnings)
        if found is None:
            return replace(unit, changes=(_new_function(spec), _new_version(spec, {})))
        latest = self.live.latest(found.id)
        unit = replace(unit, function_id=found.id, base_version_id=latest.id if latest else None)
        return _with_own(self._compared(unit, latest, digest), found)

    def _compared(self, unit: Unit, latest: Version | None, digest: Fingerprint) -> Unit:
        spec = unit.spec
        holders = self._holders(unit)
        action = Action.COPY if isinstance(spec.code, VersionCopy) else Action.VERSION
        change = replace(unit, action=action, changes=(_new_version(spec, holders),))
        if latest is None:
            return replace(change, reason="the function has no version yet")
        stamp = read_stamp(latest.description)
        if stamp is None:
            since = latest.function_id in self.ours
            label = _by_hand(latest) if since else "the live version was not made by this tool"
            return self._replaced(change, latest, label, differences(spec.settings, latest.raw).values())
        # Packed by former rules, and nothing else is new: an upgrade of this program redeploys nothing.
        wanted = replace(digest, code=stamp.code) if stamp.code == former_code_digest(unit.tree) else digest
        if stamp == wanted:
            # The console copies the description, stamp and all, into a version that is edited by hand.
            edited = differences(spec.settings, latest.raw, filled_in=True).values()
            if edited:
                return self._replaced(change, latest, _by_hand(latest), edited)
        reason = _reason(spec, latest, stamp, wanted)
        if reason and stamp.code != digest.code and PACKED_ANEW not in stamp.marks:
            reason = "; ".join(part for part in (reason, _packed_anew(unit.tree)) if part)
        if self.forced and stamp.forced != self.forced:
            reason = f"forced; {reason}" if reason else "forced"
        if not reason and not latest.is_active:
            reason = f"the live version is {latest.status}"
        if reason:
            return replace(change, reason=reason)
        missing = tuple(sorted(set(spec.settings.tags) - set(latest.tags)))
        if missing:
            reason = f"the live version lacks the tag{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            moves = tuple(Change(ChangeKind.TAG, {tag: holders.get(tag, "")}, {tag: latest.id}) for tag in missing)
            return replace(unit, action=Action.RETAG, reason=reason, changes=moves)
        return replace(unit, action=Action.UNCHANGED, reason="what is live is what is wanted")

    def _holders(self, unit: Unit) -> dict[str, str]:
        """Give the ids of the Versions that hold `$latest` and the unit's tags now."""
        tags = (LATEST, *unit.spec.settings.tags)
        held = {tag: self.live.tagged.get((unit.function_id or "", tag)) for tag in tags}
        return {tag: version.id for tag, version in held.items() if version is not None}

    def _replaced(self, change: Unit, latest: Version, label: str, changes: Iterable[str]) -> Unit:
        """Replace a version that somebody else made, unless that takes something away which nobody agreed to."""
        taken = () if self.adopt else taken_away(change.spec.settings, latest)
        if taken:
            return replace(_blocked(change.spec, refused(taken, label)), function_id=change.function_id)
        found = "; ".join(changes)
        return replace(change, reason=f"{label}: {found}" if found else label)


def _with_own(unit: Unit, function: Function) -> Unit:
    """Add what is to change of the Function's own settings, first: a new Version is the last thing to be seen."""
    change = own_change(unit.spec, function)
    if change is None or unit.action is Action.BLOCKED:
        return unit
    words = in_words(change)
    if unit.action is Action.UNCHANGED:
        return replace(unit, action=Action.UPDATE, reason=words, changes=(change,))
    return replace(unit, reason=f"{unit.reason}; {words}", changes=(change, *unit.changes))


def _new_function(spec: FunctionSpec) -> Change:
    described = {"description": spec.function_description} if spec.function_description else {}
    return Change(ChangeKind.FUNCTION, {}, {"name": spec.name, "labels": dict(spec.labels), **described})


def _new_version(spec: FunctionSpec, holders: Mapping[str, str]) -> Change:
    """A new Version, which takes `$latest` and its tags from the Versions that hold them now, if any."""
    moved = (LATEST, *sorted(spec.settings.tags))
    return Change(ChangeKind.VERSION, {tag: holders.get(tag, "") for tag in moved}, dict.fromkeys(moved))


def _by_hand(latest: Version) -> str:
    return f"drift: {latest.id} was made by hand"


def _blocked(spec: FunctionSpec, failure: Failure) -> Unit:
    return Unit(spec.key, spec, Action.BLOCKED, failure.message, failure=failure)


def _find(spec: FunctionSpec, live: LiveState) -> Function | Failure | None:
    if spec.id is not None:
        pinned = live.by_id.get(spec.id)
        pinned = pinned if pinned is not None and pinned.folder_id == spec.folder_id else None
        return pinned or Failure(
            f"there is no function with the id {spec.id} in folder {spec.folder_id}", kind="no such function"
        )
    found = live.by_name.get((spec.folder_id, spec.name))
    if found is None and not spec.create:
        return Failure(
            f'there is no function named "{spec.name}" in folder {spec.folder_id}',
            kind="no such function",
            advice="set `create = true` to have it made, or correct `name` or `folder_id`",
        )
    return found


def _resolve_copy(spec: FunctionSpec, live: LiveState, found: Function | None) -> FunctionSpec | None:
    """Turn "$latest" or a tag into the id of the Version that it stands for now."""
    if not isinstance(spec.code, VersionCopy) or found is None:
        return None
    version = live.tagged.get((found.id, spec.code.version_id))
    return replace(spec, code=VersionCopy(version.id)) if version else None


def _no_such_version(spec: FunctionSpec, code: VersionCopy) -> Failure:
    return Failure(
        f"there is no version {code.version_id} to copy the code from in folder {spec.folder_id}",
        kind="no such version",
        advice='`version_id` takes the id of a version in the same folder, "$latest", or a tag of this function',
    )


def _packed_anew(tree: Tree | None) -> str:
    """Name what a changed packing rule takes out of a package, or puts in; "" for nothing."""
    names = tree.since_then if tree is not None else ()
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"packing rules of this version of the program: {', '.join(names[:3])}{more}" if names else ""


def _reason(spec: FunctionSpec, latest: Version, stamp: Fingerprint, digest: Fingerprint) -> str:
    """Say in what a version of ours differs from what is wanted, "" where it does not."""
    found = [f"package {stamp.code[:4]}… → {digest.code[:4]}…"] if stamp.code != digest.code else []
    if isinstance(spec.code, BucketPackage) and not found and object_changed(stamp, digest):
        found.append(f"package {spec.code.object} was overwritten")
    if stamp.settings != digest.settings:
        found += differences(spec.settings, latest.raw).values() or ["settings changed"]
    unknown = unknown_fields(latest.raw) if found else ()
    if unknown:  # no reason to stop a version of ours: the cloud may have got a new field, which all versions have
        found.append(f"takes away settings that this program does not know: {', '.join(unknown)}")
    return "; ".join(found)
