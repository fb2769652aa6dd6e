"""The network fails in the middle of a run, in virtual time: the run pauses, and continues where it was."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.engine import verdicts
from orchestrator.errors import CloudError, Code, Exit, InterruptedRunError
from orchestrator.journal.condition_events import OutageBegan, OutageEnded
from orchestrator.journal.events import OperationAccepted, StepRetried
from orchestrator.model import Cancelled, Failed, Limits, Unknown
from orchestrator.prediction.virtual_time import run
from orchestrator.resilience.outage import Outage
from orchestrator.resilience.retry import retried
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import Fault, Faults, Rates, Trouble
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import Bench, sources
from tests.flow.test_run import kinds

GONE = Rates(lost=1.0)


def between(bench: Bench, start_s: float, end_s: float, rates: Rates = GONE) -> Callable[[Stop], Awaitable[None]]:
    """Return a network that fails for a while."""

    async def meanwhile(_stop: Stop) -> None:
        await anyio.sleep(start_s)
        bench.faults.rates = rates
        await anyio.sleep(end_s - start_s)
        bench.faults.rates = Rates()

    return meanwhile


@pytest.mark.parametrize("rates", [GONE, Rates(unavailable=1.0)], ids=["network", "503"])
def test_ten_minutes_without_a_network_pause_the_run(tmp_path: Path, rates: Rates) -> None:
    bench = Bench(tmp_path, durations="fixed:2", limits=Limits(operation_deadline_s=60.0))
    outcomes = bench.deploy(sources(tmp_path, 60), meanwhile=between(bench, 5.0, 605.0, rates))
    assert kinds(outcomes) == {"Deployed": 60}
    assert 605 < bench.seconds < 660
    assert len(bench.versions()) == 60
    (began,) = [event for event in bench.events if isinstance(event, OutageBegan)]
    (ended,) = [event for event in bench.events if isinstance(event, OutageEnded)]
    assert began.reason
    assert 580 < ended.seconds < 620


def test_few_calls_are_made_to_find_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    before = 0

    async def count(_stop: Stop) -> None:
        nonlocal before
        await anyio.sleep(5.0)
        bench.faults.rates = GONE
        await anyio.sleep(30.0)
        before = sum(bench.wire.calls.values())
        await anyio.sleep(600.0)
        assert sum(bench.wire.calls.values()) - before < 80
        bench.faults.rates = Rates()

    assert kinds(bench.deploy(sources(tmp_path, 60), meanwhile=count)) == {"Deployed": 60}


def test_an_outage_that_lasts_too_long_ends_the_run_as_one_to_take_up_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")
    bench.outage_s = 300.0
    manifest = sources(tmp_path, 160)
    outcomes = bench.deploy(manifest, meanwhile=between(bench, 5.0, 10_000.0))
    assert bench.result.interruption is not None
    assert "the cloud has not responded for 5 min" in bench.result.interruption.message
    assert {type(outcome) for outcome in outcomes.values()} >= {Unknown, Cancelled}
    bench.faults.rates = Rates()
    bench.pass_time(3600.0)
    bench.deploy(manifest)
    assert len(bench.versions()) == 160


def test_a_stop_in_an_outage_is_heard(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:2")

    async def stop_in_it(stop: Stop) -> None:
        await anyio.sleep(5.0)
        bench.faults.rates = GONE
        await anyio.sleep(60.0)
        stop.request("interrupted")

    outcomes = bench.deploy(sources(tmp_path, 160), meanwhile=stop_in_it)
    assert bench.seconds < 120  # it does not wait for the network much longer
    assert kinds(outcomes)["Cancelled"]


def test_bad_weather_alone_is_no_outage(tmp_path: Path) -> None:
    bench = Bench(tmp_path, faults=Faults(Rates(unavailable=0.2, lost=0.1), seed=4))  # 1 in 16 has 4 in a row
    bench.deploy(sources(tmp_path, 60))
    assert not [event for event in bench.events if isinstance(event, OutageBegan)]
    assert [event for event in bench.events if isinstance(event, StepRetried)]


def test_reads_before_a_plan_wait_too() -> None:
    async def main() -> int:
        outage, back_at, calls = Outage(), 100.0, 0

        async def call() -> int:
            nonlocal calls
            calls += 1
            if anyio.current_time() < back_at:
                raise CloudError("no connection", call="list", sent=False)
            return calls

        await retried(call, rng=random.Random(1), outage=outage)
        assert not outage.on
        assert 90 < outage.lost_s() <= 110
        return calls

    assert run(main) < 30


def test_a_gate_that_never_opens_says_so() -> None:
    async def main() -> None:
        async def call() -> None:
            raise CloudError("no connection", call="list", sent=False)

        with pytest.raises(InterruptedRunError, match="the cloud has not responded for 1 min: no connection"):
            await retried(call, rng=random.Random(1), outage=Outage(max_s=60.0))

    run(main)


def test_five_functions_that_are_refused_alike_end_what_would_be_refused_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    refusal = Fault(Code.PERMISSION_DENIED, "Permission denied")
    bench.faults.fail_next("createVersion", *[Trouble(refusal=refusal)] * 100)
    outcomes = bench.deploy(sources(tmp_path, 60))
    assert kinds(outcomes)["Failed"] <= 20
    assert kinds(outcomes)["Cancelled"] >= 40
    cause = (
        "5 functions in a row were refused for the same reason in folder folder, step create:"
        " PERMISSION_DENIED: Permission denied"
    )
    assert bench.result.breach == f"{cause}; {kinds(outcomes)['Cancelled']} more were not tried"
    assert {one.reason for one in outcomes.values() if isinstance(one, Cancelled)} == {cause}
    assert bench.seconds < 5


def test_builds_that_fail_alike_stop_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1", faults=Faults(failing_functions={f"f{n:03}" for n in range(20)}))
    outcomes = bench.deploy(sources(tmp_path, 30))
    assert kinds(outcomes) == {"Failed": 20, "Deployed": 10}
    assert not [o for o in outcomes.values() if isinstance(o, Failed) and o.step.value != "track"]
    assert [event for event in bench.events if isinstance(event, OperationAccepted)]


def test_a_quota_of_functions_that_is_used_up_stops_new_functions_alone(tmp_path: Path) -> None:
    mute = CloudSettings(quota_manager=False)  # otherwise the plan would report it
    bench = Bench(tmp_path, durations="fixed:1", quotas=Quotas(functions_per_cloud=10), settings=mute)
    bench.deploy(sources(tmp_path, 10))
    asked = bench.wire.calls["create function"]
    changed = sources(tmp_path, 60).replace('memory = "128MB"', 'memory = "256MB"')
    outcomes = bench.deploy(changed)
    assert kinds(outcomes) == {"Deployed": 10, "Failed": 50}
    assert bench.wire.calls["create function"] - asked <= 20  # those in transit
    assert bench.result.breach == ""


def test_a_cloud_that_hardly_answers_is_not_stormed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:0.5", faults=Faults(seed=3))
    manifest = sources(tmp_path, 300)

    async def not_well(_stop: Stop) -> None:
        await anyio.sleep(3.0)
        bench.faults.rates = Rates(unavailable=0.75)

    outcomes = bench.deploy(manifest, meanwhile=not_well)
    assert "the cloud has a problem: The service is currently unavailable" in bench.stop.reason
    assert kinds(outcomes)["Cancelled"]
    assert verdicts.exit_code(outcomes.values(), interrupted=True) is Exit.INTERRUPTED
    sent = bench.wire.calls["create function"] + bench.wire.calls["createVersion"]
    assert sent < 2 * 600 + 50 + 20
    bench.faults.rates = Rates()
    assert set(kinds(bench.deploy(manifest))) <= {"Deployed", "Unchanged"}
    assert len(bench.versions()) == 300
