"""A changed packing rule of ours redeploys nothing. It is reported once, when something else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model import Action, Tree, Unit
from orchestrator.model.live_state import indexed
from orchestrator.model.packed import DIGEST_CHARS, PackedFiles
from orchestrator.planning.planner import build
from orchestrator.planning.reasons import PACKED_ANEW
from orchestrator.version.body import settings_fields
from orchestrator.version.stamp import code_digest, fingerprint, stamped
from tests.builders import function, settings, source, spec, version

OLD, NEW, EDITED = "a" * 64, "b" * 64, "c" * 64
WITH_DIFFERENCE = Tree(NEW, 10, ("index.py",), former_hash=OLD, since_then=(".idea/x", "deploy.toml"))
NAMED = "packing rules of this release: .idea/x, deploy.toml"


def planned(live_hash: str, now: Tree, *, marks: tuple[tuple[str, str], ...] = (), memory_bytes: int = 2**27) -> Unit:
    before = settings()
    digest = fingerprint(before, code_digest(source(), Tree(live_hash, 10, ("index.py",))))
    digest = type(digest)(digest.settings, digest.code, marks=marks)
    raw = settings_fields(before, stamped("", digest))
    live = indexed([function()], [version("v1", "id-f", **raw)])
    desired = spec(settings=settings(memory_bytes=memory_bytes), code=source())
    (unit,) = build({"f": desired}, live, {"f": now}, {}).units
    return unit


def test_what_was_packed_by_former_rules_is_unchanged() -> None:
    assert planned(OLD, WITH_DIFFERENCE).action is Action.UNCHANGED


def test_the_rule_is_named_when_a_setting_changes() -> None:
    unit = planned(OLD, WITH_DIFFERENCE, memory_bytes=2**28)
    assert (unit.action, unit.reason) == (Action.VERSION, f"memory 128MB → 256MB; {NAMED}")


def test_the_rule_is_named_when_the_source_changes() -> None:
    unit = planned(EDITED, WITH_DIFFERENCE)
    assert unit.reason.startswith("package ")
    assert unit.reason.endswith(f"; {NAMED}")


@pytest.mark.parametrize("live", [EDITED, OLD])
def test_it_is_named_once(live: str) -> None:
    unit = planned(EDITED, WITH_DIFFERENCE)
    assert unit.fingerprint is not None
    assert PACKED_ANEW in unit.fingerprint.marks
    again = planned(live, WITH_DIFFERENCE, marks=unit.fingerprint.marks, memory_bytes=2**28)
    assert NAMED not in again.reason or live == OLD


def test_what_the_rules_do_not_concern_has_no_mark() -> None:
    unit = planned(OLD, Tree(EDITED, 10, ("index.py",)))
    assert unit.fingerprint is not None
    assert unit.fingerprint.marks == ()
    assert "packing rules" not in unit.reason


@pytest.mark.parametrize(("was", "named"), [(("index.py",), ""), (("deploy.toml", "index.py"), "deploy.toml")])
def test_of_known_files_only_what_was_in_the_live_package_is_named(was: tuple[str, ...], named: str) -> None:
    """A manifest that was added to the source since is in neither package."""
    digests = "0" * DIGEST_CHARS
    before = PackedFiles(was, "1" * DIGEST_CHARS * len(was))
    live_code = fingerprint(settings(), code_digest(source(), Tree(EDITED, 10, was)))
    raw = settings_fields(settings(), stamped("", live_code))
    live = indexed([function()], [version("v1", "id-f", **raw)])
    now = replace(WITH_DIFFERENCE, digests=digests)
    (unit,) = build({"f": spec(code=source())}, live, {"f": now}, {}, packed=lambda _code: before).units
    code = ", ".join(["index.py", *([f"-{named}"] if named else [])])
    rules = f"; packing rules of this release: {named}" if named else ""
    assert unit.reason == f"code: {code}{rules}"
