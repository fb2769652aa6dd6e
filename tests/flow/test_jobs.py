"""The built-in jobs on the memory cloud: bound, planned, carried out, and planned again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orchestrator.job.contract import Desired, JobError
from orchestrator.model import Action, BucketPackage, Rollout, Settings
from orchestrator.model.decode import version as decoded
from orchestrator.version.copy import settings_of
from orchestrator.version.stamp import read_stamp
from tests.builders import spec
from tests.clouds import inline, zipped
from tests.engine import BUCKET, Bench, sources
from tests.flow.test_run import kinds
from tests.settings import any_settings

UPGRADE = (
    '[jobs.up]\nrun = "runtime_upgrade"\nfrom = ["python38", "python39"]\nto = "python312"\nfolders = ["folder"]\n'
)
COPIES = '[jobs.copies]\nrun = "mass_redeploy"\nfunctions = ["*"]\nfolders = ["folder"]\n'


def by_hand(bench: Bench, name: str, *, runtime: str = "python39", **fields: Any) -> str:
    """Make a function and a version of it as another user would."""
    function = bench.cloud.functions.create({"folderId": "folder", "name": name})["metadata"]["functionId"]
    bench.pass_time(60.0)
    version(bench, function, runtime=runtime, **fields)
    return str(function)


def version(bench: Bench, function_id: str, **fields: Any) -> None:
    body = {
        "functionId": function_id, "runtime": "python39", "entrypoint": "index.handler",
        "resources": {"memory": "134217728"}, "executionTimeout": "3s", **inline("index.py"),
    }  # fmt: skip
    bench.cloud.versions.create(body | fields)
    bench.pass_time(60.0)


def latest(bench: Bench, function_id: str) -> Settings:
    return settings_of(decoded(bench.cloud.versions.by_tag({"functionId": function_id, "tag": "$latest"})))


def test_an_upgrade_moves_what_is_old_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    old = [by_hand(bench, f"old-{number}", environment={"N": str(number)}, tag=["stable"]) for number in range(3)]
    by_hand(bench, "new", runtime="python312")
    by_hand(bench, "other", runtime="nodejs22", entrypoint="index.py")
    before = [latest(bench, one) for one in old]
    assert kinds(bench.run_job(UPGRADE, "up")) == {"Deployed": 3}
    assert not bench.wire.calls.get("put object")
    for function_id, was in zip(old, before, strict=True):
        now = latest(bench, function_id)
        assert now.runtime == "python312"
        assert (now.environment, now.tags) == (was.environment, ("stable",))
    assert kinds(bench.run_job(UPGRADE, "up")) == {}
    assert [standing.status for standing in bench.desired.board or ()] == ["done"] * 4


def test_an_upgrade_goes_on_with_what_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    for number in range(4):
        by_hand(bench, f"old-{number}")
    bench.faults.failing_functions = {"old-2"}
    assert kinds(bench.run_job(UPGRADE, "up")) == {"Deployed": 3, "Failed": 1}
    bench.faults.failing_functions = set()
    assert kinds(bench.run_job(UPGRADE, "up")) == {"Deployed": 1}


def test_too_many_failures_stop_an_upgrade_between_waves(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    for number in range(6):
        by_hand(bench, f"old-{number}")
    bench.faults.failing_functions = {"old-0"}
    outcomes = bench.run_job(UPGRADE + "rollout = { waves = [1, 100], max_failures = 0 }\n", "up")
    assert kinds(outcomes) == {"Failed": 1, "Cancelled": 5}


def test_a_declared_function_that_is_upgraded_stays_as_it_is_declared(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 2).replace('"python312"', '"python39"')
    bench.deploy(manifest)
    assert kinds(bench.run_job(f"{manifest}\n{UPGRADE}", "up")) == {"Deployed": 2}
    assert [warning for warning in bench.desired.warnings if "or the next deploy of them is blocked" in warning]
    # The code is recognised: with the runtime changed in the file too, there is nothing left to do.
    assert kinds(bench.deploy(manifest.replace('"python39"', '"python312"'))) == {"Unchanged": 2}


def test_a_runtime_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(JobError, match=r"the cloud does not offer runtime python399; did you mean python39"):
        bench.run_job(UPGRADE, "up", to="python399")


def test_a_live_setting_that_is_not_known_stops_that_copy_only(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    by_hand(bench, "plain")
    strange = by_hand(bench, "strange")
    found = bench.cloud.versions.by_tag({"functionId": strange, "tag": "$latest"})
    bench.cloud.state.versions.put(found["id"], {**found, "gpu": {"count": "1"}})
    outcomes = bench.run_job(UPGRADE, "up")
    assert kinds(outcomes) == {"Deployed": 1, "Blocked": 1}
    assert "settings that this program does not know: gpu" in str(outcomes["strange"])


def test_one_new_value_in_many_functions_without_their_sources(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    made = [by_hand(bench, f"f-{number}", environment={"KEEP": "1"}) for number in range(3)]
    job = f'{COPIES}environment = {{ LEVEL = "debug" }}\n'
    assert kinds(bench.run_job(job, "copies")) == {"Deployed": 3}
    assert all(latest(bench, one).environment == {"KEEP": "1", "LEVEL": "debug"} for one in made)
    assert kinds(bench.run_job(job, "copies")) == {"Unchanged": 3}


def test_a_new_secret_version_reaches_every_variable_that_has_the_secret(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    secret = {"id": "e6q1", "versionId": "e6v1", "key": "token", "environmentVariable": "TOKEN"}
    made = by_hand(bench, "one", secrets=[secret])
    job = f'{COPIES}secrets = [{{ id = "e6q1", version_id = "e6v2" }}]\n'
    assert kinds(bench.run_job(job, "copies")) == {"Deployed": 1}
    assert [one.version_id for one in latest(bench, made).secrets] == ["e6v2"]
    assert bench.plan.units[0].reason.endswith("secrets: ~TOKEN")


def test_what_a_job_takes_away_by_name_needs_no_adoption_and_what_lacks_it_stays_as_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    made = by_hand(bench, "one", environment={"OLD": "1", "KEEP": "2"})
    for number in range(19):
        by_hand(bench, f"f-{number:02}", environment={"KEEP": "2"})
    job = f'{COPIES}remove_environment = ["OLD"]\n'
    assert kinds(bench.run_job(job, "copies")) == {"Deployed": 1, "Unchanged": 19}
    assert latest(bench, made).environment == {"KEEP": "2"}
    assert kinds(bench.run_job(job, "copies")) == {"Unchanged": 20}


def test_what_a_job_takes_away_by_name_of_a_declared_function_is_all_that_goes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    by_hand(bench, "f000", environment={"OLD": "1", "HOT": "2"})
    manifest = sources(tmp_path, 1) + '\n[jobs.nightly]\nrun = "mass_redeploy"\nremove_environment = ["OLD"]\n'
    outcomes = bench.run_job(manifest, "nightly")
    assert kinds(outcomes) == {"Blocked": 1}
    assert "remove environment HOT" in str(outcomes["f000"])


NIGHTLY = '[jobs.nightly]\nrun = "mass_redeploy"\n'


def test_what_a_job_has_changed_and_the_manifest_lacks_is_not_taken_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 2).replace('"python312"', '"python39"')
    bench.deploy(manifest)
    jobs = f"{manifest}\n{UPGRADE}\n{NIGHTLY}"
    assert kinds(bench.run_job(jobs, "up")) == {"Deployed": 2}
    for outcomes in (bench.deploy(manifest), bench.run_job(jobs, "nightly")):
        assert kinds(outcomes) == {"Blocked": 2}
        assert "was made by job up, and the new version would change back runtime python312 → python39" in str(outcomes)
    assert kinds(bench.deploy(manifest, adopt=True)) == {"Deployed": 2}
    assert kinds(bench.deploy(manifest)) == {"Unchanged": 2}


@pytest.mark.parametrize("declared", [True, False])
def test_a_long_name_of_a_job_is_shown_in_full_or_as_cut(tmp_path: Path, declared: bool) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)
    job = '\n[jobs.nightly-of-team-a]\nrun = "mass_redeploy"\nenvironment = { LEVEL = "debug" }\n'
    assert kinds(bench.run_job(manifest + job, "nightly-of-team-a")) == {"Deployed": 1}
    said = str(bench.deploy(manifest + job if declared else manifest))
    assert ("was made by job nightly-of-team-a, and" in said) is declared
    assert ("(a name of more than 10 characters is cut), and" in said) is not declared


def test_a_variable_of_a_job_is_guarded_and_the_job_may_run_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 1)
    bench.deploy(manifest)
    job = f'{manifest}\n{NIGHTLY}environment = {{ LEVEL = "debug" }}\n'
    assert kinds(bench.run_job(job, "nightly")) == {"Deployed": 1}
    assert kinds(bench.run_job(job, "nightly")) == {"Unchanged": 1}
    outcomes = bench.deploy(manifest)
    assert "was made by job nightly, and the new version would remove environment LEVEL" in str(outcomes)
    again = job.replace("LEVEL", "OTHER")
    assert kinds(bench.run_job(again, "nightly")) == {"Deployed": 1}  # it may change its own versions


def test_a_value_of_a_job_is_not_put_back_but_by_who_names_it_and_another_one_is_meant(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    declared = '[functions.f000]\nenvironment = {{ A = "{}", B = "1" }}'
    one, two = (sources(tmp_path, 1).replace("[functions.f000]", declared.format(value)) for value in "12")
    job = f'{one}\n{NIGHTLY}environment = {{ A = "job" }}\n'
    bench.deploy(one)
    for value in ("job", "more"):  # the base of the second one is a version of the job
        assert kinds(bench.run_job(job.replace('job"', f'{value}"'), "nightly")) == {"Deployed": 1}
        back = bench.deploy(one)
        assert kinds(back) == {"Blocked": 1}
        assert "was made by job nightly, and the new version would change back environment A" in str(back)
    assert kinds(bench.deploy(two)) == {"Deployed": 1}
    other = f'{one}\n[jobs.other]\nrun = "mass_redeploy"\nenvironment = {{ A = "1" }}\n'
    assert kinds(bench.run_job(job, "nightly")) == {"Deployed": 1}
    assert kinds(bench.run_job(other, "other")) == {"Deployed": 1}


def test_what_a_job_makes_just_as_it_is_declared_is_no_work_of_the_job(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    manifest = sources(tmp_path, 1).replace("[functions.f000]", '[functions.f000]\nenvironment = { A = "1" }')
    assert kinds(bench.run_job(f"{manifest}\n{NIGHTLY}", "nightly")) == {"Deployed": 1}
    assert kinds(bench.deploy(sources(tmp_path, 1))) == {"Deployed": 1}  # A is removed, as in the manifest


def test_a_copy_that_would_be_the_same_again_is_not_made_and_another_is_made_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    made = by_hand(bench, "one")
    assert kinds(bench.run_job(COPIES, "copies")) == {"Unchanged": 1}
    assert kinds(bench.run_job(COPIES, "copies", environment='{ ADDED = "1" }')) == {"Deployed": 1}
    found = bench.cloud.versions.by_tag({"functionId": made, "tag": "$latest"})
    assert read_stamp(found["description"]) is not None
    assert kinds(bench.run_job(COPIES, "copies")) == {"Unchanged": 1}


@given(st.lists(any_settings(), min_size=1, max_size=4))
@limits(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_a_plan_that_was_carried_out_is_empty_when_it_is_made_again(
    tmp_path: Path, given_settings: list[Settings]
) -> None:
    bench = Bench(tmp_path, durations="fixed:1")
    bench.objects.put(BUCKET, "f.zip", zipped("index.py"))
    specs = {
        f"f-{number}": spec(f"f-{number}", settings=one, code=BucketPackage(BUCKET, "f.zip"), create=True)
        for number, one in enumerate(given_settings)
    }
    desired = Desired(specs, Rollout())
    assert kinds(bench.carry_out(lambda _have: desired, specs)) == {"Deployed": len(specs)}
    sent = len(bench.functions.sent)
    assert kinds(bench.carry_out(lambda _have: desired, specs)) == {"Unchanged": len(specs)}
    assert {unit.action for unit in bench.plan.units} == {Action.UNCHANGED}
    assert len(bench.functions.sent) == sent
