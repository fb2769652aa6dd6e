"""The parameters of jobs, read without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.job.files import builtin_jobs, find_job
from orchestrator.manifest.declared.job_parameters import declared_parameters

OWN = """
import sys
from orchestrator.job import Parameter, mass
from elsewhere import OTHERS
sys.exit("it was run")
MORE = {"more": Parameter("more of it"), 1: 2, f"{sys}": 3}
PARAMETERS: dict = {**MORE, **OTHERS, "keep": Parameter(description="x"), **mass.PARAMETERS} | {"last": Parameter("z")}
"""


@pytest.mark.parametrize("name", sorted(builtin_jobs()))
def test_those_of_built_in_jobs_are_those_that_they_have_when_they_run(name: str, tmp_path: Path) -> None:
    found = {key: one.description for key, one in find_job(name, tmp_path).PARAMETERS.items()}
    assert declared_parameters(name, tmp_path) == found


def test_a_job_of_the_project_comes_first_and_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "prune.py").write_text(OWN)
    found = declared_parameters("prune", tmp_path)
    assert list(found)[:2] == ["more", "keep"]
    assert (found["more"], found["keep"], found["last"]) == ("more of it", "", "z")
    assert {"select", "functions", "force"} <= found.keys()


@pytest.mark.parametrize(
    "content",
    [
        "", "PARAMETERS = {", "PARAMETERS = PARAMETERS", "PARAMETERS = dict(a=1)", "PARAMETERS = A\nA = PARAMETERS",
        "\0", "from . import PARAMETERS", "from os import PARAMETERS", "from orchestrator.nowhere import PARAMETERS",
        "PARAMETERS = " + "(" * 9999,
    ],
)  # fmt: skip
def test_what_cannot_be_read_has_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "odd.py").write_text(content)
    assert declared_parameters("odd", tmp_path) == {}
    assert declared_parameters("../jobs/odd", tmp_path) == {}
    assert declared_parameters("", tmp_path) == {}
