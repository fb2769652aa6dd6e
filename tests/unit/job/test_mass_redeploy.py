"""What `mass_redeploy` and `scheduled` desire: tables of selections and changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Mistake, OrchestratorError, UsageError
from orchestrator.job.contract import Desired
from orchestrator.job.files import find_job
from orchestrator.model import CloudAddress, Limits, Manifest, Rollout, Secret, Storage, VersionCopy
from orchestrator.model.live_state import LiveState, indexed
from tests.builders import function, settings, spec, version

NOWHERE = Path("/nowhere")
JOB = find_job("mass_redeploy", NOWHERE)
TOKEN = {"id": "e6q1", "versionId": "e6v1", "key": "token", "environmentVariable": "TOKEN"}
DECLARED = {
    "auth": spec("auth", labels={"team": "auth"}, settings=settings(environment={"LEVEL": "info"})),
    "web": spec("web", labels={"team": "web"}),
    "off": spec("off", enabled=False),
}


def manifest() -> Manifest:
    return Manifest(Path("deploy.toml"), CloudAddress(folder_id="folder"), Storage(), Limits(), Rollout(), DECLARED, {})


def there() -> LiveState:
    names = ("auth", "web", "off", "legacy-a", "legacy-b")
    versions = [version(f"v-{name}", f"id-{name}", runtime="python312", secrets=[TOKEN]) for name in names]
    return indexed([function(name) for name in names], versions)


def desired(**given: Any) -> Desired:
    defaults = {name: parameter.default for name, parameter in JOB.PARAMETERS.items()}
    return JOB.desired(manifest(), there(), defaults | {"rollout": Rollout()} | given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["auth", "web"]),
        ({"select": ("a*",)}, ["auth"]),
        ({"select": ("label:team=web",)}, ["web"]),
        ({"select": ("auth", "web")}, ["auth", "web"]),
        ({"functions": ("legacy-*",)}, ["legacy-a", "legacy-b"]),
        ({"functions": ("*",)}, ["auth", "legacy-a", "legacy-b", "web"]),
        ({"functions": ("id-legacy-a",)}, ["legacy-a"]),
        ({"select": ("web",), "functions": ("legacy-a",)}, ["legacy-a", "web"]),
    ],
)
def test_selections(given: dict[str, Any], expected: list[str]) -> None:
    assert sorted(desired(**given).specs) == expected


def test_what_is_declared_is_desired_as_declared_and_the_rest_as_copies() -> None:
    found = desired(select=("web",), functions=("legacy-a", "auth")).specs
    assert found["web"] == DECLARED["web"]
    assert (found["auth"].code, found["legacy-a"].code) == (VersionCopy("v-auth"), VersionCopy("v-legacy-a"))


def test_sources_may_be_left_alone() -> None:
    assert desired(select=("web",), from_source=False).specs["web"].code == VersionCopy("v-web")


@pytest.mark.parametrize(
    ("given", "environment", "secrets"),
    [
        ({"environment": {"LEVEL": "debug"}}, {"LEVEL": "debug"}, ["TOKEN e6v1"]),
        ({"remove_environment": ("TOKEN",)}, {}, []),
        ({"secrets": ({"id": "e6q1", "version_id": "e6v2"},)}, {}, ["TOKEN e6v2"]),
        ({"secrets": ({"environment_variable": "TOKEN", "version_id": "e6v3"},)}, {}, ["TOKEN e6v3"]),
        ({"secrets": ({"environment_variable": "KEY", "id": "e6q2", "key": "k"},)}, {}, ["KEY latest", "TOKEN e6v1"]),
        ({"remove_environment": ("TOKEN",), "environment": {"TOKEN": "plain"}}, {"TOKEN": "plain"}, []),
    ],
)
def test_changes(given: dict[str, Any], environment: dict[str, str], secrets: list[str]) -> None:
    found = desired(functions=("legacy-a",), **given).specs["legacy-a"].settings
    assert found.environment == environment
    assert sorted(f"{one.environment_variable} {one.version_id}" for one in found.secrets) == secrets


def test_a_secret_keeps_what_its_row_leaves_out() -> None:
    row = {"environment_variable": "TOKEN", "version_id": "e6v3"}
    assert desired(functions=("legacy-a",), secrets=(row,)).specs["legacy-a"].settings.secrets == (
        Secret("TOKEN", "token", "e6q1", None, "e6v3"),
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"environment": {"TOKEN": "x"}}, "TOKEN has a secret there, and `environment` gives it a value"),
        ({"secrets": ({"environment_variable": "NEW", "version_id": "v"},)}, "NEW has no secret yet"),
    ],
)
def test_a_change_that_does_not_fit_stops_that_function(given: dict[str, Any], message: str) -> None:
    found = desired(functions=("legacy-a",), **given)
    assert found.failures["legacy-a"].startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"select": ("nobody",)}, 'no function matches "nobody"'),
        ({"select": ("off",)}, 'function "off" is disabled'),
        ({"functions": ("legacy-c",)}, 'no live function matches "legacy-c"'),
        ({"functions": ("off",)}, 'function "off" is disabled'),
        ({"force": "yes"}, "`force` must be true or false"),
        ({"environment": {"A": 1}}, "`environment.A` must be a string"),
        ({"environment": ("A",)}, "`environment` must be a table"),
        ({"secrets": ({"key": "k"},)}, "a row of `secrets` has no environment_variable"),
        ({"secrets": ({"environment_variable": "A", "id": "1", "name": "n"},)}, "a row of `secrets` has both id and"),
        ({"secrets": ({"environment_variable": "A", "version": "1"},)}, '`secrets` has no key "version"'),
        ({"secrets": ({"environment_variable": 1},)}, "`environment_variable` of a row of `secrets` must be a string"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OrchestratorError) as caught:
        desired(**given)
    assert caught.value.message.startswith(message)


def test_changes_to_declared_functions_are_said_to_be_taken_back() -> None:
    assert desired(select=("web",), environment={"A": "1"}).warnings == (
        "deploy.toml does not have these changes: its next deploy is blocked from reverting them in web; {}".format(
            "--update-manifest writes them there"
        ),
    )


@pytest.mark.parametrize(
    "given",
    [
        {"select": ("web",), "remove_environment": ("NOPE",)},
        {"select": ("web",), "from_source": False, "remove_environment": ("TOKEN",)},  # deploy.toml has no TOKEN
        {"select": ("auth",), "environment": {"LEVEL": "info"}},  # as deploy.toml has it
        {"functions": ("legacy-*",), "environment": {"A": "1"}},
    ],
)
def test_changes_that_the_file_does_not_contradict_are_not_said_to_be(given: dict[str, Any]) -> None:
    assert not [said for said in desired(**given).warnings if "does not have these changes" in said]


def test_only_what_really_changes_is_said_to_be_taken_back() -> None:
    (said,) = desired(select=("auth", "web"), remove_environment=("LEVEL",)).warnings
    assert "from reverting them in auth;" in said


def test_a_folder_in_which_nothing_is_live_is_reported() -> None:
    found = desired(functions=("legacy-*",), folders=("folder", "b1gempty"))
    assert found.warnings == ("folder b1gempty has no functions with a version",)


def test_changes_without_effect_are_said() -> None:
    found = desired(functions=("legacy-*",), remove_environment=("NOPE",), secrets=({"id": "e6x", "version_id": "v"},))
    assert found.warnings[:2] == (
        "`remove_environment` names NOPE, which none of the functions has",
        "`secrets` names e6x, which none of the functions has",
    )


def test_a_scheduled_job_forces_unless_reported_otherwise() -> None:
    job = find_job("scheduled", NOWHERE)
    defaults = {name: parameter.default for name, parameter in job.PARAMETERS.items()}
    given = defaults | {"rollout": Rollout()}
    assert job.desired(manifest(), there(), given).force
    assert not job.desired(manifest(), there(), given | {"force": False}).force


def test_a_function_whose_folder_cannot_be_reported_leads_to_no_folder() -> None:
    """Its mistake is reported if it is selected. The cloud is not asked for a folder without an ID."""
    given = {name: parameter.default for name, parameter in JOB.PARAMETERS.items()}
    flawed = spec("flawed", folder_id="", mistakes=(Mistake("deploy.toml", 1, "functions.flawed", "no folder"),))
    whole = replace(manifest(), functions={**DECLARED, "flawed": flawed})
    assert JOB.folders(whole, given) == ("folder",)
    assert JOB.desired(whole, there(), given | {"rollout": Rollout()}).specs["flawed"].mistakes


def test_what_may_be_another_environments_is_taken_by_name_alone() -> None:
    defaults = {name: parameter.default for name, parameter in JOB.PARAMETERS.items()} | {"rollout": Rollout()}
    own = replace(manifest(), of_others=frozenset({("", "")}))

    def chosen(*functions: str) -> Desired:
        return JOB.desired(own, there(), defaults | {"functions": functions})

    assert sorted(chosen("legacy-a", "auth").specs) == ["auth", "legacy-a"]
    assert sorted(chosen("id-legacy-b").specs) == ["legacy-b"]
    found = chosen("legacy-a", "a*")
    assert sorted(found.specs) == ["auth", "legacy-a"]
    assert any("may be another environment's, which its files leave open: legacy-b;" in one for one in found.warnings)
    with pytest.raises(UsageError, match="legacy"):
        chosen("legacy-*")
