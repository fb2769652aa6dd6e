"""Where each value of a function comes from: file, line and table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import ManifestError
from orchestrator.manifest.load import load, survey
from orchestrator.manifest.origins.of_function import BUILT_IN, ValueOrigin, origins_of
from orchestrator.model import Place

MANIFEST = """[cloud]
folder_id = "b1g"
[defaults]
runtime = "python312"
memory = "128MB"
environment = { LEVEL = "info", REGION = "ru" }
secrets = [
  { environment_variable = "TOKEN", id = "e6q1", key = "token" },
  { environment_variable = "DB", id = "e6q2", key = "x" },
]
exclude = ["a"]
[templates.web]
memory = "256MB"
exclude = ["b", "${OUT}"]
without = ["environment.REGION"]
version_id = "d4e1"
[functions.fun]
use = ["web"]
source = "."
entrypoint = "index.handler"
secrets = [{ environment_variable = "DB", id = "e6q3", key = "x" }]
tags = ["a", "b"]
[functions.fun.environment]
LEVEL = "${LEVEL}-${LEVEL}"
[functions.fun.log]
min_level = "WARN"
"""
ENVIRON = {"LEVEL": "debug", "OUT": "out"}


def write(folder: Path, text: str = MANIFEST) -> Path:
    path = folder / "deploy.toml"
    path.write_text(text, "utf-8")
    return path


def origins(folder: Path, text: str = MANIFEST, key: str = "fun") -> dict[str, ValueOrigin]:
    return {one.key: one for one in origins_of(survey(write(folder, text), ENVIRON), key)}


def test_every_value_has_its_line_and_its_table(tmp_path: Path) -> None:
    found = origins(tmp_path)
    assert {key: (one.place.line if one.place is not None else 0, one.table) for key, one in found.items()} == {
        "name": (17, "functions.fun"),
        "folder_id": (2, "cloud"),
        "source": (19, "functions.fun"),
        "exclude[0]": (11, "defaults"),
        "exclude[1]": (14, "templates.web"),
        "exclude[2]": (14, "templates.web"),
        "entrypoint": (20, "functions.fun"),
        "runtime": (4, "defaults"),
        "memory": (13, "templates.web"),
        "timeout": (0, BUILT_IN),
        "environment.LEVEL": (24, "functions.fun"),
        "secrets.TOKEN": (8, "defaults"),
        "secrets.DB": (21, "functions.fun"),
        "tags": (22, "functions.fun"),
        "log.min_level": (26, "functions.fun"),
    }


def test_what_a_value_replaces_is_named_and_so_are_the_variables_in_it(tmp_path: Path) -> None:
    found = origins(tmp_path)
    assert [place.line for place in found["memory"].over] == [5]
    assert [place.line for place in found["secrets.DB"].over] == [9]
    level = found["environment.LEVEL"]
    assert ([place.line for place in level.over], level.variables, level.written) == (
        [6], ("LEVEL",), "${LEVEL}-${LEVEL}",
    )  # fmt: skip
    assert (found["exclude[2]"].variables, found["exclude[1]"].variables) == (("OUT",), ())
    assert level.value == "debug-debug"


def test_a_folder_that_no_file_names_comes_from_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, MANIFEST.replace('folder_id = "b1g"', ""))
    found = {one.key: one for one in origins_of(survey(path, {**ENVIRON, "YC_FOLDER_ID": "b1h"}), "fun")}
    assert (found["folder_id"].table, found["folder_id"].place) == ("YC_FOLDER_ID", None)


def test_an_included_file_has_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text('\n[functions.more]\nuse = ["web"]\nentrypoint = "a.b"\nmemory = "512MB"\n')
    found = origins(tmp_path, 'include = ["team.toml"]\n' + MANIFEST, "more")
    place = found["memory"].place
    assert place is not None
    assert (Path(place.file).name, place.line, found["memory"].table) == ("team.toml", 5, "functions.more")
    assert [(Path(one.file).name, one.line) for one in found["memory"].over] == [
        ("deploy.toml", 14),
        ("deploy.toml", 6),
    ]
    assert found["version_id"].place == Place(found["memory"].over[0].file, 17)


LAYERS = ("defaults", "templates.one", "templates.two", "functions.fun")


@given(
    st.dictionaries(st.sampled_from("ABCD"), st.sets(st.sampled_from(LAYERS), min_size=1), max_size=4),
    st.sets(st.sampled_from(LAYERS[1:])),
)
@settings(max_examples=60, deadline=None)
def test_the_line_of_a_variable_is_the_one_that_gave_its_value(
    tmp_path_factory: pytest.TempPathFactory, having: dict[str, set[str]], taking: set[str]
) -> None:
    """Each table sets another value, one per line: a function's value comes from the reported line."""
    lines = ['cloud = { folder_id = "b1g" }']
    for layer in LAYERS:
        lines.append(f"[{layer}]")
        inherited = {name for name, its in having.items() if its & set(LAYERS[: LAYERS.index(layer)])}
        if layer == "defaults":
            lines += ['runtime = "python312"', 'memory = "128MB"', 'entrypoint = "index.handler"']
        if layer == "functions.fun":
            lines += ['version_id = "d4e"', 'use = ["one", "two"]']
        elif layer in taking and inherited:
            lines.append("without = [" + ", ".join(f'"environment.{name}"' for name in sorted(inherited)) + "]")
        lines += [f'environment.{name} = "{layer}/{name}"' for name, its in having.items() if layer in its]
    path = write(tmp_path_factory.mktemp("origins"), "\n".join(lines))
    try:
        values = load(path, {}).functions["fun"].settings.environment
    except ManifestError:  # removing a value twice is a mistake
        return
    found = {one.name: one for one in origins_of(survey(path, {}), "fun") if one.setting == "environment"}
    assert found.keys() == values.keys()
    for name, value in values.items():
        place = found[name].place
        assert place is not None
        assert f'"{value}"' in lines[place.line - 1]
        assert value == f"{found[name].table}/{name}"
