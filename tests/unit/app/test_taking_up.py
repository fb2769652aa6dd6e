"""Every verb that resumes a former run, and every way in which its scope may differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.app.session.chain import last_left
from orchestrator.app.session.chains.left import left_by_last, left_elsewhere, ways_on
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.taking_up import (
    Differs,
    Now,
    check_same,
    choice_then,
    difference,
    manifest_of,
    variables_then,
    with_disabled,
)
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.events import Breached, RunEnded, RunStarted, UnitEnded, UnitPlanned
from orchestrator.journal.identity import HIDDEN, NOTHING_KNOWN, Identity, Selection
from orchestrator.journal.rollout_events import GivenUp
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import Store, open_store
from orchestrator.model import (
    Action,
    Cancelled,
    CloudAddress,
    Deployed,
    Failed,
    Failure,
    Limits,
    Manifest,
    Outcome,
    Rollout,
    Step,
    Storage,
    Unchanged,
    Unknown,
)
from tests.builders import spec
from tests.runs import ended

ENDPOINT = "https://api.cloud.yandex.net"
# verb, the option that selects from a run
VERBS = [
    ("resume", ""),
    ("deploy", "failed"),
    ("deploy", "undone"),
    ("plan", "failed"),
    ("plan", "undone"),
    ("run nightly", "failed"),
    ("run nightly", "undone"),
]
# how the scope differs from the run, and a part of the command line to run
Change = Callable[[Now], Now]
DIFFERENCES: dict[str, tuple[Change, Differs, str]] = {
    "installation": (lambda now: replace(now, endpoint="sandbox"), Differs.INSTALLATION, "orchestrator"),
    "manifest": (
        lambda now: replace(now, identity=replace(now.identity, manifest="/else/deploy.toml")),
        Differs.MANIFEST,
        "prod.toml",
    ),
    "environment": (
        lambda now: replace(now, identity=replace(now.identity, environment="prod")),
        Differs.ENVIRONMENT,
        "orchestrator",
    ),
    "folders": (
        lambda now: replace(now, identity=replace(now.identity, folders=("b1gdev", "b1gnew"))),
        Differs.FOLDERS,
        "--give-up",
    ),
}
SAME: dict[str, Change] = {
    "nothing": lambda now: now,
    "another selection": lambda now: replace(now, identity=replace(now.identity, selection=Selection(("a*",)))),
    "somebody else, elsewhere": lambda now: replace(now, identity=replace(now.identity, user="ann", host="ci-7")),
    "a later commit": lambda now: replace(now, identity=replace(now.identity, commit="b" * 40)),
    "one folder more": lambda now: replace(
        now, identity=replace(now.identity, folders=("b1gdev", "b1gprod", "b1gnew"))
    ),
}


def about(folder: Path) -> Identity:
    (folder / "prod.toml").touch()
    return Identity(str(folder / "prod.toml"), folders=("b1gdev", "b1gprod"), user="bob", host="h", commit="a" * 40)


def begun(
    identity: Identity, *, verb: str = "deploy", run_id: str = "R1", resumes: str = "", at: float = 1.0
) -> RunStarted:
    return RunStarted(at, run_id, verb, ENDPOINT, "prod.toml", 1, "0.1", resumes=resumes, identity=identity)


def planned(key: str, folder_id: str = "b1gdev") -> UnitPlanned:
    return UnitPlanned(1.0, key, key, folder_id, f"d4e-{key}", Action.VERSION, "", "base", "a.b")


@pytest.fixture
def run(tmp_path: Path) -> RunState:
    return fold([begun(about(tmp_path)), planned("f")])


def now_of(tmp_path: Path, verb: str, option: str) -> Now:
    return Now(verb, ENDPOINT, about(tmp_path), tmp_path / "state", option)


@pytest.mark.parametrize(("verb", "option"), VERBS, ids=lambda part: part or "-")
@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_run_that_was_about_something_else_is_refused(
    tmp_path: Path, run: RunState, name: str, verb: str, option: str
) -> None:
    change, kind, line = DIFFERENCES[name]
    now = change(now_of(tmp_path, verb, option))
    found = difference(run, now)
    assert found is not None
    assert found[0] is kind
    with pytest.raises(UsageError) as refused:
        check_same(run, now)
    assert refused.value.exit == Exit.USAGE
    typed = f"orchestrator {verb}" if option else "orchestrator resume R1"
    assert f"run `{typed}" in refused.value.advice
    assert not option or f"--{option}" in refused.value.advice
    assert line in refused.value.advice or not option


def test_every_difference_is_in_the_table() -> None:
    assert {kind for _, kind, _ in DIFFERENCES.values()} == set(Differs)


@pytest.mark.parametrize(("verb", "option"), VERBS, ids=lambda part: part or "-")
@pytest.mark.parametrize("name", SAME)
def test_what_makes_no_difference_stops_nobody(
    tmp_path: Path, run: RunState, name: str, verb: str, option: str
) -> None:
    check_same(run, SAME[name](now_of(tmp_path, verb, option)))


def test_a_function_that_is_disabled_by_now_is_still_of_the_same_folder(tmp_path: Path) -> None:
    declared = {"off": spec("off", folder_id="b1gdev", enabled=False)}
    of = Manifest(tmp_path / "deploy.toml", CloudAddress(), Storage(), Limits(), Rollout(), declared, {})
    now = now_of(tmp_path, "resume", "")
    nothing = replace(now, identity=replace(now.identity, folders=()))
    state = fold([begun(replace(about(tmp_path), folders=("b1gdev",))), planned("off")])
    assert difference(state, nothing) is not None
    assert difference(state, replace(nothing, identity=with_disabled(nothing.identity, of))) is None


def test_the_same_place_in_a_work_tree_is_the_same_manifest(tmp_path: Path) -> None:
    there = replace(about(tmp_path), place="deploy/prod.toml")
    here = replace(there, manifest="/builds/7/deploy/prod.toml")
    assert difference(fold([begun(there)]), Now("deploy", ENDPOINT, here, tmp_path, "failed")) is None


def test_a_manifest_that_was_elsewhere_on_another_machine_is_one_with_itself(tmp_path: Path) -> None:
    (tmp_path / "prod.toml").touch()  # the manifest of the run now
    gone = replace(about(tmp_path), manifest="/builds/7/prod.toml")
    run = fold([begun(gone)])
    assert manifest_of(run, tmp_path / "state") == tmp_path / "prod.toml"
    assert difference(run, Now("promote", ENDPOINT, gone, tmp_path / "state")) is None


def test_a_run_of_a_former_program_is_known_by_what_it_wrote(tmp_path: Path) -> None:
    former = fold([begun(NOTHING_KNOWN), planned("f")])
    state_dir = tmp_path / ".orchestrator"  # next to the manifest, as it was typed then
    now = Now("deploy", ENDPOINT, about(tmp_path), state_dir, "failed")
    assert difference(former, now) is None
    other = replace(now, identity=replace(now.identity, folders=("b1gprod",)))
    assert difference(former, other) is not None
    elsewhere = replace(now, identity=replace(now.identity, manifest="/else/dev.toml"))
    assert difference(former, elsewhere) is not None


FAILED = Failed(Step.TRACK, Failure("no"))
# outcomes of the last chain → what --failed and --undone select, and the exit code where that is nothing
CHAINS: list[tuple[dict[str, Outcome | None], bool, set[str], set[str], int]] = [
    ({"a": FAILED, "b": Deployed("v", read_back=True), "c": Cancelled()}, False, {"a"}, {"a", "c"}, 0),
    ({"a": Deployed("v", read_back=True)}, False, set(), set(), 0),
    ({"a": None, "b": Cancelled()}, False, set(), {"a", "b"}, 3),
    ({"a": FAILED, "b": None}, True, set(), set(), 0),
]


@pytest.mark.parametrize(("outcomes", "given_up", "failed", "undone", "code"), CHAINS)
def test_what_is_selected_of_the_last_chain(
    tmp_path: Path,
    outcomes: dict[str, Outcome | None],
    given_up: bool,
    failed: set[str],
    undone: set[str],
    code: int,
) -> None:
    with open_store(tmp_path / "state") as store:
        journal = store.start_run(replace(begun(about(tmp_path)), units=len(outcomes)))
        for key in outcomes:
            journal.append(planned(key))
        for key, outcome in outcomes.items():
            if outcome is not None:
                journal.append(UnitEnded(2.0, key, outcome))
        if given_up:
            later = store.start_run(begun(about(tmp_path), run_id="R2", resumes="R1", at=3.0))
            later.append(GivenUp(3.0, 2))
            later.append(ended())
    options = RunOptions("deploy", Path("prod.toml"))
    for option, selected in (("failed", failed), ("undone", undone)):
        left = left_by_last(options, now_of(tmp_path, "deploy", option))
        assert set(left.units) == selected
        assert bool(left.said) == (not selected)
        assert left.exit == (code if not selected else 0)


def test_the_default_manifest_is_no_choice_among_the_runs(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").touch()
    dev = replace(about(tmp_path), manifest=str(tmp_path / "dev.toml"))
    with open_store(tmp_path / "state") as store:
        for run_id, identity, at in (("R1", dev, 1.0), ("R2", about(tmp_path), 2.0)):
            journal = store.start_run(begun(identity, run_id=run_id, at=at))
            journal.append(planned("f"))
            journal.append(UnitEnded(at, "f", FAILED))
    now = Now("deploy", ENDPOINT, dev, tmp_path / "state", "failed")
    assert left_by_last(RunOptions("deploy", tmp_path / "dev.toml"), now).run.run_id == "R1"
    with pytest.raises(UsageError) as refused:
        left_by_last(RunOptions("deploy", tmp_path / "dev.toml", config_given=False), now)
    assert "prod.toml --failed`" in refused.value.advice


def test_a_small_run_in_between_hides_nothing_that_is_undone(tmp_path: Path) -> None:
    some = replace(about(tmp_path), selection=Selection(("a",)))

    def ran(store: Store, run_id: str, at: float, identity: Identity, **outcomes: Outcome | None) -> None:
        journal = store.start_run(replace(begun(identity, run_id=run_id, at=at), units=len(outcomes)))
        for key in outcomes:
            journal.append(planned(key))
        for key, outcome in outcomes.items():
            if outcome is not None:
                journal.append(UnitEnded(at, key, outcome))

    def found(option: str) -> tuple[str, set[str]]:
        left = left_by_last(RunOptions("deploy", Path("prod.toml")), now_of(tmp_path, "deploy", option))
        return left.run.run_id, set(left.units)

    def resumed() -> str:
        with open_store(tmp_path / "state") as store:
            return last_left(store, store.find("last"), tmp_path / "state")

    done = Deployed("v", read_back=True)
    with open_store(tmp_path / "state") as store:
        ran(store, "R1", 1.0, about(tmp_path), a=Unchanged("v"), b=FAILED, c=None)
        ran(store, "R2", 2.0, some, a=Unchanged("v"))
    assert left_by_last(RunOptions("deploy", Path("prod.toml")), now_of(tmp_path, "deploy", "failed")).newer == "R2"
    assert found("failed") == ("R1", {"b"})
    assert found("undone") == ("R1", {"b", "c"})
    assert resumed() == "R1"
    said = left_elsewhere(tmp_path / "state", ENDPOINT, some)
    assert "run R1 has left 2 functions undone" in said
    assert not left_elsewhere(tmp_path / "state", ENDPOINT, about(tmp_path))  # all functions are selected
    with open_store(tmp_path / "state") as store:
        ran(store, "R3", 3.0, some, c=done)  # whichever run did it
    assert found("undone") == ("R1", {"b"})
    with open_store(tmp_path / "state") as store:
        ran(store, "R4", 4.0, some, b=done)
    assert found("undone")[1] == found("failed")[1] == set()
    assert resumed() == "R4"
    with open_store(tmp_path / "state") as store:
        ran(store, "R5", 5.0, some, a=None)
        ran(store, "R6", 6.0, about(tmp_path), b=done)  # a run of all functions settles what was left before
    assert found("undone") == ("R6", set())
    assert resumed() == "R6"


def test_a_job_that_wants_something_else_settles_nothing_of_a_deploy(tmp_path: Path) -> None:
    done = Deployed("v", read_back=True)

    def ran(store: Store, run_id: str, verb: str, at: float, **outcomes: Outcome | None) -> None:
        journal = store.start_run(replace(begun(about(tmp_path), verb=verb, run_id=run_id, at=at), units=len(outcomes)))
        for key, outcome in outcomes.items():
            journal.append(planned(key))
            if outcome is not None:
                journal.append(UnitEnded(at, key, outcome))

    def resumed() -> str:
        with open_store(tmp_path / "state") as store:
            return last_left(store, store.find("last"), tmp_path / "state")

    with open_store(tmp_path / "state") as store:
        ran(store, "R1", "deploy", 1.0, a=done, b=None)
        ran(store, "R2", "run copies", 2.0, a=done, b=done)
    assert resumed() == "R1"
    left = left_by_last(RunOptions("deploy", Path("prod.toml")), now_of(tmp_path, "deploy", "undone"))
    assert (left.run.run_id, set(left.units)) == ("R1", {"b"})
    with open_store(tmp_path / "state") as store:
        ran(store, "R3", "run copies", 3.0, a=None)
        ran(store, "R4", "deploy", 4.0, a=done, b=done)
    assert resumed() == "R3", "and a deploy settles nothing of a job"


DONE = Deployed("v", read_back=True)


def wrote(store: Store, started: RunStarted, breach: str = "", **outcomes: Outcome | None) -> None:
    """Write a run of these functions, complete except for those without an outcome."""
    journal = store.start_run(replace(started, units=len(outcomes)))
    for key in outcomes:
        journal.append(planned(key))
    if breach:
        journal.append(Breached(started.at, breach))
    for key, outcome in outcomes.items():
        if outcome is not None:
            journal.append(UnitEnded(started.at, key, outcome))
    journal.append(RunEnded(started.at, 1))


# how a chain ended → how to continue it, and the exit code of a command that does nothing about it
UNKNOWN = Unknown("not seen to end")
WAYS: list[tuple[str, str, dict[str, Outcome | None], list[str], list[str], int]] = [
    (
        "deploy",
        "",
        {"a": FAILED, "b": Cancelled()},
        ["continue with `orchestrator resume R1`", "or select them with `"],
        [],
        3,
    ),
    ("deploy", "", {"a": FAILED}, ["select it with `orchestrator deploy"], ["resume"], 1),
    ("deploy", "", {"a": UNKNOWN}, ["continue with `orchestrator resume R1`"], [], 3),
    ("deploy", "", {"a": None}, ["continue with `orchestrator resume R1`"], [], 3),
    ("deploy", "2 of 9 failed", {"a": FAILED, "b": Cancelled()}, ["prod.toml` starts a new run"], ["resume", "-ed"], 1),
    ("deploy", "2 of 9 failed", {"a": FAILED, "b": UNKNOWN}, ["resume` reads", "prod.toml` starts a new run"], [], 3),
    (
        "run n",
        "",
        {"a": Cancelled()},
        ["continue with `orchestrator resume R1`", "run n -c", "--param x=1 --undone`"],
        ["deploy"],
        3,
    ),
    ("rollback", "", {"a": Cancelled()}, ["continue with `orchestrator resume R1`"], ["--undone"], 3),
    (
        "deploy",
        "",
        {"a": DONE},
        ["do the rest with `orchestrator"],
        ["resume"],
        1,
    ),  # not all of it is in the journal
]


@pytest.mark.parametrize(("verb", "breach", "outcomes", "reported", "not_reported", "code"), WAYS)
def test_the_way_on_is_one_that_there_is(
    tmp_path: Path,
    verb: str,
    breach: str,
    outcomes: dict[str, Outcome | None],
    reported: list[str],
    not_reported: list[str],
    code: int,
) -> None:
    job = Selection(job="n", parameters={"x": "1"}) if verb == "run n" else Selection()
    identity = replace(about(tmp_path), selection=job)
    with open_store(tmp_path / "state") as store:
        wrote(store, begun(identity, verb=verb), breach, **outcomes)
        run = store.chain_state("R1")
    left = {key: unit for key, unit in run.units.items() if unit.outcome != DONE}
    ways, exit_code = ways_on(run, left)
    assert all(part in ways for part in reported), ways
    assert not any(part in ways for part in not_reported), ways
    assert exit_code == code


def test_after_a_breach_the_way_on_is_the_same_command(tmp_path: Path) -> None:
    with open_store(tmp_path / "state") as store:
        wrote(store, begun(about(tmp_path)), "1 of 3 failed", a=FAILED, b=Cancelled(), c=Cancelled())
        failed = replace(about(tmp_path), selection=Selection(left_by="failed"))
        wrote(store, begun(failed, run_id="R2", at=2.0), a=DONE)
    left = left_by_last(RunOptions("deploy", Path("prod.toml")), now_of(tmp_path, "deploy", "failed"))
    assert "2 functions of it are undone: it was stopped for good" in left.said
    assert "resume" not in left.said
    assert left.exit == Exit.FAILED


def test_a_run_of_what_one_run_left_says_what_others_have_left(tmp_path: Path) -> None:
    state = tmp_path / "state"
    some = replace(about(tmp_path), selection=Selection(("x",)))
    with open_store(state) as store:
        wrote(store, begun(about(tmp_path), at=1.0), a=FAILED, b=Cancelled())
        wrote(store, begun(some, run_id="R2", at=2.0), x=FAILED)
    options = RunOptions("deploy", Path("prod.toml"))

    def elsewhere(option: str) -> tuple[set[str], str]:
        left = left_by_last(options, now_of(tmp_path, "deploy", option))
        about_it = replace(about(tmp_path), selection=Selection(left_by=option))
        return set(left.units), left_elsewhere(state, ENDPOINT, about_it, left)

    for option in ("failed", "undone"):
        units, said = elsewhere(option)
        assert units == {"x"}
        assert "run R1 has left 2 functions undone" in said
    with open_store(state) as store:
        wrote(store, begun(some, run_id="R3", at=3.0), x=DONE)
    assert elsewhere("undone") == ({"a", "b"}, "")
    units, said = elsewhere("failed")
    assert units == {"a"}
    assert "run R1 has left 1 more function undone" in said
    with open_store(state) as store:
        wrote(store, begun(some, run_id="R4", at=4.0), x=FAILED)
    said = left_elsewhere(state, ENDPOINT, replace(some, selection=Selection(("z",))))
    assert "run R4 has left 1 function undone" in said
    assert "so has 1 older run: `orchestrator runs`" in said


def test_a_job_with_other_parameters_settles_nothing(tmp_path: Path) -> None:
    def job(value: str) -> Identity:
        return replace(about(tmp_path), selection=Selection(job="n", parameters={"to": value}))

    with open_store(tmp_path / "state") as store:
        wrote(store, begun(job("python312"), verb="run n", at=1.0), a=None)
        wrote(store, begun(job("python313"), verb="run n", run_id="R2", at=2.0), a=DONE)
    now = now_of(tmp_path, "run n", "undone")
    left = left_by_last(RunOptions("run n", Path("prod.toml"), job="n"), now)
    assert (left.run.run_id, set(left.units)) == ("R1", {"a"})


# --var of a run, --var now → the result, and which are not given now; None: must be given again
GIVEN: list[tuple[dict[str, str], dict[str, str], dict[str, str] | None, set[str]]] = [
    ({"A": "1"}, {"A": "1"}, {"A": "1"}, set()),  # the same
    ({"A": "1"}, {"A": "2"}, {"A": "2"}, set()),  # another value
    ({"A": "1"}, {}, {"A": "1"}, {"A"}),  # missing
    ({"A": "1"}, {"B": "2"}, {"A": "1", "B": "2"}, {"A"}),
    ({}, {"B": "2"}, {"B": "2"}, set()),
    ({"A": HIDDEN}, {"A": "2"}, {"A": "2"}, set()),
    ({"A": HIDDEN}, {}, None, set()),
]


@pytest.mark.parametrize(("then", "typed", "counts", "taken_over"), GIVEN)
def test_variables_are_those_of_the_run_but_for_what_is_typed(
    tmp_path: Path, then: dict[str, str], typed: dict[str, str], counts: dict[str, str] | None, taken_over: set[str]
) -> None:
    was = replace(about(tmp_path), selection=Selection(variables=then))
    options = RunOptions("resume", Path("prod.toml"), variables=typed)
    for take_over in (choice_then, variables_then):
        if counts is None:
            with pytest.raises(UsageError, match="were not stored"):
                take_over(was, "run R1", options, "orchestrator resume R1")
            continue
        made = take_over(was, "run R1", options, "orchestrator resume R1")
        assert (made.variables, set(made.taken_over)) == (counts, taken_over)


ENVIRONMENTS = [("", "", True), ("", "none", True), ("", "dev", False), ("dev", "", True), ("dev", "none", False)]


@pytest.mark.parametrize(("then", "typed", "goes_on"), [*ENVIRONMENTS, ("dev", "dev", True), ("dev", "prod", False)])
def test_what_goes_on_does_so_in_its_own_environment(tmp_path: Path, then: str, typed: str, goes_on: bool) -> None:
    was = replace(about(tmp_path), environment=then)
    options = RunOptions("resume", Path("prod.toml"), environment=typed)
    if goes_on:
        made = choice_then(was, "run R1", options, "orchestrator resume R1")
        assert (made.choice.environment, made.choice.exactly) == (then, True)
        return
    with pytest.raises(UsageError, match=f"and this command has --env {typed}"):
        choice_then(was, "run R1", options, "orchestrator resume R1")


def test_the_line_to_type_for_a_run_without_an_environment_leads_to_it(tmp_path: Path, run: RunState) -> None:
    now = now_of(tmp_path, "deploy", "failed")
    for there in (replace(now.identity, environment="dev"), now.identity):
        with pytest.raises(UsageError) as refused:
            check_same(run, replace(now, identity=replace(there, manifest="/else/deploy.toml")))
        assert ("--env none" in refused.value.advice) == bool(there.environment)
