"""Which versions may be deleted, and why the others stay: each row of the table, and all of it compared with a second
implementation.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.model import LATEST, Version
from orchestrator.planning.prune.rule import JudgedVersion, KnownNeeds, PrunePolicy, Why, judged
from orchestrator.version.stamp import read_stamp, stamped
from tests.long import short_first
from tests.unit.planning.prune.drawn_histories import DIGESTS, NOW, Drawn

OURS = [stamped("", replace(DIGESTS[0], forced=f"{n:08x}")) for n in range(20)]
RECORDED = KnownNeeds(recorded=True)


def made(number: int, *, tags: tuple[str, ...] = (), status: str = "ACTIVE", said: str | None = None) -> Version:
    """Return a version with an age of `number` days. Version 0 is `$latest`."""
    tags = (LATEST, *tags) if number == 0 else tags
    description = OURS[number] if said is None else said
    return Version(f"v{number}", "f", status, description, NOW - timedelta(days=number * 20), tags, {"imageSize": "7"})


def why(
    versions: list[Version], policy: PrunePolicy, known: KnownNeeds, *, named: Collection[str] = ()
) -> dict[str, Why]:
    return {one.version_id: one.why for one in rows(versions, policy, known, named=named)}


def rows(
    versions: list[Version], policy: PrunePolicy, known: KnownNeeds, *, named: Collection[str] = ()
) -> tuple[JudgedVersion, ...]:
    latest = next((one for one in versions if LATEST in one.tags), None)
    return judged(versions, latest, policy, known, named=named, now=NOW)


TEN = [made(number) for number in range(10)]
KEEP = PrunePolicy(keep=2)


def test_old_ones_go_and_the_newest_stay() -> None:
    found = why(TEN, KEEP, RECORDED)
    assert found == {"v0": Why.LATEST, "v1": Why.NEWEST} | dict.fromkeys([f"v{n}" for n in range(2, 10)], Why.OLD)


def test_they_are_given_the_newest_first_with_their_size() -> None:
    found = rows(TEN, KEEP, RECORDED)
    assert [one.version_id for one in found] == [f"v{n}" for n in range(10)]
    assert {one.size_bytes for one in found} == {7}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (made(7, tags=("stable",)), Why.TAGGED),
        (made(7, status="CREATING"), Why.CHANGING),
        (made(7, status="DELETING"), Why.CHANGING),
        (made(7, status="BEING_CONSIDERED"), Why.CHANGING),  # of a newer API
        (made(7, status="OBSOLETE"), Why.OLD),
        (made(7, said="by hand"), Why.OTHERS),
        (made(7, said=OURS[8]), Why.OTHERS),  # copied by hand, with its stamp
        (made(7), Why.OLD),
    ],
)
def test_what_a_version_is_itself(changed: Version, expected: Why) -> None:
    assert why([*TEN[:7], changed, *TEN[8:]], KEEP, RECORDED)["v7"] is expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (replace(RECORDED, left_alone="run R failed at it"), Why.LAST_RUN),
        (replace(RECORDED, operation="d4e-op"), Why.OPERATION),
        (replace(RECORDED, needed=frozenset({"v7"})), Why.RUN),
        (replace(RECORDED, made_again=True), Why.OTHERS),
        (RECORDED, Why.OLD),
    ],
)
def test_what_is_known_of_its_function(known: KnownNeeds, expected: Why) -> None:
    assert why(TEN, KEEP, known)["v7"] is expected


def test_what_the_manifest_names_stays() -> None:
    found = why(TEN, KEEP, RECORDED, named=("v7",))
    assert (found["v7"], found["v8"]) == (Why.NAMED, Why.OLD)


def test_all_lets_those_of_others_go() -> None:
    versions = [made(number, said="" if number in (0, 5, 7) else None) for number in range(10)]
    assert why(versions, KEEP, RECORDED)["v7"] is Why.OTHERS
    assert why(versions, replace(KEEP, all=True), RECORDED)["v7"] is Why.OLD


def test_those_of_others_count_among_the_newest() -> None:
    versions = [made(0), made(1, said="by hand"), *TEN[2:]]
    assert why(versions, PrunePolicy(keep=3), RECORDED)["v3"] is Why.OLD
    assert why(versions, PrunePolicy(keep=4), RECORDED)["v3"] is Why.NEWEST


def test_without_records_only_what_is_older_than_90_days_goes() -> None:
    found = why(TEN, KEEP, KnownNeeds())
    assert {name for name, one in found.items() if one is Why.UNRECORDED} == {"v2", "v3", "v4"}  # 40 … 80 days
    assert {name for name, one in found.items() if one is Why.OLD} == {"v5", "v6", "v7", "v8", "v9"}


def test_a_version_of_which_no_time_is_reported_does_not_go_without_records() -> None:
    timeless = replace(made(7), created_at=None)
    assert why([*TEN[:7], timeless, *TEN[8:]], KEEP, KnownNeeds())["v7"] is Why.UNRECORDED


def test_what_the_live_version_was_made_after_by_hand_stays() -> None:
    """Otherwise the next plan would take a version that someone made over one of ours for the first one."""
    versions = [made(0, said="by hand"), made(1, said="by hand"), *TEN[2:]]
    found = why(versions, KEEP, RECORDED)
    assert (found["v2"], found["v3"]) == (Why.EVIDENCE, Why.OLD)


def second_opinion(
    versions: list[Version], policy: PrunePolicy, needed: frozenset[str], named: frozenset[str], *, recorded: bool
) -> set[str]:
    """Return the IDs of what stays, computed independently, for functions whose versions were made by this tool or
    clearly by hand.
    """
    by_age = sorted(versions, key=lambda one: one.created_at or NOW)
    latest = by_age[-1]
    stay = set[str]()
    countable = [one for one in by_age if one.status in ("ACTIVE", "OBSOLETE")]
    stay.update(one.id for one in countable[max(0, len(countable) - policy.keep) :])
    for one in by_age:
        is_ours = "[orchestrator:" in one.description
        age_days = (NOW - (one.created_at or NOW)).total_seconds() / 86400
        if one.tags or one.status not in ("ACTIVE", "OBSOLETE") or one.id in needed | named:
            stay.add(one.id)
        if (not is_ours and not policy.all) or (not recorded and age_days <= 90):
            stay.add(one.id)
    ours = [one for one in by_age if "[orchestrator:" in one.description]
    for one in by_age:  # for each whose maker plans need to know, the one of ours right before it
        before = [other for other in ours if by_age.index(other) < by_age.index(one)]
        asked = one.tags or one.id in named
        by_hand = "[orchestrator:" not in one.description
        if before and asked and (by_hand or one is latest):
            stay.add(before[-1].id)
    return stay


def test_what_a_run_has_overwritten_unseen_stays_with_its_base() -> None:
    everything, spans = replace(KEEP, all=True), frozenset({("v7", "v4"), ("gone", "v9"), ("v9", "v8")})
    known = replace(RECORDED, needed=frozenset({"v7", "v4"}), spans=spans)
    by_hand = [made(number, said="" if number in (5, 6, 9) else None) for number in range(10)]
    found = why(by_hand, everything, known)
    assert {one for one, because in found.items() if because is Why.RUN} == {"v4", "v5", "v6", "v7"}


@pytest.mark.parametrize("seed", short_first(100, range(2000)))
def test_it_agrees_with_a_second_opinion(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 60)
    versions = [
        Version(
            f"v{number}", "f", rng.choices(["ACTIVE", "OBSOLETE", "DELETING"], [8, 2, 1])[0],
            "by hand" if rng.random() < 0.3 else stamped("", replace(DIGESTS[0], forced=f"{number:08x}")),
            NOW - timedelta(days=300 * (count - number) / count), ("t",) if rng.random() < 0.1 else (), {},
        )
        for number in range(count)
    ]  # fmt: skip
    versions[-1] = replace(versions[-1], status="ACTIVE", tags=(LATEST,))
    some = frozenset(one.id for one in versions if rng.random() < 0.1)
    named = frozenset(one.id for one in versions if rng.random() < 0.05)
    policy = PrunePolicy(keep=rng.randint(1, 8), all=rng.random() < 0.3)
    recorded = rng.random() < 0.5
    rng.shuffle(versions)
    found = rows(versions, policy, KnownNeeds(some, recorded), named=named)
    stay = {one.version_id for one in found if not one.goes}
    by_status = sorted(versions, key=lambda one: one.created_at or NOW)
    assert stay == second_opinion(by_status, policy, some, named, recorded=recorded)


@pytest.mark.parametrize("seed", range(30))
def test_nothing_goes_twice_and_nothing_is_left_out(seed: int) -> None:
    drawn = Drawn(random.Random(seed))
    drawn.grow(30)
    drawn.tag()
    found = rows(drawn.versions, PrunePolicy(keep=3), RECORDED)
    assert sorted(one.version_id for one in found) == sorted(one.id for one in drawn.versions)
    left = [one for one in drawn.versions if not {row.version_id: row.goes for row in found}[one.id]]
    assert not any(one.goes for one in rows(left, PrunePolicy(keep=3), RECORDED))  # a prune after it finds nothing
    assert any(read_stamp(one.description) for one in drawn.versions)
