"""Why there is to be a new Version, in words: what is desired, what is live, its stamp, and who made it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import BucketPackage, FileChanges, Fingerprint, Tree, Unit, Version, VersionCopy
from orchestrator.planning.origin import Origin
from orchestrator.version.as_live import leaves_settings
from orchestrator.version.compare import differences, setting_changes
from orchestrator.version.copy import unknown_fields
from orchestrator.version.stamp import object_changed

# A mark of the stamp: packed by the rules with defaults, where that makes a difference. Its reason is told once.
PACKED_ANEW = ("p", "2")
FILES_NAMED = 3  # files that a reason names


def new_version_reason(
    unit: Unit, latest: Version, stamp: Fingerprint | None, desired: Fingerprint, made: Origin
) -> str:
    """Say why there is to be a new Version, "" where the live one is what is desired.

    | the live Version, the first that holds        | the reason                                         |
    | ---                                           | ---                                                |
    | is the one to copy, with the desired settings | none                                               |
    | was made by hand, or by another tool          | who made it, and what differs from what is desired |
    | has our stamp                                 | what differs from what was desired then            |
    | any, and this run is forced                   | "forced", before what differs                      |
    | any, without a reason, and it is not ACTIVE   | its status                                         |
    """
    spec, reason = unit.spec, ""
    is_copy = isinstance(spec.code, VersionCopy) and spec.code.version_id == latest.id
    if is_copy and not differences(spec.settings, latest.raw):
        pass  # whoever made it, and whatever the stamp says: a copy would be the same again
    elif made.by_hand:
        changes = "; ".join(differences(spec.settings, latest.raw, filled_in=made.as_desired).values())
        reason = f"{made.label}: {changes}" if changes else made.label
    elif stamp is not None:
        reason = _changes(unit, latest, stamp, desired, as_desired=made.as_desired)
        repacked = unit.fingerprint is not None and stamp.code != unit.fingerprint.code
        if reason and repacked and PACKED_ANEW not in stamp.marks:
            reason = "; ".join(part for part in (reason, _packed_anew(unit.tree, unit.files)) if part)
    is_forced = bool(desired.forced) and (stamp is None or stamp.forced != desired.forced)
    if is_forced and not (made.by_hand and reason):
        reason = f"forced; {reason}" if reason else "forced"
    return reason or ("" if latest.is_active else f"the live version is {latest.status}")


def with_settings(unit: Unit, latest: Version, made: Origin) -> Unit:
    """Say beside the reason which settings a new Version changes, where the reason tells of them."""
    settings, filled_in = unit.spec.settings, made.by_hand and made.as_desired
    told = "; ".join(differences(settings, latest.raw, filled_in=filled_in).values())
    if not told or told not in unit.reason:
        return unit
    changes = setting_changes(settings, latest.raw, filled_in=filled_in)
    return replace(unit, settings=changes, settings_told=told)


def _changes(unit: Unit, latest: Version, stamp: Fingerprint, desired: Fingerprint, *, as_desired: bool) -> str:
    """Say in what a version of ours differs from what is desired, "" where it does not."""
    spec = unit.spec
    found = [_code_words(stamp, desired, unit.files)] if stamp.code != desired.code else []
    if isinstance(spec.code, BucketPackage) and not found and object_changed(stamp, desired):
        found.append(f"package {spec.code.object} was overwritten")
    if not as_desired:  # what is declared to be left as it is live may change without a difference
        unseen = [] if leaves_settings(spec.as_live) else ["settings changed"]
        found += differences(spec.settings, latest.raw).values() or unseen
    unknown = unknown_fields(latest.raw) if found else ()
    if unknown:  # no reason to stop a version of ours: the cloud may have got a new field, which all versions have
        found.append(f"takes away settings that this program does not know: {', '.join(unknown)}")
    return "; ".join(found)


def _code_words(stamp: Fingerprint, desired: Fingerprint, files: FileChanges | None) -> str:
    """Name the files that differ, "code: index.py, +util.py, -old.py, 12 more"; their packages where nobody knows."""
    names = files.signed() if files is not None else ()
    if not names:
        return f"package {stamp.code[:4]}… → {desired.code[:4]}…"
    more = f", {len(names) - FILES_NAMED} more" if len(names) > FILES_NAMED else ""
    return f"code: {', '.join(names[:FILES_NAMED])}{more}"


def _packed_anew(tree: Tree | None, files: FileChanges | None) -> str:
    """Name what a changed packing rule takes out of a package, or puts in; "" for nothing. Where the files of the live
    package are known, only what differs from it: a file that came into the source since was never in it.
    """
    names = tree.since_then if tree is not None else ()
    if files is not None:
        names = tuple(name for name in names if name in files.removed or name in files.added)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"packing rules of this version of the program: {', '.join(names[:3])}{more}" if names else ""
