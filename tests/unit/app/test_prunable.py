"""What a prune covers, by its options and whether only some functions are selected."""

from __future__ import annotations

import pytest

from orchestrator.app.session.leftovers.storage import prunable
from orchestrator.app.session.pruning.planning import parameters_of, policy_of
from orchestrator.errors import UsageError
from orchestrator.planning.prune.rule import PrunePolicy


@pytest.mark.parametrize(
    ("only", "some", "pruned"),
    [
        ((), False, {"versions", "packages", "records"}),
        ((), True, {"versions"}),
        (("packages", "records"), False, {"packages", "records"}),
        (("versions",), True, {"versions"}),
    ],
)
def test_it_is_about_what_was_asked_for(only: tuple[str, ...], pruned: set[str], *, some: bool) -> None:
    assert prunable(only, some=some) == pruned


@pytest.mark.parametrize(
    ("only", "some", "said"),
    [(("packages",), True, "cannot be combined with FUNCTIONS"), (("images",), False, 'unknown kind "images"')],
)
def test_what_cannot_be_is_refused(only: tuple[str, ...], said: str, *, some: bool) -> None:
    with pytest.raises(UsageError, match=said):
        prunable(only, some=some)


def test_what_was_typed_is_read_with_its_commas() -> None:
    typed = PrunePolicy(only=("packages, records",))
    assert policy_of(parameters_of(typed)).only == ("packages", "records")
