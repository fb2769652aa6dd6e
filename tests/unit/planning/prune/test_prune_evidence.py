"""What is kept says of itself what it said before a prune, and what was withdrawn stays so."""

from __future__ import annotations

import random

import pytest

from orchestrator.model import Version
from orchestrator.planning.back.withdrawn import _withdrawn_before
from orchestrator.planning.prune.evidence import evidence
from orchestrator.version.history import Doubt, history_of
from orchestrator.version.stamp import is_withdrawn, read_stamp
from tests.long import short_first
from tests.unit.planning.prune.drawn_histories import DIGESTS, Drawn


def said(versions: list[Version], latest: Version, asked: list[Version]) -> dict[str, Doubt | None]:
    history = history_of(versions, latest)
    return {one.id: history.doubt(one) for one in asked}


def held_back(versions: list[Version], latest: Version) -> list[bool]:
    """Which of all that may be wanted a plan holds back, since a rollback has withdrawn it."""
    return [
        is_withdrawn(latest, digest) or _withdrawn_before(digest, versions) is not None for digest in DIGESTS
    ]  # fmt: skip


@pytest.mark.parametrize("seed", short_first(150, range(3000)))
def test_plans_say_the_same_after_a_prune(seed: int) -> None:
    rng = random.Random(seed)
    drawn = Drawn(rng)
    drawn.grow(rng.randint(2, 30))
    drawn.tag(0.15)
    versions, latest = drawn.versions, drawn.latest
    asked = [one for one in versions if one.tags]
    kept = {one.id for one in versions if one.tags or rng.random() < 0.2}
    stay = kept | evidence(versions, latest, kept, {one.id for one in asked})
    left = [one for one in versions if one.id in stay]
    assert said(left, latest, asked) == said(versions, latest, asked)
    assert history_of(left, latest).last_sound(latest) == history_of(versions, latest).last_sound(latest)
    assert held_back(left, latest) == held_back(versions, latest)


def test_it_is_few_that_are_kept_for_that() -> None:
    """A function that goes forth and back between two sources keeps no version of either for it."""
    drawn = Drawn(random.Random(1))
    drawn.grow(1)
    plain = [one for one in drawn.versions if read_stamp(one.description)]
    assert evidence(plain, plain[-1] if plain else None, {one.id for one in plain}, ()) == frozenset()
