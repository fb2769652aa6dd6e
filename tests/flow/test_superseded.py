"""Of two paused runs of the same functions the later one supersedes the first: `runs` reports it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.commands import runs
from orchestrator.report.json import runs_json
from orchestrator.report.summary import runs_table
from orchestrator.report.views import RunsView
from tests.flow import ends

PAUSES = 'waves = [1, "100%"]\npause = "approval"\n'
FIRST, LATER = "20260101T000002-000002", "20260101T000003-000003"


def listed(scene: ends.Scene) -> tuple[dict[str, str], str]:
    """List the runs. Returns which run supersedes each, from the JSON, and the text."""
    bench = scene.bench
    given: dict[str, Any] = {
        "config": bench.root / "deploy.toml", "state": bench.state_dir, "endpoint": None, "bucket": None,
        "environment": "", "variables": {}, "everything": False,
    }  # fmt: skip
    view = runs.runs_command(given, bench.messages).view
    assert isinstance(view, RunsView)
    found = {one["run_id"]: one.get("superseded_by", "") for one in runs_json(view.runs)["runs"]}
    return {run_id: by for run_id, by in found.items() if by}, runs_table(view.runs)


@pytest.mark.parametrize(
    ("then", "by"),
    [("", LATER), ("promote", LATER), ("resume --give-up", ""), ("rollback", "")],
    ids=["paused", "promoted", "given up", "rolled back"],
)
def test_a_paused_run_is_superseded_by_the_one_that_is_to_do_what_it_had_left(
    then: str, by: str, tmp_path: Path
) -> None:
    scene = ends.scene(tmp_path)
    ends.paused(scene)
    found, text = listed(scene)
    assert (found, "superseded" in text) == ({}, False)
    ends.paused(scene)
    if then:
        assert scene.bench.type_in(then)[0] == 0
    found, text = listed(scene)
    assert found.get(FIRST, "") in ((by, "20260101T000004-000004") if then == "promote" else (by,)), text
    assert ("superseded by" in text) is bool(by)
