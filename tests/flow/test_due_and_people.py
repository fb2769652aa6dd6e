"""Due times after decisions by users: on another machine, and those that had waited for a decision."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.commands import rollback
from orchestrator.app.session.back import unbegun_of
from orchestrator.journal.events import UnitPlanned
from orchestrator.journal.store import open_store
from tests.flow import ends
from tests.flow.ends import Scene

WAITS = "this due time waits for your decision"
SETTLED = "was rolled back by run"


def waited(root: Path) -> Scene:
    """Run a due time until it pauses, with the next due time waiting for it."""
    scene = ends.once_due(root)
    ends.paused(scene)
    scene.bench.pass_time(ends.HOUR_S)
    code, said = scene.bench.type_in("run --due")
    assert (code, WAITS in said) == (3, True), said
    return scene


def test_what_was_rolled_back_is_not_begun_again_by_a_machine_that_knows_it_from_the_bucket(tmp_path: Path) -> None:
    scene = ends.once_due(tmp_path)
    ends.killed_and_rolled_back(scene)
    scene.bench.lose_the_state()
    sent = len(scene.bench.sent_versions())
    code, said = scene.bench.type_in("run --due")
    assert (code, SETTLED in said) == (0, True), said
    assert len(scene.bench.sent_versions()) == sent
    assert "nothing is due" in scene.bench.type_in("run --due")[1]
    scene.bench.pass_time(ends.HOUR_S)
    assert "2 deployed | 1 blocked" in scene.bench.type_in("run --due")[1]


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("promote", 0, "3 unchanged"),
        ("resume --give-up", 3, "1 unchanged | 1 deployed | 1 cancelled"),
        ("rollback", 0, SETTLED),
    ],
)
def test_a_due_time_that_has_waited_begins_unless_the_run_was_rolled_back(
    command: str, code: int, says: str, elsewhere: bool, tmp_path: Path
) -> None:
    scene = waited(tmp_path)
    decided, said = scene.bench.type_in(command)
    assert decided == 0, said
    begins = "/deploy.toml --due` starts it"
    assert (begins in said, "has been due since 2026-09-21T16:00:00Z" in said) == ((command == "promote",) * 2), said
    if elsewhere:
        scene.bench.lose_the_state()
    found, said = scene.bench.type_in("run --due")
    assert (found, says in said, WAITS in said) == (code, True, False), said
    assert "has been due since 2026-09-21T16:00:00Z" in said
    assert "nothing is due" in scene.bench.type_in("run --due")[1]


@pytest.mark.parametrize(("alone", "elsewhere"), [(False, False), (True, False), (True, True)])
def test_what_was_rolled_back_by_name_is_not_begun_by_the_due_time_though_it_never_was(
    alone: bool, elsewhere: bool, tmp_path: Path
) -> None:
    scene = ends.once_due(tmp_path)
    ends.killed(scene)
    bench = scene.bench
    with open_store(bench.state_dir, read_only=True) as store:
        run = store.chain_state(store.find("last"))
    (never,) = unbegun_of(run)
    named = (never,) if alone else (never, next(key for key in run.units if key != never))
    assert bench._command("rollback", rollback._rollback, patterns=named, dry_run=True) == 0
    assert any(f"had not started {never}; without --dry-run, neither" in said for said in bench.said), bench.said
    code = bench._command("rollback", rollback._rollback, patterns=named)
    assert code == 0, bench.said
    assert any(f"had not started {never}, and neither" in said for said in bench.said), bench.said
    if elsewhere:
        bench.lose_the_state()
    code, said = bench.type_in("run --due")
    assert (code, f"{len(named)} blocked" in said) == (1, True), said
    bench.pass_time(2 * ends.HOUR_S)
    assert "1 deployed" in bench.type_in("run --due")[1]  # the one that was not withdrawn


@pytest.mark.parametrize("patterns", [(), ("f00",)], ids=["all", "by name"])
def test_the_rollback_of_a_run_that_had_changed_nothing_ends_what_it_was_to_do(
    patterns: tuple[str, ...], tmp_path: Path
) -> None:
    scene = ends.once_due(tmp_path)
    bench = scene.bench
    bench.dies_when = lambda: sum(isinstance(one, UnitPlanned) for one in bench.events) == ends.COUNT
    assert bench.type_in("run --due")[0] is None
    bench.dies_when = None
    with open_store(bench.state_dir, read_only=True) as store:
        run_id = store.find("last")
    sent = len(bench.sent_versions())
    code = bench._command("rollback", rollback._rollback, patterns=patterns, run=run_id)
    assert code == 0, bench.said
    code, said = bench.type_in("run --due")
    assert (code, SETTLED in said) == ((1, False) if patterns else (0, True)), said
    assert len(bench.sent_versions()) == sent + (2 if patterns else 0)


def test_a_run_that_was_promoted_says_nothing_of_what_is_not_due(tmp_path: Path) -> None:
    scene = ends.once_due(tmp_path)
    ends.paused(scene)
    code, said = scene.bench.type_in("promote")
    assert (code, "due" in said) == (0, False), said
