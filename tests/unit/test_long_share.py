from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.long import LONG, left_out


def case(nodeid: str, *, long: bool = True, **params: int) -> Any:
    return SimpleNamespace(
        nodeid=nodeid,
        callspec=SimpleNamespace(params=params),
        get_closest_marker=lambda name: LONG.mark if long and name == "long" else None,
    )


def test_a_share_leaves_out_long_seeds_alone() -> None:
    kept = [case("a::short[0]", long=False, seed=0), case("a::short[1]", long=False, seed=1)]
    others = [case("b::mutant[0]", broken=0, seed_first=3), case("b::mutant[1]", broken=1, seed_first=4)]
    plain: list[Any] = [SimpleNamespace(nodeid="c::one", get_closest_marker=lambda _: LONG.mark)]
    assert left_out([*kept, *others, *plain], 2) == set()


@pytest.mark.parametrize(("every", "left"), [(1, 5), (2, 3), (3, 2), (100, 1)])
def test_each_test_keeps_its_share_in_whatever_order(every: int, left: int) -> None:
    items = [case(f"{test}[{n}]", seed=n) for n in range(5) for test in ("a::x", "b::x")]
    out = left_out(items, every)
    assert out == left_out(items[::-1], every)
    assert [sum(not one.nodeid.startswith(test) or one.nodeid in out for one in items) for test in "ab"] == [
        10 - left, 10 - left
    ]  # fmt: skip
