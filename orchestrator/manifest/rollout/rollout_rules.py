"""The rules of verification, promotion and rollouts that involve several keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.manifest.disk import Disk
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.rollout.rollout_tables import HttpTable, RolloutTable
from orchestrator.manifest.setting_rules import Breach, repeated
from orchestrator.version.rings import RINGS, TAGS_MAX

KINDS = ("payload", "http", "command")  # of a verification
_NO_BODY = ("GET", "HEAD")


def verify_breaches(draft: Draft, disk: Disk) -> Iterator[Breach]:
    """Yield all rules about verification that a function breaks."""
    verify: Mapping[str, Any] | None = draft.values.get("verify")
    if verify is None:
        return
    given = [kind for kind in KINDS if kind in verify]
    if len(given) > 1:
        rule = f"set only one of payload, http and command; {given[0]} is set too"
        yield Breach(("verify", given[1]), rule)
    elif not given:
        rule = 'needs one of payload, http and command; to remove an inherited table, set without = ["verify"]'
        yield Breach(("verify",), rule, others=(("verify",),))
    elif "expect" in verify and given != ["payload"]:
        instead = "use expect_body with http" if given == ["http"] else "a command passes by its exit code"
        yield Breach(("verify", "expect"), f"is only allowed with payload; {instead}", others=(("verify", "payload"),))
    if "http" in verify:
        yield from _http(verify["http"])
    if "command" in verify:
        folder = draft.origin(("verify", "command"))[0].file.folder
        why = disk.no_program(verify["command"][0], folder, made_later="build" in draft.values)
        if why:
            yield Breach(("verify", "command"), why)


def _http(http: HttpTable) -> Iterator[Breach]:
    method = http.method or "GET"
    if http.body is not None and method in _NO_BODY:
        rule = f'a {method} has no body; add method = "POST", or what the function accepts'
        yield Breach(("verify", "http", "body"), rule, others=(("verify", "http", "method"),))
    if http.expect_body is not None and method == "HEAD":
        rule = "the response to a HEAD has no body; remove one of the two"
        yield Breach(("verify", "http", "expect_body"), rule, others=(("verify", "http", "method"),))


def unsafe_kind(verify: Mapping[str, Any]) -> str:
    """Return the kind of verification that [defaults] has without `safe`, "" where there is none. It would call every
    future function, though a call may not be safe for it.
    """
    return "" if verify.get("safe") else next((kind for kind in KINDS if kind in verify), "")


def promote_breaches(draft: Draft) -> Iterator[Breach]:
    """Yield all rules about tags and their moves that a function breaks."""
    values = draft.values
    tags, promote = values.get("tags", []), values.get("promote", [])
    for index in repeated(promote):
        yield Breach(("promote", index), f'"{promote[index]}" is listed twice')
    for index, tag in enumerate(promote):
        if tag in tags and tag not in promote[:index]:
            rule = f'"{tag}" is also in tags, which move before the verification; remove it from one of the two'
            yield Breach(("promote", index), rule, others=(("tags",),))
    count = len({*tags, *promote})
    if count > TAGS_MAX >= len({*tags}):
        rule = f"a function can have {TAGS_MAX} tags, not {count}, including those in `tags`"
        yield Breach(("promote",), rule)
    if "verify" not in values:
        return
    if tags:
        rule = "they move when the version is created, before it is verified; `promote` moves them afterwards"
        yield Breach(("tags",), rule, warning=True)
    if TAGS_MAX - len(RINGS) < count <= TAGS_MAX:
        rule = (
            f"a function can have {TAGS_MAX} tags: with these {count} there is no room for {' and '.join(RINGS)}, by"
            " which new versions are called; a version without such a tag is called by $latest"
        )
        yield Breach(("verify",), rule, warning=True)


def rollout_breaches(
    table: RolloutTable, below: RolloutTable | None, folder: str, disk: Disk
) -> Iterator[tuple[KeyPath, str, tuple[KeyPath, ...]]]:
    """Yield all rules about a rollout that its table breaks: its key, the reason, and the keys that the rule involves.
    `below`: the table that it is merged over. `folder`: where its commands run.
    """
    declared = next((one for one in (table, below) if one is not None and one.max_failures is not None), None)
    if table.on_breach == "rollback" and declared is None:
        rule = '"rollback" needs max_failures: how many functions may fail before all are rolled back; 0 is allowed'
        yield ("on_breach",), rule, (("max_failures",),)
    if table.gate is not None and (why := disk.no_program(table.gate.command[0], folder)):
        yield ("gate", "command"), why, ()
