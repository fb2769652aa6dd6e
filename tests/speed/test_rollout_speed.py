"""What verification adds to a run, and the time of a rollback over its lower bound, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.long import LONG, short_first
from tests.speed.virtual import measure, measure_back

VERIFIED = "verify = { payload = {} }"
TAGS_AND_LABELS = 'tags = ["stable"]\nlabels = { team = "b" }'


@LONG
@pytest.mark.parametrize("durations", short_first(1, ["lognormal:1.2,0.4", "fixed:1", "lognormal:2,0.4"]))
def test_verification_adds_hardly_anything_to_a_run(tmp_path: Path, durations: str) -> None:
    plain = measure(tmp_path / "plain", 300, durations, latency_s=0.05)
    verified = measure(tmp_path / "verified", 300, durations, latency_s=0.05, keys=VERIFIED)
    assert verified.makespan_s <= 1.05 * plain.makespan_s


@LONG
@pytest.mark.parametrize("keys", ["", VERIFIED, TAGS_AND_LABELS])
def test_the_bar_for_the_rollback_of_a_thousand_functions(tmp_path: Path, keys: str) -> None:
    found = measure_back(tmp_path / "back", 1000, "lognormal:2,0.4", keys=keys)
    assert found.ratio(20) <= 1.06
    assert not found.refused


def test_moves_of_tags_do_not_make_listings_disbelieved(tmp_path: Path) -> None:
    found = measure_back(tmp_path / "back", 150, "lognormal:2,0.4", keys=VERIFIED)
    assert found.listings > 150, "copies are looked at all at once, though tags have moved before"
