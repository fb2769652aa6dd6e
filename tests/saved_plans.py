"""Saved plans without a cloud: what `plan --out` writes for a plan that was built from values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.journal.identity import Identity
from orchestrator.model import FunctionSpec, Plan, Rollout, Storage
from orchestrator.model.live_state import LiveState
from orchestrator.planning.planner import Prepared, build
from orchestrator.planning.saved.document import (
    Facts,
    Hide,
    SavedOptions,
    SavedPlan,
    marked_facts,
    saved_unit,
    sealed,
    with_id,
)
from orchestrator.planning.saved.facts import facts_of_function, facts_of_run
from orchestrator.planning.saved.seal import PlanKey

KEY = PlanKey(b"k" * 32)
ROOT = Path("/repo")
RUN = facts_of_run(Rollout(), Storage("bucket"), ROOT)
SHOWN: dict[str, Any] = {
    "counts": {}, "waves": [], "stops": "", "undeclared": [], "warnings": [],
    "rollout": {"waves": ["100%"], "canary": [], "gate": False},
}  # fmt: skip


def planned(specs: Mapping[str, FunctionSpec], live: LiveState, prepared: Mapping[str, Prepared] | None = None) -> Plan:
    return build(specs, live, prepared or {}, {})


def facts_of(specs: Mapping[str, FunctionSpec], prepared: Mapping[str, Prepared] | None = None) -> dict[str, Facts]:
    trees = prepared or {}
    return {key: facts_of_function(spec, trees.get(key), ROOT, uploaded=False) for key, spec in specs.items()}


def saved_of(
    specs: Mapping[str, FunctionSpec],
    plan: Plan,
    prepared: Mapping[str, Prepared] | None = None,
    *,
    hide: Hide = lambda value: value,
    run: Facts = RUN,
    uploaded: bool = False,
) -> SavedPlan:
    """Save a plan of these functions."""
    facts, trees = facts_of(specs, prepared), prepared or {}
    units = [
        saved_unit(unit, KEY, facts[unit.key], {}, hide, trees.get(unit.key), uploaded=uploaded) for unit in plan.units
    ]
    return with_id(
        SavedPlan(
            made_at="2026-11-27T23:00:00Z", expires_at="2026-11-28T23:00:00Z", program=__version__,
            endpoint="https://api", identity=Identity(user="ann", host="ci"), dirty=False, options=SavedOptions(),
            facts=marked_facts(KEY, "", run), shown=SHOWN, units=tuple(units), key_id=KEY.id, uploaded=uploaded,
        )
    )  # fmt: skip


def document_of(saved: SavedPlan) -> dict[str, Any]:
    return sealed(saved, KEY)
