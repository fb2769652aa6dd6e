"""Which function is suggested for a name that does not exist here."""

from __future__ import annotations

import pytest

from orchestrator.manifest.environments.near import near_elsewhere

HERE = ("worker", "api-orders")
ELSEWHERE = {"echo": ("dev",), "api-trial": ("dev", "test")}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("workr", 'did you mean "worker"?'),
        ("ecko", 'did you mean "echo"? It exists only in dev: choose that with --env dev'),
        ("echo", "echo exists only in dev: choose that with --env dev"),
        ("api-tri*", "api-trial exists only in dev, test: choose that with --env dev or --env test"),
        ("zzz", ""),
    ],
)
def test_the_nearest_is_named_with_where_it_exists(typed: str, said: str) -> None:
    assert near_elsewhere(typed, HERE, ELSEWHERE) == said
