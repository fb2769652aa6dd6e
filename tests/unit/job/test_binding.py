"""Wrong parameters of jobs are found while the manifest is read, together with all other mistakes in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import OrchestratorError
from orchestrator.job.binding import bind, job_check, manifest_schema
from orchestrator.job.contract import JobError
from orchestrator.job.files import builtin_jobs, find_job
from orchestrator.manifest.load import load_for_run, survey
from tests.unit.manifest.test_tables import FUNCTION, loaded

NOW = datetime(2027, 1, 1, tzinfo=UTC)
UP = '[jobs.up]\nrun = "runtime_upgrade"\nfrom = ["python37"]\nto = "python312"\n'
MASS = '[jobs.mass]\nrun = "mass_redeploy"\n'
ROW = 'function = "a", reason = "b", owner = "c"'

# the manifest → the keys, and the beginnings of the messages
WRONG = [
    (f'{MASS}selct = ["a"]\n', ["jobs.mass.selct"], 'has no parameter "selct"; did you mean "select"?'),
    (f'{MASS}to = "python312"\n', ["jobs.mass.to"], 'has no parameter "to"'),
    (f"{MASS}functions = 3\nfrom_source = 1\n", ["jobs.mass.functions", "jobs.mass.from_source"], "must be a list"),
    (f"{MASS}environment = {{ A = 1 }}\n", ["jobs.mass.environment"], "`environment.A` must be a string"),
    (f'{MASS}secrets = [{{ version_id = "x" }}]\n', ["jobs.mass.secrets"], "has no environment_variable"),
    ('[jobs.up]\nrun = "runtime_upgrade"\n', ["jobs.up", "jobs.up"], "needs `from`: old runtimes"),
    (f"{UP}skip = [{{ {ROW} }}]\n", ["jobs.up.skip"], "has no date `until`"),
    ('[jobs.up]\nrun = "runtime_upgrad"\n', ["jobs.up.run"], 'did you mean "runtime_upgrade"?'),
    ('[jobs.up]\nrun = "runtime_upgrade"\nfrom = "python37"\nto = "x"\n', ["jobs.up.from"], "must be a list"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "keys", "rule"), WRONG, ids=[row[1][0] for row in WRONG])
def test_a_wrong_parameter_is_found_with_all_other_mistakes(
    tmp_path: Path, text: str, keys: list[str], rule: str
) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f'{FUNCTION}memory = "1MB"\n{text}')
    found = survey(path, {}, job_check(tmp_path)).mistakes
    assert [mistake.key for mistake in found] == ["functions.fun.memory", *keys]
    assert any(rule in mistake.rule for mistake in found[1:])
    lines = path.read_text().split("\n")
    for mistake in found:
        assert mistake.key.split(".")[-1] in lines[mistake.line - 1]


def test_only_the_job_that_runs_is_looked_at_and_param_counts(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f'{FUNCTION}{MASS}selct = 1\n[jobs.up]\nrun = "runtime_upgrade"\nto = 3.5\nfrom = ["a"]\n')
    with pytest.raises(OrchestratorError):
        load_for_run(path, {}, job_check(tmp_path, only="mass"))
    path.write_text(f'{FUNCTION}{MASS}selct = 1\n[jobs.up]\nrun = "runtime_upgrade"\n')
    load_for_run(path, {}, job_check(tmp_path, only="up", typed=["from", "to"]))
    with pytest.raises(OrchestratorError):
        load_for_run(path, {}, job_check(tmp_path, only="up", typed=["from"]))


TYPED = [
    ("mass", {"functions": "a,b"}, "functions", ("a", "b")),
    ("mass", {"functions": " a , b ,"}, "functions", ("a", "b")),
    ("mass", {"functions": "a"}, "functions", ("a",)),
    ("mass", {"functions": '["a", "b,c"]'}, "functions", ("a", "b,c")),
    ("mass", {"remove_environment": "1,2"}, "remove_environment", ("1", "2")),
    ("mass", {"force": "true"}, "force", True),
    ("mass", {"environment": '{ A = "1" }'}, "environment", {"A": "1"}),
    ("mass", {"select": "label:team=a,!b"}, "select", ("label:team=a", "!b")),
    ("up", {"from": "python37,python38", "to": "python312"}, "from", ("python37", "python38")),
    ("up", {"to": "312"}, "to", "312"),
]


@pytest.mark.parametrize(("job", "typed", "name", "value"), TYPED)
def test_what_is_typed_is_read_as_the_parameter_wants_it(
    tmp_path: Path, job: str, typed: dict[str, str], name: str, value: object
) -> None:
    assert bind(loaded(tmp_path, f"{FUNCTION}{MASS}{UP}"), job, typed, NOW).given[name] == value


@pytest.mark.parametrize(
    ("job", "typed"),
    [("mass", {"force": "maybe"}), ("mass", {"secrets": "x"}), ("mass", {"environment": "A=1"}), ("up", {"to": ""})],
)
def test_a_wrong_value_that_is_typed_is_reported_before_anything_is_read(
    tmp_path: Path, job: str, typed: dict[str, str]
) -> None:
    with pytest.raises(OrchestratorError):
        bind(loaded(tmp_path, f"{FUNCTION}{MASS}{UP}"), job, typed, NOW)


# For all parameters that select: an empty list is a mistake, and never means everything.
SELECTING = [
    (name, parameter, other)
    for name in builtin_jobs()
    for parameter, declared in find_job(name, Path()).PARAMETERS.items()
    if declared.selects
    for other in [f'{declared.needs} = ["a"]\n' if declared.needs else ""]
]
LEAST = {"runtime_upgrade": {"from": '["python37"]', "to": '"python312"'}}


def bound(job: str, **own: str) -> str:
    keys = "".join(f"{key} = {value}\n" for key, value in (LEAST.get(job, {}) | own).items())
    return f'[jobs.one]\nrun = "{job}"\n{keys}'


def test_what_selects_is_in_the_table() -> None:
    assert {(name, parameter) for name, parameter, _ in SELECTING} == {
        *((name, key) for name in ("mass_redeploy", "scheduled") for key in ("select", "functions", "folders")),
        ("prune", "select"), ("prune", "folders"), ("runtime_upgrade", "from"), ("runtime_upgrade", "folders"),
    }  # fmt: skip


@pytest.mark.parametrize(("job", "parameter", "other"), SELECTING)
def test_an_empty_selection_is_a_mistake_wherever_it_is_given(
    tmp_path: Path, job: str, parameter: str, other: str
) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f"{FUNCTION}{bound(job, **{parameter: '[]'})}{other}")
    (found,) = survey(path, {}, job_check(tmp_path)).mistakes
    assert (found.key, found.rule.partition(":")[0]) == (f"jobs.one.{parameter}", f"`{parameter}` is empty")
    for typed in ("", "[]", " , "):
        made = loaded(tmp_path, f"{FUNCTION}{bound(job)}{other}")
        with pytest.raises(JobError, match=f"`{parameter}` is empty"):
            bind(made, "one", {parameter: typed}, NOW)
    values = schema_of(job)[parameter]
    assert values["minItems"] == 1


@pytest.mark.parametrize("parameter", ["remove_environment", "secrets"])
def test_an_empty_list_of_changes_changes_nothing(tmp_path: Path, parameter: str) -> None:
    made = loaded(tmp_path, f"{FUNCTION}{bound('mass_redeploy', **{parameter: '[]'})}")
    assert bind(made, "one", {}, NOW).given[parameter] == ()


def schema_of(job: str) -> Mapping[str, Any]:
    rules = manifest_schema()["$defs"]["JobTable"]["allOf"]
    return next(rule["then"]["properties"] for rule in rules if rule["if"]["properties"]["run"]["const"] == job)


FOLDERS = bound("mass_redeploy", folders='["b1gother"]')


def test_folders_without_functions_are_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f"{FUNCTION}{FOLDERS}")
    (found,) = survey(path, {}, job_check(tmp_path)).mistakes
    assert found.key == "jobs.one.folders"
    assert "`folders` has no effect without `functions`" in found.rule
    survey_typed = survey(path, {}, job_check(tmp_path, only="one", typed=["functions"]))
    assert not survey_typed.mistakes
    with pytest.raises(JobError, match="has no effect without"):
        bind(loaded(tmp_path, f"{FUNCTION}{bound('mass_redeploy')}"), "one", {"folders": "b1gother"}, NOW)
    assert bind(loaded(tmp_path, f"{FUNCTION}{FOLDERS}"), "one", {"functions": "*"}, NOW).given["functions"] == ("*",)
