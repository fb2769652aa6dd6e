"""One manifest in two environments, with variables that are typed: what is chosen goes along with plans and runs."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.harness import Project, embedded, run

ENVIRONMENTS = """
[environments.dev]
[environments.prod.defaults.environment]
STAGE = "${ORCHESTRATOR_ENV}"
"""


def test_what_is_chosen_goes_along_with_a_plan_and_a_run(tmp_path: Path, project: Project) -> None:
    project.write(
        1, defaults='environment = { LEVEL = "${LEVEL:-info}", DB_PASSWORD = "${DB_PASSWORD}" }\n', more=ENVIRONMENTS
    )
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, _):
        environ = cloud.environ()
        chosen = ("--env", "prod", "--var", "LEVEL=loud", "--var", "DB_PASSWORD=hunter2-hunter2")
        made = run(project.root, "plan", *chosen, "--out", "plan.json", environ=environ)
        assert made.code == 0, made.err
        text = (project.root / "plan.json").read_text()
        identity = json.loads(text)["identity"]
        assert (identity["environment"], identity["selection"]["variables"]) == (
            "prod", {"LEVEL": "loud", "DB_PASSWORD": "…"},
        )  # fmt: skip
        assert "hunter2" not in text

        other = run(project.root, "deploy", "--plan", "plan.json", "--env", "dev", "--yes", environ=environ)
        assert other.code == 2
        assert "is of the environment prod, and this is --env dev" in other.err
        lacking = run(project.root, "deploy", "--plan", "plan.json", "--yes", environ=environ)
        assert lacking.code == 2
        assert "give them again: `orchestrator deploy --plan plan.json --var 'DB_PASSWORD=" in lacking.err
        typed = ("--var", "DB_PASSWORD=hunter2-hunter2")
        done = run(project.root, "deploy", "--plan", "plan.json", *typed, "--yes", environ=environ)
        assert done.code == 0, done.err
        told = run(project.root, "show", "-o", "json", *typed, "--env", "prod", environ=environ)
        selection = json.loads(told.out)["selection"]
        assert (json.loads(told.out)["environment"], selection["variables"]) == (
            "prod", {"LEVEL": "loud", "DB_PASSWORD": "[redacted]"},
        )  # fmt: skip
        assert "hunter2" not in told.out
        nothing = run(project.root, "plan", *chosen, "-o", "json", environ=environ)
        assert [one["action"] for one in json.loads(nothing.out)["units"]] == ["unchanged"], nothing.out
        of_dev = run(project.root, "plan", "--env", "dev", *typed, "-o", "json", environ=environ)
        assert [one["action"] for one in json.loads(of_dev.out)["units"]] == ["new version"], of_dev.out


def test_what_cannot_be_chosen_is_said(project: Project) -> None:
    project.write(1, defaults='environment = { LEVEL = "${LEVEL:-info}" }\n', more=ENVIRONMENTS)
    for given, said in (
        (("--env", "prd"), 'deploy.toml has no environment "prd"; did you mean "prod"?'),
        (("--var", "LEVEL"), "--var LEVEL: this is no variable with its value"),
        (("--var", "A-B=x"), "--var A-B: this is no variable with its value"),
        (("--var", "LEVL=x"), '--var LEVL: nothing in the manifest uses `${LEVL}`; did you mean "LEVEL"?'),
    ):
        end = run(project.root, "validate", *given)
        assert (end.code, said in end.err) == (2, True), end.err
    empty = run(project.root, "validate", environ={"ORCHESTRATOR_ENV": ""})
    assert (empty.code, "ORCHESTRATOR_ENV is empty: it selects nothing" in empty.err) == (2, True), empty.err


def test_validate_looks_at_every_environment(project: Project) -> None:
    project.write(1, more=f'{ENVIRONMENTS}[environments.dev.defaults]\ntmpfs_size = "8GB"\n')
    end = run(project.root, "validate")
    assert end.code == 2
    assert 'environments.dev.defaults.tmpfs_size: needs a memory of at least "1GB"' in end.err
    assert "1 mistake in the manifest" in end.err
    one = run(project.root, "validate", "--env", "prod")
    assert (one.code, "is valid in prod: 1 function" in one.out) == (0, True), one.err
    project.write(1, more=ENVIRONMENTS.replace("dev]", 'dev]\ndefaults = { timeout = "${SLOW}" }'))
    unset = run(project.root, "validate", environ={})
    assert "environments.dev.defaults.timeout: the environment variable SLOW is not set" in unset.err
    project.write(1, more='[functions.old]\nsource = "nowhere"\nonly = ["dev"]\n' + ENVIRONMENTS)
    gone = run(project.root, "validate")
    assert 'nowhere" does not exist (in dev)' in gone.err
