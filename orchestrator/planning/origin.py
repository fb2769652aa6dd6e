"""Who made the Version that is live: whether a new one may take its place without a question."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model import Fingerprint, FunctionSpec, Version, VersionCopy
from orchestrator.model.live_state import Replaced
from orchestrator.version.compare import differences
from orchestrator.version.drift import is_as_stamped
from orchestrator.version.history import History
from orchestrator.version.stamp import JOB_MARK, read_stamp


@dataclass(frozen=True, slots=True)
class Origin:
    """`label`: what the Version is, where somebody has to be asked before anything of it goes; "" where it is what
    deploy.toml has asked for.

    `by_hand`: somebody made or edited it. `as_desired`: its stamp is that of the settings which are desired now, so
    what these leave open was filled in by the cloud. `code`: what is said of its code, where that may be another than
    its stamp says and is to go; "" where not. `code_alone`: its settings are what deploy.toml has asked for.
    """

    label: str = ""
    by_hand: bool = False
    as_desired: bool = False
    code: str = ""
    code_alone: bool = False


def origin(spec: FunctionSpec, digest: Fingerprint, latest: Version, history: History) -> Origin:
    """Find out who made the live Version. What a job made is its own: running it again asks nobody."""
    stamp, doubt = read_stamp(latest.description), history.doubt(latest)
    code = doubt.of if doubt is not None and _loses_code(spec, latest) else ""
    if history.replaced is not None:  # so a stamp is a copy, and proves nothing
        return Origin(_made_again(latest, history.replaced), by_hand=True)
    if stamp is None:
        label = _by_hand(latest) if doubt is not None else "the live version was not made by this tool"
        return Origin(label, by_hand=True, code=code)
    if doubt is not None and not doubt.mine:
        return Origin(f"{_by_hand(latest)}, with the stamp of {doubt.twin}", by_hand=True, code=code)
    as_desired = stamp.settings == digest.settings
    if as_desired:
        edited = bool(differences(spec.settings, latest.raw, filled_in=True))
    else:
        edited = not is_as_stamped(spec.settings, latest, stamp)
    if edited:
        return Origin(_by_hand(latest), by_hand=True, as_desired=as_desired, code=code)
    job = dict(stamp.marks).get(JOB_MARK)
    if job is not None and job != dict(digest.marks).get(JOB_MARK):
        return Origin(f"{latest.id} was made by job {job}", as_desired=as_desired, code=code)
    label = f"{latest.id} is a copy" if code else ""
    return Origin(label, as_desired=as_desired, code=code, code_alone=True)


def _made_again(latest: Version, former: Replaced) -> str:
    return (
        f"somebody has made the function again: {latest.function_id} is not {former.former_id}, which run"
        f" {former.run_id} deployed under its name"
    )


def _by_hand(latest: Version) -> str:
    return f"drift: {latest.id} was made by hand"


def _loses_code(spec: FunctionSpec, latest: Version) -> bool:
    return not (isinstance(spec.code, VersionCopy) and spec.code.version_id == latest.id)
