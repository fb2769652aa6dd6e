"""Who made the Version that is live: whether a new one may take its place without a question."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model import AsLive, Fingerprint, FunctionSpec, Version, VersionCopy
from orchestrator.model.live_state import Replaced
from orchestrator.version.as_live import LIVE_MARK, as_if_declared, leaves_settings, live_mark, with_parts
from orchestrator.version.compare import differences
from orchestrator.version.copy import settings_of
from orchestrator.version.drift import is_as_marked, is_as_stamped
from orchestrator.version.history import History
from orchestrator.version.stamp import JOB_MARK, fingerprint, read_stamp


@dataclass(frozen=True, slots=True)
class Origin:
    """`label`: what the Version is, where somebody has to be asked before anything of it goes; "" where it is what
    deploy.toml has asked for.

    `by_hand`: somebody made or edited it. `as_desired`: its stamp is that of the settings which are desired now, so
    what these leave open was filled in by the cloud. `code`: what is said of its code, where that may be another than
    its stamp says and is to go; "" where not. `code_alone`: its settings are what deploy.toml has asked for. `by_job`:
    a job made it, and what that has changed is not put back without a question.
    """

    label: str = ""
    by_hand: bool = False
    as_desired: bool = False
    code: str = ""
    code_alone: bool = False
    by_job: bool = False


def origin(spec: FunctionSpec, digest: Fingerprint, latest: Version, history: History) -> Origin:
    """Find out who made the live Version. What a job made is its own: running it again asks nobody. What others have
    changed of what is left as it is live is theirs, and no edit.
    """
    history = history.leaving(spec.as_live)
    stamp, doubt = read_stamp(latest.description), history.doubt(latest)
    code = doubt.of if doubt is not None and _loses_code(spec, latest) else ""
    if history.replaced is not None:  # so a stamp is a copy, and proves nothing
        return Origin(_made_again(latest, history.replaced), by_hand=True)
    if stamp is None:
        label = _by_hand(latest) if doubt is not None else "the live version was not made by this tool"
        return Origin(label, by_hand=True, code=code)
    if doubt is not None and not doubt.mine:
        return Origin(f"{_by_hand(latest)}, with the stamp of {doubt.twin}", by_hand=True, code=code)
    first = history.as_made(latest)
    as_desired = stamp.settings == digest.settings or _as_desired_then(spec, stamp, first)
    if as_desired:
        edited = bool(differences(spec.settings, latest.raw, filled_in=True))
    else:
        edited = not _as_made(spec, first, stamp, history.as_live)
    if edited:
        return Origin(_by_hand(latest), by_hand=True, as_desired=as_desired, code=code)
    job = dict(stamp.marks).get(JOB_MARK)
    if job is not None and job != dict(digest.marks).get(JOB_MARK):
        return Origin(f"{latest.id} was made by job {job}", as_desired=as_desired, code=code, by_job=True)
    if LIVE_MARK in dict(stamp.marks) and not is_as_marked(spec.settings, first, stamp, history.as_live):
        label = f"{latest.id} has settings that were left as they were live, and are not left so any more"
        return Origin(label, as_desired=as_desired, code=code)
    label = f"{latest.id} is a copy" if code else ""
    return Origin(label, as_desired=as_desired, code=code, code_alone=True)


def _as_desired_then(spec: FunctionSpec, stamp: Fingerprint, first: Version) -> bool:
    """Say whether a Version was made of the settings that are desired now, but for what is left as it is live: as that
    was then, or as it is declared.
    """
    left = spec.as_live
    if not leaves_settings(left):
        return False
    if live_mark(spec.settings, left) in stamp.marks and not left.but:  # else a job changes what is left so
        return True
    then = [with_parts(spec.settings, one, left) for one in (settings_of(first), left.declared) if one is not None]
    return any(fingerprint(one, "").settings == stamp.settings for one in then)


def _as_made(spec: FunctionSpec, first: Version, stamp: Fingerprint, left: AsLive) -> bool:
    settings = with_parts(spec.settings, settings_of(first), left) if left else spec.settings
    if is_as_stamped(settings, first, stamp):
        return True
    if not leaves_settings(left):
        return False
    declared = as_if_declared(first, spec.as_live)  # as it was made, perhaps, before anything of it was left so
    return is_as_marked(settings, first, stamp, left) or is_as_stamped(spec.settings, declared, stamp)


def _made_again(latest: Version, former: Replaced) -> str:
    return (
        f"somebody has made the function again: {latest.function_id} is not {former.former_id}, which run"
        f" {former.run_id} deployed under its name"
    )


def _by_hand(latest: Version) -> str:
    return f"drift: {latest.id} was made by hand"


def _loses_code(spec: FunctionSpec, latest: Version) -> bool:
    return not (isinstance(spec.code, VersionCopy) and spec.code.version_id == latest.id)
