"""What a version is known by: its fingerprint, the stamp of it in the description, and the Idempotency-Key.

The three are computed from what is sent and what was live, never from a run: any machine computes the same.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.model import BucketPackage, Code, Failure, Fingerprint, Settings, Tree, Version, VersionCopy
from orchestrator.version.body import canonical

FINGERPRINT_VERSION = 1  # raised when the canonical form changes, which redeploys everything
STAMP_MAX_CHARS = 100  # with the space before it, of the description's 600; the user's own text has the rest
_OBJECT_MARK = "e"  # of the object's ETag
DESCRIPTION_MAX_CHARS = 600 - STAMP_MAX_CHARS  # of the user's own text; the API takes 600 (cloud-api#fields)
_STAMP = re.compile(
    r"\[orchestrator:(\d+):([0-9a-f]{16})\.([0-9a-f]{16})(?:\.([0-9a-f]{8}))?((?:;[^][;=\s]+=[^][;]*)*)\]\s*$"
)
_FINGERPRINT = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{16})(?:\.([0-9a-f]{8}))?")
# Behind the description of a Version that a rollback has made: what was withdrawn for it.
_BACK = re.compile(r" ?\[orchestrator:back:([0-9a-f]{8})\]\s*$")
_BACK_MARK = "back"
_ALL_MAX_CHARS = 600  # of a description, by the API (cloud-api#fields)
JOB_MARK, BASE_MARK = "j", "b"  # the job that made it, where it differs from deploy.toml; a hash of its base
HAND_MARK = ("h", "1")  # a copy of code that was made or edited by hand
_OF_CODE = (_OBJECT_MARK, HAND_MARK[0])
JOB_MARK_MAX_CHARS, BASE_MARK_CHARS = 10, 4
_NAMESPACE = uuid.UUID("6f0c1d52-6a4e-5b0e-9c53-5d1f0a7b9e21")  # ours; changing it would forget all keys


def fingerprint(settings: Settings, code: str) -> Fingerprint:
    """Hash the canonical settings; `code` is what `code_digest` gave. Secrets count by id and version, resolved."""
    return Fingerprint(digest_of(canonical(settings)), code)


def code_digest(code: Code, tree: Tree | None, copied: Version | None = None) -> str:
    """Hash the code: a source by its tree (path, executable bit, content), an object by its place and sha256.

    A copy has the digest of the version `copied`, so that code is known again however often it was copied.
    """
    if isinstance(code, BucketPackage):
        return digest_of({"bucket": code.bucket, "object": code.object, "sha256": code.sha256 or ""})
    if isinstance(code, VersionCopy):
        known = read_stamp(copied.description) if copied is not None else None
        return known.code if known is not None else digest_of({"version": code.version_id})
    if tree is None:
        msg = "the tree of a source is read before its digest is taken"
        raise ValueError(msg)
    return digest_of({"tree": tree.hash})


def former_code_digest(tree: Tree | None) -> str:
    """Hash a source by the packing rules of before there were defaults; "" where they make no difference."""
    return digest_of({"tree": tree.former_hash}) if tree is not None and tree.former_hash else ""


def code_marks(
    code: Code, etag: str | None, copied: Version | None = None, *, by_hand: bool = False
) -> tuple[tuple[str, str], ...]:
    """Give what a stamp says of the code besides its digest: of an object without a sha256, which state of it was
    taken. A copy is of the same object, and says whether its code was made or edited `by_hand`.
    """
    if by_hand:
        return (HAND_MARK,)
    if isinstance(code, BucketPackage) and code.sha256 is None and etag is not None:
        return ((_OBJECT_MARK, hashlib.sha256(etag.encode()).hexdigest()[:8]),)
    known = read_stamp(copied.description) if isinstance(code, VersionCopy) and copied is not None else None
    return tuple(mark for mark in known.marks if mark[0] in _OF_CODE) if known is not None else ()


def remarked(marks: tuple[tuple[str, str], ...], of_code: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Put what `code_marks` gave in the place of what it gave before."""
    return (*(mark for mark in marks if mark[0] not in _OF_CODE), *of_code)


def object_changed(stamp: Fingerprint, digest: Fingerprint) -> bool | None:
    """Whether the object that a version was made of is another one now; None where that cannot be told."""
    then, now = (dict(marked.marks).get(_OBJECT_MARK) for marked in (stamp, digest))
    return None if then is None or now is None else then != now


def is_same(stamp: Fingerprint | None, digest: Fingerprint) -> bool:
    """Whether a stamp is of the very version that is meant: also forced by the same run, and of the same object."""
    return stamp == digest and stamp.forced == digest.forced and not object_changed(stamp, digest)


def short_mark(name: str, max_chars: int) -> str:
    """Make a name the value of a mark: as it is, or with what a stamp cannot hold left out and a hash behind it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "", name)
    if plain == name and len(name) <= max_chars:
        return name
    return f"{plain[: max_chars - 5]}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"


def forced_digest(run_key: str) -> str:
    """Hash what sets a forced run apart: with the same key, what it has made already is not made again."""
    return hashlib.sha256(run_key.encode()).hexdigest()[:8]


def digest_of(value: Mapping[str, Any]) -> str:
    """Hash JSON, whatever the order of its fields: 16 hex digits."""
    exact = {"version": FINGERPRINT_VERSION, "value": value}
    return hashlib.sha256(orjson.dumps(exact, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def stamped(description: str, digest: Fingerprint) -> str:
    """Put the stamp behind the user's own text. Raises `ValueError` for marks that could not be read from it again, or
    for which the stamp has no room.
    """
    marks = "".join(f";{key}={value}" for key, value in digest.marks)
    stamp = f"[orchestrator:{FINGERPRINT_VERSION}:{digest}{marks}]"
    again = read_stamp(stamp)
    if len(stamp) >= STAMP_MAX_CHARS or again is None or again.marks != digest.marks:
        raise ValueError(f"{stamp} cannot be a stamp: no room for its marks, or not to be read again")
    return f"{description} {stamp}" if description else stamp


def no_room(description: str) -> Failure | None:
    """Say why a version with this description cannot be stamped, None where it can: marks are made to fit."""
    if len(description) > DESCRIPTION_MAX_CHARS:
        return Failure(
            f"its description has {len(description)} characters, and the fingerprint behind it leaves room for"
            f" {DESCRIPTION_MAX_CHARS}",
            kind="description",
            advice="make the description shorter",
        )
    return None


def base_mark(version_id: str) -> tuple[str, str]:
    """Tell a version from the one that it takes the place of, where their stamps would be one."""
    return BASE_MARK, hashlib.sha256(version_id.encode()).hexdigest()[:BASE_MARK_CHARS]


def read_stamp(description: str) -> Fingerprint | None:
    """Find the fingerprint in a version's description; None where the version is not ours, or of another form."""
    found = _STAMP.search(without_back_mark(description))
    if found is None or int(found[1]) != FINGERPRINT_VERSION:
        return None
    parts = (mark.partition("=") for mark in found[5].split(";")[1:])
    marks = tuple((key, value) for key, _, value in parts)
    back = read_back_mark(description)  # so that a copy made by a rollback is told from the version that it copies
    return Fingerprint(found[2], found[3], found[4] or "", (*marks, (_BACK_MARK, back)) if back else marks)


def parse_fingerprint(text: str) -> Fingerprint | None:
    """Read a fingerprint as a journal has it; None where it is none."""
    found = _FINGERPRINT.fullmatch(text)
    return Fingerprint(found[1], found[2], found[3] or "") if found is not None else None


def without_stamp(description: str) -> str:
    """Give the user's own text back."""
    return _STAMP.sub("", without_back_mark(description)).rstrip()


def text_before(description: str) -> str:
    """Give the user's own text to the letter, as `stamped` was given it."""
    description = without_back_mark(description)
    found = _STAMP.search(description)
    return description[: found.start()].removesuffix(" ") if found is not None else description


def back_mark(withdrawn: Fingerprint, former: Version) -> str:
    """Give what the description of a copy that a rollback makes says of what was withdrawn for it: 8 hex digits.
    `former`: what is copied, or such a copy of it.

    What forced it does not count: the same settings and code are withdrawn, however they are asked for. Code that was
    the former one's counts as that, not by its digest: this may name the Version it was copied from, and the next
    plan copies from another, the copy.
    """
    code = "" if withdrawn.code in _digests_of(former) else withdrawn.code
    return hashlib.sha256(f"{withdrawn.settings}.{code}".encode()).hexdigest()[:8]


def _digests_of(version: Version) -> tuple[str, ...]:
    """Give the digests that a copy of a Version's code can have."""
    stamp = read_stamp(version.description)
    return digest_of({"version": version.id}), *([stamp.code] if stamp is not None else [])


def marked_back(description: str, mark: str) -> str:
    """Put a back mark behind a description, in place of one that is there. Where it does not fit, the description stays
    as it is, to the letter.
    """
    bare = without_back_mark(description)
    behind = f"[orchestrator:back:{mark}]"
    marked = f"{bare} {behind}" if bare else behind
    return marked if len(marked) <= _ALL_MAX_CHARS else bare


def without_back_mark(description: str) -> str:
    """Give what stands before the back mark, where there is one."""
    return _BACK.sub("", description)


def read_back_mark(description: str) -> str:
    """Find the back mark in a Version's description, "" where there is none."""
    found = _BACK.search(description)
    return found[1] if found is not None else ""


def is_copy_back(version: Version, former: Version) -> bool:
    """Say whether a Version is, by its description, the copy of a former one that a rollback has made."""
    mark = read_back_mark(version.description)
    return bool(mark) and version.id != former.id and marked_back(former.description, mark) == version.description


def is_withdrawn(latest: Version, digest: Fingerprint, copied: Version | None = None) -> bool:
    """Say whether a rollback has put this live Version in the place of what is wanted now. `copied`: the Version whose
    code is wanted, where it is that of one.
    """
    mark = read_back_mark(latest.description)
    formers = [latest, *([copied] if copied is not None and is_copy_back(latest, copied) else [])]
    return bool(mark) and any(back_mark(digest, former) == mark for former in formers)


def version_key(body: Mapping[str, Any], base_version_id: str | None, attempt: int) -> str:
    """Make the Idempotency-Key of a createVersion: a UUIDv5 of the exact body, the `$latest` that the plan was based
    on, and the attempt. The body holds the function's id, and the stamp with what forced the version.
    """
    exact = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return key_of("createVersion", hashlib.sha256(exact).hexdigest(), base_version_id or "", str(attempt))


def tag_key(version_id: str, tag: str, holder_id: str, attempt: int) -> str:
    """Make the Idempotency-Key of moving a tag from the Version that holds it (or "") to another."""
    return key_of("setTag", version_id, tag, holder_id, str(attempt))


def delete_key(function_id: str, version_id: str, attempt: int) -> str:
    """Make the Idempotency-Key of deleting a Version of a Function."""
    return key_of("deleteVersion", function_id, version_id, str(attempt))


def key_of(*parts: str) -> str:
    """Make an Idempotency-Key of what sets a call apart from every other."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
