"""Who made the live Version, and so whether a new one may replace it without asking."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.model import AsLive, Fingerprint, FunctionSpec, Version, VersionCopy
from orchestrator.model.live_state import Replaced
from orchestrator.version.as_live import LIVE_MARK, as_if_declared, leaves_settings, live_mark, with_parts
from orchestrator.version.compare import differences
from orchestrator.version.copy import settings_of
from orchestrator.version.drift import is_as_marked, is_as_stamped
from orchestrator.version.history import History
from orchestrator.version.stamp import JOB_MARK, fingerprint, job_of_mark, job_words, read_stamp


@dataclass(frozen=True, slots=True)
class Origin:
    """`label`: what the Version is, if someone must agree before any of it is removed. "" if it is what deploy.toml
    asked for.

    `by_hand`: it was made or edited by hand. `as_desired`: its stamp has the settings that are desired now, so the
    cloud filled in what these leave open. `code`: a message about its code, if that may differ from its stamp and would
    be replaced; otherwise "". `code_alone`: its settings are what deploy.toml asked for. `by_job`: a job made it, and
    its changes are not reverted without asking.
    """

    label: str = ""
    by_hand: bool = False
    as_desired: bool = False
    code: str = ""
    code_alone: bool = False
    by_job: bool = False


def origin(
    spec: FunctionSpec, digest: Fingerprint, latest: Version, history: History, job_names: Collection[str] = ()
) -> Origin:
    """Return who made the live Version. A job may replace its own Versions without asking. Changes by others to what is
    left as it is live do not count as edits.
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
        name = job_of_mark(job, job_names)
        name = name if name in job_names else job_words(name)
        return Origin(f"{latest.id} was made by job {name}", as_desired=as_desired, code=code, by_job=True)
    if LIVE_MARK in dict(stamp.marks) and not is_as_marked(spec.settings, first, stamp, history.as_live):
        label = f"{latest.id} has settings that were left as they were live, and no longer are"
        return Origin(label, as_desired=as_desired, code=code)
    label = f"{latest.id} is a copy" if code else ""
    return Origin(label, as_desired=as_desired, code=code, code_alone=True)


def _as_desired_then(spec: FunctionSpec, stamp: Fingerprint, first: Version) -> bool:
    """Return whether a Version was made from the settings that are desired now, apart from what is left as it is live:
    that may have its live value of then, or its declared value.
    """
    left = spec.as_live
    if not leaves_settings(left):
        return False
    # otherwise a job changes what is left as it is live
    if live_mark(spec.settings, left) in stamp.marks and not left.but:
        return True
    then = [with_parts(spec.settings, one, left) for one in (settings_of(first), left.declared) if one is not None]
    return any(fingerprint(one, "").settings == stamp.settings for one in then)


def _as_made(spec: FunctionSpec, first: Version, stamp: Fingerprint, left: AsLive) -> bool:
    settings = with_parts(spec.settings, settings_of(first), left) if left else spec.settings
    if is_as_stamped(settings, first, stamp):
        return True
    if not leaves_settings(left):
        return False
    declared = as_if_declared(first, spec.as_live)  # it may have been made before any of it was left as it is live
    return is_as_marked(settings, first, stamp, left) or is_as_stamped(spec.settings, declared, stamp)


def _made_again(latest: Version, former: Replaced) -> str:
    return (
        f"the function was created again: {latest.function_id} is not {former.former_id}, which run {former.run_id}"
        " deployed under its name"
    )


def _by_hand(latest: Version) -> str:
    return f"drift: {latest.id} was made by hand"


def _loses_code(spec: FunctionSpec, latest: Version) -> bool:
    return not (isinstance(spec.code, VersionCopy) and spec.code.version_id == latest.id)
