"""[each.*]: one table for many functions, its placeholders, and the places of its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ManifestError
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import load, load_for_run, survey
from orchestrator.manifest.origins.of_function import origins_of
from orchestrator.model import Manifest, SourceCode
from tests.unit.manifest.test_tables import HEAD

FOLDERS = ("functions/beta", "functions/alpha", "functions/old", "more/gamma")


def tree(folder: Path) -> None:
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "functions" / "README.md").touch()


def read(folder: Path, text: str, environ: dict[str, str] | None = None, environment: str = "") -> Manifest:
    tree(folder)
    path = folder / "deploy.toml"
    path.write_text(f"{HEAD}{text}", "utf-8")
    return load(path, environ or {}, ManifestChoice(environment))


def source_of(manifest: Manifest, key: str) -> str:
    code = manifest.functions[key].code
    assert isinstance(code, SourceCode)
    return str(code.source.relative_to(manifest.path.parent))


def test_a_function_for_each_folder(tmp_path: Path) -> None:
    text = """[each.api]
folders = ["functions/*", "more/*", "!functions/old"]
name = "api-{folder}"
source = "{path}"
environment = { NAME = "{folder} of {{folder}}", "V_{folder}" = "{other} {", ZONE = "${ZONE}" }
labels = { team = "{folder}" }
"""
    manifest = read(tmp_path, text, {"ZONE": "{folder}"})
    assert list(manifest.functions) == ["api-alpha", "api-beta", "api-gamma"]
    spec = manifest.functions["api-gamma"]
    assert (spec.name, source_of(manifest, "api-gamma"), spec.labels) == ("api-gamma", "more/gamma", {"team": "gamma"})
    assert spec.settings.environment == {"NAME": "gamma of {folder}", "V_gamma": "{other} {", "ZONE": "{folder}"}
    assert (Path(spec.place.file).name, spec.place.line) == ("deploy.toml", 8)


def test_one_glob_and_the_name_of_the_folder(tmp_path: Path) -> None:
    assert list(read(tmp_path, '[each.a]\nfolders = "functions/*"\nsource = "{path}"\n').functions) == [
        "alpha", "beta", "old",
    ]  # fmt: skip


def test_a_function_for_each_name_and_for_each_row(tmp_path: Path) -> None:
    text = """[each.one]
names = ["one-a", "one-b"]
source = "functions/alpha"
description = "{name}"
[each.two]
name = "two-{name}"
source = "functions/{name}"
environment = { LEVEL = "info", NAME = "{name}" }
rows = [
  { name = "alpha", memory = "2GB" },
  { name = "beta", environment = { LEVEL = "{name}" }, without = ["environment.NAME"] },
]
"""
    functions = read(tmp_path, text).functions
    assert list(functions) == ["one-a", "one-b", "two-alpha", "two-beta"]
    assert [functions[key].settings.description for key in ("one-a", "one-b")] == ["one-a", "one-b"]
    alpha, beta = functions["two-alpha"].settings, functions["two-beta"].settings
    assert (alpha.memory_bytes >> 20, alpha.environment) == (2048, {"LEVEL": "info", "NAME": "alpha"})
    assert (beta.memory_bytes >> 20, beta.environment) == (1024, {"LEVEL": "beta"})
    assert functions["two-beta"].place.line == 18


def test_layers_of_a_generated_function(tmp_path: Path) -> None:
    """[defaults], templates, [each], its row, its own table, the environment's."""
    text = """[defaults.environment]
A = "d"
[templates.t.environment]
A = "t"
B = "t"
[each.x]
use = ["t"]
version_id = "v"
environment = { A = "e", B = "e", C = "e" }
rows = [{ name = "fun", environment = { B = "r", C = "r", D = "r" } }]
[functions.fun]
environment = { C = "f", D = "f", E = "f" }
[environments.prod.functions.fun.environment]
D = "p"
"""
    settings = read(tmp_path, text.replace("[defaults.environment]", "[defaults.environment]"), environment="prod")
    assert settings.functions["fun"].settings.environment == {"A": "e", "B": "r", "C": "f", "D": "p", "E": "f"}
    assert settings.functions["fun"].place.line == 18
    found = survey(tmp_path / "deploy.toml", {}, choice=ManifestChoice("prod"))
    origins = {one.key: one for one in origins_of(found, "fun")}
    assert {key: (one.table, one.place.line if one.place else 0) for key, one in origins.items() if "env" in key} == {
        "environment.A": ("each.x", 16),
        "environment.B": ("each.x.rows[0]", 17),
        "environment.C": ("functions.fun", 19),
        "environment.D": ("environments.prod.functions.fun", 21),
        "environment.E": ("functions.fun", 19),
    }


# ruff: noqa: E501 - one row a line
# [each.x] without what makes its functions, that, the key, a piece of the rule; `# <-` marks the line
WRONG = [
    ("[each.x] # <-\nsource = '.'\n", "each.x", "needs one of folders, names, rows"),
    ("[each.x] # <-\nfolder = 'functions/*'\n", "each.x", 'did you mean "folders"?'),
    ("[each.x]\nnames = ['a']\nrows = [{ name = 'b' }] # <-\n", "each.x.rows", "only one of folders, names, rows"),
    ("[each.x]\nfolders = 'function/*' # <-\n", "each.x.folders", 'matches no folder; did you mean "functions"?'),
    ("[each.x]\nfolders = ['functions/*', 'functions/*.md'] # <-\nsource = '.'\n", "each.x.folders[1]", "matches no folder"),
    ("[each.x]\nfolders = ['functions/*', '!functions/new'] # <-\nsource = '.'\n", "each.x.folders[1]", "matches no folder to exclude"),
    ("[each.x]\nfolders = [] # <-\n", "each.x.folders", "must be a glob, or a list of globs, and not empty"),
    ("[each.x]\nnames = 'a' # <-\n", "each.x.names", "must be a list of names"),
    ("[each.x]\nrows = ['a'] # <-\n", "each.x.rows", "must be a list of tables"),
    ("[each.x]\nrows = [{ memory = '1GB' }] # <-\n", "each.x.rows[0].name", "is required, a string"),
    ("[each.x]\nnames = ['abc']\nname = 3 # <-\n", "each.x.name", "must be a string"),
    ("[each.x]\nnames = ['a-${X}'] # <-\n", "each.x.names[0]", "it cannot contain a variable"),
    ("[each.x]\nrows = [{ name = 'a-${X:-b}' }] # <-\n", "each.x.rows[0].name", 'name = "{name}-${ORCHESTRATOR_ENV}"'),
    ("[each]\nx = 3 # <-\n", "each.x", "must be a table"),
    ("each = 3 # <-\n", "each", "must be a table"),
    ("[each.x]\nnames = ['abc']\nsource = '{path}' # <-\n", "each.x.source", "`names` has {name}"),
    ("[each.x]\nfolders = 'functions/*'\ntags = ['a-{name}'] # <-\n", "each.x.tags[0]", "`folders` has {folder} and {path}"),
    ("[each.x]\nnames = ['abc', 'abd']\nsource = '.'\nmemry = '1GB' # <-\n", "each.x.memry", "(concerns abc, abd)"),
    ("[each.x]\nnames = ['abc', 'abd']\nsource = '.'\nmemory = '1MB' # <-\n", "each.x.memory", "(concerns abc, abd)"),
    ("[each.x]\nnames = ['abc']\nsource = '.'\nconcurrency = 4 # <-\nruntime = 'php82'\n", "each.x.concurrency", "php82"),
    ("[each.x]\nnames = ['abc']\nsource = '${NOPE}' # <-\n", "each.x.source", "NOPE is not set"),
    ("[each.x]\nnames = ['abc']\nsource = 'functions/{name}' # <-\n", "each.x.source", "does not exist (concerns abc)"),
    ("[each.x] # <-\nnames = ['Abc']\nsource = '.'\n", "each.x", "or give the function a `name`"),
    ("[each.x]\nnames = ['abc']\nuse = ['t'] # <-\nsource = '.'\n", "each.x.use[0]", "there is no [templates.t]"),
    ("[each.x]\nsource = '.'\nrows = [\n  { name = 'abc', memory = '1MB' }, # <-\n]\n", "each.x.rows[0].memory", "from"),
    (
        "[each.x]\nnames = ['abc']\nsource = '.'\n[each.y] # <-\nnames = ['abc']\nsource = '.'\n",
        "each.y",
        "generates abc, which each.x (",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("table", "key", "rule"), WRONG, ids=[f"{row[1]}-{n}" for n, row in enumerate(WRONG)])
def test_a_mistake_stands_where_it_is_written(tmp_path: Path, table: str, key: str, rule: str) -> None:
    tree(tmp_path)
    text = f"{table}{HEAD}" if table.startswith("each") else f"{HEAD}{table}"
    (tmp_path / "deploy.toml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "deploy.toml", {})
    (found,) = caught.value.mistakes
    line = next(number for number, one in enumerate(text.split("\n"), 1) if "# <-" in one)
    assert (found.line, found.key) == (line, key), found
    assert rule in found.rule


def test_a_mistake_of_one_generated_function_stops_no_run_of_another(tmp_path: Path) -> None:
    tree(tmp_path)
    path = tmp_path / "deploy.toml"
    path.write_text(f'{HEAD}[each.x]\nnames = ["alpha", "nowhere"]\nsource = "functions/{{name}}"\n')
    functions = load_for_run(path, {}).functions
    assert [len(functions[key].mistakes) for key in ("alpha", "nowhere")] == [0, 1]


def test_a_function_that_another_file_has_is_named_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text('\n[functions.alpha]\nversion_id = "x"\n')
    path = tmp_path / "deploy.toml"
    path.write_text(f'include = ["team.toml"]{HEAD}[each.x]\nnames = ["alpha"]\nversion_id = "x"\n')
    with pytest.raises(ManifestError) as caught:
        load(path, {})
    (found,) = caught.value.mistakes
    assert (Path(found.file).name, found.line, found.key) == ("team.toml", 2, "functions.alpha")
    assert found.rule.endswith(("deploy.toml:9", "deploy.toml:8"))


@pytest.mark.parametrize(
    ("kind", "keys"),
    [("names = ['one']", ["one"]), ("rows = [{ name = 'one' }]", ["one"]), ("folders = 'functions/old'", ["old"])],
)
def test_a_function_whose_name_holds_a_variable_is_selected_without_it(
    tmp_path: Path, kind: str, keys: list[str]
) -> None:
    tree(tmp_path)
    placeholder = "{folder}" if "folders" in kind else "{name}"
    table = f'[each.x]\n{kind}\nname = "{placeholder}-${{ORCHESTRATOR_ENV}}"\nversion_id = "x"\n[environments.dev]\n'
    made = read(tmp_path, table, environment="dev").functions
    assert [(key, spec.name) for key, spec in made.items()] == [(key, f"{key}-dev") for key in keys]


def test_folders_of_an_included_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "team" / "src" / "one").mkdir(parents=True)
    (tmp_path / "team" / "team.toml").write_text('[each.x]\nfolders = "src/*"\nsource = "{path}"\n')
    path = tmp_path / "deploy.toml"
    path.write_text(f'include = ["team/team.toml"]{HEAD}')
    manifest = load(path, {})
    assert source_of(manifest, "one") == "team/src/one"


def test_a_folder_called_like_a_variable_is_none(tmp_path: Path) -> None:
    (tmp_path / "src" / "a${B}").mkdir(parents=True)
    text = '[each.x]\nfolders = "src/*"\nsource = "{path}"\nname = "fun"\ndescription = "{folder}"\n'
    assert read(tmp_path, text).functions["fun"].settings.description == "a${B}"
