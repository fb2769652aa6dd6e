"""Mistakes outside of a run cannot stop it: they stay with the functions and jobs that have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import ManifestError
from orchestrator.job.binding import bind
from orchestrator.job.inventory import inventory
from orchestrator.manifest.findings import require_sound
from orchestrator.manifest.load import Survey, load, load_for_run, survey
from orchestrator.model import Build, SourceCode
from orchestrator.model.live_state import LiveState
from orchestrator.planning.selection import select
from tests.unit.manifest.test_tables import HEAD, JOB

GOOD = '[functions.good]\nversion_id = "x"\nlabels = { team = "a" }\n'
TWO = f'{HEAD}{GOOD}[functions.bad]\nlabels = {{ team = "b" }}\n'


def read(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Survey:
    path = folder / "deploy.toml"
    path.write_text(text)
    return survey(path, environ or {})


# Keys of [functions.bad] besides its labels, and how many of its lines are wrong.
OF_ONE_FUNCTION = {
    "a source that is not there": ('source = "nowhere"\n', 1),
    "a file that is not there": ('source = "."\nfiles = { lib = "nowhere" }\n', 1),
    "a folder of a build that is not there": ('source = "."\nbuild = { command = "make", folder = "nowhere" }\n', 1),
    "a variable that is not set": ('version_id = "x"\nenvironment = { A = "${NOPE}" }\n', 1),
    "a variable in a list": ('version_id = "x"\ntags = ["a", "${NOPE}"]\n', 1),
    "a template that is not there": ('version_id = "x"\nuse = ["nope"]\n', 1),
    "a mistake of its template": ('version_id = "x"\nuse = ["t"]\n[templates.t]\nmemory = "${NOPE}"\n', 1),
    "a template that does not fit": ('version_id = "x"\nuse = ["t"]\n[templates.t]\ntmpfs_size = "8GB"\n', 1),
    "no code": ("", 1),
    "a wrong value": ('version_id = "x"\nmemory = "1MB"\ntimeout = "soon"\n', 2),
    "an unknown key": ('version_id = "x"\nmemry = "1GB"\n', 1),
    "another function's name": ('version_id = "x"\nname = "good"\n', 1),
    "it is defined twice": ('version_id = "x"\n', 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", OF_ONE_FUNCTION)
def test_a_mistake_of_one_function_stops_no_run_without_it(tmp_path: Path, kind: str) -> None:
    text, count = OF_ONE_FUNCTION[kind]
    if kind == "it is defined twice":
        (tmp_path / "more.toml").write_text("[functions.bad]\n")
        text = f"{TWO}{text}".replace("[cloud]", 'include = ["more.toml"]\n[cloud]')
        found = read(tmp_path, text)
    else:
        found = read(tmp_path, TWO + text)
    manifest = load_for_run(tmp_path / "deploy.toml", {})
    assert (len(found.mistakes), found.general) == (count, ())
    require_sound(select(manifest, ["good"]).values())
    for everything in ([], ["bad"], ["*"]):
        with pytest.raises(ManifestError) as caught:
            require_sound(select(manifest, everything).values())
        assert caught.value.mistakes == found.mistakes
    with pytest.raises(ManifestError) as caught:  # `validate` reports it anyway
        load(tmp_path / "deploy.toml", {})
    assert caught.value.mistakes == found.mistakes


def test_a_disabled_function_stops_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, f'{TWO}enabled = false\nsource = "${{NOPE}}"\n')
    require_sound(select(found.manifest).values())
    assert [mistake.key for mistake in found.mistakes] == ["functions.bad.source"]
    assert not found.manifest.functions["bad"].enabled


@pytest.mark.parametrize("same", ['name = "same"\n', 'id = "d4e"\n'])
def test_of_two_tables_for_one_function_the_disabled_one_is_wrong(tmp_path: Path, same: str) -> None:
    old = f'[functions.old]\nversion_id = "x"\nenabled = false\n{same}'
    found = read(tmp_path, f'{HEAD}{old}[functions.new]\nversion_id = "x"\n{same}')
    require_sound(select(found.manifest).values())
    (mistake,) = found.mistakes
    assert mistake.key == f"functions.old.{same[: same.index(' ')]}"


OF_NOBODY = {
    "a variable of an unused template": '[templates.t]\nmemory = "${NOPE}"\n',
    "a wrong value of one": '[templates.t]\nmemory = "1MB"\n',
    "an unknown key of one": "[templates.t]\nmemry = 1\n",
    "a template that uses another": '[templates.t]\nuse = ["x"]\n',
    "a job's variable": f'{JOB}select = ["${{NOPE}}"]\n',
}


@pytest.mark.parametrize("kind", OF_NOBODY)
def test_what_nobody_uses_stops_nothing(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, f"{HEAD}{GOOD}{OF_NOBODY[kind]}")
    assert (len(found.mistakes), found.general) == (1, ())
    require_sound(select(found.manifest).values())


OF_EVERYBODY = {
    "an unknown table": "[template.x]\n",
    "a wrong limit": "[limits]\nreserve = 99\n",
    "a job's key": f'{JOB}schedule = "0 3"\n',
    "a job without `run`": '[jobs.x]\nselect = ["a"]\n',
    "a function that is no table": "[functions]\nbad = 3\n",
}


@pytest.mark.parametrize("kind", OF_EVERYBODY)
def test_what_is_wrong_in_general_stops_every_run_with_all_that_is_wrong(tmp_path: Path, kind: str) -> None:
    more = '[functions.more]\nsource = "nowhere"\n'
    found = read(tmp_path, f"{HEAD}{GOOD}{more}{OF_EVERYBODY[kind]}")
    assert len(found.general) == 1
    with pytest.raises(ManifestError) as caught:
        load_for_run(tmp_path / "deploy.toml", {})
    assert caught.value.mistakes == found.mistakes
    assert len(found.mistakes) == 2


def test_a_default_is_part_of_every_function(tmp_path: Path) -> None:
    found = read(tmp_path, f'{HEAD}description = "${{NOPE}}"\n{GOOD}')
    assert found.general == ()
    with pytest.raises(ManifestError):
        require_sound(select(found.manifest, ["good"]).values())


def test_a_folder_that_nobody_names_is_reported_for_the_functions_of_the_run(tmp_path: Path) -> None:
    text = TWO.replace('folder_id = "b1g"\n', "") + 'version_id = "x"\nfolder_id = "b1h"\n'
    found = read(tmp_path, f'{text}[functions.more]\nversion_id = "x"\n')
    require_sound(select(found.manifest, ["bad"]).values())
    with pytest.raises(ManifestError) as caught:
        require_sound(select(found.manifest, ["bad", "more"]).values())
    assert caught.value.mistakes[0].rule.endswith("(concerns more)")
    assert found.mistakes[0].rule.endswith("(concerns good, more)")


LABELS = {  # written in [functions.bad] → whether a run of other labels is stopped
    'source = "nowhere"\n': False,
    'memory = "1MB"\nversion_id = "x"\n': False,
    'version_id = "x"\nlables = { team = "a" }\n': True,
    'version_id = "x"\nlabels.ring = "${NOPE}"\n': True,
}


@pytest.mark.parametrize("line", LABELS)
def test_a_function_whose_labels_cannot_be_reported_is_not_left_out_unseen(tmp_path: Path, line: str) -> None:
    text = f"{HEAD}{GOOD}[functions.bad]\n{line}" + ("" if "labels" in line else 'labels = { team = "b" }\n')
    chosen = select(read(tmp_path, text).manifest, (), ["team=a"])
    assert set(chosen) == ({"good", "bad"} if LABELS[line] else {"good"})


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ('source = "nowhere"\n', True),
        ('version_id = "x"\nname = "${NOPE}"\n', False),
        ('version_id = "x"\nfolder_id = "${NOPE}"\n', False),
        ('version_id = "x"\nfolder_id = "b1other"\nname = "${NOPE}"\n', True),
    ],
)
def test_a_job_over_a_folder_must_know_which_live_functions_are_disabled(
    tmp_path: Path, line: str, *, reported: bool
) -> None:
    manifest = read(tmp_path, f"{TWO}enabled = false\n{line}").manifest
    if reported:
        assert inventory(manifest, LiveState(), ["b1g"]) == ()
        return
    with pytest.raises(ManifestError):
        inventory(manifest, LiveState(), ["b1g"])


def test_a_job_whose_variable_is_not_set_cannot_run_while_others_can(tmp_path: Path) -> None:
    text = f'{HEAD}{GOOD}{JOB}select = ["${{NOPE}}"]\n[jobs.other]\nrun = "mass_redeploy"\n'
    manifest = read(tmp_path, text).manifest
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert bind(manifest, "other", {}, now).name == "other"
    with pytest.raises(ManifestError, match="1 mistake"):
        bind(manifest, "nightly", {}, now)


BUILT = 'build = { command = "make", folder = "." }\n'


@pytest.mark.parametrize("line", ['source = "dist"\n', 'source = "."\nfiles = { lib = "dist/lib" }\n'])
def test_what_a_build_is_to_make_need_not_be_there(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, f"{HEAD}[functions.fun]\n{line}{BUILT}")
    assert (found.mistakes, found.manifest.warnings) == ((), ())
    code = found.manifest.functions["fun"].code
    assert isinstance(code, SourceCode)
    assert code.build == Build("make", tmp_path)
    (of_the_source,) = read(tmp_path, f"{HEAD}[functions.fun]\n{line}").mistakes
    assert "does not exist" in of_the_source.rule


def test_where_a_build_runs_must_be_said_if_its_source_is_not_there_yet(tmp_path: Path) -> None:
    found = read(tmp_path, f'{HEAD}[functions.fun]\nsource = "dist"\nbuild = {{ command = "make" }}\n')
    code = found.manifest.functions["fun"].code
    assert isinstance(code, SourceCode)
    assert code.build == Build("make", tmp_path)
    (warning,) = found.manifest.warnings
    assert "deploy.toml:10: functions.fun.build: has no folder" in warning


@pytest.mark.parametrize(
    ("command", "doubtful"),
    [
        ("mkdir -p dist && cp index.py dist/", True),
        ("tsc --outDir=dist", True),
        ("npm run build", False),
        ("npm run build-dist", False),
        ("make dist.zip", False),
    ],
)
def test_a_build_that_runs_in_what_it_makes_is_doubted(tmp_path: Path, command: str, *, doubtful: bool) -> None:
    (tmp_path / "dist").mkdir()
    text = f"{HEAD}[functions.fun]\nsource = 'dist'\nbuild = {{ command = '{command}' }}\n"
    warnings = read(tmp_path, text).manifest.warnings
    assert ["which its command names; add `folder`" in warning for warning in warnings] == ([True] if doubtful else [])


def test_a_build_runs_in_a_folder_that_is_there(tmp_path: Path) -> None:
    found = read(tmp_path, f'{HEAD}[functions.fun]\nsource = "out/dist/app.zip"\nbuild = {{ command = "make" }}\n')
    code = found.manifest.functions["fun"].code
    assert isinstance(code, SourceCode)
    assert code.build == Build("make", tmp_path)
