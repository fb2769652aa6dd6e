"""Finding and loading jobs by path, and their parameters."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.job.contract import Job, JobError
from orchestrator.job.files import find_job, known_jobs, parameters, rollout_of
from orchestrator.manifest.load import load
from orchestrator.model import JobSpec, Manifest, Place, Rollout
from orchestrator.model.live_state import LiveState

GOOD = """
from dataclasses import dataclass
from orchestrator.job.contract import Desired, Parameter
from orchestrator.model import Rollout

PARAMETERS = {
    "to": Parameter("where to", required=True),
    "names": Parameter("which", default=()),
    "force": Parameter("all", default=False),
    "count": Parameter("how many", default=3),
    "label": Parameter("a text", default=""),
}

@dataclass
class Note:
    text: str

def folders(manifest, given):
    return ["b1g"]

def desired(manifest, live, given):
    return Desired({}, Rollout(), warnings=(Note(given["to"]).text,))
"""


def job_file(project: Path, name: str, text: str) -> Path:
    path = project / "jobs" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def manifest(project: Path, job: str = 'run = "mine"', extra: str = "") -> Manifest:
    path = project / "deploy.toml"
    path.write_text(f"{extra}\n[jobs.nightly]\n{job}\n", "utf-8")
    return load(path, {"YC_FOLDER_ID": "b1g"})


def call(job: Job, project: Path) -> None:
    made = manifest(project)
    job.folders(made, {})
    job.desired(made, LiveState(), {})


def test_the_built_in_jobs_are_known_everywhere(tmp_path: Path) -> None:
    assert {"mass_redeploy", "runtime_upgrade", "scheduled"} <= known_jobs(tmp_path).keys()


@pytest.mark.parametrize("name", ["mass_redeploy", "runtime_upgrade", "scheduled"])
def test_every_built_in_job_loads_and_says_what_it_takes(name: str, tmp_path: Path) -> None:
    job = find_job(name, tmp_path)
    assert all(parameter.description for parameter in job.PARAMETERS.values())


def test_a_users_own_job_is_found_beside_the_manifest(tmp_path: Path) -> None:
    job_file(tmp_path, "mine", GOOD)
    job = find_job("mine", tmp_path)
    given = {"to": "there"}
    assert job.folders(manifest(tmp_path), given) == ["b1g"]
    assert job.desired(manifest(tmp_path), LiveState(), given).warnings == ("there",)


def test_a_users_own_job_wins_over_a_built_in_one(tmp_path: Path) -> None:
    path = job_file(tmp_path, "scheduled", GOOD)
    assert known_jobs(tmp_path)["scheduled"] == path
    assert "count" in find_job("scheduled", tmp_path).PARAMETERS


def test_loading_takes_no_name_and_leaves_no_trace(tmp_path: Path) -> None:
    job_file(tmp_path, "mine", GOOD)
    before = list(sys.path)
    find_job("mine", tmp_path)
    assert sys.path == before
    assert "mine" not in sys.modules
    assert "jobs" not in sys.modules
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["mine.py"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    job_file(tmp_path, "mine", GOOD)
    find_job("mine", tmp_path)
    job_file(tmp_path, "mine", GOOD.replace('"b1g"', '"b1h"'))
    assert find_job("mine", tmp_path).folders(manifest(tmp_path), {}) == ["b1h"]


def test_files_that_cannot_be_a_jobs_name_are_left_alone(tmp_path: Path) -> None:
    for name in ("__init__", "my-job", "Mine"):
        job_file(tmp_path, name, "raise SystemExit")
    assert not {"__init__", "my-job", "Mine"} & known_jobs(tmp_path).keys()


def test_an_unknown_job_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_job("runtime_upgrades", tmp_path)
    assert caught.value.message == 'there is no job "runtime_upgrades"'
    assert caught.value.advice.startswith('did you mean "runtime_upgrade"? choose from ')


LOADING = [
    ("def desired(:\n", "mine.py:1: invalid syntax"),
    ("\n\nimport nowhere_to_be_found\n", "failed at {path}:3: ModuleNotFoundError: No module named"),
    ("PARAMETERS = {}\ndef folders(m, g): ...\n", "{path}: the job has no function desired()"),
    ("def folders(m, g): ...\ndef desired(m, h, g): ...\n", "{path}: the job has no PARAMETERS"),
    ("PARAMETERS = {'a': 1}\ndef folders(m, g): ...\ndef desired(m, h, g): ...\n", "the job has no PARAMETERS"),
    ("import sys\nsys.exit(3)\n", "failed at {path}:2: SystemExit: 3"),
]


@pytest.mark.parametrize(("text", "message"), LOADING)
def test_a_file_that_is_no_job_is_an_error_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = job_file(tmp_path, "mine", text)
    with pytest.raises(OrchestratorError) as caught:
        find_job("mine", tmp_path)
    assert message.format(path=path) in caught.value.message
    assert caught.value.exit == 2


HEAD = (
    "from orchestrator.job.contract import Desired, JobError\nfrom orchestrator.model import Rollout\nPARAMETERS = {}\n"
)
CALLING = [
    (
        "def folders(m, g):\n    return []\ndef desired(m, h, g):\n    return {}['x']\n",
        "failed at {path}:7: KeyError: 'x'",
    ),
    (
        "def folders(m, g):\n    return 'b1g'\ndef desired(m, h, g): ...\n",
        "folders() gave str, not a list of folder IDs",
    ),
    ("def folders(m, g):\n    return ()\ndef desired(m, h, g): ...\n", "desired() gave NoneType, not Desired"),
    ("def folders(m, g):\n    raise JobError('no')\ndef desired(m, h, g): ...\n", "no"),
    (
        (
            "def folders(m, g):\n    return ()\n"
            "def desired(m, h, g):\n    return Desired({}, Rollout(), failures={'f': 'no'})\n"
        ),
        "returns no spec for f",
    ),
]


@pytest.mark.parametrize(("text", "message"), CALLING)
def test_a_job_that_breaks_is_an_error_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = job_file(tmp_path, "mine", HEAD + text)
    job = find_job("mine", tmp_path)
    with pytest.raises(JobError) as caught:
        call(job, tmp_path)
    assert message.format(path=path) in caught.value.message


def spec(**values: Any) -> JobSpec:
    return JobSpec("nightly", "mine", values, Place("deploy.toml", 7))


def given(project: Path, params: Mapping[str, str], **values: Any) -> dict[str, Any]:
    job_file(project, "mine", GOOD)
    return parameters(find_job("mine", project), spec(**values), params)


def test_defaults_then_the_manifest_then_the_command_line(tmp_path: Path) -> None:
    found = given(tmp_path, {"count": "5"}, to="here", count=4, names=("a", "b"), schedule="0 3 * * *", rollout={})
    assert found == {"to": "here", "names": ("a", "b"), "force": False, "count": 5, "label": ""}


TEXTS = [
    ("force", "true", True),
    ("count", "5", 5),
    ("names", '["a", "b"]', ("a", "b")),
    ("names", "auth-*", "auth-*"),
    ("names", "17", "17"),
    ("label", "17", "17"),
    ("label", "true", "true"),
    ("label", '"quoted"', "quoted"),
    ("to", "python312", "python312"),
    ("to", "2027-03-01", date(2027, 3, 1)),
    ("to", '{ A = ["x"] }', {"A": ("x",)}),
    ("to", "a = b\nc = d", "a = b\nc = d"),
    ("to", "1\nother = 2", "1\nother = 2"),
    ("to", "", ""),
]


@pytest.mark.parametrize(("name", "text", "value"), TEXTS)
def test_texts_are_read_as_toml_where_they_can_be(name: str, text: str, value: object, tmp_path: Path) -> None:
    assert given(tmp_path, {"to": "x", name: text})[name] == value


def test_a_parameter_that_is_required_and_missing_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        given(tmp_path, {})
    assert caught.value.message == 'job "nightly" needs `to`: where to'
    assert caught.value.advice == "add it at deploy.toml:7, or give --param to=…"


@pytest.mark.parametrize(
    ("params", "values", "source"), [({"forse": "true"}, {}, " (--param)"), ({}, {"forse": True}, " (deploy.toml:7)")]
)
def test_an_unknown_parameter_is_an_error_with_a_suggestion(
    params: dict[str, str], values: dict[str, Any], source: str, tmp_path: Path
) -> None:
    with pytest.raises(JobError) as caught:
        given(tmp_path, params, to="x", **values)
    assert caught.value.message == f'job "nightly" (mine) has no parameter "forse"{source}'
    assert caught.value.advice.startswith('did you mean "force"? its parameters are count, ')


def test_a_jobs_own_rollout_wins_key_by_key(tmp_path: Path) -> None:
    rollout = '[rollout]\nwaves = [1, "100%"]\npause = "1m"\nmax_failures = "2%"\n'
    whole = manifest(tmp_path, 'run = "mine"\nrollout = { waves = [2, "50%"], pause = "5s" }', rollout)
    assert rollout_of(whole.jobs["nightly"], whole) == Rollout((2, "50%"), 5.0, "2%")


def test_a_job_without_a_rollout_has_that_of_the_manifest(tmp_path: Path) -> None:
    whole = manifest(tmp_path, extra="[rollout]\nwaves = [7]\n")
    assert rollout_of(whole.jobs["nightly"], whole) == Rollout((7,))
