"""With on_breach = "rollback": the effects of a breach, what is rolled back at once, and what two
phases leave alone.
"""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from orchestrator.app.session.chain import earlier_of
from orchestrator.engine.verdicts import leads_to, rolled_back_code
from orchestrator.errors import Code, Exit
from orchestrator.journal.events import Breached, OperationAccepted
from orchestrator.journal.state import fold
from orchestrator.model import Failed, Gate, Rollout, Step
from orchestrator.planning.back.touched import touched_by
from orchestrator.planning.resume import left_of
from orchestrator.ports import CommandEnd
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.faults import Fault, Trouble
from tests.engine import Bench
from tests.flow.test_rollback import live, tag_holders
from tests.flow.test_run import kinds

HEAD = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
verify = { payload = {}, safe = true }
promote = ["stable"]
"""
BACK = Rollout(max_failures=2, on_breach="rollback")


def manifest(source: str, *, labels: str = "") -> str:
    return HEAD + "".join(
        f'[functions.fun-{n}]\nsource = "{source}"\nenvironment = {{ SOURCE = "{source}" }}\n'
        f'labels = {{ source = "{labels or source}" }}\n'
        for n in range(4)
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for number, source in enumerate(("src", "newer")):
        (tmp_path / source).mkdir()
        (tmp_path / source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
    return Bench(tmp_path, durations="fixed:1")


@pytest.mark.parametrize(
    ("on_breach", "two_phase", "failed", "others", "then"),
    [
        ("stop", False, True, True, "stop"),
        ("pause", False, True, True, "pause"),
        ("rollback", False, True, True, "rollback"),
        ("rollback", False, False, True, "stop"),
        ("rollback", False, False, False, "stop"),
        ("stop", True, False, True, "rollback"),
        ("stop", True, False, False, "stop"),
    ],
)
def test_what_a_breach_leads_to(on_breach: str, two_phase: bool, failed: bool, others: bool, then: str) -> None:
    assert leads_to(on_breach, two_phase=two_phase, failed_touched=failed, any_touched=others or failed) == then


@pytest.mark.parametrize(("back", "code"), [(0, 5), (1, 1), (3, 3), (4, 1)])
def test_the_exit_code_of_a_run_that_was_rolled_back(back: int, code: int) -> None:
    assert rolled_back_code(back) == Exit(code)


def answer(bench: Bench, *failing: str) -> None:
    """Let the next verification of each function pass, except these."""
    for name in failing:
        bench.cloud.seeds.calls.answer(
            function=name, status=502, body={"errorMessage": "boom"}, headers={"X-Function-Error": "true"}, times=1
        )
    bench.cloud.seeds.calls.answer(body={}, times=4 - len(failing))


def test_what_fails_its_verification_goes_back_at_once_and_the_others_stay(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    before, holders = live(bench), tag_holders(bench)
    answer(bench, "fun-1")
    outcomes = bench.deploy(manifest("newer"), rollout=BACK)
    assert kinds(outcomes) == {"Deployed": 3, "Failed": 1}
    failed = outcomes["fun-1"]
    assert isinstance(failed, Failed)
    assert (failed.step, "its handler failed" in failed.failure.message) == (Step.VERIFY, True)
    after, now = live(bench), tag_holders(bench)
    for (function_id, tag), version in holders.items():
        if now[function_id, "$latest"]["id"] == failed.rolled_back_to and tag != "$latest":
            assert now[function_id, tag]["id"] == version["id"]
    assert {name for name in before if name.startswith("fun-1") and before[name] != after[name]} == set()
    assert all(before[f"fun-{n}:$latest"] != after[f"fun-{n}:$latest"] for n in (0, 2, 3))
    assert not any(isinstance(event, Breached) for event in bench.events)
    touched = touched_by(fold(bench.events))["fun-1"]
    assert failed.rolled_back_to not in touched.made, "the copy is none of what is to be taken back"
    assert bench.roll_back(bench.events).keys() == outcomes.keys()
    assert live(bench) == before, "a rollback leaves it as it is, and takes the others back"


def test_what_cannot_go_back_at_once_says_so_and_is_left_to_a_rollback(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    before = live(bench)
    answer(bench, "fun-1")
    made = [version["id"] for version in bench.versions()]

    async def refuse(_stop: object) -> None:
        await anyio.sleep(1.5)  # the new versions are being made
        for _ in range(20):
            await anyio.sleep(0.1)
            if any(one["id"] not in made for one in bench.versions()):
                bench.cloud.faults.failing_functions.add("fun-1")

    outcomes = bench.deploy(manifest("newer"), rollout=BACK, meanwhile=refuse)
    failed = outcomes["fun-1"]
    assert isinstance(failed, Failed)
    assert "it was not rolled back" in failed.failure.message
    assert failed.rolled_back_to == ""
    bench.cloud.faults.failing_functions.clear()
    bench.roll_back(bench.events)
    assert live(bench) == before


def test_in_two_phases_one_failure_lets_no_tag_move(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    before, stable = live(bench), {key: one["id"] for key, one in tag_holders(bench).items() if key[1] == "stable"}
    answer(bench, "fun-1")
    outcomes = bench.deploy(manifest("newer"), rollout=Rollout(two_phase=True))
    assert kinds(outcomes) == {"Cancelled": 3, "Failed": 1}
    assert {key: one["id"] for key, one in tag_holders(bench).items() if key[1] == "stable"} == stable
    state = fold(bench.events)
    assert (state.rollout.then, "no tag moves" in state.breach) == ("rollback", True)
    bench.roll_back(bench.events)
    assert live(bench) == before


def test_in_two_phases_the_gate_is_reported_all_versions_before_a_tag_moves(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    former = {one["id"] for one in bench.versions() if "$latest" in one.get("tags", ())}
    answer(bench)
    bench.commands.ends = [CommandEnd(1, "5xx", 1.0)]
    gate = Gate(("./gate.sh",), Path())
    outcomes = bench.deploy(manifest("newer"), rollout=Rollout(two_phase=True, waves=(1, "100%"), gate=gate))
    assert kinds(outcomes) == {"Cancelled": 4}
    (asked,) = bench.commands.requests
    reported = json.loads(asked.stdin)
    made = {one["id"]: one["functionId"] for one in bench.versions() if "$latest" in one.get("tags", ())}
    rows = reported["functions"]
    assert [one["function"] for one in rows] == [one["name"] for one in rows] == [f"fun-{n}" for n in range(4)]
    assert {one["version_id"]: one["function_id"] for one in rows} == made
    assert {one["former_version_id"] for one in rows} == former
    assert {(one["outcome"], one["verdict"]) for one in rows} == {("", "passed")}
    assert (reported["wave"], reported["counts"]["left"], reported["failures"]) == (0, 4, [])


def test_in_two_phases_the_gate_is_reported_what_the_run_before_has_verified(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    stop_at_gate = [CommandEnd(75, "no data", 1.0)]
    answer(bench)
    bench.commands.ends = [*stop_at_gate, *stop_at_gate]
    rollout = Rollout(two_phase=True, gate=Gate(("./gate.sh",), Path()))
    bench.deploy(manifest("newer"), rollout=rollout)
    assert bench.result.paused is not None
    then = fold(bench.events)
    bench.deploy(manifest("newer"), rollout=rollout, before=earlier_of(then, left_of(then)).before)
    first, again = (json.loads(one.stdin) for one in bench.commands.requests)
    assert again["functions"] == [one | {"former_version_id": one["version_id"]} for one in first["functions"]]


def test_in_two_phases_nothing_begins_where_one_is_blocked(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    latest = next(version for version in bench.versions() if "$latest" in version.get("tags", ()))
    bench.cloud.versions.create(
        {"functionId": latest["functionId"], "runtime": "python312", "entrypoint": "hot.fix", "versionId": latest["id"],
         "resources": {"memory": "536870912"}, "environment": {"HOT": "1"}, "description": "hotfix"}
    )  # fmt: skip
    bench.pass_time(60)
    outcomes = bench.deploy(manifest("newer"), rollout=Rollout(two_phase=True))
    assert kinds(outcomes) == {"Cancelled": 3, "Blocked": 1}
    assert not any(isinstance(event, OperationAccepted) for event in bench.events)
    assert fold(bench.events).rollout.then == "stop"


def test_a_breach_by_what_was_never_touched_takes_nothing_back(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    answer(bench)
    bench.cloud.faults.fail_next("createVersion", Trouble(refusal=Fault(Code.INVALID_ARGUMENT, "no such thing")))
    outcomes = bench.deploy(manifest("newer", labels="src"), rollout=Rollout(max_failures=0, on_breach="rollback"))
    assert kinds(outcomes)["Failed"] == 1
    state = fold(bench.events)
    assert (bool(state.breach), state.rollout.then) == (True, "stop")


@pytest.mark.parametrize(
    ("stopped_at_s", "left"),
    [
        (0.5, {"createVersion"}),  # its labels are set, the version is not requested
        (1.5, {"verify"}),  # the version is being made, and the resuming run verifies it
    ],
)
def test_what_a_resume_finds_bad_goes_back_at_once_with_all_that_its_chain_has_done(
    bench: Bench, stopped_at_s: float, left: set[str]
) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    before = live(bench)

    async def stop(stop: Stop) -> None:
        await anyio.sleep(stopped_at_s)
        stop.request("Ctrl-C")

    bench.deploy(manifest("newer"), rollout=BACK, meanwhile=stop)
    assert live(bench) != before
    then = fold(bench.events)
    assert kinds({key: unit.outcome for key, unit in then.units.items()}) == {"Cancelled": 4}
    answer(bench, "fun-1")
    taken_up = left_of(then)
    outcomes = bench.deploy(
        manifest("newer"), rollout=BACK, before=earlier_of(then, taken_up).before, chain=fold(bench.events)
    )
    first = {str(unit.changes[0].kind) for unit in bench.plan.units}
    assert (kinds(outcomes), first) == ({"Deployed": 3, "Failed": 1}, left)
    failed, after = outcomes["fun-1"], live(bench)
    assert isinstance(failed, Failed)
    assert "rolled back" in failed.failure.message
    assert [name for name in before if name.startswith("fun-1") and before[name] != after[name]] == []
    assert all(before[f"fun-{n}:$latest"] != after[f"fun-{n}:$latest"] for n in (0, 2, 3))


def test_what_is_found_bad_and_was_made_by_no_run_of_the_chain_stays(bench: Bench) -> None:
    answer(bench)
    bench.deploy(manifest("src"))
    bench.skips_verification = True
    bench.deploy(manifest("newer"))
    bench.skips_verification, before = False, live(bench)
    answer(bench, "fun-1")
    failed = bench.deploy(manifest("newer"), rollout=BACK)["fun-1"]
    assert isinstance(failed, Failed)
    assert "back" not in failed.failure.message
    assert live(bench) == before
