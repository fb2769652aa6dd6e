"""Who made the Version that is live: whether a new one may take its place without a question."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model import Fingerprint, FunctionSpec, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.version.compare import differences
from orchestrator.version.drift import is_as_stamped
from orchestrator.version.stamp import JOB_MARK, read_stamp

CODE = "its code, which may have been edited"
Whole = tuple[str, str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Origin:
    """`label`: what the Version is, where somebody has to be asked before anything of it goes; "" where it is what
    deploy.toml has asked for.

    `by_hand`: somebody made or edited it. `as_desired`: its stamp is that of the settings which are desired now, so
    what these leave open was filled in by the cloud. `code`: its code may be another than the stamp says.
    """

    label: str = ""
    by_hand: bool = False
    as_desired: bool = False
    code: bool = False


def origin(spec: FunctionSpec, digest: Fingerprint, latest: Version, before: Version | None, *, ours: bool) -> Origin:
    """Find out who made the live Version. `before`: the one that it took the place of; `ours`: this tool has made one
    of the function before. What a job made is its own: running it again asks nobody.
    """
    stamp = read_stamp(latest.description)
    if stamp is None:
        return Origin(_by_hand(latest) if ours else "the live version was not made by this tool", by_hand=True)
    if before is not None and shares_stamp(latest, before):
        return Origin(
            f"{_by_hand(latest)}, with the stamp of {before.id}", by_hand=True, code=_loses_code(spec, latest)
        )
    as_desired = stamp.settings == digest.settings
    if as_desired:
        edited = bool(differences(spec.settings, latest.raw, filled_in=True))
    else:
        edited = not is_as_stamped(spec.settings, latest, stamp)
    if edited:
        return Origin(_by_hand(latest), by_hand=True, as_desired=as_desired)
    job = dict(stamp.marks).get(JOB_MARK)
    others = job is not None and job != dict(digest.marks).get(JOB_MARK)
    return Origin(f"{latest.id} was made by job {job}" if others else "", as_desired=as_desired)


def shares_stamp(version: Version, other: Version | None) -> bool:
    """Say whether two Versions say the same of themselves: then one is a copy by hand, of which no code is known."""
    stamp = read_stamp(version.description)
    former = read_stamp(other.description) if other is not None else None
    return stamp is not None and former is not None and whole(stamp) == whole(former)


def whole(stamp: Fingerprint) -> Whole:
    """Give all that a stamp says, which no two Versions of a Function share, if this tool has made them: it marks the
    later one with a hash of its base. So two in a row of one stamp are a Version and a copy by hand.
    """
    return stamp.settings, stamp.code, stamp.forced, stamp.marks


def stamps_of(live: LiveState) -> dict[str, dict[Whole, list[str]]]:
    """Collect the stamps of all Versions, and which have them, by function id: only Functions that this tool has made
    one of are there.
    """
    found: dict[str, dict[Whole, list[str]]] = {}
    for version in live.versions.values():
        stamp = read_stamp(version.description)
        if stamp is not None:
            found.setdefault(version.function_id, {}).setdefault(whole(stamp), []).append(version.id)
    return found


def _by_hand(latest: Version) -> str:
    return f"drift: {latest.id} was made by hand"


def _loses_code(spec: FunctionSpec, latest: Version) -> bool:
    return not (isinstance(spec.code, VersionCopy) and spec.code.version_id == latest.id)


def versions_before(live: LiveState) -> dict[str, Version]:
    """Find, by function id, the Version that `$latest` took the place of: the newest of those that are older."""
    found: dict[str, Version] = {}
    for version in live.versions.values():
        latest = live.latest(version.function_id)
        if latest is None or latest.created_at is None or version.created_at is None or version.is_creating:
            continue
        known = found.get(version.function_id)
        newer = known is None or known.created_at is None or known.created_at < version.created_at
        if version.created_at < latest.created_at and newer:
            found[version.function_id] = version
    return found
