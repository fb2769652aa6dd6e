"""What identifies a Version: its fingerprint, the stamp of this in the description, and the Idempotency-Key.

All three are computed from what is sent and what was live, never from a run: every machine computes the same.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orchestrator.model import BucketPackage, Code, Failure, Fingerprint, Settings, Tree, Version, VersionCopy
from orchestrator.version.body import canonical

FINGERPRINT_VERSION = 1  # raised when the canonical form changes, which redeploys everything
STAMP_MAX_CHARS = 100  # with the space before it, of the description's 600; the rest is for the user's own text
_OBJECT_MARK = "e"  # of the object's ETag
DESCRIPTION_MAX_CHARS = 600 - STAMP_MAX_CHARS  # of the user's own text; the API takes 600 (cloud-api#fields)
_STAMP = re.compile(
    r"\[orchestrator:(\d+):([0-9a-f]{16})\.([0-9a-f]{16})(?:\.([0-9a-f]{8}))?((?:;[^][;=\s]+=[^][;]*)*)\]\s*$"
)
_FINGERPRINT = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{16})(?:\.([0-9a-f]{8}))?")
# At the end of the description of a Version that a rollback has made: what was withdrawn for it.
_BACK = re.compile(r" ?\[orchestrator:back:([0-9a-f]{8})\]\s*$")
_BACK_MARK = "back"
_ALL_MAX_CHARS = 600  # of a description, by the API (cloud-api#fields)
JOB_MARK, BASE_MARK = "j", "b"  # the job that made it, if it differs from deploy.toml; a hash of its base
HAND_MARK = ("h", "1")  # a copy of code that was made or edited by hand
_OF_CODE = (_OBJECT_MARK, HAND_MARK[0])
JOB_MARK_MAX_CHARS, BASE_MARK_CHARS = 10, 4
_CUT = re.compile(r"[A-Za-z0-9_.-]{0,5}-[0-9a-f]{4}")  # a mark that `short_mark` may have shortened
_NAMESPACE = uuid.UUID("6f0c1d52-6a4e-5b0e-9c53-5d1f0a7b9e21")  # ours; changing it would change all keys


def fingerprint(settings: Settings, code: str) -> Fingerprint:
    """Return the hash of the canonical settings. `code`: from `code_digest`. Secrets count by ID and
    resolved version.
    """
    return Fingerprint(digest_of(canonical(settings)), code)


def code_digest(code: Code, tree: Tree | None, copied: Version | None = None) -> str:
    """Return the hash of the code: of a source by its tree (path, executable bit, content), of an object by its place
    and sha256.

    A copy has the digest of the Version `copied`, so that code is recognised however often it is copied.
    """
    if isinstance(code, BucketPackage):
        return digest_of({"bucket": code.bucket, "object": code.object, "sha256": code.sha256 or ""})
    if isinstance(code, VersionCopy):
        known = read_stamp(copied.description) if copied is not None else None
        return known.code if known is not None else digest_of({"version": code.version_id})
    if tree is None:
        msg = "the tree of a source must be read before its digest is computed"
        raise ValueError(msg)
    return digest_of({"tree": tree.hash})


def former_code_digest(tree: Tree | None) -> str:
    """Return the hash of a source by the packing rules from before there were defaults, "" if they
    make no difference.
    """
    return digest_of({"tree": tree.former_hash}) if tree is not None and tree.former_hash else ""


def code_marks(
    code: Code, etag: str | None, copied: Version | None = None, *, by_hand: bool = False
) -> tuple[tuple[str, str], ...]:
    """Return the marks of the code beside its digest: of an object without a sha256, its state. A copy has the mark of
    the same object, and a mark if its code was made or edited `by_hand`.
    """
    if by_hand:
        return (HAND_MARK,)
    if isinstance(code, BucketPackage) and code.sha256 is None and etag is not None:
        return ((_OBJECT_MARK, hashlib.sha256(etag.encode()).hexdigest()[:8]),)
    known = read_stamp(copied.description) if isinstance(code, VersionCopy) and copied is not None else None
    return tuple(mark for mark in known.marks if mark[0] in _OF_CODE) if known is not None else ()


def remarked(marks: tuple[tuple[str, str], ...], of_code: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Replace the former result of `code_marks` by the new one."""
    return (*(mark for mark in marks if mark[0] not in _OF_CODE), *of_code)


def object_changed(stamp: Fingerprint, digest: Fingerprint) -> bool | None:
    """Return whether the object that a Version was made from has changed, None if unknown."""
    then, now = (dict(marked.marks).get(_OBJECT_MARK) for marked in (stamp, digest))
    return None if then is None or now is None else then != now


def is_same(stamp: Fingerprint | None, digest: Fingerprint) -> bool:
    """Return whether a stamp is of exactly this Version: also forced by the same run, and from the same object."""
    return stamp == digest and stamp.forced == digest.forced and not object_changed(stamp, digest)


def short_mark(name: str, max_chars: int) -> str:
    """Return a name as the value of a mark: unchanged, or without the characters that a stamp cannot hold, followed by
    a hash.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "", name)
    if plain == name and len(name) <= max_chars:
        return name
    return f"{plain[: max_chars - 5]}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"


def job_of_mark(mark: str, names: Iterable[str]) -> str:
    """Return the name of a job by its mark: in full if it is among `names`, otherwise the mark."""
    found = [name for name in names if short_mark(name, JOB_MARK_MAX_CHARS) == mark]
    return found[0] if len(found) == 1 else mark


def job_words(name: str) -> str:
    """Return a result of `job_of_mark` for people: what may be a mark instead of a name is shown as that."""
    may_be_cut = _CUT.fullmatch(name) is not None
    return f"{name} (a name of more than {JOB_MARK_MAX_CHARS} characters is cut)" if may_be_cut else name


def forced_digest(run_key: str) -> str:
    """Return the hash that sets a forced run apart: with the same key, it does not make the same again."""
    return hashlib.sha256(run_key.encode()).hexdigest()[:8]


def digest_of(value: Mapping[str, Any]) -> str:
    """Return the hash of JSON, whatever the order of its fields: 16 hex digits."""
    exact = {"version": FINGERPRINT_VERSION, "value": value}
    return hashlib.sha256(orjson.dumps(exact, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def stamped(description: str, digest: Fingerprint) -> str:
    """Append the stamp to the user's own text. Raises `ValueError` for marks that could not be read back, or for which
    the stamp has no room.
    """
    marks = "".join(f";{key}={value}" for key, value in digest.marks)
    stamp = f"[orchestrator:{FINGERPRINT_VERSION}:{digest}{marks}]"
    again = read_stamp(stamp)
    if len(stamp) >= STAMP_MAX_CHARS or again is None or again.marks != digest.marks:
        raise ValueError(f"{stamp} cannot be a stamp: its marks do not fit, or cannot be read back")
    return f"{description} {stamp}" if description else stamp


def no_room(description: str) -> Failure | None:
    """Return why a Version with this description cannot be stamped, None if it can: marks are made to fit."""
    if len(description) > DESCRIPTION_MAX_CHARS:
        return Failure(
            f"its description has {len(description)} characters, but with the fingerprint at most"
            f" {DESCRIPTION_MAX_CHARS} fit",
            kind="description",
            advice="make the description shorter",
        )
    return None


def base_mark(version_id: str) -> tuple[str, str]:
    """Return the mark that distinguishes a Version from the one that it replaces, if their stamps would be equal."""
    return BASE_MARK, hashlib.sha256(version_id.encode()).hexdigest()[:BASE_MARK_CHARS]


def read_stamp(description: str) -> Fingerprint | None:
    """Return the fingerprint in a Version's description, None if the Version is not ours, or has another form."""
    found = _STAMP.search(without_back_mark(description))
    if found is None or int(found[1]) != FINGERPRINT_VERSION:
        return None
    parts = (mark.partition("=") for mark in found[5].split(";")[1:])
    marks = tuple((key, value) for key, _, value in parts)
    # so that a copy made by a rollback is distinguished from the Version that it copies
    back = read_back_mark(description)
    return Fingerprint(found[2], found[3], found[4] or "", (*marks, (_BACK_MARK, back)) if back else marks)


def parse_fingerprint(text: str) -> Fingerprint | None:
    """Parse a fingerprint from a journal, None if it is invalid."""
    found = _FINGERPRINT.fullmatch(text)
    return Fingerprint(found[1], found[2], found[3] or "") if found is not None else None


def without_stamp(description: str) -> str:
    """Return the user's own text."""
    return _STAMP.sub("", without_back_mark(description)).rstrip()


def text_before(description: str) -> str:
    """Return the user's own text exactly as `stamped` got it."""
    description = without_back_mark(description)
    found = _STAMP.search(description)
    return description[: found.start()].removesuffix(" ") if found is not None else description


def back_mark(withdrawn: Fingerprint, former: Version) -> str:
    """Return the mark of what a rollback withdrew, for the description of its copy: 8 hex digits. `former`: what is
    copied, or such a copy of it.

    What forced a Version does not count: equal settings and code are withdrawn, however they are requested. Code that
    equals the former one's counts as that, not by its digest: this may name the Version it was copied from, but the
    next plan copies from the new copy.
    """
    code = "" if withdrawn.code in _digests_of(former) else withdrawn.code
    return hashlib.sha256(f"{withdrawn.settings}.{code}".encode()).hexdigest()[:8]


def _digests_of(version: Version) -> tuple[str, ...]:
    """Return the digests that a copy of a Version's code can have."""
    stamp = read_stamp(version.description)
    return digest_of({"version": version.id}), *([stamp.code] if stamp is not None else [])


def marked_back(description: str, mark: str) -> str:
    """Append a back mark to a description, replacing an existing one. If it does not fit, the description stays exactly
    as it is.
    """
    bare = without_back_mark(description)
    behind = f"[orchestrator:back:{mark}]"
    marked = f"{bare} {behind}" if bare else behind
    return marked if len(marked) <= _ALL_MAX_CHARS else bare


def without_back_mark(description: str) -> str:
    """Return the description before the back mark, if there is one."""
    return _BACK.sub("", description)


def read_back_mark(description: str) -> str:
    """Return the back mark in a Version's description, "" for none."""
    found = _BACK.search(description)
    return found[1] if found is not None else ""


def is_copy_back(version: Version, former: Version) -> bool:
    """Return whether a Version is a rollback's copy of a former one, according to its description."""
    mark = read_back_mark(version.description)
    return bool(mark) and version.id != former.id and marked_back(former.description, mark) == version.description


def is_withdrawn(latest: Version, digest: Fingerprint, copied: Version | None = None) -> bool:
    """Return whether a rollback has replaced what is desired now by this live Version. `copied`: the Version whose code
    is desired, if it is a copy.
    """
    mark = read_back_mark(latest.description)
    formers = [latest, *([copied] if copied is not None and is_copy_back(latest, copied) else [])]
    return bool(mark) and any(back_mark(digest, former) == mark for former in formers)


def version_key(body: Mapping[str, Any], base_version_id: str | None, attempt: int) -> str:
    """Return the Idempotency-Key of a createVersion: a UUIDv5 of the exact body, the `$latest` that the plan was based
    on, and the attempt. The body has the function's ID, and the stamp with what forced the Version.
    """
    exact = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return key_of("createVersion", hashlib.sha256(exact).hexdigest(), base_version_id or "", str(attempt))


def tag_key(version_id: str, tag: str, holder_id: str, attempt: int) -> str:
    """Return the Idempotency-Key of moving a tag from the Version that holds it (or "") to another."""
    return key_of("setTag", version_id, tag, holder_id, str(attempt))


def delete_key(function_id: str, version_id: str, attempt: int) -> str:
    """Return the Idempotency-Key of deleting a Version of a Function."""
    return key_of("deleteVersion", function_id, version_id, str(attempt))


def key_of(*parts: str) -> str:
    """Return an Idempotency-Key from what distinguishes a call from every other."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
