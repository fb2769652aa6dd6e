"""Commands that were killed while planning, and how resuming verbs treat them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import anyio
import pytest

from orchestrator.app.session.cut_off import begin, check_not_cut_off, check_resume, start_run, takes_back
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.taking_up import Now
from orchestrator.coordination.local_lock import lock
from orchestrator.errors import (
    DeclinedError,
    Exit,
    InterruptedRunError,
    LockHeldError,
    OrchestratorError,
    StartError,
    UsageError,
)
from orchestrator.journal.events import RunStarted
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.store import open_store
from orchestrator.model import CloudAddress, Limits, Manifest, Rollout, Storage
from orchestrator.report.messages import Messages
from orchestrator.resilience.stop import Stop, StoppedError

ENDPOINT = CloudAddress().endpoint
WHOLE = Selection()
SOME = Selection(("a",))
OTHERS = Selection(("b",))
FAILED = Selection(left_by="failed")
JOB = Selection(job="n", parameters={"to": "x"})


_numbers = count(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deploy.toml").touch()
    return tmp_path


def options_of(folder: Path, verb: str = "deploy", *, force: bool = False, dry_run: bool = False) -> RunOptions:
    config, state = folder / "deploy.toml", folder / "state"
    return RunOptions(verb, config, state_dir=state, force=force, dry_run=dry_run)


def identity_of(folder: Path, selection: Selection = WHOLE) -> Identity:
    return Identity(str(folder / "deploy.toml"), folders=("b1g",), selection=selection)


def cut_off(
    folder: Path,
    selection: Selection = WHOLE,
    *,
    verb: str = "deploy",
    force: bool = False,
    dry_run: bool = False,
    error: BaseException | None = None,
    run_id: str = "",
    later_run_id: str = "",
) -> None:
    """Begin a command and end it with an error, or kill it without one."""
    options = options_of(folder, verb, force=force, dry_run=dry_run)
    manifest = Manifest(options.config, CloudAddress(), Storage(), Limits(), Rollout(), {}, {})
    request = Request(options, {}, folder / "state", manifest, identity_of(folder, selection))

    async def main() -> None:
        async with AsyncExitStack() as stack:
            number = begin(Invocation(options, Messages(), stack, Stop()), request, run_id=run_id)
            if later_run_id:
                takes_back(request, number, later_run_id)
            raise error or KeyboardInterrupt

    with pytest.raises(type(error or KeyboardInterrupt())):
        anyio.run(main)


def started(folder: Path, selection: Selection = WHOLE, verb: str = "deploy") -> RunStarted:
    number = next(_numbers)
    about = identity_of(folder, selection)
    return RunStarted(9e9 + number, f"R{number}", verb, ENDPOINT, "deploy.toml", 1, "", identity=about)


def got_to_a_run(folder: Path, selection: Selection = WHOLE, *, verb: str = "deploy", force: bool = False) -> None:
    with open_store(folder / "state") as store:
        start_run(store, started(folder, selection, verb), options_of(folder, verb, force=force))


def reported(folder: Path) -> str:
    """Return what `resume` reports, "" where it resumes a run."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            invocation = Invocation(options_of(folder, "resume"), Messages(), stack, Stop())
            assert not await check_resume(invocation, giving_up=False)

    try:
        anyio.run(main)
    except InterruptedRunError as error:
        return f"{error.message}; {error.advice}"
    return ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "was killed while planning: nothing was sent"),
        (StoppedError("interrupted"), "was killed while planning"),
        (StartError("no network"), "ended before its run started (no network)"),
        (LockHeldError("run R2 holds f"), "ended before its run started (run R2 holds f)"),
        (InterruptedRunError("the token has expired"), "was killed while planning: nothing was sent"),
        (DeclinedError("not deployed"), ""),
        (UsageError("add --yes"), ""),
    ],
)
def test_what_ended_a_command_before_its_run_is_reported(folder: Path, error: BaseException | None, said: str) -> None:
    cut_off(folder, error=error)
    assert said in reported(folder)
    assert bool(reported(folder)) == bool(said)


# the killed command, the run that started since, and whether that makes up for it
@pytest.mark.parametrize(
    ("selection", "force", "later", "later_force", "made_up"),
    [
        (WHOLE, False, WHOLE, False, True),
        (WHOLE, False, SOME, False, False),
        (WHOLE, False, FAILED, False, False),
        (SOME, False, SOME, False, True),
        (SOME, False, OTHERS, False, False),
        (SOME, False, WHOLE, False, True),
        (FAILED, False, FAILED, False, True),
        (FAILED, False, WHOLE, False, True),
        (WHOLE, True, WHOLE, False, False),
        (WHOLE, True, WHOLE, True, True),
        (WHOLE, False, WHOLE, True, True),
    ],
)
def test_as_much_or_more_makes_up_for_it(
    folder: Path, selection: Selection, force: bool, later: Selection, later_force: bool, made_up: bool
) -> None:
    cut_off(folder, selection, force=force)
    got_to_a_run(folder, later, force=later_force)
    assert bool(reported(folder)) != made_up
    assert not made_up or not reported(folder)


def test_a_job_makes_up_for_itself_with_the_same_parameters(folder: Path) -> None:
    cut_off(folder, JOB, verb="run n")
    got_to_a_run(folder)
    got_to_a_run(folder, replace(JOB, parameters={"to": "y"}), verb="run n")
    assert "orchestrator run n" in reported(folder)
    assert "--param to=x" in reported(folder)
    got_to_a_run(folder, JOB, verb="run n", force=False)
    assert reported(folder) == ""


def test_failed_and_undone_say_it_too_but_the_same_command_goes_on(folder: Path) -> None:
    def refused(verb: str, option: str) -> OrchestratorError | None:
        about = identity_of(folder, Selection(left_by=option))
        try:
            check_not_cut_off(options_of(folder, verb), Now(verb, ENDPOINT, about, folder / "state", option))
        except OrchestratorError as error:
            return error
        return None

    cut_off(folder)
    for verb in ("deploy", "plan"):
        for option in ("failed", "undone"):
            error = refused(verb, option)
            assert error is not None
            assert error.exit == Exit.INTERRUPTED
            assert "a later `orchestrator deploy" in error.message
    assert refused("run n", "failed") is None
    got_to_a_run(folder)
    assert refused("deploy", "failed") is None
    cut_off(folder, FAILED)
    assert refused("deploy", "failed") is None
    assert refused("deploy", "undone") is not None


def test_what_was_cut_off_is_forgotten_with_give_up_and_no_older_run_with_it(folder: Path) -> None:
    got_to_a_run(folder)
    cut_off(folder)

    async def give_up() -> bool:
        async with AsyncExitStack() as stack:
            return await check_resume(
                Invocation(options_of(folder, "resume"), Messages(), stack, Stop()), giving_up=True
            )

    assert anyio.run(give_up)
    assert reported(folder) == ""
    assert not anyio.run(give_up)
    with open_store(folder / "state", read_only=True) as store:
        assert len(store.runs()) == 1


def test_a_command_that_still_plans_is_waited_for(folder: Path) -> None:
    cut_off(folder)

    async def main() -> None:
        async with lock(folder / "state", verb="deploy"), AsyncExitStack() as stack:
            await check_resume(Invocation(options_of(folder, "resume"), Messages(), stack, Stop()), giving_up=False)

    with pytest.raises(LockHeldError):
        anyio.run(main)


def test_a_dry_run_begins_nothing(folder: Path) -> None:
    cut_off(folder, dry_run=True)
    assert reported(folder) == ""


def test_one_of_another_manifest_long_ago_stops_nobody(folder: Path) -> None:
    cut_off(folder)
    other = replace(identity_of(folder), manifest=str(folder / "other.toml"))
    (folder / "other.toml").touch()
    assert reported(folder)
    with open_store(folder / "state") as store:
        start_run(store, replace(started(folder), identity=other), options_of(folder))
    assert reported(folder) == ""


BACK = Selection(("a",), parameters={"since": "2026-11-27T03:00:00+00:00"})


# the run that the killed rollback undid, its command line, and the run of a later rollback
@pytest.mark.parametrize(
    ("was", "selection", "line", "back", "made_up"),
    [
        ("R1", WHOLE, "rollback R1", "R1", True),
        ("R1", WHOLE, "rollback R1", "R2", False),
        ("R1", SOME, "rollback R1 a", "R1", True),
        ("", WHOLE, "rollback", "R1", True),
        ("", BACK, "rollback a --since 2026-11-27T03:00:00+00:00", "", True),
        ("", BACK, "rollback a --since 2026-11-27T03:00:00+00:00", "R1", False),
    ],
)
def test_a_rollback_makes_up_for_one_of_the_same_run(
    folder: Path, was: str, selection: Selection, line: str, back: str, made_up: bool
) -> None:
    cut_off(folder, selection, verb="rollback", run_id=was)
    assert f"`orchestrator {line}" in reported(folder).replace(f" -c {folder / 'deploy.toml'}", "")
    later = started(folder, replace(selection, parameters={} if back else selection.parameters), "rollback")
    about = replace(later.identity, folders=("b1other",))  # those of the run
    with open_store(folder / "state") as store:
        start_run(store, replace(later, rolls_back=back, identity=about), options_of(folder, "rollback"))
        assert bool(store.begun()) != made_up


def test_a_rollback_names_its_run_once_it_knows_it(folder: Path) -> None:
    cut_off(folder, verb="rollback", later_run_id="R7")
    assert "rollback -c " in reported(folder)
    assert " R7` was killed" in reported(folder)
