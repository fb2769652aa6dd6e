"""Desired × live → Plan: for each function the action and the reason, in words. Pure. The dry run prints this plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from types import MappingProxyType

from orchestrator.model import (
    LATEST,
    Action,
    Change,
    ChangeKind,
    Failure,
    FileChanges,
    Fingerprint,
    FunctionSpec,
    PackedFiles,
    Plan,
    SourceCode,
    Step,
    Tree,
    Unit,
    Version,
    VersionCopy,
)
from orchestrator.model.live_state import LiveState
from orchestrator.model.packed import file_changes
from orchestrator.planning.back.withdrawn import stands_for
from orchestrator.planning.entrypoint import missing_entry
from orchestrator.planning.meant import carrying_on, find, no_such_version, resolve_copy
from orchestrator.planning.origin import Origin, origin
from orchestrator.planning.own_changes import closed_unseen, with_own_first, with_own_last
from orchestrator.planning.reasons import PACKED_ANEW, new_version_reason, with_settings
from orchestrator.planning.verifying import NOT_VERIFYING, Verifying, tags_by_function, with_verification
from orchestrator.version.adoption import NOTHING, Adoption, Loss, changed_besides, put_back, refused, taken_away
from orchestrator.version.as_live import LEFT_KIND, left_in_words, live_mark, not_carried
from orchestrator.version.history import EMPTY, History, histories
from orchestrator.version.stamp import (
    JOB_MARK,
    JOB_MARK_MAX_CHARS,
    base_mark,
    code_digest,
    code_marks,
    fingerprint,
    former_code_digest,
    no_room,
    read_stamp,
    short_mark,
)

# The tree of a source, the ETag of a zip in a bucket, or what went wrong. None: neither is known.
Prepared = Tree | str | tuple[Step, Failure] | None
FilesOf = Callable[[str], PackedFiles | None]


def _nothing_known(_code: str) -> None:
    return None


def build(
    desired: Mapping[str, FunctionSpec],
    live: LiveState,
    prepared: Mapping[str, Prepared],
    unresolved: Mapping[str, Failure],
    *,
    forced: str = "",
    adopt: Adoption = NOTHING,
    jobs: Mapping[str, str] = MappingProxyType({}),
    verifying: Verifying = NOT_VERIFYING,
    packed: FilesOf = _nothing_known,
    opened: Container[str] = (),
    job_names: Collection[str] = (),
) -> Plan:
    """Plan every desired function. `unresolved`: those whose named secrets or accounts could not be found.

    `forced` (see `stamp.forced_digest`): everything that this forced run did not make gets a new Version, changed or
    not. `adopt`: what may be removed from Versions that this tool has not made, or that deploy.toml does not describe.
    `jobs`: key → the job that desires something other than deploy.toml. `verifying`: which Versions have passed their
    verification, and whether new ones are verified. `packed`: returns the files of a package by the digest of its code,
    None if unknown. `opened`: IDs of Functions that this tool has made public.
    `job_names`: those of the manifest.
    """
    planner = _Planner(live, histories(live), forced, adopt, jobs, packed, opened, job_names)
    units = [planner.unit(spec, prepared.get(key), unresolved.get(key)) for key, spec in desired.items()]
    tags = tags_by_function(live)
    units = [
        with_verification(unit, live, verifying, tags.get(unit.function_id or "", ())) for unit in _each_once(units)
    ]
    units = [with_own_last(unit, live) for unit in units]
    return Plan(_interleaved(units))


def _each_once(units: list[Unit]) -> list[Unit]:
    """Block units that refer to the same Function, for example one by its ID and one by its name."""
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
        f"{', '.join(sorted(keys))} refer to one live function, {function_id}",
        kind="same function",
        advice="remove all but one of them, or correct `id`, `name` or `folder_id`",
    )


def _interleaved(units: list[Unit]) -> tuple[Unit, ...]:
    """Alternate between folders, so that no folder's quota is idle while another has a long queue."""
    folders: dict[str, list[Unit]] = {}
    for unit in units:
        folders.setdefault(unit.spec.folder_id, []).append(unit)
    return tuple(unit for turn in zip_longest(*folders.values()) for unit in turn if unit is not None)


@dataclass(frozen=True, slots=True)
class _Planner:
    """What all functions of a plan are compared with. `histories`: by Function ID."""

    live: LiveState
    histories: Mapping[str, History]
    forced: str
    adopt: Adoption
    jobs: Mapping[str, str]
    packed: FilesOf
    opened: Container[str]
    job_names: Collection[str]

    def unit(self, spec: FunctionSpec, prepared: Prepared, unresolved: Failure | None) -> Unit:
        if isinstance(prepared, tuple):
            step, failure = prepared
            return replace(_blocked(spec, failure), failed_step=step)
        carried = unresolved or carrying_on(spec, self.live)
        if isinstance(carried, Failure):
            return _blocked(spec, carried)
        spec, found = carried, find(carried, self.live)
        tree = prepared if isinstance(prepared, Tree) else None
        etag = prepared if isinstance(prepared, str) else None
        warnings: tuple[str, ...] = ()
        if isinstance(spec.code, SourceCode) and tree is not None:
            finding = missing_entry(spec.settings.runtime, spec.settings.entrypoint, tree.paths)
            warnings = (*tree.warnings, *([finding[1]] if finding is not None else []))
            if finding is not None and finding[0] == "error":
                return replace(_blocked(spec, Failure(finding[1], kind="entry point")), failed_step=Step.PACKAGE)
        if isinstance(found, Failure):
            return _blocked(spec, found)
        spec = resolve_copy(spec, self.live, found) or spec
        if isinstance(spec.code, VersionCopy) and spec.code.version_id not in self.live.versions:
            return _blocked(spec, no_such_version(spec, spec.code))
        copied = self.live.versions.get(spec.code.version_id) if isinstance(spec.code, VersionCopy) else None
        unstampable = no_room(spec.settings.description)
        if unstampable is not None:
            return _blocked(spec, unstampable)
        digest = self._fingerprint(spec, tree, etag, copied)
        unit = Unit(spec.key, spec, Action.CREATE, "the function does not exist yet", digest, tree, warnings=warnings)
        if found is None:
            return replace(unit, changes=(_new_function(spec), _new_version(spec, {})))
        latest = self.live.latest(found.id)
        unit = replace(unit, function_id=found.id, base_version_id=latest.id if latest else None)
        unit = with_own_first(self._compared(unit, latest, digest), found)
        if latest is None or found.id in self.opened or self.adopt.allows((spec.key, spec.name), latest.id):
            return unit
        closed = closed_unseen(unit, latest)
        return unit if closed is None else replace(_blocked(spec, closed), function_id=found.id)

    def _compared(self, unit: Unit, latest: Version | None, digest: Fingerprint) -> Unit:
        spec = unit.spec
        holders = self._holders(unit)
        action = Action.COPY if isinstance(spec.code, VersionCopy) else Action.VERSION
        change = replace(unit, action=action, changes=(_new_version(spec, holders),))
        if latest is None:
            return replace(change, reason="the function has no version yet")
        stamp = read_stamp(latest.description)
        # Packed by former rules, and nothing else is new: an upgrade of this program redeploys nothing.
        packed_so = stamp is not None and stamp.code == former_code_digest(unit.tree)
        desired = replace(digest, code=stamp.code) if stamp is not None and packed_so else digest
        history = self._history(spec, latest)
        if history.has(digest):
            change = replace(change, fingerprint=replace(digest, marks=(*digest.marks, base_mark(latest.id))))
        made = origin(spec, desired, latest, history, self.job_names)
        if unit.tree is not None and stamp is not None and stamp.code != desired.code and not made.by_hand:
            unit, change = (replace(one, files=self._files(stamp, unit.tree)) for one in (unit, change))
        reason = new_version_reason(unit, latest, stamp, desired, made)
        if reason:
            taken = {tag: one for tag, one in holders.items() if tag != LATEST and one != latest.id}
            taking = (f"takes the tag {tag} from {one}" for tag, one in sorted(taken.items()))
            reason = "; ".join((reason, *taking, *left_in_words(spec, latest)))
            lost = not_carried(latest.raw, spec.as_live)
            if lost:
                return replace(_blocked(spec, _would_lose(latest, lost)), function_id=change.function_id)
            return self._guarded(with_settings(replace(change, reason=reason), latest, made), latest, made)
        good = stands_for(latest, self.live)
        missing = tuple(sorted(tag for tag in spec.settings.tags if holders.get(tag) not in good))
        if missing:
            where = (f"{tag}, which {holders[tag]} has" if tag in holders else tag for tag in missing)
            reason = f"the live version lacks the tag{'s' if len(missing) > 1 else ''} {', '.join(where)}"
            moves = tuple(Change(ChangeKind.TAG, {tag: holders.get(tag, "")}, {tag: latest.id}) for tag in missing)
            return replace(unit, action=Action.RETAG, reason=reason, changes=moves)
        return replace(unit, action=Action.UNCHANGED, reason="up to date")

    def _files(self, stamp: Fingerprint, tree: Tree) -> FileChanges | None:
        """Compare a source with the live package, if its files are known."""
        before = self.packed(stamp.code) if tree.digests else None
        return file_changes(before, tree.files) if before is not None else None

    def _history(self, spec: FunctionSpec, version: Version) -> History:
        return self.histories.get(version.function_id, EMPTY).leaving(spec.as_live)

    def _holders(self, unit: Unit) -> dict[str, str]:
        """Return the IDs of the Versions that hold `$latest` and the unit's tags now."""
        tags = (LATEST, *unit.spec.settings.tags)
        held = {tag: self.live.tagged.get((unit.function_id or "", tag)) for tag in tags}
        return {tag: version.id for tag, version in held.items() if version is not None}

    def _fingerprint(
        self, spec: FunctionSpec, tree: Tree | None, etag: str | None, copied: Version | None
    ) -> Fingerprint:
        job, by_hand = self.jobs.get(spec.key), False
        if copied is not None:
            doubt = self._history(spec, copied).doubt(copied)
            by_hand = doubt is not None or read_stamp(copied.description) is None
            if doubt is not None and not doubt.mine:
                copied = replace(copied, description="")  # its code differs from its stamp
        marks = (
            *code_marks(spec.code, etag, copied, by_hand=by_hand),
            *([PACKED_ANEW] if former_code_digest(tree) else []),
            *([(JOB_MARK, short_mark(job, JOB_MARK_MAX_CHARS))] if job else []),
            *([left] if (left := live_mark(spec.settings, spec.as_live)) is not None else []),
        )
        return replace(
            fingerprint(spec.settings, code_digest(spec.code, tree, copied)), forced=self.forced, marks=marks
        )

    def _guarded(self, change: Unit, latest: Version, made: Origin) -> Unit:
        """Return the change, or block it if it removes something without consent."""
        spec = change.spec
        names = (spec.key, spec.name)
        if not made.label or self.adopt.allows(names, latest.id):
            return change
        loss = Loss(made.code)
        if not made.code_alone:
            former = self._history(spec, latest).last_sound(latest)
            taken = taken_away(
                spec.settings, latest, folder_id=spec.folder_id, let_go=spec.let_go, filled_in=made.as_desired,
                former=former.raw if former is not None else {},
            )  # fmt: skip
            loss = replace(loss, settings=taken)
        if made.by_job and (before := self._history(spec, latest).before_job(latest)) is not None and not loss.settings:
            loss = replace(loss, back=put_back(spec.settings, latest, before, spec.as_live.but))
        if not loss:
            return change
        if not loss.back:
            loss = replace(loss, besides=changed_besides(spec.settings, latest, filled_in=made.as_desired))
        others, resumed = self.adopt.others(names), self.adopt.resumed
        failure = refused(loss, made.label, spec.key, latest.id, others, resumed=resumed)
        return replace(_blocked(spec, failure), function_id=change.function_id)


def _new_function(spec: FunctionSpec) -> Change:
    described = {"description": spec.function_description} if spec.function_description else {}
    return Change(ChangeKind.FUNCTION, {}, {"name": spec.name, "labels": dict(spec.labels), **described})


def _new_version(spec: FunctionSpec, holders: Mapping[str, str]) -> Change:
    """Return a new Version, which takes `$latest` and its tags from the Versions that hold them now."""
    moved = (LATEST, *sorted(spec.settings.tags))
    return Change(ChangeKind.VERSION, {tag: holders.get(tag, "") for tag in moved}, dict.fromkeys(moved))


def _would_lose(latest: Version, lost: Sequence[str]) -> Failure:
    return Failure(
        f"version {latest.id} has settings that are left as they are live, but that this program cannot keep: it"
        f" does not know them or cannot read them: {', '.join(lost)}",
        kind=LEFT_KIND,
        advice="a new version would lose them: use a newer release of this program, or declare them",
    )


def _blocked(spec: FunctionSpec, failure: Failure) -> Unit:
    return Unit(spec.key, spec, Action.BLOCKED, failure.message, failure=failure)
