"""`ignore` and `settings = "live"` in whole runs: the console edits these settings before, during and after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.model import Blocked, Deployed, Outcome, Unchanged
from orchestrator.resilience.stop import Stop
from orchestrator.sandbox.memory.quotas import Quotas
from tests.engine import Bench

HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\ncreate = true\n'
LEFT = 'ignore = ["memory", "environment.LEVEL", "labels.team"]\n'
FUN = (
    f'{HEAD}[functions.fun]\nsource = "src"\nlabels = {{ team = "ours" }}\n'
    f'environment = {{ LEVEL = "a", A = "1" }}\n{LEFT}'
)
CODE_ONLY = '[functions.fun]\nsource = "src"\nsettings = "live"\n'
JOBS = (
    '[jobs.level]\nrun = "mass_redeploy"\nenvironment = { LEVEL = "c" }\n'
    '[jobs.copies]\nrun = "mass_redeploy"\nfunctions = ["fun"]\nenvironment = { B = "2" }\n'
    '[jobs.up]\nrun = "runtime_upgrade"\nfrom = ["python312"]\nto = "python313"\n'
)
_ASKED = ("functionId", "runtime", "entrypoint", "executionTimeout", "environment", "description", "resources")
MEMORY = {"memory": str(1 << 30)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("src", "second", "third"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.py").write_text(f"def handler(event, context):\n    return '{name}'\n")
    return Bench(tmp_path, durations="fixed:10")


def of(source: str, manifest: str = FUN) -> str:
    """Return the manifest with the code of another folder."""
    return manifest.replace('"src"', f'"{source}"')


def latest(bench: Bench) -> Mapping[str, Any]:
    return next(version for version in bench.versions() if "$latest" in version.get("tags", ()))


def edit(bench: Bench, **changes: Any) -> str:
    """Edit the live version like the console: it copies the code, and the description with our stamp."""
    live = latest(bench)
    quotas, bench.cloud.active.quotas = bench.cloud.active.quotas, Quotas(100, 100, 100)
    asked = {name: live[name] for name in _ASKED if name in live}
    made = bench.cloud.versions.create(asked | {"versionId": live["id"]} | changes)
    bench.cloud.active.quotas = quotas
    return str(made["metadata"]["functionVersionId"])


def between(bench: Bench, **changes: Any) -> str:
    made = edit(bench, **changes)
    bench.pass_time(60.0)
    return made


def prune(bench: Bench) -> None:
    """Delete all versions except the live one."""
    for version in bench.versions():
        if "$latest" not in version.get("tags", ()):
            bench.cloud.versions.delete(version["id"], force=True)
            bench.pass_time(60.0)


def one(outcomes: Mapping[str, Outcome]) -> Outcome:
    return outcomes["fun"]


def test_what_others_change_of_theirs_is_nothing_to_do_and_the_next_version_has_it(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    for number in (2, 3):
        edited = between(bench, resources={"memory": str(number << 30)}, environment={"LEVEL": str(number), "A": "1"})
        assert one(bench.deploy(FUN)) == Unchanged(edited)
    assert isinstance(one(bench.deploy(of("second"))), Deployed)
    assert latest(bench)["resources"] == {"memory": str(3 << 30)}
    assert latest(bench)["environment"] == {"LEVEL": "3", "A": "1"}
    assert isinstance(one(bench.deploy(of("second"))), Unchanged)
    between(bench, environment={"LEVEL": "3", "A": "theirs"})
    assert isinstance(one(bench.deploy(FUN)), Blocked)  # A is ours, and so is the code


def test_a_label_is_left_and_a_declared_one_is_set(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    (made,) = bench.cloud.functions.list({"folderId": "folder"})["functions"]
    assert made["labels"] == {"team": "ours"}
    bench.cloud.functions.update(made["id"], {"updateMask": "labels", "labels": {"team": "theirs"}})
    bench.pass_time(60.0)
    assert isinstance(one(bench.deploy(FUN)), Unchanged)
    bench.deploy(FUN.replace('team = "ours"', 'team = "ours", tier = "gold"'))
    (made,) = bench.cloud.functions.list({"folderId": "folder"})["functions"]
    assert made["labels"] == {"team": "theirs", "tier": "gold"}


@pytest.mark.parametrize("manifest", [FUN, CODE_ONLY], ids=["ignore", "live"])
def test_what_is_live_then_is_sent_and_not_what_was_live_at_the_plan(bench: Bench, manifest: str) -> None:
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    manifest = of("second", manifest)
    holds = bench.cloud.active.quotas

    async def somebody(_stop: Stop) -> None:
        edit(bench, resources=MEMORY)
        await anyio.sleep(11.0)
        bench.cloud.active.quotas = holds

    bench.cloud.active.quotas = Quotas(0, 0, 0)  # until the edit is live
    assert isinstance(one(bench.deploy(manifest, meanwhile=somebody)), Deployed)
    assert latest(bench)["resources"] == MEMORY
    assert len(bench.versions()) == 3
    assert isinstance(one(bench.deploy(manifest)), Unchanged)


def test_code_alone_takes_every_setting_from_what_is_live(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(CODE_ONLY)), Blocked)
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    edited = between(bench, resources=MEMORY, environment={"X": "y"}, executionTimeout="60s", description="theirs")
    assert "its code, which may have been edited" in str(one(bench.deploy(CODE_ONLY)))  # our stamp is lost
    assert isinstance(one(bench.deploy(CODE_ONLY, adopt=True)), Deployed)
    made = latest(bench)
    assert made["id"] != edited
    assert [made[name] for name in ("resources", "environment", "executionTimeout")] == [MEMORY, {"X": "y"}, "60s"]
    assert str(made["description"]).startswith("theirs [orchestrator:")
    edited = between(bench, executionTimeout="90s")
    assert one(bench.deploy(CODE_ONLY)) == Unchanged(edited)


def test_jobs_change_what_they_name_and_leave_the_rest_as_it_is_live(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    between(bench, resources=MEMORY, environment={"LEVEL": "b", "A": "1"})
    assert isinstance(one(bench.run_job(FUN + JOBS, "level")), Deployed)
    assert latest(bench)["environment"] == {"LEVEL": "c", "A": "1"}
    assert latest(bench)["resources"] == MEMORY
    assert bench.plan.units[0].reason.startswith("environment: ~LEVEL; memory: left as it is live (1GB)")
    assert not bench.desired.warnings  # the next deploy leaves what the job has changed
    assert isinstance(one(bench.deploy(FUN)), Unchanged)
    between(bench, environment={"LEVEL": "d", "A": "1"})
    assert isinstance(one(bench.run_job(FUN + JOBS, "copies")), Deployed)
    assert latest(bench)["environment"] == {"LEVEL": "d", "A": "1", "B": "2"}
    assert "by hand" not in bench.plan.units[0].reason
    assert isinstance(one(bench.deploy(FUN)), Blocked)  # B is the job's


def test_an_upgrade_of_a_runtime_that_is_left_is_not_taken_back(bench: Bench) -> None:
    manifest = FUN.replace('"memory"', '"runtime"')
    assert isinstance(one(bench.deploy(manifest)), Deployed)
    assert isinstance(one(bench.run_job(manifest + JOBS, "up")), Deployed)
    assert not [one for one in bench.desired.warnings if "blocked" in one]
    assert isinstance(one(bench.deploy(manifest)), Unchanged)
    assert isinstance(one(bench.deploy(of("second", manifest))), Deployed)
    assert latest(bench)["runtime"] == "python313"


def test_a_rollback_makes_the_former_version_again_and_leaves_theirs_of_since_alone(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    between(bench, resources=MEMORY)
    assert isinstance(one(bench.deploy(of("second"))), Deployed)
    events = bench.events
    assert isinstance(one(bench.roll_back(events)), Deployed)
    assert latest(bench)["resources"] == MEMORY
    assert isinstance(one(bench.deploy(of("second"))), Blocked)  # withdrawn
    between(bench, resources={"memory": str(2 << 30)})
    assert "withdrawn" in str(one(bench.deploy(of("second"))))
    assert isinstance(one(bench.deploy(of("third"))), Deployed)
    assert latest(bench)["resources"] == {"memory": str(2 << 30)}
    events = bench.events
    since = between(bench, resources=MEMORY)
    assert f"{since} was deployed since" in str(one(bench.roll_back(events)))


def test_what_a_job_names_of_theirs_does_not_count_in_the_mark_of_ours(bench: Bench) -> None:
    """Otherwise the job's version would count as made before something was removed from `ignore`."""
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    assert isinstance(one(bench.run_job(FUN + JOBS, "level")), Deployed)
    assert isinstance(one(bench.deploy(FUN.replace(', A = "1"', ""))), Deployed)  # ours, so no consent is needed
    assert latest(bench)["environment"] == {"LEVEL": "c"}


def test_a_version_is_known_by_its_mark_where_the_one_that_carried_theirs_on_was_pruned(bench: Bench) -> None:
    """So that what the cloud fills in by itself is no difference."""
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    between(bench, resources=MEMORY)
    assert isinstance(one(bench.deploy(of("second"))), Deployed)  # neither declared nor live any more: 1 GB
    edited = between(bench, resources={"memory": str(2 << 30)}, logOptions={"folderId": "folder"})
    prune(bench)
    assert one(bench.deploy(of("second"))) == Unchanged(edited)


def test_a_job_finds_its_own_version_again_where_theirs_has_changed_and_its_base_was_pruned(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(FUN)), Deployed)
    between(bench, resources={"memory": str(2 << 30)})
    assert isinstance(one(bench.run_job(FUN + JOBS, "level")), Deployed)  # neither declared nor live any more: 2 GB
    edited = between(bench, resources=MEMORY, environment={"LEVEL": "c", "A": "1"})
    prune(bench)
    assert one(bench.run_job(FUN + JOBS, "level")) == Unchanged(edited)


def test_what_was_made_before_anything_of_it_was_left_so_is_known_by_what_is_declared(bench: Bench) -> None:
    assert isinstance(one(bench.deploy(FUN.replace(LEFT, ""))), Deployed)
    edited = between(bench, resources=MEMORY, logOptions={"folderId": "folder"})
    prune(bench)
    assert one(bench.deploy(FUN)) == Unchanged(edited)


def test_what_is_declared_otherwise_and_shows_no_difference_is_deployed_unless_something_is_left(bench: Bench) -> None:
    plain = FUN.replace("[functions.fun]\n", '[functions.fun]\ndescription = "d"\n')
    spaced = plain.replace('"d"', '"d "')  # trailing blanks are removed from live descriptions
    assert isinstance(one(bench.deploy(plain.replace(LEFT, ""))), Deployed)
    assert isinstance(one(bench.deploy(spaced.replace(LEFT, ""))), Deployed)
    assert bench.plan.units[0].reason == "settings changed"
    assert isinstance(one(bench.deploy(plain)), Unchanged)
