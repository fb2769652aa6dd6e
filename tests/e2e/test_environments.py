"""One manifest in two environments with typed variables: plans and runs remember the choice."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.sandbox.memory.quotas import Quotas
from tests.e2e.harness import BUCKET, Project, cut_off, daily, embedded, run, terminal

NOW = Distribution.parse("fixed:0")
ONE = Quotas(operations_per_folder=1)  # one Operation at a time
ENVIRONMENTS = """
[environments.dev]
[environments.prod.functions.f000]
name = "f000-prod"
environment = { STAGE = "${ORCHESTRATOR_ENV}" }
"""


def test_what_is_chosen_goes_along_with_a_plan_and_a_run(tmp_path: Path, project: Project) -> None:
    project.write(
        1, defaults='environment = { LEVEL = "${LEVEL:-info}", DB_PASSWORD = "${DB_PASSWORD}" }\n', more=ENVIRONMENTS
    )
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
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
        assert "belongs to the environment prod, and this command has --env dev" in other.err
        lacking = run(project.root, "deploy", "--plan", "plan.json", "--yes", environ=environ)
        assert lacking.code == 2
        assert "pass them again: `orchestrator deploy --plan plan.json --var 'DB_PASSWORD=" in lacking.err
        typed = ("--var", "DB_PASSWORD=hunter2-hunter2")
        done = run(project.root, "deploy", "--plan", "plan.json", *typed, "--yes", environ=environ)
        assert done.code == 0, done.err
        reported = run(project.root, "show", "-o", "json", *typed, "--env", "prod", environ=environ)
        selection = json.loads(reported.out)["selection"]
        assert (json.loads(reported.out)["environment"], selection["variables"]) == (
            "prod", {"LEVEL": "loud", "DB_PASSWORD": "[redacted]"},
        )  # fmt: skip
        assert "hunter2" not in reported.out
        nothing = run(project.root, "plan", *chosen, "-o", "json", environ=environ)
        assert [one["action"] for one in json.loads(nothing.out)["units"]] == ["unchanged"], nothing.out
        of_dev = run(project.root, "plan", "--env", "dev", *typed, "-o", "json", environ=environ)
        assert [one["action"] for one in json.loads(of_dev.out)["units"]] == ["create"], of_dev.out


def test_what_cannot_be_chosen_is_said(project: Project) -> None:
    project.write(1, defaults='environment = { LEVEL = "${LEVEL:-info}" }\n', more=ENVIRONMENTS)
    for given, said in (
        (("--env", "prd"), 'deploy.toml has no environment "prd"; did you mean "prod"?'),
        (("--var", "LEVEL"), "--var LEVEL: expected NAME=VALUE"),
        (("--var", "A-B=x"), "--var A-B: expected NAME=VALUE"),
        (("--var", "LEVL=x"), '--var LEVL: nothing in the manifest uses `${LEVL}`; did you mean "LEVEL"?'),
    ):
        end = run(project.root, "validate", *given)
        assert (end.code, said in end.err) == (2, True), end.err
    for verb in (("runs",), ("import", "--update", "--sandbox", "--yes")):
        end = run(project.root, *verb, "--env", "prd")
        assert (end.code, 'no environment "prd"; did you mean "prod"?' in end.err) == (2, True), end.err
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
    assert "environments.dev.defaults.timeout: the variable SLOW is not set" in unset.err
    project.write(1, more='[functions.old]\nsource = "nowhere"\nonly = ["dev"]\n' + ENVIRONMENTS)
    gone = run(project.root, "validate")
    assert 'nowhere" does not exist (in dev)' in gone.err


PROTECTED = """
[environments.dev]
defaults = { environment = { STAGE = "dev" } }
[environments.prod]
protected = true
functions.f000.name = "f000-prod"
"""


def test_a_protected_environment_is_named_by_whoever_changes_it(tmp_path: Path, project: Project) -> None:
    project.write(1, more=PROTECTED)
    typed, by_variable = ("--env", "prod"), {"ORCHESTRATOR_ENV": "prod"}
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        none = run(project.root, "deploy", "--yes", environ=environ)
        assert (none.code, "choose one: --env dev or --env prod" in none.err) == (2, True), none.err
        read = run(project.root, "plan", environ=environ)
        assert (read.code, "no environment chosen: select one with --env: dev, prod" in read.err) == (0, True), read.err
        update = run(project.root, "import", "--update", "--dry-run", environ=environ)
        assert (update.code, "choose one: --env dev or --env prod" in update.err) == (2, True), update.err
        for verb in (("deploy",), ("rollback",), ("prune",)):
            unnamed = run(project.root, *verb, "--yes", environ={**environ, **by_variable})
            assert (unnamed.code, "add --env prod; the environment variable is not enough" in unnamed.err) == (
                2,
                True,
            ), verb
        with terminal(project.root, "deploy", *typed, "--yes", environ=environ) as screen:
            screen.read_until("Type its name to confirm:")
            screen.send("yes\n")
            declined = screen.end()
        assert (declined.code, "environment prod: 1 function to change in folder" in declined.out) == (1, True)
        assert "not deployed: nothing was sent" in declined.out
        killed = cut_off(project.root, signal.SIGKILL, 1, "deploy", *typed, "--yes", environ=environ)
        assert killed.code != 0
        again = run(project.root, "resume", "--yes", environ=environ)
        assert (again.code, "the environment prod is protected" in again.err) == (2, True), again.err
        run_id = json.loads(run(project.root, "show", "-o", "json").out)["run_id"]
        other = run(project.root, "resume", run_id, "--env", "dev", "--yes", environ=environ)
        assert (other.code, "belongs to the environment prod, and this command has --env dev" in other.err) == (
            2,
            True,
        ), other.err
        assert " --env prod`" in other.err
        with terminal(project.root, "resume", environ=environ) as screen:
            screen.read_until("Resume? The environment is protected. Type its name to confirm:")
            screen.send("prod\n")
            assert screen.end().code == 0
        back = run(project.root, "rollback", "last", "--yes", environ=environ)
        assert (back.code, "the environment prod is protected" in back.err) == (2, True), back.err


TWO = f"""
[environments.dev]
[environments.prod]
defaults.environment.STAGE = "prod"
functions.f000.name = "f000-prod"
functions.f001.name = "f001-prod"
[jobs.nightly]
run = "scheduled"
schedule = "{daily()}"
[jobs.of-prod]
run = "scheduled"
schedule = "{daily()}"
environments = ["prod"]
"""


def test_runs_and_due_times_of_one_environment_say_nothing_of_another(tmp_path: Path, project: Project) -> None:
    project.write(2, more=TWO)
    dev, prod = ("--env", "dev"), ("--env", "prod")
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, served):
        environ = cloud.environ()
        for environment in (dev, prod):
            due = run(project.root, "run", "nightly", "--due", "--yes", *environment, environ=environ)
            assert (due.code, "first call for job" in due.err) == (0, True), due.err
        other = run(project.root, "run", "of-prod", "--due", "--yes", *dev, environ=environ)
        assert (other.code, "exists only in prod: nothing is due here" in other.err) == (0, True), other.err
        keys = [one.key for one in served.objects.list(BUCKET, "claims/").objects]
        assert keys == [f"claims/{project.folder_id}/{name}/nightly.json" for name in ("dev", "prod")]

        cut_off(project.root, signal.SIGKILL, 1, "deploy", *dev, "--yes", environ=environ)
        done = run(project.root, "deploy", *prod, "--yes", environ=environ)
        assert (done.code, "left" in done.err) == (0, False), done.err
        listed = json.loads(run(project.root, "runs", *prod, "-o", "json").out)["runs"]
        assert [one["environment"] for one in listed] == ["prod"]
        last = json.loads(run(project.root, "show", *dev, "-o", "json").out)
        assert (last["environment"], last["state"]) == ("dev", "interrupted")
        assert json.loads(run(project.root, "show", "-o", "json").out)["environment"] == "prod"
        none = run(project.root, "deploy", *prod, "--undone", "--yes", environ=environ)
        assert (none.code, "nothing was left undone" in none.err) == (0, True), none.err
        other = run(project.root, "resume", *prod, environ=environ)
        assert (other.code, "nothing to resume" in other.err) == (0, True), other.err
        resumed = run(project.root, "resume", *dev, "-o", "json", environ=environ)
        assert (resumed.code, json.loads(resumed.out)["environment"]) == (0, "dev"), resumed.err
        typo = run(project.root, "show", "--env", "prd")
        assert (typo.code, 'no environment "prd"; did you mean "prod"?' in typo.err) == (2, True), typo.err


def test_the_nearest_manifest_upwards_is_used_and_said_once(tmp_path: Path, project: Project) -> None:
    project.write(1)
    inside = project.root / "src" / "f000"
    end = run(inside, "validate")
    assert (end.code, end.err) == (0, "using ../../deploy.toml\n"), end.err
    assert "../../deploy.toml is valid: 1 function" in end.out
    named = run(inside, "validate", "-c", "../../deploy.toml")
    assert (named.code, named.err) == (0, "")
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        done = run(inside, "deploy", "--yes", environ=cloud.environ())
        assert (done.code, done.err.count("using ../../deploy.toml")) == (0, 1), done.err
        assert project.state_dir.is_dir()
        assert not (inside / ".orchestrator").exists()
        assert run(inside, "show", environ=cloud.environ()).code == 0
    nowhere = run(tmp_path, "validate")
    assert (
        nowhere.code,
        "error: deploy.toml: no such file\n"
        "       create one with `orchestrator init`, or choose another with --config\n" in nowhere.err,
    ) == (2, True)


ALL = """
[environments.dev]
[environments.test]
functions.f000.name = "f000-test"
defaults.environment.KEY = "${NOBODY_SETS_IT}"
[environments.prod]
functions.f000.name = "f000-prod"
[functions.debug]
source = "src/f000"
only = ["dev"]
"""


def test_all_environments_are_planned_beside_each_other(tmp_path: Path, project: Project) -> None:
    project.write(1, more=ALL)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        assert run(project.root, "deploy", "f000", "--env", "prod", "--yes", environ=environ).code == 0
        end = run(project.root, "plan", "--env", "all", environ=environ)
        assert end.code == 2, end.err
        counts, table = end.out.split("\n\n")
        assert [line.split() for line in table.splitlines()] == [
            ["function", "dev", "test", "prod"],
            ["debug", "create", "?", "absent"],
            ["f000", "create", "?", "unchanged"],
        ]
        assert counts.startswith(f"environment dev (folder {project.folder_id}): 2 create\nenvironment test: 1 mistake")
        assert "the variable NOBODY_SETS_IT is not set" in counts
        assert counts.splitlines()[-1].endswith("nothing to do (1 absent, 1 unchanged)")
        typed = ("--var", "NOBODY_SETS_IT=x", "--detailed-exitcode")
        reported = run(project.root, "plan", "debug", "--env", "all", *typed, "-o", "json", environ=environ)
        document = json.loads(reported.out)
        assert (reported.code, [one["exit_code"] for one in document["environments"]]) == (2, [2, 0, 0]), reported.err
        actions = {name: cell["action"] for name, cell in document["functions"][0]["actions"].items()}
        assert actions == {"dev": "create", "test": "absent", "prod": "absent"}
        saved = run(project.root, "plan", "--env", "all", "--out", "plan.json", environ=environ)
        assert (saved.code, "--out works on one environment" in saved.err) == (2, True), saved.err
        other = run(project.root, "deploy", "--env", "all", "--yes", environ=environ)
        assert (other.code, "only `plan` accepts all" in other.err) == (2, True), other.err


def test_a_run_from_before_there_were_environments_goes_on_without_one(tmp_path: Path, project: Project) -> None:
    project.write(2)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        cut_off(project.root, signal.SIGKILL, 1, "deploy", "--yes", environ=environ)
        project.write(2, more="[environments.dev]\ndefault = true\ndefaults.environment.STAGE = 'dev'\n")
        resumed = run(project.root, "resume", "-o", "json", environ=environ)
        reported = json.loads(resumed.out)
        assert (resumed.code, reported["environment"], reported["outcomes"]) == (0, "", {"deployed": 2}), resumed.err
        planned = json.loads(run(project.root, "plan", "-o", "json", environ=environ).out)
        assert (planned["environment"], planned["counts"]) == ("dev", {"new version": 2})


def test_what_runs_from_before_have_left_is_selected_by_env_none(tmp_path: Path, project: Project) -> None:
    project.write(3)
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults) as (cloud, served):
        environ = cloud.environ()
        assert run(project.root, "deploy", "--yes", environ=environ).code == 1
        served.cloud.faults.failing_functions.clear()
        first = json.loads(run(project.root, "show", "-o", "json").out)["run_id"]
        dev = "[environments.dev]\n{}defaults.environment.STAGE = 'dev'\n"
        project.write(3, more=dev.format("default = true\n"))
        for verb, option in (("deploy", "--failed"), ("deploy", "--undone"), ("plan", "--failed")):
            other = run(project.root, verb, option, *(["--yes"] * (verb == "deploy")), environ=environ)
            line = f"`orchestrator {verb} --env none {option} --endpoint {cloud.url}`"
            assert (other.code, line in other.err) == (2, True), other.err
            assert 'its environment was none, and now it is "dev"' in other.err
        back = run(project.root, "rollback", "--yes", environ=environ)
        assert (back.code, f"(without an environment): `orchestrator rollback {first}`" in back.err) == (2, True)
        plain = run(project.root, "deploy", "--env", "none", "--yes", environ=environ)
        assert (plain.code, "choose one: --env dev" in plain.err) == (2, True), plain.err

        project.write(3, more=dev.format(""))
        unnamed = run(project.root, "deploy", "--failed", "--yes", environ=environ)
        assert (unnamed.code, "for runs without an environment: --env none" in unnamed.err) == (2, True), unnamed.err
        typed = ("--env", "none", "--failed", "--endpoint", cloud.url, "--yes", "-o", "json")
        done = run(project.root, "deploy", *typed, environ=environ)
        reported = json.loads(done.out)
        assert (done.code, reported["environment"], reported["outcomes"]) == (0, "", {"deployed": 1}), done.err
        assert len(json.loads(run(project.root, "runs", "--env", "none", "-o", "json").out)["runs"]) == 2
        assert run(project.root, "why", "f001", "--env", "none", environ=environ).code == 0
        nothing = run(project.root, "show", "--env", "dev", environ=environ)
        assert (nothing.code, "no run yet in the environment dev" in nothing.err) == (2, True), nothing.err
        taken = run(project.root, "rollback", "--env", "none", "--yes", environ=environ)
        assert taken.code == 0, taken.err
        assert json.loads(run(project.root, "show", "--env", "none", "-o", "json").out)["verb"] == "rollback"


def test_an_environment_that_is_not_declared_any_more_is_said(tmp_path: Path, project: Project) -> None:
    project.write(2, more="[environments.live]\n")
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        cut_off(project.root, signal.SIGKILL, 1, "deploy", "--env", "live", "--yes", environ=environ)
        for more in ("", "[environments.live2]\n"):
            project.write(2, more=more)
            end = run(project.root, "resume", environ=environ)
            assert (end.code, "continues in the environment live, which deploy.toml no longer has" in end.err) == (
                2,
                True,
            )
            assert "`orchestrator resume RUN --give-up`" in end.err


VARIABLES = 'environment = { LEVEL = "${LEVEL}" }\n'


def test_what_goes_by_a_former_run_has_its_variables(tmp_path: Path, project: Project) -> None:
    """One rule for --failed, resume, rollback and promote: the variables of the run, with the given ones on top."""
    project.write(3, defaults=VARIABLES)
    project.manifest.write_text(project.manifest.read_text().replace(project.folder_id, "${FOLDER}"))

    def level(name: str) -> str:
        (one,) = (one for one in cloud.functions(project.folder_id) if one["name"] == name)
        found = [version for version in cloud.versions(project.folder_id) if version["functionId"] == one["id"]]
        return str(max(found, key=lambda version: version["createdAt"])["environment"]["LEVEL"])

    def last() -> dict[str, str]:
        return dict(json.loads(run(project.root, "show", "-o", "json").out)["selection"]["variables"])

    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults, quotas=ONE) as (cloud, served):
        environ, folder = cloud.environ(), ("--var", f"FOLDER={project.folder_id}")
        failed = run(project.root, "deploy", *folder, "--var", "LEVEL=a", "--yes", environ=environ)
        assert failed.code == 1, failed.err
        served.cloud.faults.failing_functions.clear()
        shown = run(project.root, "plan", "--failed", environ=environ)
        assert (shown.code, "using the variables of run 2" in shown.err) == (0, True), shown.err
        assert run(project.root, "deploy", "--failed", "--yes", environ=environ).code == 0
        assert (level("f001"), last()) == ("a", {"FOLDER": project.folder_id, "LEVEL": "a"})

        served.cloud.faults.failing_functions.add("f002")
        assert run(project.root, "deploy", *folder, "--var", "LEVEL=b", "--yes", environ=environ).code == 1
        served.cloud.faults.failing_functions.clear()
        done = run(project.root, "deploy", "--failed", "--var", "LEVEL=c", "--yes", environ=environ)
        assert (done.code, level("f002"), last()["LEVEL"]) == (0, "c", "c"), done.err
        again = run(project.root, "deploy", "--failed", "--yes", environ=environ)
        assert (again.code, "nothing failed in the last run" in again.err) == (0, True), again.err
        back = run(project.root, "rollback", "--yes", environ=environ)
        assert (back.code, level("f002"), last()["LEVEL"]) == (0, "a", "c"), back.err

        killed = ("deploy", *folder, "--var", "LEVEL=d", "--yes")
        cut_off(project.root, signal.SIGKILL, 1, *killed, environ=environ)
        otherwise = run(project.root, "resume", "--var", "LEVEL=e", "-o", "json", environ=environ)
        reported = json.loads(otherwise.out)
        assert (otherwise.code, reported["outcomes"]) == (1, {"blocked": 2, "deployed": 1})
        blocked = [one["function"] for one in reported["functions"] if one["outcome"] == "blocked"]
        assert "have changed since the run began" in otherwise.out
        assert last()["LEVEL"] == "e", "what was typed last is what the chain is about"
        assert run(project.root, "deploy", "--failed", "--yes", environ=environ).code == 0
        assert ({level(name) for name in blocked}, last()["LEVEL"]) == ({"e"}, "e")


def test_a_secret_variable_of_a_former_run_is_given_again(tmp_path: Path, project: Project) -> None:
    project.write(2, defaults='environment = { DB_PASSWORD = "${DB_PASSWORD}" }\n')
    faults = Faults(failing_functions=["f001"])
    with embedded(tmp_path / "cloud", durations=NOW, faults=faults) as (cloud, served):
        environ, typed = cloud.environ(), ("--var", "DB_PASSWORD=hunter2-hunter2")
        assert run(project.root, "deploy", *typed, "--yes", environ=environ).code == 1
        served.cloud.faults.failing_functions.clear()
        for command in (("deploy", "--failed"), ("rollback",)):
            lacking = run(project.root, *command, "--yes", environ=environ)
            assert (lacking.code, "again: `orchestrator" in lacking.err and "--var 'DB_PASSWORD=" in lacking.err) == (
                2,
                True,
            ), lacking.err
        assert run(project.root, "deploy", "--failed", *typed, "--yes", environ=environ).code == 0


def test_a_run_that_paused_before_there_were_environments_is_let_go_on(tmp_path: Path, project: Project) -> None:
    paused = '[rollout]\ncanary = ["f001"]\npause = "approval"\n'
    project.write(2, defaults=VARIABLES, more=paused)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        environ = cloud.environ()
        assert run(project.root, "deploy", "--var", "LEVEL=a", "--yes", environ=environ).code == 3
        run_id = json.loads(run(project.root, "show", "-o", "json").out)["run_id"]
        dev = '[environments.dev]\ndefault = true\n[functions.debug]\nsource = "src/f000"\nonly = ["dev"]\n'
        project.write(2, defaults=VARIABLES, more=f"{paused}{dev}")
        typed = ("--var", "LEVEL=b", "--now", "--yes")
        assert run(project.root, "deploy", "debug", *typed, environ=environ).code == 0
        other = run(project.root, "promote", "--yes", environ=environ)
        assert (other.code, "no run is paused in the environment dev" in other.err) == (2, True), other.err
        assert f"continue the last one without an environment with `orchestrator promote {run_id}`" in other.err
        done = run(project.root, "promote", "--env", "none", "--yes", "-o", "json", environ=environ)
        reported = json.loads(done.out)
        assert (done.code, reported["environment"], reported["outcomes"]) == (0, "", {"deployed": 2}), done.err
        assert reported["selection"]["variables"] == {"LEVEL": "a"}
        levels = [one["environment"]["LEVEL"] for one in cloud.versions(project.folder_id)]
        assert sorted(levels) == ["a", "a", "b"]


def test_every_command_of_the_manifest_is_reported_the_environment(tmp_path: Path, project: Project) -> None:
    note = "cat > gate.json; echo $0 $ORCHESTRATOR_ENV >> reported.txt"
    more = f"""build = {{ command = "echo build $ORCHESTRATOR_ENV >> ../../reported.txt", folder = "src/f000" }}
verify = {{ command = ["/bin/sh", "-c", "{note}", "verify"] }}
[rollout]
gate = {{ command = ["/bin/sh", "-c", "{note}", "gate"] }}
[environments.dev]
default = true
"""
    project.write(1)
    project.manifest.write_text(project.manifest.read_text() + more)
    with embedded(tmp_path / "cloud", durations=NOW) as (cloud, _):
        done = run(project.root, "deploy", "--yes", environ=cloud.environ())
        assert done.code == 0, done.err
    assert (project.root / "reported.txt").read_text().split("\n")[-3:] == ["verify dev", "gate dev", ""]
    assert (project.root / "reported.txt").read_text().startswith("build dev\n")
    reported = json.loads((project.root / "gate.json").read_text())
    assert (reported["environment"], reported["folders"]) == ("dev", [project.folder_id])
