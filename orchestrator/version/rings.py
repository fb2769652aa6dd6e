"""Ring tags: two tags of this tool. A new Version takes the one that its base does not hold.

So the new Version can be called by a tag that no other Version has, and the former one keeps its own. What is sent
depends only on the live state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

RINGS = ("orc-a", "orc-b")
TAGS_MAX = 10  # of one Function (cloud-api#quotas); `$latest` is not counted (unverified)


def ring_of(tags: Iterable[str]) -> str:
    """Return the ring tag among some tags, "" for none."""
    return next((tag for tag in tags if tag in RINGS), "")


def without_rings(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags without ring tags: these are never declared, and copies do not take them."""
    return tuple(tag for tag in tags if tag not in RINGS)


def next_ring(base_tags: Collection[str], tags: Iterable[str] = ()) -> str:
    """Return the ring tag that a new Version takes, "" if there is no room for it. `base_tags`: of the Version that it
    replaces. `tags`: all others that its Function has or gets, including promoted ones.

    | base holds | new one takes |
    | ---        | ---           |
    | none       | orc-a         |
    | orc-a      | orc-b         |
    | orc-b      | orc-a         |
    | both       | orc-a         |
    """
    ring = RINGS[1] if RINGS[0] in base_tags and RINGS[1] not in base_tags else RINGS[0]
    return ring if len({*tags, ring}) <= TAGS_MAX else ""
