"""The tables that exist once, jobs and warnings; and the small manifests that other tests modify."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ManifestError, Mistake
from orchestrator.manifest.load import load
from orchestrator.model import (
    CloudAddress,
    FunctionSpec,
    JobSpec,
    Limits,
    Manifest,
    Place,
    Rollout,
    Storage,
    StorageMount,
)

HEAD = """
[cloud]
folder_id = "b1g"
[defaults]
runtime = "nodejs22"
memory = "1GB"
entrypoint = "index.handler"
"""
FUNCTION = HEAD + '[functions.fun]\nversion_id = "$latest"\n'
SOURCE = HEAD + '[functions.fun]\nsource = "."\n'
JOB = '[jobs.nightly]\nrun = "mass_redeploy"\n'


def mistakes(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> tuple[Mistake, ...]:
    path = folder / "deploy.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ManifestError) as caught:
        load(path, environ or {})
    return caught.value.mistakes


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> Manifest:
    path = folder / "deploy.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {})


def only(folder: Path, text: str, environ: dict[str, str] | None = None) -> FunctionSpec:
    (function,) = loaded(folder, text, environ).functions.values()
    return function


def test_a_manifest_with_jobs_only(tmp_path: Path) -> None:
    keys = 'from = ["python38"]\nto = "python312"\nskip = [{ function = "x", until = 2027-03-01 }]\nlanes = 3\n'
    manifest = loaded(tmp_path, f'\n[jobs.up]\nrun = "runtime_upgrade"\n{keys}')
    parameters: dict[str, Any] = {
        "from": ("python38",),
        "to": "python312",
        "skip": ({"function": "x", "until": dt.date(2027, 3, 1)},),
        "lanes": 3,
    }
    assert manifest.functions == {}
    assert manifest.jobs == {
        "up": JobSpec("up", "runtime_upgrade", parameters, Place(str(tmp_path / "deploy.toml"), 2))
    }


def test_the_tables_that_stand_once(tmp_path: Path) -> None:
    text = """
[cloud]
cloud_id = "b1c"
endpoint = "http://127.0.0.1:8080/"
[storage]
bucket = "deploy-packages"
prefix = "functions/"
[limits]
operations_per_folder = 5
reserve = 2
requests_per_second = 2.5
operation_deadline = "5m"
[rollout]
waves = [1, "10%", "100%"]
pause = "30s"
max_failures = "2%"
on_breach = "stop"
"""
    manifest = loaded(tmp_path, text + JOB, {"YC_FOLDER_ID": "b1env", "YC_CLOUD_ID": "other"})
    assert manifest.path == tmp_path / "deploy.toml"
    assert manifest.cloud == CloudAddress("http://127.0.0.1:8080", "b1env", "b1c")
    assert manifest.storage == Storage("deploy-packages", "functions/")
    assert manifest.limits == Limits(
        operations_per_folder=5, reserve=2, requests_per_second=2.5, operation_deadline_s=300
    )
    assert manifest.rollout == Rollout((1, "10%", "100%"), 30.0, "2%")


def test_what_is_left_out_has_the_documented_defaults(tmp_path: Path) -> None:
    manifest = loaded(tmp_path, JOB)
    assert (manifest.cloud, manifest.storage) == (CloudAddress(), Storage())
    assert (manifest.limits, manifest.rollout, manifest.warnings) == (Limits(), Rollout(), ())


def test_the_folder_of_the_environment_is_the_last_resort(tmp_path: Path) -> None:
    text = FUNCTION.replace('folder_id = "b1g"\n', "")
    assert only(tmp_path, text, {"YC_FOLDER_ID": "b1env"}).folder_id == "b1env"
    assert only(tmp_path, FUNCTION, {"YC_FOLDER_ID": "b1env"}).folder_id == "b1g"


WARNINGS = [
    ('timeout = "11m"\n', ":10: functions.fun.timeout: is over 10m"),
    ('environment = { A = "" }\n', ":10: functions.fun.environment.A: is empty"),
    ('connectivity = { subnet_ids = ["e9b"] }\n', ":10: functions.fun.connectivity.subnet_ids: is deprecated"),
    ('storage_mounts = [{ name = "d", bucket = "bbb" }]\n', ":10: functions.fun.storage_mounts: is deprecated"),
    (
        JOB + 'shedule = "x"\n',
        ':12: jobs.nightly.shedule: is passed to the job as a parameter; did you mean "schedule"?',
    ),
]


@pytest.mark.parametrize(("keys", "warning"), WARNINGS)
def test_what_is_allowed_but_doubtful_is_a_warning(tmp_path: Path, keys: str, warning: str) -> None:
    (found,) = loaded(tmp_path, FUNCTION + keys).warnings
    assert found.startswith(f"{tmp_path / 'deploy.toml'}{warning}")


def test_a_doubtful_default_is_said_once(tmp_path: Path) -> None:
    text = f'{HEAD}timeout = "11m"\n[functions.one]\nversion_id = "x"\n[functions.two]\nversion_id = "x"\n'
    (found,) = loaded(tmp_path, text).warnings
    assert found.endswith("(concerns one, two)")


def test_older_mounts_are_still_sent(tmp_path: Path) -> None:
    keys = 'storage_mounts = [{ name = "d", bucket = "bbb", prefix = "p", read_only = true }]\n'
    assert only(tmp_path, FUNCTION + keys).settings.storage_mounts == (StorageMount("d", "bbb", "p", read_only=True),)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_bytes(b"\xef\xbb\xbf" + FUNCTION.replace("\n", "\r\n").encode())
    assert load(tmp_path / "deploy.toml", {}).functions["fun"].place.line == 8


def test_a_byte_order_mark_in_an_included_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_bytes(b'\xef\xbb\xbf[functions.more]\nversion_id = "x"\n')
    assert list(loaded(tmp_path, f'include = ["more.toml"]\n{FUNCTION}').functions) == ["fun", "more"]


def test_a_path_is_made_absolute_and_shown_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.toml").write_text(FUNCTION)
    manifest = load(Path("deploy.toml"), {})
    assert manifest.path == Path(os.path.realpath(tmp_path)) / "deploy.toml"
    assert manifest.functions["fun"].place == Place("deploy.toml", 8)


def test_functions_that_are_not_written_as_tables_have_a_place_too(tmp_path: Path) -> None:
    text = f'{HEAD}[functions]\na-b-c = {{ version_id = "x" }}\nd-e-f.version_id = "x"\n'
    places = [function.place.line for function in loaded(tmp_path, text).functions.values()]
    assert places == [9, 10]
