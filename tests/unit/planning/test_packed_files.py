"""How a package differs from the live one: the table of `compared`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model import FileChanges, PackedFiles, Tree
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.packed_files import compared
from orchestrator.version.stamp import code_digest, fingerprint, stamped
from tests.builders import function, settings, source, spec, tree, version

WANTED = spec(code=source())
BEFORE = replace(tree("a" * 64, ("a", "b")), digests="1" * 16 + "2" * 16)
AFTER = replace(tree("b" * 64, ("a", "c")), digests="3" * 16 + "2" * 16)
KNOWN = {code_digest(WANTED.code, BEFORE): BEFORE.files}


def live(packed: Tree, *, by_hand: bool = False) -> LiveState:
    digest = fingerprint(settings(), code_digest(WANTED.code, packed))
    said = "by hand" if by_hand else stamped("", digest)
    return indexed([function()], [version("v1", "id-f", tags=("$latest",), description=said)])


NEW = FileChanges(("a",), ("c",), ("b",))


@pytest.mark.parametrize(
    ("there", "known", "version_id", "files", "why"),
    [
        (indexed([], []), KNOWN, "", FileChanges(added=("a", "c")), ""),
        (indexed([function()], []), KNOWN, "", FileChanges(added=("a", "c")), ""),
        (live(AFTER), {}, "v1", FileChanges(), ""),
        (live(replace(BEFORE, hash=AFTER.hash)), {}, "v1", FileChanges(), ""),
        (live(BEFORE), KNOWN, "v1", NEW, ""),
        (live(BEFORE), {}, "v1", None, "no run of this state folder has packed the code of version v1"),
        (live(BEFORE, by_hand=True), KNOWN, "v1", None, "by other means"),
    ],
)
def test_each_row_of_the_table(
    there: LiveState, known: dict[str, PackedFiles], version_id: str, files: FileChanges | None, why: str
) -> None:
    found = compared(WANTED, AFTER, there, known.get)
    assert (found.version_id, found.files, bool(found.why)) == (version_id, files, bool(why))
    assert why in found.why


def test_a_package_of_former_rules_is_the_same_one() -> None:
    packed_then = replace(AFTER, hash="c" * 64)
    found = compared(WANTED, replace(AFTER, former_hash="c" * 64), live(packed_then), lambda _: None)
    assert found.files == FileChanges()
