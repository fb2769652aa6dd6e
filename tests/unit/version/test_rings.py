"""Which ring tag a new version takes."""

from __future__ import annotations

import pytest

from orchestrator.version.rings import next_ring, ring_of, without_rings

NINE = tuple(f"t{number}" for number in range(9))


@pytest.mark.parametrize(
    ("base", "others", "ring"),
    [
        ((), (), "orc-a"),
        (("stable", "orc-a"), (), "orc-b"),
        (("orc-b",), (), "orc-a"),
        (("orc-a", "orc-b"), (), "orc-a"),
        ((), NINE, "orc-a"),
        ((), (*NINE, "t9"), ""),
        (("orc-a",), (*NINE, "orc-a"), ""),
        (("orc-a",), (*NINE[:8], "orc-a", "orc-b"), "orc-b"),
    ],
)
def test_a_new_version_takes(base: tuple[str, ...], others: tuple[str, ...], ring: str) -> None:
    assert next_ring(base, others) == ring


def test_ring_tags_are_reported_from_others() -> None:
    assert ring_of(("stable", "orc-b")) == "orc-b"
    assert ring_of(("stable",)) == ""
    assert without_rings(("orc-a", "stable", "orc-b")) == ("stable",)
