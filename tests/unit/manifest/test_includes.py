"""Included files with their own tables: which functions they apply to, jobs of a file, cycles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import ManifestError
from orchestrator.job import folders_of
from orchestrator.job.binding import bind, live_part_of, part_of
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import Survey, load, load_for_run, survey
from orchestrator.manifest.origins.of_function import origins_of
from orchestrator.model import Function, Manifest
from orchestrator.model.live_state import LiveState
from tests.unit.manifest.test_tables import HEAD

MAIN = f"""include = ["team.toml"]
[variables]
LEVEL = "main"
{HEAD}environment = {{ D = "main", LEVEL = "${{LEVEL}}" }}
[templates.web]
memory = "256MB"
[templates.big]
memory = "4GB"
[functions.main]
version_id = "x"
use = ["web"]
"""
TEAM = """include = ["sub/inner.toml"]
folder_id = "b1team"
[variables]
LEVEL = "team"
[defaults.environment]
D = "team"
T = "team"
LEVEL = "${LEVEL}"
[templates.web]
memory = "512MB"
[functions.team]
version_id = "x"
use = ["web"]
[jobs.of-team]
run = "mass_redeploy"
"""
INNER = """[defaults.environment]
D = "inner"
[functions.inner]
version_id = "x"
use = ["web", "big"]
folder_id = "b1own"
[functions.inner-two]
version_id = "x"
use = ["web"]
"""


def files(folder: Path, **texts: str) -> Path:
    given = {"deploy": MAIN, "team": TEAM, "inner": INNER, **texts}
    for name, text in given.items():
        path = folder / "sub" / "inner.toml" if name == "inner" else folder / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "deploy.toml"


def read(folder: Path, environment: str = "", **texts: str) -> Manifest:
    return load(files(folder, **texts), {}, ManifestChoice(environment))


def found(folder: Path, **texts: str) -> list[tuple[str, int, str, str]]:
    with pytest.raises(ManifestError) as caught:
        read(folder, **texts)
    return [(Path(one.file).name, one.line, one.key, one.rule) for one in caught.value.mistakes]


def test_tables_of_a_file_count_for_its_functions_and_those_that_it_includes(tmp_path: Path) -> None:
    functions = read(tmp_path).functions
    reported = {
        key: (spec.folder_id, spec.settings.memory_bytes >> 20, spec.settings.environment)
        for key, spec in functions.items()
    }
    assert reported == {
        "main": ("b1g", 256, {"D": "main", "LEVEL": "main"}),
        "team": ("b1team", 512, {"D": "team", "LEVEL": "team", "T": "team"}),
        "inner": ("b1own", 4096, {"D": "inner", "LEVEL": "team", "T": "team"}),
        "inner-two": ("b1team", 512, {"D": "inner", "LEVEL": "team", "T": "team"}),
    }


def test_origins_go_through_files_and_environments(tmp_path: Path) -> None:
    environment = '[environments.prod]\ndefaults = { environment = { D = "prod" } }\n'
    environment += 'templates = { web = { timeout = "3s" } }\nfunctions = { inner-two = { description = "prod" } }\n'
    path = files(tmp_path, deploy=MAIN + environment)
    survey_ = survey(path, {}, choice=ManifestChoice("prod"))
    assert survey_.mistakes == ()
    origins = {one.key: one for one in origins_of(survey_, "inner-two")}
    reported = {
        key: (Path(one.place.file).name, one.place.line, one.table) for key, one in origins.items() if one.place
    }
    assert reported["environment.D"] == ("inner.toml", 2, "defaults")
    assert [(Path(one.file).name, one.line) for one in origins["environment.D"].over] == [
        ("team.toml", 6), ("deploy.toml", 20), ("deploy.toml", 11),
    ]  # fmt: skip
    assert reported["memory"] == ("team.toml", 10, "templates.web")
    assert reported["timeout"] == ("deploy.toml", 21, "environments.prod.templates.web")
    assert reported["description"] == ("deploy.toml", 22, "environments.prod.functions.inner-two")
    assert reported["folder_id"][:2] == ("team.toml", 2)


def test_a_job_of_a_file_is_about_its_functions(tmp_path: Path) -> None:
    manifest = read(tmp_path)
    spec = manifest.jobs["of-team"]
    assert spec.functions == frozenset({"team", "inner", "inner-two"})
    binding = bind(manifest, "of-team", {}, datetime(2026, 1, 1, tzinfo=UTC))
    assert set(binding.job.folders(part_of(manifest, spec), binding.given)) == {"b1team", "b1own"}
    assert set(folders_of(part_of(manifest, spec), {"folders": ()})) == {"b1team", "b1own"}  # not that of [cloud]
    live = [
        Function(id=name, name=name, folder_id=folder)
        for name, folder in (("main", "b1team"), ("team", "b1team"), ("x", "b1team"))
    ]
    state = LiveState(by_id={one.id: one for one in live}, by_name={(one.folder_id, one.name): one for one in live})
    assert list(live_part_of(state, manifest, spec).by_id) == ["team"]
    assert live_part_of(state, manifest, manifest.jobs["of-team"].__class__("x", "y", {}, spec.place)) is state


# ruff: noqa: E501 - one row a line
JOB = '[jobs.of-team]\nrun = "mass_redeploy"\n'
# the files, and file, line, key and a part of the rule of the only mistake
WRONG: dict[str, tuple[dict[str, str], tuple[str, int, str, str]]] = {
    "a job of two files": (
        {"deploy": MAIN + JOB},
        ("team.toml", 14, "jobs.of-team", "deploy.toml:19"),
    ),
    "a circle": (
        {"inner": f'include = ["../team.toml"]\n{INNER}'},
        ("inner.toml", 1, "include[0]", "team.toml → "),
    ),
    "the main file": (
        {"inner": f'include = ["../*.toml"]\n{INNER}', "team": TEAM},
        ("inner.toml", 1, "include[0]", "in a cycle"),
    ),
    "two ways": (
        {"deploy": MAIN.replace('["team.toml"]', '["team.toml", "sub/*.toml"]')},
        ("team.toml", 1, "include[0]", "it is included twice"),
    ),
    "a wrong folder": (
        {"team": TEAM.replace('"b1team"', '"b 1"')},
        ("team.toml", 2, "folder_id", "without spaces"),
    ),
    "a default": (
        {"team": TEAM.replace('T = "team"', "T = 3")},
        ("team.toml", 7, "defaults.environment.T", "must be a string"),
    ),
    "a default that does not fit": (
        {"inner": f'defaults.concurrency = 4\ndefaults.runtime = "php82"\n{INNER.replace("[defaults.environment]", "[templates.z]")}'.replace('D = "inner"', 'memory = "1GB"')},
        ("inner.toml", 1, "defaults.concurrency", "(concerns inner, inner-two)"),
    ),
    "a template of another file": (
        {"deploy": MAIN + '[functions.more]\nversion_id = "x"\nuse = ["own"]\n', "team": TEAM + "[templates.own]\nmemory = '1GB'\n"},
        ("deploy.toml", 21, "functions.more.use[0]", "there is no [templates.own]"),
    ),
    "a variable that is not used": (
        {"inner": f'[variables]\nLVL = "x"\n{INNER}'},
        ("inner.toml", 2, "variables.LVL", "nothing uses `${LVL}`"),
    ),
    "a variable of another file": (
        {"deploy": MAIN + 'description = "${OWN}"\n', "team": TEAM.replace("LEVEL = ", 'OWN = "x"\nLEVEL = ', 1) + 'description = "${OWN}"\n'.replace("description", "# description")},
        ("deploy.toml", 19, "functions.main.description", "OWN is not set"),
    ),
    "an unknown key": (
        {"team": 'defalts = "x"\n' + TEAM},
        ("team.toml", 1, "defalts", 'did you mean "defaults"?'),
    ),
    "both folders": (
        {"deploy": 'folder_id = "b1x"\n' + MAIN},
        ("deploy.toml", 1, "folder_id", "[cloud] folder_id is set too"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_mistake_between_files(tmp_path: Path, kind: str) -> None:
    texts, (file, line, key, rule) = WRONG[kind]
    reported = found(tmp_path, **texts)
    if kind == "the main file":  # the file that includes it is in the same folder
        reported = reported[:1]
    if kind == "a variable of another file":  # it is also reported as unused
        reported = [one for one in reported if one[2] != "variables.OWN"]
    assert [one[:3] for one in reported] == [(file, line, key)], reported
    assert rule in reported[0][3]


def test_a_mistake_of_a_file_stops_no_run_of_another_file(tmp_path: Path) -> None:
    path = files(tmp_path, inner=INNER.replace('D = "inner"', 'D = "${NOPE}"'), team=TEAM + 'select = ["nope"]\n')
    functions = load_for_run(path, {}).functions
    assert {key: len(spec.mistakes) for key, spec in functions.items()} == {
        "main": 0, "team": 0, "inner": 1, "inner-two": 1,
    }  # fmt: skip


def test_a_file_that_stands_by_itself_is_a_main_file_too(tmp_path: Path) -> None:
    path = files(tmp_path, team=f"{TEAM}[defaults]\n".replace("[defaults.environment]", "[defaults]\nruntime = 'php82'\nmemory = '1GB'\nentrypoint = 'a.b'\n[defaults.environment]").replace("[defaults]\n", "", 0).removesuffix("[defaults]\n"), inner=INNER.replace(', "big"', ""))  # fmt: skip
    manifest = load(path.parent / "team.toml", {})
    assert {key: spec.folder_id for key, spec in manifest.functions.items()} == {
        "team": "b1team", "inner": "b1own", "inner-two": "b1team",
    }  # fmt: skip
    assert manifest.jobs["of-team"].functions is None


def test_the_folder_of_an_environment_goes_over_that_of_the_main_file(tmp_path: Path) -> None:
    main = MAIN.replace('[cloud]\nfolder_id = "b1g"\n', "").replace("[variables]", 'folder_id = "b1top"\n[variables]')
    main += '[environments.prod]\ncloud = { folder_id = "b1prod" }\n'
    folders = {name: read(tmp_path, name, deploy=main).functions["main"].folder_id for name in ("", "prod")}
    assert folders == {"": "b1top", "prod": "b1prod"}


def test_a_survey_has_all_files(tmp_path: Path) -> None:
    result: Survey = survey(files(tmp_path), {})
    assert [path.name for path in result.manifest.files] == ["deploy.toml", "team.toml", "inner.toml"]
