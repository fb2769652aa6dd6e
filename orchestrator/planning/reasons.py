"""Why a new Version is needed, in words: from what is desired, what is live, its stamp, and who made it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model import BucketPackage, FileChanges, Fingerprint, Tree, Unit, Version, VersionCopy
from orchestrator.planning.origin import Origin
from orchestrator.version.as_live import leaves_settings
from orchestrator.version.compare import differences, setting_changes
from orchestrator.version.copy import unknown_fields
from orchestrator.version.stamp import object_changed

# A mark of the stamp: packed with the default exclusions, where they matter. Its reason is shown once.
PACKED_ANEW = ("p", "2")
FILES_NAMED = 3  # files that a reason names


def new_version_reason(
    unit: Unit, latest: Version, stamp: Fingerprint | None, desired: Fingerprint, made: Origin
) -> str:
    """Return why a new Version is needed, "" if the live one is as desired.

    | the live Version, the first that applies      | the reason                                         |
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
        pass  # whatever its maker and its stamp: a copy would be equal
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
    """Add the settings that a new Version changes, if the reason is about them."""
    settings, filled_in = unit.spec.settings, made.by_hand and made.as_desired
    text = "; ".join(differences(settings, latest.raw, filled_in=filled_in).values())
    if not text or text not in unit.reason:
        return unit
    changes = setting_changes(settings, latest.raw, filled_in=filled_in)
    return replace(unit, settings=changes, settings_text=text)


def _changes(unit: Unit, latest: Version, stamp: Fingerprint, desired: Fingerprint, *, as_desired: bool) -> str:
    """Return how a Version of ours differs from what is desired, "" if it does not."""
    spec = unit.spec
    found = [_code_words(stamp, desired, unit.files)] if stamp.code != desired.code else []
    if isinstance(spec.code, BucketPackage) and not found and object_changed(stamp, desired):
        found.append(f"package {spec.code.object} was overwritten")
    if not as_desired:  # what is left as it is live may change without a difference
        unseen = [] if leaves_settings(spec.as_live) else ["settings changed"]
        found += differences(spec.settings, latest.raw).values() or unseen
    unknown = unknown_fields(latest.raw) if found else ()
    if unknown:  # no reason to block: the cloud may have a new field, which all Versions have
        found.append(f"removes settings that this program does not know: {', '.join(unknown)}")
    return "; ".join(found)


def _code_words(stamp: Fingerprint, desired: Fingerprint, files: FileChanges | None) -> str:
    """Return the files that differ, "code: index.py, +util.py, -old.py, 12 more", or the packages if their files are
    not known.
    """
    names = files.signed() if files is not None else ()
    if not names:
        return f"package {stamp.code[:4]}… → {desired.code[:4]}…"
    more = f", {len(names) - FILES_NAMED} more" if len(names) > FILES_NAMED else ""
    return f"code: {', '.join(names[:FILES_NAMED])}{more}"


def _packed_anew(tree: Tree | None, files: FileChanges | None) -> str:
    """Return the files that a changed packing rule removes from a package or adds to it, "" for none. If the files of
    the live package are known, only those that differ: a file that was added to the source later was never in it.
    """
    names = tree.since_then if tree is not None else ()
    if files is not None:
        names = tuple(name for name in names if name in files.removed or name in files.added)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"packing rules of this release: {', '.join(names[:3])}{more}" if names else ""
