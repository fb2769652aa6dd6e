"""A prune does not change what the remaining versions show, and what was withdrawn stays so."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from orchestrator.model import Fingerprint, Version
from orchestrator.planning.back.withdrawn import _withdrawn_before
from orchestrator.planning.prune.evidence import evidence
from orchestrator.version.history import Doubt, history_of
from orchestrator.version.stamp import back_mark, is_withdrawn, marked_back, read_back_mark, read_stamp, stamped
from tests.long import short_first
from tests.unit.planning.prune.drawn_histories import DIGESTS, NOW, Drawn

EVER = 10**6  # deployments after which nothing is kept for what was withdrawn


def said(versions: list[Version], latest: Version, asked: list[Version]) -> dict[str, Doubt | None]:
    history = history_of(versions, latest)
    return {one.id: history.doubt(one) for one in asked}


def held_back(versions: list[Version], latest: Version) -> list[bool]:
    """Return for each desired state whether a plan blocks it because a rollback has withdrawn it."""
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
    stay = kept | evidence(versions, latest, kept, {one.id for one in asked}, later=EVER)
    left = [one for one in versions if one.id in stay]
    assert said(left, latest, asked) == said(versions, latest, asked)
    assert history_of(left, latest).last_sound(latest) == history_of(versions, latest).last_sound(latest)
    assert held_back(left, latest) == held_back(versions, latest)


def test_it_is_few_that_are_kept_for_that() -> None:
    """A function that alternates between two sources keeps no version of either as evidence."""
    drawn = Drawn(random.Random(1))
    drawn.grow(1)
    plain = [one for one in drawn.versions if read_stamp(one.description)]
    assert evidence(plain, plain[-1] if plain else None, {one.id for one in plain}, (), later=EVER) == frozenset()


def deployed(drawn: Drawn, times: int, *, since: int = 0) -> None:
    """Deploy something new."""
    for number in range(since, since + times):
        drawn._add(stamped("", Fingerprint(f"{number:016x}", "a" * 16)), at(drawn))


def rolled_back(drawn: Drawn) -> None:
    """Replace the last version by a copy of the one before."""
    withdrawn, former = read_stamp(drawn.latest.description), drawn.versions[-2]
    assert withdrawn is not None
    drawn._add(marked_back(former.description, back_mark(withdrawn, former)), at(drawn))


def at(drawn: Drawn) -> datetime:
    return NOW - timedelta(days=1000 - len(drawn.versions))


def kept_for_it(drawn: Drawn, later: int) -> frozenset[str]:
    """Return what stays, although only the last one is needed."""
    return evidence(drawn.versions, drawn.latest, {drawn.latest.id}, {drawn.latest.id}, later=later)


@pytest.mark.parametrize(("deployments", "expected"), [(1, True), (9, True), (10, False), (40, False)])
def test_what_was_withdrawn_is_reported_for_so_many_deployments(deployments: int, expected: bool) -> None:
    drawn = Drawn(random.Random(1))
    deployed(drawn, 2)
    rolled_back(drawn)
    copy = drawn.latest.id
    deployed(drawn, deployments, since=2)
    found = kept_for_it(drawn, 10)
    assert (copy in found) is expected
    assert found >= {drawn.versions[-2].id} if expected else found == {drawn.versions[-2].id}  # of ours before the last


@pytest.mark.parametrize("rollbacks", [1, 5, 30])
def test_a_rollback_after_each_deployment_keeps_no_more_than_the_last_ones_need(rollbacks: int) -> None:
    drawn = Drawn(random.Random(1))
    deployed(drawn, 1)
    for number in range(1, rollbacks + 1):
        deployed(drawn, 1, since=number)
        rolled_back(drawn)
    later = 4
    copies = [one.id for one in drawn.versions if read_back_mark(one.description)]
    found = kept_for_it(drawn, later)
    assert {*copies[-later:]} - {drawn.latest.id} <= found
    first = drawn.versions[0].id  # all of them have its code
    assert first in found
    assert len(found) <= 2 * later + 2
