"""Which options can be used with a saved plan, and that the plan includes every option that shapes it."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.session.options import _SHAPING, RunOptions, read_options
from orchestrator.app.session.saved.files import check_saving, write_plan
from orchestrator.errors import UsageError
from orchestrator.manifest.load import load
from orchestrator.model import FunctionSpec, Manifest
from orchestrator.planning.saved import facts
from orchestrator.planning.saved.document import SavedOptions

BARE: dict[str, Any] = {
    "config": None, "state": None, "lock_timeout": "0s", "start_timeout": "0s", "max_outage": "0s", "functions": (),
}  # fmt: skip
# Options that shape no plan: place, display, confirmation, logs; and options of commands without a saved plan.
NOT_SHAPING = {
    "verb", "config", "state_dir", "config_given", "sandbox", "endpoint", "bucket", "yes", "dry_run",
    "detailed_exitcode", "simulate", "verbose", "timings", "events", "lock_timeout_s", "start_timeout_s",
    "max_outage_s", "job", "parameters", "status", "due", "lossy", "wider", "run", "since", "to", "follows", "out",
    "upload", "expires_s", "plan", "log_level", "log_format", "update_manifest",
    "environment", "environment_typed", "as_then", "taken_over", "variables",  # part of the plan's identity
}  # fmt: skip


def given(verb: str, **options: Any) -> RunOptions:
    return read_options(verb, {**BARE, **options})


def test_each_option_shapes_a_plan_or_is_known_not_to() -> None:
    """A new option belongs in `_SHAPING` and `SavedOptions`, or here."""
    of_prune = {slot.name for slot in fields(RunOptions)} - NOT_SHAPING - {*_SHAPING}
    assert of_prune <= {"prune"}, "new options: do they shape a plan?"
    kept = {slot.name for slot in fields(SavedOptions)}
    as_kept = {"force": "forced", "run_key": "forced", "failed": "only", "undone": "only"}
    assert {as_kept.get(name, name) for name in _SHAPING} == kept


def test_each_field_of_a_function_is_a_fact_or_is_known_not_to_be() -> None:
    """`enabled` decides the selection; a place and mistakes are not deployed."""
    reported = {*facts._OF_SPEC, "key", "settings", "code", "labels", "scaling"}
    known = reported | {"place", "enabled", "mistakes", "unstated"}
    assert {slot.name for slot in fields(FunctionSpec)} == known
    assert "spec.labels" in inspect.getsource(facts.facts_of_function)


@pytest.mark.parametrize(
    ("name", "value", "called"),
    [
        ("functions", ("auth-*",), "FUNCTIONS"), ("labels", ("a=b",), "--label"), ("failed", True, "--failed"),
        ("undone", True, "--undone"), ("force", True, "--force"), ("run_key", "k", "--run-key"),
        ("adopt", ("f@d4e",), "--adopt"), ("again", ("f",), "--again"), ("no_way_back", ("f",), "--no-way-back"),
        ("now", True, "--now"), ("no_verify", True, "--no-verify"),
    ],
)  # fmt: skip
def test_what_would_shape_a_plan_is_refused_beside_one(name: str, value: Any, called: str) -> None:
    with pytest.raises(UsageError, match=f"--plan cannot be combined with {called}: a saved plan cannot be changed"):
        given("deploy", plan=Path("plan.json"), **{name: value})
    assert given("deploy", **{name: value}).plan is None


def test_a_plan_is_saved_for_a_time_that_is_named_with_its_file() -> None:
    assert given("plan", out=Path("x"), expires=None).expires_s == 86_400
    assert given("plan", out=Path("x"), expires="72h", upload=True).expires_s == 259_200
    for more, said in (
        ({"upload": True}, "--upload requires --out"),
        ({"expires": "1h"}, "--expires requires --out"),
        ({"out": Path("x"), "expires": "0s"}, "must be more than 0"),
        ({"out": Path("x"), "expires": "soon"}, "--expires soon: must be a duration"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            given("plan", **{"expires": None, **more})
        assert error.value.exit == 2


def manifest_of(folder: Path, more: str = "") -> Manifest:
    path = folder / "deploy.toml"
    path.write_text(
        f'{more}\n[functions.abc]\nruntime = "bash"\nentrypoint = "x.sh"\nmemory = "128MB"\nversion_id = "v"\n'
    )
    return load(path, {"YC_FOLDER_ID": "b1g"})


def test_what_cannot_be_saved_is_reported_before_anything_is_planned(tmp_path: Path) -> None:
    manifest, bucket = manifest_of(tmp_path), manifest_of(tmp_path, '[storage]\nbucket = "packages"')
    file = tmp_path / "plan.json"
    for options, reported in (
        (given("plan", out=file, upload=True), "there is no bucket to store packages in"),
        (given("plan", out=tmp_path), " is a folder"),
        (given("plan", out=Path("-")), "a plan is saved in a file"),
        (given("plan", out=tmp_path / "deploy.toml"), "the file exists already and is not a saved plan"),
        (given("plan", out=Path("/dev/null")), "the file exists already and is not a saved plan"),
        (given("plan", out=tmp_path / "no" / "plan.json"), "there is no folder"),
    ):
        with pytest.raises(UsageError, match=reported):
            check_saving(options, manifest)
    check_saving(given("plan", out=file, upload=True), bucket)
    check_saving(given("plan", out=file), manifest)
    check_saving(given("plan"), manifest)
    assert not file.exists()
    for body in ("", '{"schema": "orchestrator/saved-plan/1"}'):
        file.write_text(body)
        check_saving(given("plan", out=file), manifest)


def test_a_file_is_written_whole_in_place_of_another(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old" * 1000)
    write_plan(file, {"a": "\u202e"})
    assert file.read_text() == '{\n  "a": "\\u202e"\n}\n'
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]
    (tmp_path / "link.json").symlink_to(file)
    write_plan(tmp_path / "link.json", {"b": 1})
    assert (tmp_path / "link.json").is_symlink()
    assert file.read_text() == '{\n  "b": 1\n}\n'
    with pytest.raises(UsageError, match="cannot be written"):
        write_plan(tmp_path / "no" / "plan.json", {})
