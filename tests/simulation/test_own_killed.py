"""Runs that change scaling and access, killed at every event and call, and resumed. The live state is the desired one,
each change was started once, and no access ever existed that was not to be granted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Deployed, Outcome, Unchanged
from orchestrator.sandbox.memory.own_services import is_open
from tests.engine import sources
from tests.long import short_first
from tests.simulation.crashes import MortalBench

_STEP = 7  # spreads the short cases over all moments
_TICKS = sorted(range(1, 98), key=lambda tick: (tick % _STEP, tick))  # more than any of the runs has
BOTH = 'scaling = { "$latest" = { provisioned = 1 }, stable = { zone_requests = 5 } }\ntags = ["stable"]\n'
# (what is live before, what the run is to make)
STORIES = {
    "made": ("", BOTH + "public = true\n"),
    "changed": (
        'tags = ["stable"]\nscaling = { stable = { zone_instances = 3 } }\npublic = true\n',
        BOTH + 'public = false\ndescription = "new"\n',
    ),
    "alone": (BOTH + "public = true\n", BOTH + "scaling_exact = true\npublic = false\n"),
}


def live(bench: MortalBench) -> dict[str, Any]:
    (function_id,) = bench.cloud.state.functions
    policies = bench.cloud.scaling.list(function_id, {}).get("scalingPolicies", [])
    plain = [{name: one for name, one in policy.items() if not name.endswith(("At", "Id"))} for policy in policies]
    return {
        "scaling": sorted(plain, key=str), "public": is_open(bench.cloud.state, function_id),
        "versions": len(bench.versions()),
    }  # fmt: skip


def begun(bench: MortalBench) -> Counter[str]:
    (function_id,) = bench.cloud.state.functions
    return Counter(one["description"] for one in bench.cloud.operations.list(function_id, {})["operations"])


def played(root: Path, story: str, die_after: int | None) -> tuple[MortalBench, Iterable[Outcome]]:
    """Let a run die and be resumed, until it has ended."""
    root.mkdir()
    bench = MortalBench(root, durations="fixed:2")
    before, after = STORIES[story]
    base = sources(root, 1)
    if before:
        bench.deploy_until_death(base + before)
    bench.opened |= set(bench.cloud.state.functions)  # by this run, as the journal shows
    bench.die_after = die_after
    outcomes = bench.deploy_until_death(base + after)
    bench.opened.clear()  # a resumed run follows what the first one was agreed to
    if outcomes is None:
        outcomes = bench.resume_until_death(base + after) or bench.deploy_until_death(base + after, adopt=True)
    assert outcomes is not None
    return bench, outcomes.values()


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("die_after", short_first(len(_TICKS) // _STEP, _TICKS))
def test_what_a_killed_run_has_begun_is_made_once(tmp_path: Path, story: str, die_after: int) -> None:
    whole, _ = played(tmp_path / "whole", story, None)
    bench, outcomes = played(tmp_path / "killed", story, die_after)
    assert all(isinstance(one, Deployed | Unchanged) for one in outcomes), outcomes
    assert live(bench) == live(whole)
    assert begun(bench) == begun(whole)
