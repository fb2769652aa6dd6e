"""Each row of docs/rollback.md, played on the memory cloud: what is rolled back, the messages, what
the next plan does.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.engine.verdicts import exit_code
from orchestrator.model import Failed, Unit
from tests.flow.back_rows import ROWS, Row
from tests.flow.back_scene import FIELD, LATEST, Scene


def did(unit: Unit) -> str:
    """Return what a plan does, in the words of the table."""
    kind = unit.failure.kind if unit.failure is not None else ""
    return "withdrawn" if kind == "withdrawn" else str(unit.action)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.play.__name__)
def test_a_rollback_does_what_the_page_says(tmp_path: Path, row: Row) -> None:
    scene = Scene(tmp_path)
    row.play(scene)
    before, since = scene.before, scene.seen()
    outcomes = scene.roll_back()
    said = [unit.reason for unit in scene.bench.plan.units]
    failures = [outcome.failure for outcome in outcomes.values() if isinstance(outcome, Failed)]
    said += [f"{failure.message}; {failure.advice}" for failure in failures]
    assert exit_code(outcomes.values(), interrupted=False) == row.exit, said
    assert row.says in "\n".join(said)
    after = scene.seen()
    if "unknown" in row.left:
        assert FIELD not in after[LATEST][0]
        before[LATEST][0].pop(FIELD)
    for part in {*before, *since}:
        expected = since if part in row.left else before
        assert (after.get(part) or {}) == (expected.get(part) or {}), part
    for manifest, does in ((scene.new, row.new), (scene.old, row.old)):
        if does:
            unit = scene.planned(manifest)
            assert did(unit) == does, unit.reason


@pytest.mark.parametrize("row", [row for row in ROWS if row.new == "withdrawn"], ids=lambda row: row.play.__name__)
def test_what_is_withdrawn_goes_out_once_it_is_fixed(tmp_path: Path, row: Row) -> None:
    scene = Scene(tmp_path)
    row.play(scene)
    scene.roll_back()
    for source in ("src", "new", "more"):
        (tmp_path / source / "index.py").write_text("def handler(event, context):\n    return 'fixed'\n")
    unit = scene.planned(scene.new)
    assert did(unit) == "new version", unit.reason
