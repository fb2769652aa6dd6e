"""Ring tags: two tags of this tool, of which a new Version takes the one that its base does not hold.

So the new Version can be called by a tag that no other Version has, the former one keeps its own, and what is sent
depends on what is live alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

RINGS = ("orc-a", "orc-b")
TAGS_MAX = 10  # of one Version, and of one Function by its quota (cloud-api#fields, #quotas); $latest is not counted


def ring_of(tags: Iterable[str]) -> str:
    """Give the ring tag among some tags, "" where none is there."""
    return next((tag for tag in tags if tag in RINGS), "")


def without_rings(tags: Iterable[str]) -> tuple[str, ...]:
    """Leave the ring tags out of some tags: nobody declares them, and no copy takes them over."""
    return tuple(tag for tag in tags if tag not in RINGS)


def next_ring(base_tags: Collection[str], tags: Iterable[str] = ()) -> str:
    """Give the ring tag that a new Version takes. `base_tags`: of the Version that it takes the place of; `tags`: all
    that its Function has or gets otherwise, the promoted ones included; "" where these leave no room.

    | base holds   | new one takes |
    | ---          | ---           |
    | none         | orc-a         |
    | orc-a        | orc-b         |
    | orc-b        | orc-a         |
    | both         | orc-a         |
    """
    ring = RINGS[1] if RINGS[0] in base_tags and RINGS[1] not in base_tags else RINGS[0]
    return ring if len({*tags, ring}) <= TAGS_MAX else ""
