"""Sizes and durations in messages: the spelling of a manifest, in the largest unit that is exact."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.units import as_duration, as_size, duration, size

SIZES = [
    (0, "0B"), (1, "1B"), (1000, "1000B"), (1024, "1KB"), (4096, "4KB"), (1025, "1025B"), (128 << 20, "128MB"),
    (1 << 30, "1GB"), (1536 << 20, "1536MB"), (8 << 30, "8GB"), (1 << 40, "1024GB"), ((1 << 30) + 1, "1073741825B"),
]  # fmt: skip
DURATIONS = [
    (0, "0s"), (0.25, "0.25s"), (2.5, "2.5s"), (59.999, "59.999s"), (60, "1m"), (90, "1m30s"), (90.5, "1m30.5s"),
    (600, "10m"), (900.0, "15m"), (3600, "1h"), (3601, "1h1s"), (5400, "1h30m"), (86400, "24h"), (1e9, "1000000000s"),
    (Decimal("1.500"), "1.5s"), (Decimal("60.000"), "1m"), (Decimal("120.10"), "2m0.1s"), (float("inf"), "Infinitys"),
]  # fmt: skip


@pytest.mark.parametrize(("size_bytes", "text"), SIZES)
def test_a_size_is_shown_in_the_largest_exact_unit(size_bytes: int, text: str) -> None:
    assert as_size(size_bytes) == text


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_a_duration_is_shown_in_the_largest_exact_units(seconds: float, text: str) -> None:
    assert as_duration(seconds) == text


@given(st.integers(0, 10**15 - 1))
def test_a_size_that_is_shown_can_be_typed(size_bytes: int) -> None:
    assert size(as_size(size_bytes)) == size_bytes


@given(st.decimals(0, 10**9 - 1, places=3))
def test_a_duration_that_is_shown_can_be_typed(seconds: Decimal) -> None:
    assert duration(as_duration(seconds)) == pytest.approx(float(seconds))
