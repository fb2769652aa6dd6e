"""The team example of this repository, deployed into a sandbox in both of its environments."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import load
from tests.e2e.harness import ROOT, run

DEV, PROD = ("--env", "dev"), ("--env", "prod")
IN = {"dev": {"b1gteamdev0000000000": 21, "b1gteamdatadev000000": 19},
      "prod": {"b1gteamprod000000000": 20, "b1gteamdataprod00000": 19}}  # fmt: skip


def test_both_environments_of_the_example_are_deployed(tmp_path: Path) -> None:
    root = tmp_path / "team"
    shutil.copytree(ROOT / "examples" / "team", root, ignore=shutil.ignore_patterns("__pycache__", ".orchestrator"))
    valid = run(root, "validate")
    assert (valid.code, "is valid in dev, prod: 40 functions, 1 job" in valid.out) == (0, True), valid.err
    for name, more in (("dev", ()), ("prod", (*PROD, "--yes"))):
        done = run(root, "deploy", *more, "--sandbox", "-o", "json")
        reported = json.loads(done.out)
        assert (done.code, reported["environment"]) == (0, name), done.err
        folders = [one["folder_id"] for one in reported["functions"]]
        assert {one: folders.count(one) for one in folders} == IN[name]
        assert reported["outcomes"] == {"deployed": sum(IN[name].values())}
    for environment in (DEV, PROD):
        again = run(root, "plan", *environment, "--sandbox", "--detailed-exitcode")
        assert (again.code, again.out.startswith(f"environment {environment[1]}: folders b1gteam")) == (0, True), (
            again.err
        )
    jobs = json.loads(run(root, "jobs", "-o", "json").out)["jobs"]
    assert [(one["environment"], one["job"]) for one in jobs] == [("dev", "nightly"), ("prod", "nightly")]
    assert "prod         nightly" in run(root, "jobs").out
    unnamed = run(root, "deploy", "--sandbox", "--yes", environ={"ORCHESTRATOR_ENV": "prod"})
    assert (unnamed.code, "add --env prod" in unnamed.err) == (2, True), unnamed.err


def test_each_environment_of_the_example_is_what_it_says() -> None:
    path = ROOT / "examples" / "team" / "deploy.toml"
    dev, prod = (load(path, {}, ManifestChoice(name)) for name in ("dev", "prod"))
    assert len([path, *(path.parent / "teams").glob("*/functions.toml")]) == len(dev.files) == 3
    assert set(dev.functions) - set(prod.functions) == {"echo"}
    orders = prod.functions["api-orders"]
    assert dict(orders.labels) == {"stage": "prod", "team": "shop"}
    assert (orders.settings.memory_bytes, orders.settings.environment["LEVEL"]) == (512 * 1024 * 1024, "warn")
    assert dev.functions["load-weather"].settings.environment == {"LEVEL": "debug", "FEED": "weather"}
    assert (prod.protected, dev.protected, prod.rollout.canary, dev.rollout.canary) == (True, False, ("health",), ())
