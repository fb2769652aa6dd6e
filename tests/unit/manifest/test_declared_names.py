"""The names that completion reads fast are the ones that a run reads carefully."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.manifest.declared import declared_names as module
from orchestrator.manifest.declared.declared_names import DeclaredNames, declared_names, parsed_for_names
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import load
from tests.unit.manifest.test_tables import HEAD

FUN = 'version_id = "x"\n'
ROOT = Path(__file__).parents[3]
WHOLE = f"""
include = ["teams/*.toml", "${{MORE:-more}}.toml"]
{HEAD}
labels = {{ kind = "web" }}
[environments.dev]
default = true
[environments.prod]
protected = true
functions.plain.enabled = false
variables = {{ LEVEL = "warn" }}
[variables]
LEVEL = "info"
[templates.there]
only = ["prod"]
labels.ring = "inner"
[functions.plain]  # a comment
{FUN}
labels = {{ team = "media" }}
[functions."quoted"]
{FUN}
enabled = false
[functions.'single']
{FUN}
[functions.'single'.labels]
team = "core"
level = "${{LEVEL}}"
[functions.templated]
use = ["there"]
{FUN}
[functions.prod-only]
{FUN}
only = [
  "prod",   # a comment, with ] in it
]
[functions.prod-only.environment]
only = "a variable"
[each.many]
names = ["one", "two"]
name = "each-{{name}}"
{FUN}
[jobs.nightly]
run = "scheduled"
schedule = "0 3 * * *"
[jobs.elsewhere]
run = "scheduled"
schedule = "0 3 * * *"
environments = ["prod"]
"""
TEAM = f'[functions.of-team]\nuse = "own"\n{FUN}[templates.own]\nlabels = {{ team = "x" }}\n'
MORE = f"""
folder_id = "b1g"
[functions]
inline = {{ version_id = "x" }}
dotted.version_id = "x"
[functions.three]
{FUN}"""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams" / "a.toml").write_text(TEAM.replace('"own"\n', '["own"]\n'), "utf-8")
    (tmp_path / "more.toml").write_text(MORE, "utf-8")
    (tmp_path / "deploy.toml").write_text(WHOLE, "utf-8")
    return tmp_path / "deploy.toml"


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_functions_and_jobs_are_those_of_a_run(whole: Path, environment: str) -> None:
    manifest = load(whole, {}, ManifestChoice(environment))
    names = declared_names(whole, environment)
    assert {key: spec.enabled for key, spec in manifest.functions.items()} == dict(names.functions)
    assert {name: spec.run for name, spec in manifest.jobs.items()} == dict(names.jobs)
    assert dict(names.environments) == {"dev": False, "prod": True}


def test_without_a_name_the_default_environment_counts(whole: Path) -> None:
    assert declared_names(whole).functions == declared_names(whole, "dev").functions
    assert set(declared_names(whole, "all").functions) == set(declared_names(whole, "prod").functions)


def test_labels_and_variables_are_found_wherever_they_are_written(whole: Path) -> None:
    names = declared_names(whole, "prod")
    assert names.labels == {"kind": ("web",), "ring": ("inner",), "team": ("core", "media", "x")}
    assert names.variables == ("LEVEL",)


@pytest.mark.parametrize("root", [ROOT, ROOT / "examples" / "team"])
def test_of_the_examples_all_is_found(root: Path) -> None:
    path = root / "deploy.toml"
    names = declared_names(path)
    environments = tuple(names.environments) or ("",)
    for environment in environments:
        manifest = load(path, {"YC_FOLDER_ID": "b1g"}, ManifestChoice(environment))
        assert set(declared_names(path, environment).functions) == set(manifest.functions) != set()


@pytest.mark.parametrize(
    ("text", "functions"),
    [
        ('[functions.a]\ndescription = """\n[functions.none]\n"""\n', {"a"}),  # a header in a string of several lines
        ('[functions.a]\nx = [\n  ["b"]\n]\n[functions.c]\n', {"a", "c"}),  # an item of a list that looks like a header
        ("[ functions . a ]\r\n[functions.b]\r\n", {"a", "b"}),
        ('[functions."a\\u0062"]\n', {"ab"}),
        ("[[functions.a.secrets]]\n[[functions.a.secrets]]\n", {"a"}),
        ("[functions]\n", set()),
    ],
)
def test_tables_are_found_however_they_are_written(tmp_path: Path, text: str, functions: set[str]) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(text, "utf-8", newline="")
    assert set(declared_names(path).functions) == functions


@pytest.mark.parametrize(
    "text", ["[jobs.a]\n[functions\n", "\xff", 'functions = "x"\ninclude = 3\n', "[functions]\na = 3\n", ""]
)
def test_of_what_is_broken_nothing_is_offered_and_nothing_raised(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deploy.toml"
    path.write_bytes(text.encode("latin-1"))
    assert declared_names(path) == DeclaredNames()


def test_files_that_are_not_there_or_include_each_other_end(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    assert declared_names(path) == DeclaredNames()
    path.write_text(f'include = ["deploy.toml", "b.toml"]\n[functions.a]\n{FUN}', "utf-8")
    (tmp_path / "b.toml").write_text(f'include = ["deploy.toml"]\n[functions.b]\n{FUN}', "utf-8")
    assert set(declared_names(path).functions) == {"a", "b"}


def test_what_functions_are_made_of_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise 5,000 functions take longer than completion may."""
    parsed = list[str]()
    real = tomllib.loads

    def loads(text: str) -> dict[str, Any]:
        parsed.append(text)
        return real(text)

    monkeypatch.setattr(tomllib, "loads", loads)
    module._pair.cache_clear()
    text = "".join(f'[functions.f{n}]\nruntime = "python312"\nuse = ["web"]\n' for n in range(100))
    assert len(parsed_for_names(text)["functions"]) == 100
    assert "runtime" not in "".join(parsed)
    assert len(parsed) == 2  # values that are not functions, and the line that all of them share
