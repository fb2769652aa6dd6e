"""`${NAME}`: where its value comes from, its default, and mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.errors import ManifestError, UsageError
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import load, load_for_run
from tests.unit.manifest.test_tables import HEAD as WITH_FOLDER

HEAD = WITH_FOLDER.replace('folder_id = "b1g"\n', "# told by the process\n")
FUNCTION = f'{HEAD}[functions.fun]\nversion_id = "x"\n'
# the text, the variables that are set, and the result; None: a mistake
WRITTEN = [
    ("${A}", {"A": "v"}, "v"),
    ("${A}", {"A": ""}, ""),
    ("${A}", {}, None),
    ("${A:-x}", {"A": "v"}, "v"),
    ("${A:-x}", {"A": ""}, "x"),
    ("${A:-x}", {}, "x"),
    ("${A:-}", {}, ""),
    ("a${A:-x y:-z}b", {}, "ax y:-zb"),
    ("$${A:-x}", {}, "${A:-x}"),
    ("${A:-${B}}", {"B": "v"}, None),
    ("${A:x}", {"A": "v"}, None),
    ("${}", {}, None),
    ("${A", {"A": "v"}, None),
]


def read(folder: Path, text: str, environ: Mapping[str, str] | None = None, **chosen: str) -> str:
    """The description of the only function."""
    path = folder / "deploy.toml"
    path.write_text(text, "utf-8")
    environment = chosen.pop("environment", "")
    manifest = load(path, {"YC_FOLDER_ID": "b1g", **(environ or {})}, ManifestChoice(environment, chosen))
    return manifest.functions["fun"].settings.description


@pytest.mark.parametrize(("text", "environ", "value"), WRITTEN)
def test_what_a_text_comes_to(tmp_path: Path, text: str, environ: dict[str, str], value: str | None) -> None:
    whole = f'{FUNCTION}description = "{text}"\n'
    if value is not None:
        assert read(tmp_path, whole, environ) == value
        return
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, whole, environ)
    assert [(one.line, one.key) for one in caught.value.mistakes] == [(10, "functions.fun.description")]


LEVELS = """
[variables]
LEVEL = "declared"
[environments.prod]
variables = { LEVEL = "prod" }
[environments.dev]
"""
PLACES = {
    "nothing": ({}, {}, "x"),
    "[variables]": ({}, {"table": "yes"}, "declared"),
    "the process": ({"LEVEL": "process"}, {"table": "yes"}, "process"),
    "the environment": ({"LEVEL": "process"}, {"table": "yes", "environment": "prod"}, "prod"),
    "another environment": ({"LEVEL": "process"}, {"table": "yes", "environment": "dev"}, "process"),
    "--var": ({"LEVEL": "process"}, {"table": "yes", "environment": "prod", "LEVEL": "typed"}, "typed"),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_nearest_place_that_sets_a_variable_wins(tmp_path: Path, place: str) -> None:
    environ, chosen, value = PLACES[place]
    chosen = dict(chosen)
    text = (LEVELS if chosen.pop("table", "") else "") + f'{FUNCTION}description = "${{LEVEL:-x}}"\n'
    assert read(tmp_path, text, environ, **chosen) == value


def test_a_declared_variable_may_use_what_comes_below_it(tmp_path: Path) -> None:
    tables = """
[variables]
REGION = "ru"
LEVEL = "${REGION}-${ZONE:-a}"
HOST = "main"
[environments.prod]
variables = { HOST = "${LEVEL}.${HOST:-none}.${ORCHESTRATOR_ENV}" }
"""
    text = f'{tables}{FUNCTION}description = "${{LEVEL}} ${{HOST}}"\n'
    with pytest.raises(ManifestError) as caught:  # a variable of [variables] cannot use another one
        read(tmp_path, text, environment="prod")
    assert "the declared value of LEVEL: the variable REGION is not set" in caught.value.mistakes[0].rule
    text = text.replace('LEVEL = "${REGION}', 'LEVEL = "${REGION:-de}')
    assert read(tmp_path, text, environment="prod") == "de-a de-a.main.prod"
    assert read(tmp_path, text, {"ZONE": "b"}, environment="prod", REGION="eu") == "eu-b eu-b.main.prod"


def test_the_name_of_the_environment_is_a_variable_and_nothing_else_is_called_so(tmp_path: Path) -> None:
    text = f'{FUNCTION}description = "${{ORCHESTRATOR_ENV:-none}}"\n[environments.prod]\n'
    assert read(tmp_path, text, environment="prod") == "prod"
    assert read(tmp_path, text, {"ORCHESTRATOR_ENV": "other"}) == "none"
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, f'{text}variables = {{ ORCHESTRATOR_ENV = "x" }}\n', environment="prod")
    assert "is reserved for the environment" in caught.value.mistakes[0].rule


# the text before the function, the key, a part of the rule
WRONG = [
    ('[variables]\nLEVL = "x" # <-\n', "variables.LEVL", 'so it has no effect; did you mean "LEVEL"?'),
    ('[variables]\n"A-B" = "x" # <-\n', "variables.A-B", "must be a variable name"),
    ("[variables]\nLEVEL = 3 # <-\n", "variables.LEVEL", "must be a string"),
    ('[variables]\nLEVEL = "${" # <-\n', "variables.LEVEL", "followed by a variable's name"),
    ('variables = "x" # <-\n', "variables", "must be a table"),
    ('[environments.prod.variables]\nLEVL = "x" # <-\n', "environments.prod.variables.LEVL", 'did you mean "LEVEL"?'),
    ("[environments.prod.variables]\nLEVEL = 3 # <-\n", "environments.prod.variables.LEVEL", "must be a string"),
]


@pytest.mark.parametrize(("tables", "key", "rule"), WRONG)
def test_a_wrong_declaration_stands_in_its_line(tmp_path: Path, tables: str, key: str, rule: str) -> None:
    environment = "prod" if "prod" in tables else ""
    text = f'{tables}{FUNCTION}description = "${{LEVEL:-x}}"\n'
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text, environment=environment)
    (found,) = caught.value.mistakes
    assert (found.line, found.key) == (next(i for i, line in enumerate(text.split("\n"), 1) if "# <-" in line), key)
    assert rule in found.rule


def test_a_variable_that_nobody_sets_is_a_mistake_of_those_that_use_it(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f'[variables]\nA = "${{B}}"\n{FUNCTION}[functions.bad]\nversion_id = "x"\ndescription = "${{A}}"\n')
    functions = load_for_run(path, {"YC_FOLDER_ID": "b1g"}).functions
    assert [len(functions[key].mistakes) for key in ("fun", "bad")] == [0, 1]


def test_a_variable_that_is_typed_and_means_nothing_is_an_error(tmp_path: Path) -> None:
    text = f'{FUNCTION}description = "${{LEVEL:-x}}"\n'
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text, LEVL="x")
    assert caught.value.message == '--var LEVL: nothing in the manifest uses `${LEVL}`; did you mean "LEVEL"?'
