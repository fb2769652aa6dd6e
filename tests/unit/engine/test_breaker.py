"""The breaker's truth table, call by call."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.breaker import Breaker, Opened
from orchestrator.journal.events import StepFinished, StepStarted
from orchestrator.model import Action, Change, ChangeKind, Deployed, Failed, Failure, Outcome, SourceCode, Step, Unit
from tests.builders import settings as made
from tests.builders import source, spec

NO = "PERMISSION_DENIED"


def units(count: int, folder: str = "b1g", kind: ChangeKind = ChangeKind.VERSION, **changes: str) -> list[Unit]:
    return [
        Unit(
            f"{folder}-{number}-{kind}",
            spec(f"{folder}-{number}", folder_id=folder, settings=made(**changes), code=source()),
            Action.VERSION,
            "",
            changes=(Change(kind),),
        )
        for number in range(count)
    ]


def refused(unit: Unit, message: str = "no", kind: str = NO, step: Step = Step.CREATE) -> Outcome:
    return Failed(step, Failure(message.replace("NAME", unit.spec.name), kind))


class Run:
    """A breaker, and what has not ended."""

    def __init__(self, units: Iterable[Unit], *, on: bool = True) -> None:
        self.left = {unit.key: unit for unit in units}
        self.breaker = Breaker({key: unit.spec.folder_id for key, unit in self.left.items()}, on=on)

    def ask(self, unit: Unit, step: Step = Step.CREATE) -> None:
        self.breaker.hear(StepStarted(0.0, unit.key, step))

    def answer(self, unit: Unit, *, ok: bool, step: Step = Step.CREATE) -> None:
        self.breaker.hear(StepFinished(0.0, unit.key, step, 0.1, ok))

    def end(self, unit: Unit, outcome: Outcome) -> Opened | None:
        del self.left[unit.key]
        return self.breaker.ended(unit, outcome, self.left.values())

    def refuse(self, some: Iterable[Unit], message: str = "no") -> list[Opened]:
        found = []
        for unit in some:
            self.ask(unit)
            self.answer(unit, ok=False)
            found.append(self.end(unit, refused(unit, message)))
        return [one for one in found if one is not None]


def test_five_alike_end_the_rest_of_that_folder() -> None:
    some, others = units(20), units(3, "other")
    run = Run(some + others)
    (opened,) = run.refuse(some[:5], message="NAME may not")
    assert opened.units == tuple(some[5:])
    cause = "5 functions in a row were refused for the same reason"
    assert opened.cause == f"{cause} in folder b1g, step create: {NO}: … may not"


@pytest.mark.parametrize("count", [1, 4])
def test_fewer_than_five_end_nothing(count: int) -> None:
    some = units(20)
    assert not Run(some).refuse(some[:count])


@pytest.mark.parametrize(
    "outcomes",
    [
        [refused(unit, message) for unit, message in zip(units(5), "aaaab", strict=True)],
        [refused(unit, "no", kind) for unit, kind in zip(units(5), "AAAAB", strict=True)],
        [refused(unit, "no", "RESOURCE_EXHAUSTED") for unit in units(5)],
        [refused(unit, step=Step.TRACK) for unit in units(5)],
        [refused(unit, step=Step.BUILD) for unit in units(5)],
        [Deployed("v")] * 5,
    ],
    ids=["words", "codes", "quota", "operations", "builds", "deployed"],
)
def test_what_is_no_refusal_alike_ends_nothing(outcomes: list[Outcome]) -> None:
    some = units(20)
    run = Run(some)
    assert [run.end(unit, outcome) for unit, outcome in zip(some[:5], outcomes, strict=True)] == [None] * 5


def test_once_one_was_accepted_nothing_is_ended() -> None:
    some = units(20)
    run = Run(some)
    run.ask(some[19])
    run.answer(some[19], ok=True)
    assert not run.refuse(some[:15])


def test_one_that_was_accepted_in_another_folder_or_step_says_nothing() -> None:
    some, others = units(20), units(2, "other")
    run = Run(some + others)
    run.ask(others[0])
    run.answer(others[0], ok=True)
    run.ask(some[19], Step.FUNCTION)
    run.answer(some[19], ok=True, step=Step.FUNCTION)
    assert len(run.refuse(some[:5])) == 1


def test_an_answer_that_is_awaited_is_waited_for() -> None:
    """Fifteen wait for answers: five answers are not all of them."""
    some = units(30)
    run = Run(some)
    for unit in some[:15]:
        run.ask(unit)
    for unit in some[:14]:
        run.answer(unit, ok=False)
        assert run.end(unit, refused(unit)) is None
    run.answer(some[14], ok=False)
    opened = run.end(some[14], refused(some[14]))
    assert opened is not None
    assert len(opened.units) == 15


def test_what_is_asked_later_is_not_waited_for() -> None:
    some = units(30)
    run = Run(some)
    run.refuse(some[:1])
    run.ask(some[20])
    (opened,) = run.refuse(some[1:5])
    assert some[20] not in opened.units  # its own answer decides


def test_five_with_the_same_setting_say_nothing_of_those_with_another() -> None:
    bad, good = units(12, runtime="python27"), units(8, "b1g", ChangeKind.UPDATE, runtime="python312")
    good = [Unit(f"good-{n}", unit.spec, Action.VERSION, "", changes=bad[0].changes) for n, unit in enumerate(good)]
    run = Run(bad + good)
    (opened,) = run.refuse(bad[:5])
    assert opened.units == tuple(bad[5:])
    assert opened.cause.startswith("5 functions in a row with the same runtime were refused for the same reason")
    assert not run.refuse(good[:4])  # counted again
    assert not Run(bad[:5] + good).refuse(bad[:5])  # no unit is left that they concern


def test_those_that_differ_in_all_they_could_be_refused_for_speak_of_all() -> None:
    some = [unit for number in range(9) for unit in units(1, service_account_id=f"aje{number}")]
    some = [Unit(f"f{number}", unit.spec, Action.VERSION, "", changes=unit.changes) for number, unit in enumerate(some)]
    (opened,) = Run(some).refuse(some[:5])
    assert opened.units == tuple(some[5:])


def test_only_those_that_have_such_a_call_before_them_are_ended() -> None:
    versions, tags = units(10), units(5, kind=ChangeKind.TAG)
    (opened,) = Run(versions + tags).refuse(versions[:5])
    assert opened.units == tuple(versions[5:])


def test_uploads_are_of_sources() -> None:
    some = units(10)
    run = Run(some)
    for unit in some[:4]:
        assert run.end(unit, refused(unit, step=Step.UPLOAD)) is None
    opened = run.end(some[4], refused(some[4], step=Step.UPLOAD))
    assert opened is not None
    assert all(isinstance(unit.spec.code, SourceCode) for unit in opened.units)


def test_a_declared_limit_switches_it_off() -> None:
    some = units(20)
    assert not Run(some, on=False).refuse(some)


answers = st.sampled_from([*["refused"] * 12, "accepted", "refused otherwise", "broken"])


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from([*["b1g"] * 4, "b1h"]), st.sampled_from([*["python311"] * 4, "python312"]), answers),
        min_size=5,
        max_size=40,
    ),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_nothing_is_ended_without_its_evidence(
    asked: list[tuple[str, str, str]], at_once: int, rng: random.Random
) -> None:
    """Answers in any order: what is stopped is in one folder. Five calls there were refused for the same reason, none
    was accepted, and the stopped units share their common settings. No stopped unit had asked.
    """
    some = [
        Unit(f"f{number}", spec(f"f{number}", folder_id=folder, settings=made(runtime=runtime), code=source()),
             Action.VERSION, "", changes=(Change(ChangeKind.VERSION),))
        for number, (folder, runtime, _) in enumerate(asked)
    ]  # fmt: skip
    says = {unit.key: answer for unit, (_, _, answer) in zip(some, asked, strict=True)}
    run, waiting, begun = Run(some), list(some), list[Unit]()
    refusals: dict[str, list[Unit]] = {"b1g": [], "b1h": []}
    accepted = set[str]()
    while waiting or begun:
        if waiting and len(begun) < at_once:
            begun.append(waiting.pop(0))
            run.ask(begun[-1])
            continue
        unit = begun.pop(rng.randrange(len(begun)))
        folder, answer = unit.spec.folder_id, says[unit.key]
        run.answer(unit, ok=answer in ("accepted", "broken"))
        if answer in ("accepted", "broken"):
            accepted.add(folder)
            opened = run.end(unit, Deployed("v") if answer == "accepted" else refused(unit, step=Step.TRACK))
            assert opened is None
            continue
        refusals[folder].append(unit)
        opened = run.end(unit, refused(unit, "no" if answer == "refused" else "never"))
        if opened is None:
            continue
        last = refusals[folder][-5:]
        assert folder not in accepted
        assert len({says[one.key] for one in last}) == 1
        assert len(last) == 5
        shared = {one.spec.settings.runtime for one in last}
        assert opened.units
        for ended in opened.units:
            assert ended.spec.folder_id == folder
            assert ended in waiting
            assert len(shared) > 1 or ended.spec.settings.runtime in shared
        waiting = [one for one in waiting if one not in opened.units]
